# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A proxy's counters, addresses and routes, as Envoy 1.40 under istiod 1.31 wrote them."""

from __future__ import annotations

import json
import re

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import (
    COUNTED,
    Counts,
    Endpoint,
    Faults,
    ProxyRoute,
    parse_counts,
    parse_endpoints,
    parse_faults,
    parse_routes,
    upstream,
)

HOST = "reviews.shop.svc.cluster.local"
V1, V3 = upstream(8080, "west-v1", HOST), upstream(8080, "east-v3", HOST)
STATS = """cluster.outbound|8080|east-v3|reviews.shop.svc.cluster.local;.external.upstream_rq_completed: 299
cluster.outbound|8080|east-v3|reviews.shop.svc.cluster.local;.upstream_rq_completed: 299
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.internal.upstream_rq_completed: 80
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.retry.upstream_rq_completed: 30
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_completed: 153
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_retry: 30
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_timeout: 2
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_per_try_timeout: 5
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_active: 3
cluster.outbound|8080|west-v1|reviews.shop.svc.cluster.local;.upstream_rq_pending_active: 1
cluster.outbound|80||orders.shop.global.upstream_rq_completed: 7
http.outbound_0.0.0.0_8080;.fault.aborts_injected: 15
http.outbound_0.0.0.0_8080;.fault.delays_injected: 23
http.outbound_0.0.0.0_80;.fault.delays_injected: 2
"""


def test_calls_are_counted_once_and_copies_apart() -> None:
    assert parse_counts(STATS) == {
        V3: Counts(calls=299),
        V1: Counts(calls=153, copies=80, retries=30, timeouts=2, try_timeouts=5, active=3, pending=1),
        # Of an earlier Istio, without the semicolon.
        "outbound|80||orders.shop.global": Counts(calls=7),
    }
    assert parse_counts("") == {}
    assert Counts(calls=10, retries=3).since(Counts(calls=4, retries=5)) == Counts(calls=6)
    assert Counts(9, active=2).since(Counts(4, active=3, pending=1)) == Counts(5, active=2, earlier=4)


def test_faults_are_those_of_all_listeners() -> None:
    assert parse_faults(STATS) == Faults(aborts=15, delays=25)
    assert Faults(3, 4).since(Faults(1, 4)) == Faults(2, 0)


def test_every_counter_that_is_read_is_asked_for() -> None:
    names = [line.rpartition(":")[0] for line in STATS.splitlines()]
    assert [name for name in names if not re.fullmatch(COUNTED, name)] == []
    assert "," not in COUNTED, "Istio splits the annotation there"


CLUSTERS = f"""{V1}::observability_name::{V1};
{V1}::default_priority::max_connections::1024
{V1}::10.16.0.17:8080::rq_total::58
{V1}::10.16.0.17:8080::health_flags::healthy
{V1}::10.16.0.17:8080::region::us-west1
{V1}::10.16.0.17:8080::zone::us-west1-a
{V1}::10.16.0.17:8080::priority::0
{V1}::[fd00::17]:8080::rq_total::2
{V1}::[fd00::17]:8080::health_flags::/failed_outlier_check
{V1}::[fd00::17]:8080::priority::1
{V3}::added_via_api::true
outbound|8080||orders.shop.svc.cluster.local::10.16.0.18:8080::rq_total::58
"""


def test_addresses_have_their_health_and_place() -> None:
    assert parse_endpoints(CLUSTERS, {HOST}) == {
        V1: [
            Endpoint("10.16.0.17:8080", "healthy", "us-west1", "us-west1-a", 0, 58),
            Endpoint("[fd00::17]:8080", "/failed_outlier_check", "", "", 1, 2),
        ],
        V3: [],
    }
    assert not Endpoint("10.0.0.1:80", "/failed_outlier_check").is_healthy


def test_routes() -> None:
    weights = {"weighted_clusters": {"clusters": [{"name": V3, "weight": 75}, {"name": V1, "weight": 25}]}}
    retry = {"retry_on": "connect-failure,retriable-status-codes", "num_retries": 2, "per_try_timeout": "0.250s"}
    routes = [
        {"name": "route-1", "route": {"cluster": V1, "timeout": "0s"}},
        {"name": "all", "route": {**weights, "timeout": "90s", "retry_policy": retry}},
        {"name": "once", "route": {"cluster": V1, "retry_policy": {"retry_on": "reset"}}},
    ]
    hosts = [{"name": f"{HOST}:8080", "routes": routes}, {"name": "allow_any"}]
    found = parse_routes(json.dumps({"configs": [{"route_config": {"virtual_hosts": hosts}}, {}]}))
    assert found == {
        f"{HOST}:8080": [
            ProxyRoute("route-1", weights=((V1, 100),)),
            ProxyRoute(
                "all", 90_000, 2, 250, frozenset({"connect-failure", "retriable-status-codes"}), ((V3, 75), (V1, 25))
            ),
            ProxyRoute("once", attempts=1, retry_on=frozenset({"reset"}), weights=((V1, 100),)),
        ],
        "allow_any": [],
    }
    assert parse_routes("no JSON") == parse_routes("[]") == {}
