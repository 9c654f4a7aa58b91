# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What callers notice of policies: 100 requests a second while pods go, a node freezes, and policies change.

It makes a fleet of its own, two clusters on this machine, on one network and then on two (``NETWORKS``: ``flat``,
``per_cluster`` or both, with a comma), and removes it. Callers are in west and call a service with pods in both.

- ``pods_gone``: west's pods to zero, and back. How many calls failed, and after how long only the other side answered.
- ``node_frozen``: callers prefer east, whose node is paused by the engine, and goes on.
- ``changed``: each policy of ``CHANGES`` takes the place of the one before it, by the stage; the last one is none.
- ``unchanged``: seconds of the stage with 100 policies that are there already.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

# The path has to be set first.
from tests.e2e.local_fleet import CACHE, Fleet
from tests.e2e.shop import Shop
from tests.e2e.waiting import until

Values = dict[str, t.Any]

FLEET = os.environ.get("MESH_FLEET_NAME", "bench-traffic")
RATE = 100
"""Requests a second."""
SERVICE = "reviews.shop"
MANY = 100

WITH_RETRIES: Values = {
    "timeout": "10s",
    "retries": {
        "attempts": 3,
        "per_try": "2s",
        "retry_on": ["connect-failure", "refused-stream", "reset", "gateway-error", "unavailable", "cancelled"],
        "other_localities": True,
    },
    "breaker": {"errors": 5, "interval": "1s", "ejection": "5s"},
}
"""The third example of docs/traffic.md, with pods ejected for a shorter time."""


def _to(weight: int, cluster: str, version: str = "") -> Values:
    return {"weight": weight, "cluster": cluster, **({"labels": {"version": version}} if version else {})}


CHANGES: dict[str, Values | None] = {
    "split": {"split": [_to(50, "west", "v1"), _to(50, "east", "v3")]},
    "other split": {"split": [_to(30, "west", "v2"), _to(70, "east", "v1")]},
    "split and retries": {"split": [_to(50, "west"), _to(50, "east")], **WITH_RETRIES},
    "timeout": {"timeout": "5s"},
    "retries": {"timeout": "10s", "retries": WITH_RETRIES["retries"]},
    "breaker": {"breaker": {"connections": 100, "pending": 100, "requests": 1000, "errors": 5}},
    "nearest": {**WITH_RETRIES, "failover": "nearest"},
    "order": {**WITH_RETRIES, "failover": {"clusters": ["east"]}},
    "none": {**WITH_RETRIES, "failover": "none"},
    "localities": {"localities": {"us-west1": 50, "europe-north1": 50}},
    "mirror": {"mirror": {"cluster": "east", "share": 50}},
    "affinity": {"affinity": {"header": "x-user"}},
    "routes": {"routes": [{"path": "/", "split": [_to(100, "west", "v2")]}]},
    "delay": {"fault": {"delay": "10ms"}},
    "for west": {"from": ["west"], "split": [_to(100, "east", "v3")], **WITH_RETRIES},
    "removed": None,
}

_LOAD = """
import asyncio, json, sys, threading, time
host, rate = sys.argv[1], float(sys.argv[2])
ask = f"GET / HTTP/1.1\\r\\nhost: {host}\\r\\nx-user: ann\\r\\nconnection: close\\r\\n\\r\\n".encode()
async def one():
    began, status, where, why, writer = time.time(), 0, "", "no answer", None
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(host, 8080)
            writer.write(ask)
            head, _, body = (await reader.read()).partition(b"\\r\\n\\r\\n")
        status = int(head.split()[1]) if head else 0
        if status == 200: where = json.loads(body)["cluster"]
        elif status: why = f"{status} {body[:100].decode()}"
    except (OSError, ValueError, TimeoutError) as error: why = repr(error)
    if writer: writer.close()
    print(json.dumps([round(began, 3), round(time.time() - began, 3), status, where, why]), flush=True)
async def main():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    began, sent, calls = time.monotonic(), 0, set()
    while not ended.is_set():
        due = int((time.monotonic() - began) * rate)
        for _ in range(due - sent):
            call = asyncio.create_task(one())
            calls.add(call)
            call.add_done_callback(calls.discard)
        sent = max(sent, due)
        await asyncio.sleep(0.005)
    await asyncio.gather(*calls)
asyncio.run(main())
"""


class Call(t.NamedTuple):
    """One call: when it began (seconds of the epoch), how long it took, its status (0: none), who answered, or why."""

    began: float
    seconds: float
    status: int
    cluster: str
    why: str


class Load:
    """Calls at a steady rate, as long as it is entered."""

    def __init__(self, shop: Shop, cluster: str) -> None:
        self.calls: list[Call] = []
        self._shop, self._cluster = shop, cluster

    def __enter__(self) -> Load:
        path = self._shop.fleet.state / "kubeconfigs" / f"{self._cluster}.yaml"
        argv = [str(CACHE / "bin" / "kubectl"), "--kubeconfig", str(path), "-n", self._shop.namespace, "exec", "-i"]
        argv += ["deploy/caller", "--", "python3", "-c", _LOAD, SERVICE, str(RATE)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: len(self.calls) > RATE, "calls to be made")
        return self

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.calls.append(Call(*json.loads(line)))

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._reader.join()
        self._process.wait()

    def since(self, moment: float) -> list[Call]:
        return sorted(call for call in list(self.calls) if call.began >= moment)

    def until_served_by(self, cluster: str, moment: float) -> float:
        """Seconds from a moment until the last second of calls was answered by a cluster alone."""

        def served() -> bool:
            last = [call for call in self.since(moment) if call.began > time.time() - 1.5]
            return len(last) > RATE / 2 and {call.cluster for call in last} == {cluster}

        until(served, f"{cluster} to serve", timeout=120)
        return self.first_of(cluster, moment)

    def first_of(self, cluster: str, moment: float) -> float:
        """Seconds from a moment until a cluster gave its first answer."""
        answered = [call.began + call.seconds for call in self.since(moment) if call.cluster == cluster]
        return round(min(answered) - moment, 2)

    def last_of_others(self, cluster: str, moment: float) -> float:
        """Seconds from a moment until the last call began that another cluster answered, or nobody."""
        others = [call.began for call in self.since(moment) if call.cluster != cluster]
        return round(max([moment, *others]) - moment, 2)

    def summary(self) -> Values:
        took = sorted(call.seconds for call in self.calls)
        failed = collections.Counter(call.why for call in self.calls if call.status != 200)
        return {
            "calls": len(took),
            "failed": sum(failed.values()),
            **({"why": dict(failed)} if failed else {}),
            "p99_seconds": took[int(len(took) * 0.99)],
            "slowest_seconds": took[-1],
        }


class Bench:
    """A fleet with the shop."""

    def __init__(self, network: str, folder: Path) -> None:
        self.fleet = Fleet(FLEET)
        self.fleet.network = network
        many = [f"app{number}" for number in range(MANY)]
        self.shop = Shop(self.fleet, {"west": ["v1", "v2"], "east": ["v1", "v3"]}, ["reviews", *many])
        self._variables = folder / "traffic.yml"

    def apply(self, policies: t.Sequence[Values]) -> float:
        """Apply policies by the stage; how many seconds it took."""
        # As extra variables: group_vars of the local inventory have policies of their own.
        self._variables.write_text(yaml.safe_dump({"mesh_traffic": list(policies)}))
        began = time.monotonic()
        self.fleet.play("traffic", "-e", f"@{self._variables}")
        return round(time.monotonic() - began, 2)

    def pods_gone(self) -> Values:
        self.apply([{"service": SERVICE, **WITH_RETRIES, "failover": "nearest"}])
        with Load(self.shop, "west") as load:
            load.until_served_by("west", time.time())
            gone = time.time()
            for version in ("v1", "v2"):
                self.shop.kubectl("west", "scale", f"deployment/reviews-{version}", "--replicas=0")
            load.until_served_by("east", gone)
            far, last = load.first_of("east", gone), load.last_of_others("east", gone)
            back = time.time()
            for version in ("v1", "v2"):
                self.shop.scale("west", version, 1)
            ready = time.time()
            load.until_served_by("west", ready)
            near = load.last_of_others("west", ready)
        return {
            **load.summary(),
            "first_answer_of_far_side_seconds": far,
            "only_far_side_seconds": last,
            "pods_back_seconds": round(ready - back, 2),
            "only_near_side_after_ready_seconds": near,
        }

    def node_frozen(self) -> Values:
        self.apply([{"service": SERVICE, **WITH_RETRIES, "failover": {"clusters": ["east"]}}])
        with Load(self.shop, "west") as load:
            load.until_served_by("east", time.time())
            frozen = time.time()
            self.fleet.ask_engine("pause", self.fleet.container("east"))
            try:
                far = load.until_served_by("west", frozen)
                last = load.last_of_others("west", frozen)
            finally:
                self.fleet.ask_engine("unpause", self.fleet.container("east"))
            back = time.time()
            load.until_served_by("east", back)
            near = load.last_of_others("east", back)
        return {
            **load.summary(),
            "first_answer_of_far_side_seconds": far,
            "only_far_side_seconds": last,
            "preferred_side_again_seconds": near,
        }

    def changed(self) -> Values:
        self.apply([])
        found: Values = {}
        with Load(self.shop, "west") as load:
            for name, policy in CHANGES.items():
                began = time.time()
                seconds = self.apply([] if policy is None else [{"service": SERVICE, **policy}])
                failed = [call for call in load.since(began) if call.status != 200]
                found[name] = {"seconds": seconds, "failed": len(failed)}
                say(f"changed to {name}: {seconds} s, {len(failed)} failed")
        return {**load.summary(), "changes": found}

    def unchanged(self) -> Values:
        each = {**WITH_RETRIES, "failover": "nearest"}
        split = {"split": [_to(80, "west"), _to(20, "east", "v3")], "timeout": "5s"}
        policies = [{"service": f"app{number}.shop", **(split if number % 2 else each)} for number in range(MANY)]
        first = self.apply(policies)
        again = [self.apply(policies) for _time in range(3)]
        removed = self.apply([])
        return {"first_seconds": first, "unchanged_seconds": statistics.median(again), "removed_seconds": removed}


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def measure(network: str) -> Values:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        bench = Bench(network, Path(folder))
        bench.fleet.clear()
        stack.callback(bench.fleet.clear)
        for stage in ("clusters", "trust", "control_plane", "peering", "gateways"):
            bench.fleet.play(stage)
        bench.shop.open()
        found: Values = {}
        for name in ("pods_gone", "node_frozen", "changed", "unchanged"):
            found[name] = getattr(bench, name)()
            say(f"{network} {name}: {found[name]}")
        return found


def main() -> None:
    networks = os.environ.get("NETWORKS", "flat,per_cluster").split(",")
    print(json.dumps({network: measure(network) for network in networks}))


if __name__ == "__main__":
    main()
