# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write where people read which fields of GKE there are: ``python tests/fields_page.py``.

Writes docs/gke-fields.md and the options of role gke_cluster from the tables of fields. A unit test fails while they
differ.
"""

from __future__ import annotations

import re
import sys
import textwrap
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "gke-fields.md"
SPEC = ROOT / "roles" / "gke_cluster" / "meta" / "argument_specs.yml"
BEGIN, END = "# made by python tests/fields_page.py: {}", "# end of what it made"

_HEAD = """# Fields of GKE clusters

Made by `python tests/fields_page.py` from `plugins/module_utils/_model/providers/google/fields.py`; do not edit.

Each field is a variable of the host, or of a group. What the inventory says is compared with the cluster, and changed
where it differs. What it does not say is left alone, on the clusters that this collection made and on those that it
adopted. Pools of an adopted cluster are compared only where `gke_node_pools` names them: without it the variables of
pools change nothing there. A new pool has secure boot and integrity monitoring, unless the inventory says otherwise.
A run makes one change of a cluster at a time, in the order of the tables.

What "in place" says of a change:

- **yes**: Google makes it.
- **new nodes**: Google replaces the nodes of the pool, one after another; for a field of a cluster those of all its
  pools, also of pools that the inventory does not name. The run refuses it, unless `gke_recreate_nodes` is true and
  `gke_upgrade` makes new nodes before it takes old ones away.
- **yes, but**: Google makes it. The nodes of a zone that leaves end, with their pods, so the run refuses that unless
  `gke_recreate_nodes` is true.
- **on only**: it can be switched on, never off.
- **a new pool**: the run refuses it, with the field's name. Name another pool in `gke_node_pools`, and delete the old
  one when the new one runs.
- **a new cluster**: the run refuses it, with the field's name.

Autopilot clusters have no pools: a variable of pools is refused there, as is every field that Google decides there.
With an istiod of ours an Autopilot cluster is made, and changed, so that its pods may have NET_ADMIN
(`gke_allow_net_admin`).

"""
_TAIL = """## Any other field

`gke_cluster_fields` and `gke_pool_fields` (in `gke_node_pools`: `fields`) take any further field of Google's
[Cluster](https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters) and
[NodePool](https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.nodePools):

```yaml
gke_cluster_fields:
  verticalPodAutoscaling: {enabled: true}
  binaryAuthorization: {evaluationMode: PROJECT_SINGLETON_POLICY_ENFORCE}
gke_pool_fields:
  config:
    minCpuPlatform: Intel Ice Lake
    kubeletConfig: {podPidsLimit: "4096"}
```

`preflight` compares them with Google's discovery document, and names each field that it does not have, that has
another type, that only Google writes, or that has a variable above. What is said is compared and changed as any other
field; which call changes it follows from the document too.

A change of a field of a standard cluster that is passed on may make Google replace the nodes of all pools. Only for
those of the control plane, of pods that Google adds, of nodes to come, and for tags it is known not to. The run refuses
all others, as "new nodes" above: unless `gke_recreate_nodes` is true, and the pools make new nodes first.

Of NodeLocal DNSCache, [image streaming](https://cloud.google.com/kubernetes-engine/docs/how-to/image-streaming) and
[Confidential GKE Nodes](https://cloud.google.com/kubernetes-engine/docs/how-to/confidential-gke-nodes) Google says so;
of network policies the CIS benchmark for GKE ("a rolling update of all cluster nodes"); of intranode visibility
[Tenable's policy AC_GCP_0231](https://tenable.com/policies/cloud-security/AC_GCP_0231). All others of "new nodes" count
as such to be on the safe side.

Of a standard cluster with node auto-provisioning (`autoscaling: {enableNodeAutoprovisioning: true}`) this is also how
to say what nodes have that Google makes by itself: `autoscaling.autoprovisioningNodePoolDefaults` and
`nodePoolAutoConfig`. They get the fleet's network tag, as those of pools do.

Two kinds count for a new cluster or pool alone, and are never compared: versions (`initialClusterVersion` of a
cluster, `version` of a pool), which may be aliases such as `latest` or `"1.34"`, and for which the release channel
decides later; and fields that Google takes and does not keep ("input only").
"""


def _tables() -> t.Any:
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google import fields, variables

    return fields, variables


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def in_place(field: t.Any, pool: bool) -> str:
    if not field.call:
        return "a new pool" if pool else "a new cluster"
    if field.path == "locations":
        return "yes, but"
    return "on only" if field.once else "new nodes" if field.recreates else "yes"


def render() -> str:
    """The page, as it should be."""
    fields, _variables = _tables()
    lines = [_HEAD.rstrip(), ""]
    sections = (("Of a cluster", "a cluster", fields.CLUSTER_FIELDS), ("Of a node pool", "a pool", fields.POOL_FIELDS))
    for title, what, table in sections:
        pool = table is fields.POOL_FIELDS
        more = (
            " Each variable is the default of all pools; as a key of `gke_node_pools` it has no `gke_` before it."
            if pool
            else ""
        )
        lines += [f"## {title}", "", f"In Google's words a field of {what}, in Terraform's of "
                  f"`google_container_{'node_pool' if pool else 'cluster'}`.{more}", ""]  # fmt: skip
        lines += [_row("ours", "Google's", "Terraform's", "meaning", "default", "in place", "Autopilot")]
        lines += ["|---|---|---|---|---|---|---|"]
        seen = set()
        for field in table:
            if field.path + field.name in seen:
                continue
            seen.add(field.path + field.name)
            ours = f"`{field.name}` of a pool" if field.alone else f"`gke_{field.name}`"
            meaning = field.description
            choices = field.wire.choices
            if choices:
                meaning += (
                    f" {'Any' if field.wire.type == 'list' else 'One'} of {', '.join(f'`{c}`' for c in choices)}."
                )
            mode = "no" if pool else "only" if not field.standard else "yes" if field.autopilot else "no"
            lines.append(
                _row(
                    ours,
                    f"`{field.path}`",
                    f"`{field.terraform}`",
                    meaning,
                    field.variable.default_text,
                    in_place(field, pool),
                    mode,
                )
            )
        lines.append("")
    lines += ["## Fields with rules of their own", "", "docs/variables.md says what they mean.", ""]
    lines += [_row("ours", "Google's", "Terraform's", "in place"), "|---|---|---|---|"]
    for row in fields.BY_HAND:
        ours = f"`{row.name}`" if row.name.startswith(("gke_", "cluster_")) else f"`{row.name}` of a pool"
        lines.append(_row(ours, f"`{row.path}`" if row.path else "none", f"`{row.terraform}`", row.in_place))
    return "\n".join([*lines, "", _TAIL])


def _option(name: str, variable: t.Any, indent: int, *, elements: str) -> list[str]:
    pad = " " * indent
    lines = [f"{pad}{name}:", f"{pad}  type: {variable.type}"]
    if variable.type == "list":
        lines.append(f"{pad}  elements: {elements}")
    if variable.choices:
        lines.append(f"{pad}  choices: [{', '.join(variable.choices)}]")
    lines.append(f"{pad}  description:")
    for text in (variable.description, f"Default: {variable.default_text or 'none'}."):
        # What has brackets is no value of a macro.
        marked = re.sub(r"`([-\w./]+)`", r"V(\1)", text).replace("`", "")
        wide = textwrap.wrap(marked, 120, break_long_words=False, break_on_hyphens=False)
        lines += [f"{pad}    - >-", *(f"{pad}      {line}" for line in wide)]
    return lines


def spec() -> str:
    """The specification of the role, as it should be."""
    fields, variables = _tables()
    dicts = ("maintenance_exclusions", "gpus")
    found = SPEC.read_text(encoding="utf-8")
    own = [v for v in variables.GKE if v.name in variables.WRITTEN]
    main = [
        line
        for v in (*variables.FIELDS, *own)
        for line in _option(v.name, v, 6, elements="dict" if v.name.removeprefix("gke_") in dicts else "str")
    ]
    pool = [
        line
        for field in fields.POOL_FIELDS
        for line in _option(field.name, field.variable, 10, elements="dict" if field.name in dicts else "str")
    ]
    for name, indent, lines in (("variables", 6, main), ("keys", 10, pool)):
        first, last = " " * indent + BEGIN.format(name), " " * indent + END
        head, rest = found.split(f"{first}\n", 1)
        tail = rest.split(f"{last}\n", 1)[1]
        found = "\n".join([f"{head}{first}", *lines, f"{last}\n{tail}"])
    return found


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    SPEC.write_text(spec(), encoding="utf-8")
