# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one return shape of all actions, whether a task touched one object or a hundred, ended well or failed.

What went wrong has two keys, both by cluster; "" stands for the whole fleet:

``problems``
    ``{cluster: [problem, ...]}``, in every result, also of a task that failed; ``{}`` when nothing went wrong.
    A problem is what :meth:`FleetError.as_dict` returns: ``what``, ``cluster``, ``object``, ``seen``, ``means``,
    ``next``, those that are known. For a problem of the inventory the object is the variable, what was seen its value.
``failures``
    ``{cluster: text}``, the same for people, from an action that runs once for the fleet and did not fail itself:
    the clusters that failed while the others were finished. The role fails each of them in its next task.
``missing``
    ``{cluster: text}``: what a cluster goes on without, such as an edge to a cluster that does not answer. It fails
    nothing yet: Ansible prints it as a warning, the callback ``stages`` repeats it at the end, and the role keeps it in
    a fact that ``playbooks/whole.yml`` reads: it fails the cluster when nothing else is left to do.

``waited``: the waits of the task that took ten seconds or more, added by ``FleetAction``; see ``waits.py``.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .errors import FleetError

__all__ = ["Change", "Errors", "as_planned", "failed_result", "result"]

Errors = t.Mapping[str, FleetError | t.Sequence[FleetError]]
"""What went wrong, by cluster; "" is the whole fleet."""

CREATED = "created"
CHANGED = "changed"
REMOVED = "removed"
UNCHANGED = "unchanged"


@dataclasses.dataclass(frozen=True)
class Change:
    """What happened (or, in check mode, would happen) to one object.

    ``before`` and ``after`` are shown by ``--diff``: secret values are masked before they get here.
    """

    cluster: str
    kind: str
    name: str
    action: str
    namespace: str = ""
    before: str = dataclasses.field(default="", repr=False)
    after: str = dataclasses.field(default="", repr=False)

    @property
    def described(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


def as_planned(changes: t.Iterable[Change], *, check: bool) -> str:
    """What a summary ends with in check mode, if something would change: it speaks of what is not there yet."""
    return " (planned)" if check and any(change.action != UNCHANGED for change in changes) else ""


def result(
    changes: t.Iterable[Change] = (),
    *,
    summary: str = "",
    with_diff: bool = True,
    with_unchanged: bool = True,
    errors: Errors | None = None,
    missing: Errors | None = None,
    warnings: t.Sequence[str] = (),
    **more: t.Any,
) -> dict[str, t.Any]:
    """Build the result of a task that did not fail.

    Args:
        changes: what was done to each object.
        summary: one line for people.
        with_diff: whether ``--diff`` was asked for.
        with_unchanged: whether objects that stayed as they were are listed. Ansible copies a result several times: of
            tens of thousands that takes seconds.
        errors: what failed on single clusters; given by an action that runs once for the fleet, also when it is empty.
        missing: what single clusters go on without, see above; each text is a warning too.
        warnings: Ansible prints them.
        more: what the action's documentation adds.

    Returns:
        ``changed``; ``msg`` (the summary); ``stage_line`` (what the ``stages`` callback shows for this
        host, or for the fleet when the task ran once); ``objects``: a list of ``{cluster, kind,
        namespace, name, action}``; ``diff``: Ansible's list of ``{before, after, before_header,
        after_header}`` for what is not unchanged; ``problems``, and with ``errors`` also ``failures``;
        ``missing`` and ``warnings`` when there are any; and ``more``.
    """
    listed = list(changes)
    touched = [c for c in listed if c.action != UNCHANGED]
    out: dict[str, t.Any] = {
        "changed": bool(touched),
        "msg": summary,
        "stage_line": summary,
        "objects": [
            {"cluster": c.cluster, "kind": c.kind, "namespace": c.namespace, "name": c.name, "action": c.action}
            for c in (listed if with_unchanged else touched)
        ],
        "problems": _problems(errors or {}, missing or {}),
    }
    if with_diff and touched:
        out["diff"] = [
            {
                "before": c.before,
                "after": c.after,
                "before_header": f"{c.cluster} {c.described}",
                "after_header": f"{c.cluster} {c.described} ({c.action})",
            }
            for c in touched
        ]
    if errors is not None:
        out["failures"] = _texts(errors)
    if missing:
        out["missing"] = _texts(missing)
        texts = (str(error) for found in missing.values() for error in _listed(found))
        warnings = [*warnings, *dict.fromkeys(texts)]
    if warnings:
        out["warnings"] = list(warnings)
    return {**out, **more}


def failed_result(errors: Errors, *, msg: str, **more: t.Any) -> dict[str, t.Any]:
    """Build the result of a task that failed: ``failed``, ``msg``, ``problems``, and ``more``."""
    return {"failed": True, "changed": False, "msg": msg, "problems": _problems(errors), **more}


def _problems(*all_errors: Errors) -> dict[str, list[dict[str, str]]]:
    problems: dict[str, list[dict[str, str]]] = {}
    for errors in all_errors:
        for cluster, found in errors.items():
            problems.setdefault(cluster, []).extend(error.as_dict() for error in _listed(found))
    return problems


def _texts(errors: Errors) -> dict[str, str]:
    return {cluster: "\n".join(map(str, _listed(found))) for cluster, found in errors.items()}


def _listed(found: FleetError | t.Sequence[FleetError]) -> t.Sequence[FleetError]:
    return [found] if isinstance(found, FleetError) else found
