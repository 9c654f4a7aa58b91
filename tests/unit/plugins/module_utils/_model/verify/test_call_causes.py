# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A failed call is reported with what its sidecar saw, what it means and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.call_causes import (
    AccessLine,
    Endpoint,
    access_line,
    cause_of,
    endpoints_seen,
)

UPSTREAM = "outbound|8080||probe-east.mesh-verify.svc.cluster.local"
UF = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: "
VERIFY = (
    UF + "remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:"
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
)
GATEWAY = [Endpoint("10.90.2.9:15443", 0, False)]


@pytest.mark.parametrize(
    ("status", "said", "seen", "means"),
    [
        (503, VERIFY, "CERTIFICATE_VERIFY_FAILED", "different roots"),
        (
            503,
            VERIFY.replace("TLS_error_end", "verify cert failed: SAN matcher:TLS_error_end"),
            "SAN matcher",
            "trust domains differ",
        ),
        (
            503,
            UF + "remote connection failure, transport failure reason: TLS_error:|268436504:SSL routines:"
            "OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end",
            "UNKNOWN_CA",
            "east's sidecar does not trust west's",
        ),
        (
            503,
            UF + "remote connection failure, transport failure reason: Secret is not supplied by SDS",
            "Secret is not supplied",
            "no certificate yet",
        ),
        (503, UF + "remote connection failure", "remote connection failure", "answer names no reason"),
        (503, UF + "connection termination", "connection termination", "closed the connection"),
        (
            503,
            UF + "remote connection failure, transport failure reason: delayed connect error: 111",
            "111",
            "nothing listens",
        ),
        (
            503,
            UF + "remote connection failure, transport failure reason: delayed connect error: Connection refused",
            "refused",
            "nothing listens",
        ),
        (503, UF + "connection timeout", "connection timeout", "get no answer"),
        (504, "upstream request timeout", "upstream request timeout", "get no answer"),
        (403, "RBAC: access denied", "RBAC", "AuthorizationPolicy"),
    ],
)
def test_the_answer_of_the_sidecar_names_the_cause(status: int, said: str, seen: str, means: str) -> None:
    found = cause_of("west", "east", status, said, None, GATEWAY)
    assert found is not None
    assert found.seen.startswith(f"{status} from west's sidecar")
    assert seen in found.seen
    assert means in found.means
    assert found.next_step


def test_envoys_usual_first_words_are_left_out() -> None:
    found = cause_of("west", "east", 503, VERIFY, None, GATEWAY)
    assert found is not None
    assert "disconnect/reset before headers" not in found.seen
    shorter = cause_of("west", "east", 503, UF + "remote connection failure", None, GATEWAY)
    assert shorter is not None
    assert shorter.seen == "503 from west's sidecar: remote connection failure"


def test_no_healthy_upstream_with_and_without_addresses() -> None:
    none = cause_of("west", "east", 503, "no healthy upstream", None, [])
    assert none is not None
    assert "it has no address" in none.seen and "no ready pod" in none.means
    ejected = cause_of("west", "east", 503, "no healthy upstream", None, [Endpoint("10.1.2.3:8080", 5, True)])
    assert ejected is not None
    assert "10.1.2.3:8080 ejected" in ejected.seen


def test_no_route_is_known_by_flags_or_a_missing_upstream() -> None:
    by_flag = cause_of("west", "east", 404, "", AccessLine("NR", "route_not_found"), GATEWAY)
    by_list = cause_of("west", "east", 502, "", None, None)
    for found in (by_flag, by_list):
        assert found is not None
        assert "no route to this service" in found.means
    assert by_flag and by_flag.seen == "404 NR from west's sidecar: route not found"


def test_without_an_answer_the_addresses_name_the_cause() -> None:
    found = cause_of("west", "east", 0, "", None, [Endpoint("10.90.2.9:15443", 4, False)])
    assert found is not None
    assert found.seen == "no answer; west's sidecar could not connect to 10.90.2.9:15443"
    assert cause_of("west", "east", 500, "the program's own words", None, GATEWAY) is None


LOG = (
    '[2026-11-21T11:00:00.000Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 5 3 2 "-" "-" "id" "probe-east:8080" '
    f'"10.90.2.9:15443" {UPSTREAM} 10.1.0.4:1 10.2.0.4:8080 10.1.0.4:2 - default\n'
    '[2026-11-21T11:00:09.000Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started'
    "{remote_connection_failure|TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED} - "
    '"TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end" 0 195 60 - "-" "-" '
    f'"id" "probe-east:8080" "10.90.2.9:15443" {UPSTREAM} - 10.2.0.4:8080 10.1.0.4:2 - default\n'
    '[2026-11-21T11:00:10.000Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 5 3 2 "-" "-" "id" "probe-south:8080" '
    '"10.90.2.5:15443" outbound|8080||probe-south.mesh-verify.svc.cluster.local 10.1.0.4:1 10.2.0.5:8080 x - default\n'
)


def test_the_newest_log_line_of_this_upstream_counts() -> None:
    line = access_line(LOG, UPSTREAM)
    assert line is not None
    assert (line.flags, line.upstream) == ("UF,URX", "10.90.2.9:15443")
    assert "CERTIFICATE_VERIFY_FAILED" in line.reason
    found = cause_of("west", "east", 503, "", line, GATEWAY)
    assert found is not None
    assert found.seen.startswith("503 UF,URX from west's sidecar, at 10.90.2.9:15443: CERTIFICATE_VERIFY_FAILED")
    entry = {
        "upstream_cluster": UPSTREAM,
        "response_flags": "UH",
        "response_code_details": "no_healthy_upstream",
        "upstream_transport_failure_reason": None,
        "upstream_host": None,
    }
    assert access_line("not json\n" + json.dumps(entry), UPSTREAM) == AccessLine("UH", "no_healthy_upstream")
    assert access_line("", UPSTREAM) is None
    assert access_line("{broken " + UPSTREAM, UPSTREAM) is None


def test_a_recorded_line_of_an_access_log() -> None:
    log = (Path(__file__).parents[1] / "samples" / "access_log.txt").read_text()
    line = access_line(log, UPSTREAM)
    assert line is not None
    assert (line.flags, line.upstream) == ("URX,UF", "10.90.10.8:15443")
    # The answer itself does not name the reason.
    found = cause_of("west", "east", 503, UF + "remote connection failure", line, GATEWAY)
    assert found is not None
    assert found.seen.startswith("503 URX,UF from west's sidecar, at 10.90.10.8:15443: CERTIFICATE_VERIFY_FAILED")
    assert "CERTIFICATE_VERIFY_FAILED:verify cert failed: X509 verify cert" in found.seen
    assert found.seen.endswith("at depth 2: self signed certificate in certificate chain")
    assert "they have different roots" in found.means


def test_endpoints_of_a_recorded_sidecar() -> None:
    text = (Path(__file__).parents[1] / "samples" / "clusters.txt").read_text()
    assert endpoints_seen(text, UPSTREAM) == [Endpoint("10.17.0.10:8080", 0, False)]
    assert endpoints_seen(text, "outbound|8080||nobody") is None
    own = f"{UPSTREAM}::observability_name::{UPSTREAM}\n{UPSTREAM}::default_priority::max_connections::4294967295\n"
    assert endpoints_seen(own, UPSTREAM) == []
    address = f"{UPSTREAM}::[fd00::7]:8080"
    ejected = f"{address}::cx_connect_fail::3\n{address}::health_flags::/failed_outlier_check\n"
    assert endpoints_seen(own + ejected, UPSTREAM) == [Endpoint("[fd00::7]:8080", 3, True)]


def test_a_log_line_is_of_exactly_this_upstream() -> None:
    lines = LOG.splitlines()
    assert access_line(lines[0], UPSTREAM) == AccessLine("", "via_upstream", "", "10.90.2.9:15443")
    assert access_line(lines[0].replace(UPSTREAM, f"{UPSTREAM}.example"), UPSTREAM) is None


def test_an_endpoint_without_counters_has_not_failed() -> None:
    text = f"{UPSTREAM}::10.0.0.1:8080::health_flags::healthy\n"
    assert endpoints_seen(text, UPSTREAM) == [Endpoint("10.0.0.1:8080", 0, False)]


def test_advice_names_both_clusters_but_no_service_of_several() -> None:
    closed = UF + "connection termination"
    of_cluster = cause_of("west", "east", 503, closed, None, GATEWAY)
    of_service = cause_of("west", "shop", 503, closed, None, GATEWAY, is_cluster=False)
    assert of_cluster and "--limit west,east;" in of_cluster.next_step
    assert of_service and "--limit west;" in of_service.next_step


def test_addresses_that_could_not_be_connected_are_named() -> None:
    failing = [Endpoint("10.90.2.9:15443", 4, False), Endpoint("10.90.2.8:15443", 0, False)]
    found = cause_of("west", "east", 503, UF + "connection timeout", None, failing)
    assert found and found.seen == "503 from west's sidecar, at 10.90.2.9:15443: connection timeout"
    silent = cause_of("west", "east", 0, "", None, failing)
    assert silent and silent.seen.endswith("could not connect to 10.90.2.9:15443")
    assert "packets to that address get no answer" in silent.means
    # An answer is not explained by an address that failed before, nor silence by addresses that did not.
    assert cause_of("west", "east", 500, "the program's own words", None, failing) is None
    assert cause_of("west", "east", 0, "", None, GATEWAY) is None


def test_flags_alone_name_the_cause() -> None:
    ejected = [Endpoint("10.1.2.3:8080", 5, True), Endpoint("10.1.2.4:8080", 5, False)]
    healthy = cause_of("west", "east", 503, "", AccessLine("UH,URX"), ejected)
    assert healthy and healthy.seen.endswith("no healthy upstream, of 2 addresses 10.1.2.3:8080 ejected")
    route = cause_of("west", "east", 404, "", AccessLine("NR"), GATEWAY)
    assert route and route.seen == "404 NR from west's sidecar: no route"
    unknown = cause_of("west", "east", 502, "", None, None)
    assert unknown and unknown.seen == "502 from west's sidecar: it does not know the upstream"
