# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each key of a policy by real calls, on whatever mesh of west and east there is.

Each service of the shop has a policy of its own, so that one run of the stage applies all. The modules that make
a mesh call these checks on it.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import pathlib
import time
import typing as t

import yaml

from .local_fleet import Fleet
from .mesh import objects
from .playbooks import changed
from .shop import Shop
from .waiting import until, until_equal

__all__ = ["CHECKS", "OF_OTHERS", "Traffic", "policies"]

Values = dict[str, t.Any]

VERSIONS = {"west": ["v1", "v2"], "east": ["v1", "v3"]}
REGIONS = {"west": "us-west1", "east": "europe-north1"}
_EARLY = 0.05
"""Seconds by which Envoy's timers may end early on a busy machine: they count from when its event loop woke up, before
it read the request (3 ms were measured with twelve busy processes on two cores)."""
_EJECTS = {"errors": 3, "interval": "1s", "ejection": "2s"}
_RETRIES = {
    "attempts": 3,
    "per_try": "400ms",
    "retry_on": ["gateway-error", "connect-failure"],
    "other_localities": True,
}


def _to(weight: int, cluster: str = "", version: str = "") -> Values:
    labels = {"labels": {"version": version}} if version else {}
    return {"weight": weight, **({"cluster": cluster} if cluster else {}), **labels}


POLICIES: dict[str, list[Values]] = {
    "split": [
        {"from": ["west"], "split": [_to(75, "east", "v3"), _to(15, "west", "v1"), _to(10, "west", "v2")]},
        {"from": ["east"], "split": [_to(60, "west"), _to(40, "", "v3")]},
    ],
    "only-west": [{"from": ["west"], "fault": {"abort": 418}, "global": True}],
    "timeout": [{"timeout": "500ms", "global": True}],
    "retries": [{"timeout": "10s", "retries": _RETRIES}],
    "once": [{"retries": {"attempts": 0}}],
    "nearest": [{"breaker": _EJECTS, "failover": "nearest", "retries": {"attempts": 0}}],
    "order": [{"breaker": _EJECTS, "failover": {"clusters": ["east"]}}],
    "regions": [{"from": ["east"], "breaker": _EJECTS, "failover": {"regions": ["us-west1"]}}],
    "anywhere": [{"breaker": _EJECTS, "failover": "none"}],
    "limits": [{"from": ["west"], "breaker": {"requests": 1}}, {"from": ["east"], "breaker": {"requests": 1}}],
    "localities": [{"localities": {"us-west1": 80, "europe-north1": 20}}],
    "abort": [{"fault": {"abort": 418, "share": 50}}],
    "delay": [{"fault": {"delay": "300ms"}}],
    "mirror": [{"split": [_to(100, "west")], "mirror": {"cluster": "east", "share": 50}}],
    "header": [{"affinity": {"header": "x-user"}}],
    "cookie": [{"affinity": {"cookie": "session", "ttl": "1h", "path": "/"}}],
    "address": [{"affinity": {"address": True}}],
    "routes": [
        {
            "split": [_to(100, "west", "v1")],
            "routes": [
                {"headers": {"x-user": "ann"}, "split": [_to(100, "east")]},
                {"path": "/api/", "method": ["GET", "POST"], "rewrite": "/", "split": [_to(100, "west", "v2")]},
                {"headers": {"x-slow": {"regex": "y.s"}}, "timeout": "300ms"},
            ],
        }
    ],
}
GLOBAL = "split.shop.global"
OF_OTHERS = "taken"
"""A service whose objects are somebody else's at first."""


def policies() -> list[Values]:
    """All policies, as ``mesh_traffic`` has them."""
    found = [{"service": f"{name}.shop", **one} for name, own in POLICIES.items() for one in own]
    return [*found, {"service": GLOBAL, "split": [_to(50, "west", "v2"), _to(50, "east")]}]


class Traffic:
    """The shop on a mesh, and its policies by the stage.

    Args:
        fleet: the fleet.
        run: runs a playbook of the fleet with more arguments; what it said.
        folder: for the file with the policies.
        same_network: whether pods of west and east reach each other without gateways.
    """

    def __init__(self, fleet: Fleet, run: t.Callable[..., str], folder: pathlib.Path, same_network: bool) -> None:
        self.fleet, self.run, self.same_network = fleet, run, same_network
        self.shop = Shop(fleet, VERSIONS, [*POLICIES, OF_OTHERS])
        self._variables = folder / "traffic.yml"

    def open(self) -> None:
        """Make the shop, and apply the policies; once more changes nothing."""
        self.shop.open()
        self.apply(policies())
        assert changed(self.apply(policies())) == 0

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[Traffic]:
        """The same for a while: what a test that failed left of the shop goes, and no later test meets it."""
        try:
            self.open()
            yield self
        finally:
            # The file's last test may have removed the clusters with all that is in them.
            if self.shop.is_open and self.fleet.containers():
                self.shop.close()

    def close(self) -> None:
        """Remove the policies, which leaves nothing of theirs, and the shop."""
        self.apply([])
        left = [one for own in objects(self.fleet).values() for one in own if "-traffic" in one]
        assert left == []
        assert "status 418" not in self.shop.counted("west", "only-west", 20)
        self.shop.close()

    def apply(self, wanted: t.Sequence[Values], *arguments: str) -> str:
        # As extra variables: group_vars of the local inventory have policies of their own.
        self._variables.write_text(yaml.safe_dump({"mesh_traffic": list(wanted)}))
        return self.run("traffic", "-e", f"@{self._variables}", *arguments)

    def states(self, cluster: str) -> list[Values]:
        """What the pods of a cluster counted."""
        return [one for version in VERSIONS[cluster] for one in self.shop.state(cluster, version)]

    def split(self, service: str, cluster: str, count: int, wanted: t.Mapping[str, float], **options: t.Any) -> str:
        """What is wrong with shares of calls; "" where nothing is.

        Each part may be five standard deviations away from its share: by chance one of a million is.

        Args:
            service: the service.
            cluster: the callers' cluster.
            count: how many calls.
            wanted: percent of the calls by ``cluster-version``, or by cluster, or by ``status N``.
            **options: of the calls.
        """
        seen = self.shop.counted(cluster, service, count, **options)
        found: collections.Counter[str] = collections.Counter()
        for where, number in seen.items():
            found[where if where in wanted else where.partition("-")[0]] += number
        for where in {*found, *wanted}:
            share = wanted.get(where, 0) / 100
            if abs(found[where] - share * count) > 5 * math.sqrt(count * share * (1 - share)):
                return f"{count} calls from {cluster} to {service} gave {seen}, declared is {dict(wanted)}"
        return ""


def splits(traffic: Traffic) -> None:
    parts = {"east-v3": 75, "west-v1": 15, "west-v2": 10}
    assert traffic.split("split", "west", 600, parts) == ""
    assert traffic.split("split", "east", 600, {"west": 60, "east-v3": 40}) == ""


def callers_of_one_cluster(traffic: Traffic) -> None:
    assert traffic.shop.counted("west", "only-west", 20) == {"status 418": 20}
    assert "status 418" not in traffic.shop.counted("east", "only-west", 20)


def a_global_name(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        assert traffic.split(GLOBAL, cluster, 300, {"west-v2": 50, "east": 50}) == ""
        served = {one.cluster for one in traffic.shop.calls(cluster, "timeout.shop.global", 60, at_once=8)}
        assert served == set(VERSIONS), "the pods of all clusters"
        assert traffic.shop.calls(cluster, "timeout.shop.global", 1, "/?wait=5")[0].status == 504


def one_address_in_all_clusters(traffic: Traffic) -> None:
    """Each global name has an address of its own, the same for callers everywhere, whoever its policy is for."""
    beside = "only-west.shop.global"
    resolved = {cluster: [traffic.shop.address(cluster, name) for name in (GLOBAL, beside)] for cluster in VERSIONS}
    assert resolved["west"] == resolved["east"]
    assert len(set(resolved["west"])) == 2
    assert all(address.startswith("240.241.") for address in resolved["west"]), resolved
    assert traffic.shop.counted("west", beside, 20) == {"status 418": 20}
    assert {one.partition("-")[0] for one in traffic.shop.counted("east", beside, 60)} <= {"west", "east"}


def a_timeout(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        (slow,) = traffic.shop.calls(cluster, "timeout", 1, "/?wait=5")
        assert (slow.status, slow.seconds < 4.5) == (504, True), slow
        assert traffic.shop.calls(cluster, "timeout")[0].status == 200


def retries(traffic: Traffic) -> None:
    """Two of four pods fail, or all of them hang: calls are repeated at others, as often as the policy says."""
    shop = traffic.shop
    for cluster in VERSIONS:
        once = shop.counted(cluster, "once", 100, "/?fail=v1")["status 503"]
        assert shop.counted(cluster, "retries", 100, "/?fail=v1").get("status 503", 0) < once / 2
        key = f"{cluster}-{time.monotonic()}"
        (answer,) = shop.calls(cluster, "retries", 1, "/?wait=2", headers={"x-count": key})
        assert answer.status == 504, answer
        assert 4 * (0.4 - _EARLY) < answer.seconds < 9, "four tries of 400 ms"
        counts = [one["counts"].get(key, 0) for where in VERSIONS for one in traffic.states(where)]
        assert sum(counts) == 4, counts


def failover(traffic: Traffic) -> None:
    """Callers prefer their own cluster; its pods fail and are ejected, the other one serves, and they come back."""
    for cluster, other in (("west", "east"), ("east", "west")):
        assert traffic.split("nearest", cluster, 40, {cluster: 100}) == ""
        failing = functools.partial(traffic.split, "nearest", cluster, 20, {other: 100}, path=f"/?fail={cluster}")
        until_equal(failing, "", f"{other} to serve callers in {cluster}, whose pods fail")
        well = functools.partial(traffic.split, "nearest", cluster, 20, {cluster: 100})
        until_equal(well, "", f"{cluster} to serve its callers again")


def orders(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        assert traffic.split("order", cluster, 40, {"east": 100}) == ""
    assert traffic.split("regions", "east", 40, {"west": 100}) == ""
    for cluster in VERSIONS:
        seen = traffic.shop.counted(cluster, "anywhere", 200, at_once=8)
        assert {one.partition("-")[0] for one in seen} == {"west", "east"}, seen


def limits(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        seen = traffic.shop.counted(cluster, "limits", 20, "/?wait=0.3", at_once=10)
        assert seen.pop("status 503") >= 9
        assert sum(seen.values()) >= 1
        assert traffic.shop.counted(cluster, "limits", 5, at_once=1).get("status 503", 0) == 0


def localities(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        assert traffic.split("localities", cluster, 400, {"west": 80, "east": 20}) == ""


def faults(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        seen = traffic.shop.counted(cluster, "abort", 200)
        assert 60 < seen["status 418"] < 140, seen
        delayed = traffic.shop.calls(cluster, "delay", 8)
        assert all(one.status == 200 and one.seconds > 0.3 - _EARLY for one in delayed), delayed


def copies(traffic: Traffic) -> None:
    for cluster in VERSIONS:
        key = f"{cluster}-{time.monotonic()}"
        assert traffic.split("mirror", cluster, 100, {"west": 100}, headers={"x-count": key}) == ""
        copied = functools.partial(_half_is_copied, traffic, key)
        until(copied, f"about half of the calls from {cluster} to be copied to east", timeout=20)


def _half_is_copied(traffic: Traffic, key: str) -> bool:
    return 25 <= sum(one["counts"].get(key, 0) for one in traffic.states("east")) <= 75


def affinities(traffic: Traffic) -> None:
    """Calls go to one pod; behind a gateway, to one cluster."""
    for cluster in VERSIONS:
        for user in ("ann", "bob", "eve"):
            _one_place(traffic, cluster, "header", {"x-user": user})
        _one_place(traffic, cluster, "address", {})
        (first,) = traffic.shop.calls(cluster, "cookie")
        cookie = first.cookie.partition(";")[0]
        assert cookie.startswith("session="), first
        assert "Max-Age=3600" in first.cookie
        _one_place(traffic, cluster, "cookie", {"cookie": cookie})


def _one_place(traffic: Traffic, cluster: str, service: str, headers: dict[str, str]) -> None:
    answers = traffic.shop.calls(cluster, service, 20, headers=headers)
    assert {one.status for one in answers} == {200}
    places = {one.cluster if one.cluster != cluster and not traffic.same_network else one.pod for one in answers}
    assert len(places) == 1, answers


def routes(traffic: Traffic) -> None:
    shop = traffic.shop
    for cluster in VERSIONS:
        assert traffic.split("routes", cluster, 20, {"west-v1": 100}) == ""
        assert traffic.split("routes", cluster, 20, {"east": 100}, headers={"x-user": "ann"}) == ""
        (answer,) = shop.calls(cluster, "routes", 1, "/api/x?q=1", method="POST")
        assert (answer.where, answer.path, answer.method) == ("west-v2", "/x?q=1", "POST")
        assert shop.calls(cluster, "routes", 1, "/api/x", method="DELETE")[0].where == "west-v1"
        assert shop.calls(cluster, "routes", 1, "/apix")[0].where == "west-v1"
        assert shop.calls(cluster, "routes", 1, "/?wait=2", headers={"x-slow": "yes"})[0].status == 504
        assert shop.calls(cluster, "routes", 1, "/?wait=1")[0].status == 200


CHECKS: tuple[t.Callable[[Traffic], None], ...] = (
    splits,
    callers_of_one_cluster,
    a_global_name,
    one_address_in_all_clusters,
    a_timeout,
    retries,
    failover,
    orders,
    limits,
    localities,
    faults,
    copies,
    affinities,
    routes,
)
