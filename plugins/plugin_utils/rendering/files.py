# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a cluster: one for each stage, each object in one of them, and a page that says what is in none."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.batch import phase_of
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import Object, identity
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import SECRET, LeftOut
from ansible_collections.mesh.fleet.plugins.module_utils.fast_yaml import DUMPER
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import Rendered

__all__ = ["PAGE", "STAGES", "envoy_files", "files_of", "is_file_name", "is_marked", "mark_of", "with_remedies"]

_NUMBERS = {
    "gke_fleet": 10,
    "trust": 20,
    "control_plane": 30,
    "peering": 40,
    "gateways": 50,
    "apps": 60,
    "services": 70,
    "traffic": 80,
    "federation": 85,
    "ingress": 87,
    "front_door": 90,
}
"""By stage what its file begins with. It stays the same when stages come in between: others refer to the files."""
STAGES = tuple(_NUMBERS)
"""In the order in which they are applied. Each has its number, whether this fleet has something of it or not."""
PAGE = "README.md"
_REMEDIES = {
    "trust": "run mesh.fleet.trust before the control plane starts, or let what manages your secrets write it",
    "peering": "run mesh.fleet.peering once the control planes run, and then as often as peering_run_every says",
}
"""By stage, what to do about an object that holds a secret."""
_REMEDY = "let what manages your secrets write it, such as Sealed Secrets, External Secrets or SOPS"
_MOVE = f"keep that value in a Secret to which the object refers, or {_REMEDY}"
_NAME = re.compile(r"\d\d-[a-z_]+\.yaml|README\.md|(?:bootstrap|clusters|listeners|routes-\S+|secret-\S+)\.yaml")
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*(?: [\w./-]+)*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"))
"""What YAML does not read as a text, in whatever case."""
_BINDS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Key = tuple[str, str, str, str]


def mark_of(fleet: str) -> str:
    """What is in the first line of each file of a fleet, and says whose it is."""
    return f"Written by mesh.fleet.render of fleet {fleet}: what is changed here is lost."


def is_marked(text: str, fleet: str) -> bool:
    """Whether a file is one of a fleet's. Nothing else is ever replaced or removed."""
    return text.partition("\n")[0] in _first_lines(fleet)


def _first_lines(fleet: str) -> tuple[str, str]:
    """Of a manifest, and of the page."""
    return f"# {mark_of(fleet)}", f"<!-- {mark_of(fleet)} -->"


def files_of(fleet: str, cluster: str, rendered: t.Mapping[str, Rendered]) -> dict[str, str]:
    """By name, the text of each file of a fleet's cluster; none for a cluster to which nothing is applied.

    An object that several stages apply is in the file of the first of them, as the last one applies it. One whose CRD
    is in that file too is in the file of the next one: ``kubectl apply`` would not know its kind yet.
    """
    final: dict[Key, Object] = {}
    applied_by: dict[Key, list[str]] = {}
    defined: dict[str, set[tuple[str, str]]] = {stage: set() for stage in STAGES}
    for stage in (stage for stage in STAGES if stage in rendered):
        for obj in rendered[stage].objects:
            final[identity(obj)] = obj
            stages = applied_by.setdefault(identity(obj), [])
            stages += [] if stage in stages else [stage]
            defined[stage] |= _defines(obj)
    texts: dict[str, list[Object]] = {}
    for key, obj in final.items():
        first, *later = applied_by[key]
        texts.setdefault(later[0] if later and key[:2] in defined[first] else first, []).append(obj)
    files = {
        _file_name(stage): f"{_first_lines(fleet)[0]}\n"
        + "".join(f"---\n{dumped(obj)}" for obj in sorted(texts[stage], key=_order))
        for stage in STAGES
        if stage in texts
    }
    left = {stage: with_remedies(stage, found.left_out) for stage, found in rendered.items() if found.left_out}
    if files or left:
        files[PAGE] = _page(fleet, cluster, list(files), left)
    return files


def envoy_files(fleet: str, files: t.Mapping[str, Object]) -> dict[str, str]:
    """By name, the text of each file of a front door's Envoy, and of a page about them; YAML, since JSON is."""
    first, comment = _first_lines(fleet)
    texts = {name: f"{first}\n{json.dumps(files[name], indent=1, sort_keys=True)}\n" for name in sorted(files)}
    keys = [
        f"- `{one}`: `tls.crt` and `tls.key` of Secret `{one}` go to `/etc/front-door/keys/{one}`, "
        "for the user of Envoy alone."
        for one in (name.removeprefix("secret-").removesuffix(".yaml") for name in texts if name.startswith("secret-"))
    ]
    lines = [comment, "# Front door", "", "What Envoy reads on each machine of the front door, as `/etc/front-door`:"]
    lines += ["`envoy --config-path /etc/front-door/bootstrap.yaml`. The documentation (docs/front-door.md) says how"]
    lines += ["changes are copied.", "", *(f"- `{name}`" for name in texts)]
    if keys:
        lines += ["", "## In no file", "", *keys]
    return {**texts, PAGE: "\n".join(lines) + "\n"}


def with_remedies(stage: str, left_out: t.Iterable[LeftOut]) -> list[LeftOut]:
    """What a stage leaves out, by object and once, each with what to do instead."""
    found = {
        left.object: left
        if left.instead or not left.why.startswith(SECRET)
        else dataclasses.replace(left, instead=_remedy(stage, left))
        for left in left_out
    }
    return [found[name] for name in sorted(found)]


def _remedy(stage: str, left: LeftOut) -> str:
    return _REMEDIES.get(stage, _REMEDY) if left.why == SECRET else _MOVE


def is_file_name(name: str) -> bool:
    """Whether a file of that name may be one of these."""
    return bool(_NAME.fullmatch(name))


def _file_name(stage: str) -> str:
    return f"{_NUMBERS[stage]}-{stage}.yaml"


def _defines(obj: Object) -> set[tuple[str, str]]:
    spec = obj.get("spec") or {}
    is_crd = obj["kind"] == "CustomResourceDefinition"
    return {(str(spec.get("group")), str((spec.get("names") or {}).get("kind")))} if is_crd else set()


def _order(obj: Object) -> tuple[t.Any, ...]:
    """What others need comes first, whatever order tasks recorded it in."""
    return phase_of(obj), obj["kind"] != "Namespace", *identity(obj)


def _page(fleet: str, cluster: str, files: t.Sequence[str], left: t.Mapping[str, t.Sequence[LeftOut]]) -> str:
    lines = [_first_lines(fleet)[1], f"# {cluster}", ""]
    lines += [
        "What mesh.fleet would apply to this cluster. Its documentation (docs/gitops.md) says how these files are"
    ]
    lines += ["applied, and in which order over all clusters.", "", *(f"- `{name}`" for name in files)]
    if left:
        lines += ["", "## In no file", ""]
        lines += [
            f"- {stage}: {one.object}: {one.why}. Instead: {one.instead}."
            for stage in STAGES
            for one in left.get(stage) or ()
        ]
    return "\n".join(lines) + "\n"


class _Dumper(DUMPER):  # type: ignore[misc]
    """Writes texts so that every reader of YAML, 1.1 or 1.2, reads them as texts."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _text(dumper: t.Any, value: str) -> t.Any:
    if "\n" in value and not _BINDS.search(value):
        style = "|"  # which the dumper gives up where it cannot hold the text, as with a blank at a line's end
    elif _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        style = ""
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dumped(obj: Object) -> str:
    """The YAML of an object, always the same for the same object."""
    text: str = yaml.dump(
        obj, Dumper=_Dumper, sort_keys=True, allow_unicode=False, default_flow_style=False, width=1 << 20
    )
    return text
