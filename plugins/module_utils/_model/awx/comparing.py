# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an object of AWX is as a list says, so that modules of awx.awx are started for the others alone.

A list's entry has the options of a module; an object is what AWX's API answers (version 24). Where they cannot be
compared the object counts as different: the module then asks AWX itself, and finds nothing to change.
"""

from __future__ import annotations

import json
import typing as t

__all__ = ["is_as_wanted"]

Data = t.Mapping[str, t.Any]

_NOT_COMPARED = frozenset(("awx_when", "update_secrets", "organization", "name"))
"""Not of the object, or what it was found by."""


def is_as_wanted(wanted: Data, there: Data | None, more: t.Mapping[str, t.Sequence[Data]]) -> bool:
    """Whether nothing has to be done.

    Args:
        wanted: the entry of a list.
        there: the object of this name, or None.
        more: what AWX answered for further URLs of the object, by URL: its survey, and lists of what belongs to it.
    """
    if there is None:
        return False
    return all(_same(name, value, there, more) for name, value in wanted.items() if name not in _NOT_COMPARED)


def _same(name: str, value: t.Any, there: Data, more: t.Mapping[str, t.Sequence[Data]]) -> bool:
    further = more.get(f"{there['url']}{name}/")
    if name == "survey_spec":
        return further is not None and list(further) == [value]
    if name == "workflow_nodes":
        return further is not None and _same_nodes(value, further, more)
    if further is not None:
        return sorted(one["name"] for one in further) == sorted(value)
    if name == "credentials":
        return sorted(one["name"] for one in there["summary_fields"].get(name, ())) == sorted(value)
    if name not in there:
        return False
    found = there[name]
    if isinstance(found, int) and not isinstance(found, bool) and isinstance(value, str):
        summary = there["summary_fields"].get(name) or {}
        return bool(summary.get("name") == value)
    if isinstance(value, t.Mapping) and isinstance(found, str):
        return bool(_json(found) == value)
    return bool(found == value)


def _json(text: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _same_nodes(wanted: t.Sequence[Data], nodes: t.Sequence[Data], more: t.Mapping[str, t.Sequence[Data]]) -> bool:
    """What each node starts, and after which one. An approval's text and time are in an object of its own."""
    by_id = {one["id"]: one["identifier"] for one in nodes}
    found = {one["identifier"]: one for one in nodes}
    if set(found) != {one["identifier"] for one in wanted} or len(nodes) != len(wanted):
        return False
    for node in wanted:
        there, target = found[node["identifier"]], node["unified_job_template"]
        following = {one["identifier"] for one in (node.get("related") or {}).get("success_nodes", ())}
        if {by_id.get(number) for number in there["success_nodes"]} != following:
            return False
        if there["failure_nodes"] or there["always_nodes"]:
            return False
        (starts,) = more.get(there["related"].get("unified_job_template") or "", [{}])
        kept = ("name", "description", "timeout") if target["type"] == "workflow_approval" else ("name",)
        if any(starts.get(key) != target.get(key) for key in kept):
            return False
    return True
