# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events as controllers write them: what is said again is counted in the Event that said it first."""

from __future__ import annotations

import datetime
import typing as t

from .behind import Behind, Kind
from .kinds import EVENT

__all__ = ["Teller"]

Json = dict[str, t.Any]


class Teller:
    """The Events of one controller."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.said: dict[tuple[str, str, str, bool], tuple[str, int]] = {}
        """Name and count of an Event by uid, reason, message and whether it warns."""

    def tell(self, behind: Behind, kind: Kind, obj: Json, reason: str, message: str, *, bad: bool = False) -> None:
        meta = obj["metadata"]
        key = (meta["uid"], reason, message, bad)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name, count = self.said.get(key, ("", 0))
        again = {"count": count + 1, "lastTimestamp": now}
        if name and behind.merge(EVENT, name, meta["namespace"], again):
            self.said[key] = (name, count + 1)
            return
        involved = {"apiVersion": kind.api, "kind": kind.name, "namespace": meta["namespace"]}
        made = behind.create(
            EVENT,
            {
                "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
                "involvedObject": {**involved, "name": meta["name"], "uid": meta["uid"]},
                "type": "Warning" if bad else "Normal",
                "reason": reason,
                "message": message,
                "source": {"component": self.component},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        if made:
            self.said[key] = (str(made["metadata"]["name"]), 1)
