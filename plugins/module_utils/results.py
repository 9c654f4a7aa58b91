# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one return shape, whether a task touched one object or a hundred."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ["Change", "result"]

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


def result(
    changes: t.Iterable[Change] = (), *, summary: str = "", with_diff: bool = True, **more: t.Any
) -> dict[str, t.Any]:
    """Build a task result.

    Returns:
        ``changed``; ``msg`` (the summary); ``stage_line`` (what the ``stages`` callback shows for this
        host, or for the fleet when the task ran once); ``objects``: a list of ``{cluster, kind,
        namespace, name, action}``; ``diff``: Ansible's list of ``{before, after, before_header,
        after_header}`` for what is not unchanged; and whatever ``more`` adds.
    """
    listed = list(changes)
    touched = [c for c in listed if c.action != UNCHANGED]
    out: dict[str, t.Any] = {
        "changed": bool(touched),
        "msg": summary,
        "stage_line": summary,
        "objects": [
            {"cluster": c.cluster, "kind": c.kind, "namespace": c.namespace, "name": c.name, "action": c.action}
            for c in listed
        ],
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
    out.update(more)
    return out
