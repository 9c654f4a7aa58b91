# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of the walk-through, made by a command in a caller's pod, and what came of each."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import typing as t

from .objects import URL

__all__ = ["Call", "Order", "calls_of", "command", "counted", "ejected", "errors_in", "gap"]

WAIT_MS = 15_000
"""How long a caller waits for an answer by itself; policies end calls earlier."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What a caller is to do. Times in seconds.

    Args:
        count: so many calls for each of ``headers``, side by side; 0: one after the other, until the end comes.
        headers: a dictionary for each kind of call.
        delay: what the producer is asked to wait before it answers.
        every: the time from the beginning of one call to that of the next.
        last: the end comes when so many calls in a row were answered with 200 by one of ``by``.
        by: names of clusters.
        seen: and when of each of these groups of clusters one has answered.
        most: the end comes at last after this time.
    """

    count: int = 0
    headers: tuple[t.Mapping[str, str], ...] = ({},)
    delay: float = 0
    every: float = 0.05
    last: int = 10
    by: tuple[str, ...] = ()
    seen: tuple[tuple[str, ...], ...] = ()
    most: float = 60


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: when it began (by the pod's clock), how long it took, and what answered."""

    at: float
    seconds: float
    status: int
    cluster: str
    version: str
    problem: str
    user: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def end(self) -> float:
        return self.at + self.seconds


_PROGRAM = """
import concurrent.futures as futures, json, sys, time
sys.path.insert(0, "/app")
from exchange import call
order = json.loads(sys.argv[1])
def one(headers):
    at, began = time.time(), time.monotonic()
    got = call("POST", order["url"], {"delay": order["delay_ms"]}, order["wait_ms"], headers)
    answer = got.get("answer") or {}
    problem = (got.get("problem") or {}).get("what") or str(answer.get("text", ""))
    return [at, time.monotonic() - began, got["status"], answer.get("cluster", ""), answer.get("version", ""),
            problem[:200], headers.get("x-user", "")]
def ended(rows):
    row = rows[-order["last"]:]
    far = len(row) == order["last"] and all(r[2] == 200 and r[3] in order["by"] for r in row)
    who = {r[3] for r in rows if r[2] == 200}
    return far and all(who & set(group) for group in order["seen"])
rows, begin, is_ended = [], time.monotonic(), bool(order["count"])
if order["count"]:
    wanted = [headers for headers in order["headers"] for _ in range(order["count"])]
    with futures.ThreadPoolExecutor(min(20, len(wanted))) as pool:
        rows = list(pool.map(one, wanted))
while not is_ended and time.monotonic() - begin < order["most"]:
    began = time.monotonic()
    rows.append(one(order["headers"][0]))
    is_ended = ended(rows)
    time.sleep(max(0, began + order["every"] - time.monotonic()) if not is_ended else 0)
print(json.dumps({"ended": is_ended, "calls": rows}))
"""


def command(order: Order) -> list[str]:
    """The command for a pod of the sample program; it prints what :func:`calls_of` reads."""
    said = {
        "url": URL,
        "count": order.count,
        "headers": [dict(headers) for headers in order.headers],
        "delay_ms": round(order.delay * 1000),
        "wait_ms": WAIT_MS,
        "every": order.every,
        "last": order.last,
        "by": list(order.by),
        "seen": [list(group) for group in order.seen],
        "most": order.most,
    }
    return ["python3", "-B", "-c", _PROGRAM, json.dumps(said)]


def calls_of(printed: str) -> tuple[list[Call], bool]:
    """The calls, and whether the end came as ordered and not by time. Raises ValueError."""
    found = json.loads(printed)
    return [Call(*row) for row in found["calls"]], bool(found["ended"])


def counted(calls: t.Iterable[Call]) -> dict[str, int]:
    """How many calls each cluster answered with 200, the most first."""
    return dict(collections.Counter(call.cluster for call in calls if call.ok).most_common())


def errors_in(calls: t.Iterable[Call]) -> dict[str, int]:
    """How often what went wrong, in words such as ``500 from west``."""
    found: collections.Counter[str] = collections.Counter()
    for call in calls:
        if not call.ok:
            where = f" from {call.cluster}" if call.cluster else f": {call.problem}" if call.problem else ""
            found[f"{call.status or 'no answer'}{where}"] += 1
    return dict(found.most_common())


def gap(calls: t.Sequence[Call], before: t.Collection[str], after: t.Collection[str]) -> float | None:
    """Seconds from the last good answer of one set of clusters to the first one of another; None if one lacks."""
    ends = [call.end for call in calls if call.ok and call.cluster in before]
    begins = [call.end for call in calls if call.ok and call.cluster in after]
    if not ends or not begins:
        return None
    later = [one for one in begins if one > max(ends)]
    return min(later) - max(ends) if later else None


def ejected(clusters_page: str) -> list[str]:
    """Addresses of the producer that a proxy has ejected, by its own page ``clusters``."""
    host = URL.split("/")[2].split(":")[0]
    line = rf"^outbound\|[^:]*\|{re.escape(host)}\.svc\.[^:]*::(\S+?)::health_flags::\S*failed_outlier_check"
    return list(dict.fromkeys(re.findall(line, clusters_page, flags=re.MULTILINE)))
