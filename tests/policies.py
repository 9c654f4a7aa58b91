# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets and traffic policies that hypothesis draws: every key that a policy may have, in every combination."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies

__all__ = ["BREAKER", "REVIEWS", "fleets", "live", "raw_policies", "sound"]

Values = dict[str, t.Any]

REVIEWS: Values = {
    "service": "reviews.shop",
    "from": ["west"],
    "split": [
        {"weight": 75, "cluster": "east", "labels": {"version": "v3"}},
        {"weight": 15, "cluster": "west", "labels": {"version": "v1"}},
        {"weight": 10, "cluster": "west", "labels": {"version": "v2"}},
    ],
}
"""Three quarters of the calls to v3 in another cluster, 15 and 10 percent to v1 and v2 of the callers' own."""
BREAKER: Values = {
    "service": "sample-producer.sample",
    "timeout": "2s",
    "breaker": {"connections": 1, "pending": 1, "errors": 1, "interval": "1s", "ejection": "3m"},
}
"""A call that hangs ends, and a producer that answers by errors gets no calls for a while."""

NAMES = ("west", "east", "south", "edge")
REGIONS = ("us-west1", "us-east1", "eu-west4")
RETRY_ON = (
    "5xx", "cancelled", "connect-failure", "deadline-exceeded", "gateway-error", "internal", "refused-stream", "reset",
    "reset-before-request", "resource-exhausted", "retriable-4xx", "unavailable",
)  # fmt: skip
METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
SERVICES = ("reviews.shop", "reviews.shop.global", "orders.shop")


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """One to four clusters: some primaries, perhaps a remote, on one network or several, in regions."""
    count = draw(st.integers(1, 4))
    hosts: dict[str, Values] = {}
    for number, name in enumerate(NAMES[:count]):
        host: Values = {"cluster_provider": "kubeconfig", "cluster_region": draw(st.sampled_from(REGIONS))}
        if draw(st.booleans()):
            host["cluster_zone"] = f"{host['cluster_region']}-a"
        host["mesh_network"] = draw(st.sampled_from(["flat", "flat", "per_cluster", "third"]))
        if number and draw(st.integers(0, 2)) == 0:
            host |= {"mesh_role": "remote", "mesh_primary": NAMES[0]}
        hosts[name] = host
    return read_fleet(hosts)


def lengths() -> st.SearchStrategy[str]:
    return st.sampled_from(["1ms", "250ms", "1s", "1.5s", "90s", "1m30s", "2h"])


def shares() -> st.SearchStrategy[float]:
    return st.sampled_from([0, 0.1, 33.3, 100])


def weights(draw: st.DrawFn, parts: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=parts - 1, max_size=parts - 1)))
    return [high - low for low, high in zip([0, *cuts], [*cuts, 100], strict=True)]


def labels() -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from(
        [{"version": "v1"}, {"version": "v2"}, {"track": "v2"}, {"version": "v1", "Tier": "A_1"}, {"x": ""}]
    )


@st.composite
def subsets(draw: st.DrawFn, clusters: t.Sequence[str]) -> Values:
    found: Values = {}
    if draw(st.booleans()):
        found["cluster"] = draw(st.sampled_from(clusters))
    if draw(st.booleans()):
        found["labels"] = draw(labels())
    return found


@st.composite
def rules(draw: st.DrawFn, fleet: Fleet) -> Values:
    """Any of the rules that a policy and a route may have."""
    clusters = list(fleet.clusters)
    places = sorted({cluster.region for cluster in fleet.clusters.values()})
    zones = sorted({f"{cluster.region}/{cluster.zone}" for cluster in fleet.clusters.values() if cluster.zone})
    found: Values = {}
    if draw(st.booleans()):
        parts = draw(st.lists(subsets(clusters), min_size=1, max_size=3, unique_by=repr))
        shares_ = weights(draw, len(parts))
        found["split"] = [{"weight": weight, **part} for weight, part in zip(shares_, parts, strict=True)]
    if draw(st.booleans()):
        found["timeout"] = draw(lengths())
    if draw(st.booleans()):
        found["retries"] = draw(
            st.one_of(
                st.just({"attempts": 0}),
                st.fixed_dictionaries(
                    {"attempts": st.integers(1, 5)},
                    optional={
                        "per_try": st.sampled_from(["1ms", "20ms"]),
                        "retry_on": st.lists(st.sampled_from(RETRY_ON), max_size=6, unique=True),
                        "other_localities": st.booleans(),
                    },
                ),
            )
        )
    ejects = draw(st.booleans())
    if ejects:
        found["breaker"] = draw(
            st.fixed_dictionaries(
                {"errors": st.integers(1, 9)},
                optional={
                    "kind": st.sampled_from(["5xx", "gateway", "local"]),
                    "interval": lengths(),
                    "ejection": lengths(),
                    "share": st.integers(1, 99),
                    "connections": st.integers(1, 2**31 - 1),
                    "pending": st.integers(1, 9),
                    "requests": st.integers(1, 9),
                },
            )
        )
    elif draw(st.booleans()):
        found["breaker"] = draw(st.sampled_from([{"connections": 7}, {"pending": 2}, {"requests": 2, "pending": 1}]))
    choice = draw(st.integers(0, 3))
    if choice == 1:
        order = st.lists(st.sampled_from(clusters), min_size=1, max_size=2, unique=True)
        regions = st.lists(st.sampled_from(places), min_size=1, max_size=2, unique=True)
        found["failover"] = draw(
            st.one_of(
                st.sampled_from(["nearest", "none"]),
                st.fixed_dictionaries({"clusters": order}),
                st.fixed_dictionaries({"regions": regions}),
            )
        )
    elif choice == 2:
        names = draw(st.lists(st.sampled_from([*places, *zones]), min_size=1, max_size=3, unique=True))
        found["localities"] = {
            name: weight for name, weight in zip(names, weights(draw, len(names)), strict=True) if weight
        }
    if draw(st.booleans()):
        keys = st.sampled_from([{"delay": "1s"}, {"abort": 503}, {"delay": "20ms", "abort": 404}])
        found["fault"] = {**draw(keys), "share": draw(shares())}
    if draw(st.integers(0, 2)) == 0:
        found["mirror"] = {**draw(subsets(clusters)), "labels": draw(labels()), "share": draw(shares())}
    if draw(st.integers(0, 2)) == 0:
        ways = [{"header": "x-user"}, {"address": True}, {"cookie": "s"}, {"cookie": "s", "ttl": "90s", "path": "/a"}]
        found["affinity"] = draw(st.sampled_from(ways))
    return found


@st.composite
def routes(draw: st.DrawFn, fleet: Fleet) -> Values:
    exact = {"x-user": {"exact": "ann"}}
    headers = st.sampled_from([{"x-user": "ann"}, exact, {"x-user": {"prefix": "a"}, "x-b": {"regex": "b+"}}])
    found: Values = draw(
        st.fixed_dictionaries(
            {"path": st.sampled_from(["/", "/api/", "/a_b%20c"])},
            optional={
                "headers": headers,
                "method": st.lists(st.sampled_from(METHODS), min_size=1, max_size=2, unique=True),
                "rewrite": st.sampled_from(["/", "/v2/"]),
            },
        )
    )
    taken_back = draw(st.sampled_from([{}, {"breaker": {}, "failover": "none"}, {"split": []}, {"fault": {}}]))
    return {**found, **draw(rules(fleet)), **taken_back}


@st.composite
def raw_policies(draw: st.DrawFn, fleet: Fleet) -> list[Values]:
    """Some policies as a person writes them; those of one service are for different callers."""
    clusters = list(fleet.clusters)
    found = []
    services = draw(st.lists(st.sampled_from(SERVICES), min_size=1, max_size=2, unique=True))
    for service in services:
        apart = draw(st.booleans())
        callers = [clusters[0::2], clusters[1::2]] if apart else [draw(st.sampled_from([None, clusters]))]
        for own in callers:
            if own != []:
                policy: Values = {"service": service, **({"from": own} if own else {}), **draw(rules(fleet))}
                if f"{service}.global" not in services and draw(st.integers(0, 2)) == 0:
                    policy["global"] = True
                if draw(st.booleans()):
                    policy["routes"] = draw(st.lists(routes(fleet), min_size=1, max_size=2))
                found.append(policy)
    return found


@st.composite
def sound(draw: st.DrawFn) -> tuple[Fleet, list[Policy]]:
    """A fleet, and those of some policies about which nothing is wrong."""
    fleet = draw(fleets())
    read, _problems = read_policies(draw(raw_policies(fleet)), fleet.clusters)
    good = [policy for policy in read if not lint(fleet, [policy]).problems]
    return fleet, good


def live(clusters: t.Iterable[str], service: str = "reviews", namespace: str = "shop") -> dict[str, list[Values]]:
    """By cluster a Service with pods v1 and v2, and their namespace, as an API server returns them."""
    metadata = {"name": service, "namespace": namespace}
    ports = [{"name": "http", "port": 9080, "protocol": "TCP", "targetPort": 8080}]
    spec = {"selector": {"app": service}, "ports": ports}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "name": f"{service}-{v}", "labels": {"app": service, "version": v}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "proxyv2"}]},
        }
        for v in ("v1", "v2")
    ]
    made = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"istio-injection": "enabled"}},
    }
    return {
        name: [made, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, *pods]
        for name in clusters
    }
