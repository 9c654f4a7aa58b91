# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program by which a probe makes many calls of one service, at a bounded rate."""

from __future__ import annotations

import json
import typing as t

__all__ = ["series_command"]

_SERIES = """
import itertools, json, sys, threading, time
sys.path.insert(0, "/app")
from exchange import request
given = json.loads(sys.argv[1])
began, lock, numbers, found = time.monotonic(), threading.Lock(), itertools.count(), {}
due = began
def ended(status, answered, text, at):
    latency = round((time.monotonic() - at) * 1000, 1)
    with lock:
        kind = found.setdefault((status, answered), {"status": status, "answered": answered, "text": text, "ms": []})
        kind["ms"].append(latency)
def work():
    global due
    while True:
        with lock:
            # What slow answers have held up is not made up for by more requests at once.
            number, begin = next(numbers), max(due, time.monotonic())
            due = begin + 1 / given["rate"]
        if number >= given["count"] or begin > began + given["seconds"]:
            return
        time.sleep(max(0.0, begin - time.monotonic()))
        at = time.monotonic()
        try:
            status, said, body = request("GET", given["url"], None, given["timeout_ms"], given["headers"])
        except Exception as error:
            ended(0, False, f"{type(error).__name__}: {error}"[:200], at)
            continue
        answered = "x-envoy-upstream-service-time" in said
        ended(status, answered, "" if answered else str(body)[:200], at)
threads = [threading.Thread(target=work) for number in range(given["side_by_side"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(list(found.values())))
"""


def series_command(
    url: str,
    headers: t.Mapping[str, str],
    *,
    count: int,
    rate: float,
    side_by_side: int,
    timeout_ms: int,
    seconds: float,
) -> list[str]:
    """A command for a pod of the sample program: GET requests, and a JSON list of how they ended.

    Each kind of end has ``status`` (0: no answer), ``answered`` (by a pod, and not by the sidecar itself: only then
    there is a time that Envoy measured), ``text`` of the first one that no pod answered, and ``ms`` of each.

    Args:
        url: what is called.
        headers: of each request.
        count: how many requests.
        rate: requests in a second, at most, also after a time of slow answers.
        side_by_side: requests under way at one time, at most.
        timeout_ms: milliseconds for one request.
        seconds: no request begins later.
    """
    given = {
        "url": url,
        "headers": dict(headers),
        "count": count,
        "rate": rate,
        "side_by_side": side_by_side,
        "timeout_ms": timeout_ms,
        "seconds": seconds,
    }
    return ["python3", "-B", "-c", _SERIES, json.dumps(given)]
