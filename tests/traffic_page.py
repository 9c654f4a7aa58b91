# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what a policy may say where people read it: ``python tests/traffic_page.py``.

Writes the documentation of the filter ``traffic_objects`` and the tables of docs/traffic.md from the table by which
policies are read. A unit test fails while they differ.
"""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "traffic.md"
PLUGIN = ROOT / "plugins" / "filter" / "traffic_objects.yml"
BEGIN, END = "<!-- made by python tests/traffic_page.py -->", "<!-- end of what it made -->"

_HEAD = """---
DOCUMENTATION:
  name: traffic_objects
  author: The mesh.fleet authors (@mesh-fleet)
  version_added: 0.2.0
  short_description: Policies for calls to services as objects of a cluster
  description:
    - Returns the VirtualServices, DestinationRules, ServiceEntries and Services that a cluster must hold, so that calls
      to services are as the policies say. It changes nothing.
    - Reads the fleet from the variables of the hosts of O(group). Fails with all problems of the policies at once, each
      with what would be right. What only may be wrong is a warning.
    - A remote's objects are in its primary, whose istiod configures its proxies.
    - Every object has the labels C(mesh.fleet/part-of=traffic) and C(mesh.fleet/fleet), and an annotation
      C(mesh.fleet/policy) that names the policies.
"""
_TAIL = """
EXAMPLES: |
  - name: Write the objects of each cluster to a file, for GitOps
    ansible.builtin.copy:
      content: "{{ objects | map('to_nice_yaml') | join('---\\n') }}"
      dest: "rendered/{{ inventory_hostname }}.yml"
      mode: "0644"
    delegate_to: localhost
    vars:
      objects: "{{ mesh_traffic | mesh.fleet.traffic_objects(inventory_hostname) }}"
      mesh_traffic:
        - service: reviews.shop
          from: [west]
          split:
            - {weight: 75, cluster: east, labels: {version: v3}}
            - {weight: 15, cluster: west, labels: {version: v1}}
            - {weight: 10, cluster: west, labels: {version: v2}}

  - name: Apply them, with a Service wherever the name does not resolve
    mesh.fleet.objects:
      objects: "{{ mesh_traffic | mesh.fleet.traffic_objects(inventory_hostname, live=shop_live) }}"
      prune:
        mesh.fleet/part-of: traffic
      prune_kinds:
        - networking.istio.io/v1/VirtualService
        - networking.istio.io/v1/DestinationRule
        - networking.istio.io/v1/ServiceEntry
        - v1/Service

RETURN:
  _value:
    description: The objects of the cluster, in the order of the policies; empty where it needs none.
    type: list
    elements: dict
"""


class _Indented(yaml.SafeDumper):
    """Writes lists of mappings as ansible-lint wants them: indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _fields() -> t.Any:
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic import fields

    return fields.POLICY


def plugin() -> str:
    """The filter's documentation, as it should be."""
    options = {
        "_input": {
            "description": "Policies. Of one service, there may be several for different callers.",
            "type": "list",
            "elements": "dict",
            "required": True,
            "suboptions": {option.name: option.documented() for option in _fields()},
        },
        "cluster": {"description": "The cluster, a host of O(group).", "type": "str", "required": True},
        "live": {
            "description": "By cluster, its Services, Pods and Namespaces, as C(kubernetes.core.k8s_info) returns "
            "them. With it, policies are compared with what is there; a Service is made where a name does not resolve; "
            "and a ServiceEntry is made for a global name. Leave out the clusters that could not be read.",
            "type": "dict",
        },
        "group": {"description": "The group of the fleet's clusters.", "type": "str", "default": "mesh_clusters"},
    }
    head = {"positional": "cluster, live", "options": options}
    text = yaml.dump(head, Dumper=_Indented, sort_keys=False, width=130, allow_unicode=True)
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in text.splitlines()) + _TAIL


def tables() -> str:
    """The tables of keys, as they should be."""
    lines = [BEGIN, "", "A policy:", ""]
    of_rules = {option.name for option in _fields()} - {"service", "from", "routes"}
    lines += _table(_fields())
    for option in _fields():
        if option.options:
            more = (
                " and any key of a policy but `service`, `from`, `routes` and `verify`"
                if option.name == "routes"
                else ""
            )
            rows = [one for one in option.options if one.name not in of_rules or option.name != "routes"]
            lines += ["", f"`{option.name}`{' (a list)' if option.type == 'list' else ''}{more}:", "", *_table(rows)]
    return "\n".join([*lines, "", END])


def _table(options: t.Sequence[t.Any]) -> list[str]:
    lines = ["| key | value | meaning |", "|---|---|---|"]
    for option in options:
        text = re.sub(r"[CVO]\(([^()]*)\)", r"`\1`", option.description)
        choices = f" One of {', '.join(f'`{one}`' for one in option.choices)}." if option.choices else ""
        needed = " Required." if option.required else ""
        default = f" Default: `{option.default}`." if option.default is not None else ""
        kind = {"raw": "a word or a dictionary", "str": "text", "int": "a number", "float": "a number"}
        lines.append(f"| `{option.name}` | {kind.get(option.type, option.type)} | {text}{choices}{needed}{default} |")
    return lines


def page() -> str:
    """docs/traffic.md, as it should be."""
    before, _begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + tables() + rest.partition(END)[2]


if __name__ == "__main__":
    PLUGIN.write_text(plugin(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
