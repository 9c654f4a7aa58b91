# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What callers of a front door notice when a cluster behind it fails, at 100 requests a second.

Makes a fleet of its own (``MESH_FLEET_NAME``), with the sample's producer in both clusters, and removes it. This
machine calls the front door by HTTP, each call on a connection of its own; west answers until it fails, then east:

- ``gateway_killed``: west's ingress gateway is killed and stays away, then it comes back.
- ``node_frozen``: west's node is paused by the engine, and goes on.
- ``network_cut``: west's node drops all packets of the front door, and takes them again.
- ``routes_changed``: another route comes and goes by the stage, six times.

What failed is mended only when each call that was sent meanwhile has ended: the mended cluster would answer those
that wait for it. Names of cases limit the run to them.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

# The path has to be set first.
from tests.e2e.door import HOST, ROUTE, Door
from tests.e2e.local_fleet import Fleet
from tests.e2e.waiting import until

Values = dict[str, t.Any]

FLEET = os.environ.get("MESH_FLEET_NAME", "bench-door")
RATE = 100
"""Requests a second."""
SLOW = 0.9
"""Seconds: a call that waited for a dead cluster took longer."""
MORE = {**ROUTE, "host": "more.example"}


class Call(t.NamedTuple):
    """One call: when it began (monotonic seconds), how long it took, its status (0: none), and who answered, or why."""

    began: float
    seconds: float
    status: int
    said: str


def _late(call: Call, cluster: str) -> bool:
    """Whether a call was not simply answered by a cluster: one that waits for a dead one is led on after a while."""
    return call.said != cluster or call.seconds >= SLOW


class Load:
    """Calls at a steady rate, as long as it is entered."""

    def __init__(self, address: str) -> None:
        self.calls: list[Call] = []
        self.waiting: dict[int, float] = {}
        """When each call began that has not ended."""
        self._address, self._over = address, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Load:
        self._thread.start()
        until(lambda: self.alone("west"), "west to answer")
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        began, sent, calls = time.monotonic(), 0, set[asyncio.Task[None]]()
        while not self._over.is_set():
            due = int((time.monotonic() - began) * RATE)
            for _number in range(due - sent):
                call = asyncio.create_task(self._call())
                calls.add(call)
                call.add_done_callback(calls.discard)
            sent = max(sent, due)
            await asyncio.sleep(0.005)
        await asyncio.gather(*calls)

    async def _call(self) -> None:
        began, status, said, writer = time.monotonic(), 0, "no answer", None
        number = id(asyncio.current_task())
        self.waiting[number] = began
        try:
            async with asyncio.timeout(40):
                reader, writer = await asyncio.open_connection(self._address, 80)
                writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
                head, _blank, body = (await reader.read()).partition(b"\r\n\r\n")
            status = int(head.split()[1]) if head else 0
            said = str(json.loads(body)["cluster"]) if status == 200 else body[:60].decode(errors="replace")
        except (OSError, ValueError, KeyError, TimeoutError) as error:
            said = type(error).__name__
        finally:
            if writer is not None:
                writer.close()
        self.calls.append(Call(began, time.monotonic() - began, status, said))
        del self.waiting[number]

    def since(self, moment: float) -> list[Call]:
        return sorted(call for call in list(self.calls) if call.began >= moment)

    def alone(self, cluster: str) -> bool:
        """Whether a cluster alone answered the calls of the last two seconds, and none of them waited."""
        last = self.since(time.monotonic() - 2)
        return len(last) > RATE / 2 and not any(_late(call, cluster) for call in last)

    def until_alone(self, cluster: str, moment: float) -> float:
        """Seconds from a moment until the last call began that another cluster answered, or nobody, or that waited."""
        until(lambda: self.alone(cluster), f"{cluster} alone to answer", timeout=120)
        others = [call.began for call in self.since(moment) if _late(call, cluster)]
        return round(max([moment, *others]) - moment, 2)

    def until_ended(self, moment: float) -> None:
        """Until each call that began before a moment has ended."""
        until(lambda: min(self.waiting.copy().values(), default=moment) >= moment, "calls to end", timeout=60)

    def summary(self, moment: float) -> Values:
        calls = self.since(moment)
        failed = collections.Counter(f"{call.status} {call.said}" for call in calls if call.status != 200)
        return {
            "calls": len(calls),
            "failed": sum(failed.values()),
            **({"why": dict(failed)} if failed else {}),
            "slowest_seconds": round(max(call.seconds for call in calls), 2),
        }


class Bench:
    """A fleet with a front door."""

    def __init__(self, fleet: Fleet, door: Door) -> None:
        self.fleet, self.door = fleet, door

    def fails(self, break_it: t.Callable[[], object], mend: t.Callable[[], object]) -> Values:
        """West fails under load, and comes back."""
        with Load(self.door.address) as load:
            failed = time.monotonic()
            try:
                break_it()
                load.until_alone("east", failed)
                load.until_ended(time.monotonic())
                far = load.until_alone("east", failed)
            finally:
                mend()
            back = time.monotonic()
            near = load.until_alone("west", back)
            return {**load.summary(failed), "only_east_after_seconds": far, "only_west_again_after_seconds": near}

    def gateway_killed(self) -> Values:
        return self.fails(lambda: self.door.gateway("west", 0), lambda: self.door.gateway("west", 1))

    def node_frozen(self) -> Values:
        node = self.fleet.container("west")
        return self.fails(lambda: self.fleet.ask_engine("pause", node), lambda: self.fleet.ask_engine("unpause", node))

    def network_cut(self) -> Values:
        # Between door and node alone: an engine that takes the node's network away takes its address too.
        words = ["exec", self.fleet.container("west"), "iptables", "--wait", "--table", "raw"]
        rule = ["PREROUTING", "--source", f"{self.door.address}/32", "--jump", "DROP"]

        def drop(how: str) -> str:
            return self.fleet.ask_engine(*words, how, *rule)

        return self.fails(lambda: drop("--insert"), lambda: drop("--delete"))

    def routes_changed(self) -> Values:
        with Load(self.door.address) as load:
            began = time.monotonic()
            took = []
            for routes in [[ROUTE, MORE], [ROUTE]] * 3:
                self.door.ask_for(routes)
                start = time.monotonic()
                self.fleet.play("front_door", *self.door.given)
                took.append(round(time.monotonic() - start, 1))
            return {**load.summary(began), "stage_seconds": took}


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        fleet = Fleet(FLEET)
        fleet.clear()
        stack.callback(fleet.clear)
        for stage in ("clusters", "trust", "control_plane", "peering", "gateways", "apps"):
            fleet.play(stage)
        door = Door(fleet, Path(folder))
        door.put_certificate()
        fleet.play("front_door", *door.given)
        bench, found = Bench(fleet, door), {}
        for name in sys.argv[1:] or ("gateway_killed", "node_frozen", "network_cut", "routes_changed"):
            found[name] = getattr(bench, name)()
            say(f"{name}: {found[name]}")
        print(json.dumps(found))


if __name__ == "__main__":
    main()
