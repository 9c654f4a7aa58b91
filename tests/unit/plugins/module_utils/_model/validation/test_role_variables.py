# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roles' own variables, checked by their real specifications."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.role_variables import FACTS
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.role_specs import role_variables
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import PLACE, problems_of

ROLES = role_variables()
TWO = {"west": PLACE, "east": PLACE}


def of_fleet(**variables: t.Any) -> list[str]:
    """Problems of a fleet of two whose clusters have these variables."""
    return problems_of({host: {**own, **variables} for host, own in TWO.items()}, roles=ROLES)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"gateways_replica": 2},
            "gateways_replica is not a variable of this collection | did you mean gateways_replicas?",
        ),
        ({"trust_qqqqqq": 2}, "trust_qqqqqq is not a variable of this collection | other names need other prefixes"),
        ({"gateways_replicas": "two"}, 'gateways_replicas "two" is not a whole number | write a whole number'),
        ({"gateways_replicas": -1}, "gateways_replicas -1 is below 0"),
        ({"gateways_timeout": 0}, "gateways_timeout 0 leaves no time"),
        ({"verify_requests_per_second": 0}, "verify_requests_per_second 0 lets no request begin"),
        ({"verify_call_timeout": float("nan")}, "verify_call_timeout NaN is below 0"),
        ({"trust_root": "vault"}, 'trust_root "vault" is unknown | one of: generated, provided, external, none'),
        ({"trust_root": "provided", "trust_root_cert": "x"}, "trust_root_key is missing"),
        ({"trust_key_type": "rsa-1024"}, 'trust_key_type "rsa-1024" is unknown | one of: ecdsa-p256'),
        ({"trust_signer_command": ["x"]}, 'trust_signer_command ["x"] is not used with trust_root: generated | set'),
        ({"trust_root": "none", "trust_crl": ["x"]}, 'trust_crl ["x"] is not used with trust_root: none'),
        ({"trust_lifetime": "4000d"}, 'trust_lifetime "4000d" is longer than trust_root_lifetime, 3650d'),
        ({"federation_lifetime": "90 days"}, 'federation_lifetime "90 days" is not a length of time | write it as 30d'),
        ({"federation_lifetime": 90}, "federation_lifetime 90 is not a length of time"),
        ({"federation_lifetime": "0d"}, 'federation_lifetime "0d" is not a length of time'),
        ({"trust_lifetime": "20d"}, 'trust_lifetime "20d" is not longer than trust_renew_before, 30d'),
        ({"trust_renew_before": "800d"}, 'trust_lifetime "730d" is not longer than trust_renew_before, 800d'),
        ({"trust_renew_before": "1 month"}, 'trust_renew_before "1 month" is not a length of time'),
        (
            {"peering_token": "bound", "peering_token_lifetime": 60},
            "peering_token_lifetime 60 seconds: Kubernetes gives no token for less than 600",
        ),
        (
            {"peering_token": "bound", "peering_token_renew_before": 2592000},
            "peering_token_renew_before 2592000 is not below peering_token_lifetime",
        ),
        (
            {"peering_token": "bound", "peering_token_lifetime": 172800, "peering_token_renew_before": 3600},
            "peering_run_every 604800 is not below peering_token_lifetime, 172800: tokens end before the next run",
        ),
        (
            {"apps_sample": {"caller": ["wst"]}},
            'apps_sample.caller "wst" is not a cluster of this fleet, did you mean',
        ),
        ({"apps_sample": {"callr": "all"}}, 'apps_sample "callr" is not a role of the sample, did you mean "caller"?'),
        (
            {"apps_list": [{"name": "web", "chrt": {}}]},
            'apps_list[0] "web" there is no key chrt, did you mean "chart"?',
        ),
        ({"apps_list": 7}, "apps_list[0] a mapping with a name is expected, not int"),
        ({"gateways_ingress": ["wst"]}, 'gateways_ingress "wst" is not a cluster of this fleet | did you mean "west"?'),
        ({"gateways_ingress": "maybe"}, 'gateways_ingress "maybe" is neither true nor false'),
        ({"control_plane_values": "x"}, 'control_plane_values "x" is not a dictionary'),
    ],
)
def test_a_wrong_variable_of_a_role(variables: dict[str, t.Any], expected: str) -> None:
    assert any(f"(fleet) {expected}" in line for line in of_fleet(**variables)), of_fleet(**variables)


def test_networks_need_their_gateways() -> None:
    found = of_fleet(gateways_eastwest="never", mesh_network="per_cluster")
    assert found == [
        '(fleet) gateways_eastwest "never" leaves no way between the 2 networks of this fleet | '
        "auto; or mesh_network: flat, if pods of all clusters reach each other"
    ]
    assert of_fleet(gateways_eastwest="never") == []
    assert of_fleet(gateways_eastwest="never", mesh_network="per_cluster", mesh_peers=[]) == []


def test_what_is_right_or_somebody_elses_passes() -> None:
    assert (
        of_fleet(
            gateways_replicas="2",
            gateways_ingress=["west"],
            trust_lifetime="300d",
            trust_root_key="(not read)",
            peering_token="static",
            peering_token_lifetime=60,
            apps_sample={"caller": ["west"], "producer": "all"},
            apps_list=[{"name": "web", "chart": {"ref": "charts/web"}, "clusters": ["east"]}],
            verify_call_timeout=0.5,
            trustworthy=1,
            app_version="two",
            **dict.fromkeys(FACTS, "fact"),
        )
        == []
    )


def test_a_value_of_one_cluster_that_the_role_would_ignore() -> None:
    found = problems_of({"west": PLACE, "north": PLACE, "east": {**PLACE, "trust_lifetime": "300d"}}, roles=ROLES)
    assert found == [
        'east trust_lifetime "300d" differs from west\'s "730d": the role runs once for the fleet | '
        "one value for the whole fleet: set it in the vars of the group"
    ]
    assert problems_of({"west": PLACE, "east": {**PLACE, "gateways_replicas": 2}}, roles=ROLES) == []


def test_the_bundles_of_a_fleet_have_one_lifetime() -> None:
    hosts = {"west": PLACE, "north": PLACE, "east": {**PLACE, "federation_lifetime": "30d"}}
    (found,) = problems_of(hosts, roles=ROLES)
    assert found.startswith('east federation_lifetime "30d" differs from west\'s "90d": the role runs once')


def test_a_mistake_of_one_cluster_is_reported_there() -> None:
    found = problems_of({"west": PLACE, "east": {**PLACE, "gateways_replica": 2}}, roles=ROLES)
    assert found == ["east gateways_replica is not a variable of this collection | did you mean gateways_replicas?"]


def test_facts_are_those_that_the_role_sets(root: Path) -> None:
    action = (root / "plugins" / "action" / "artifacts.py").read_text(encoding="utf-8")
    assert set(re.findall(r'"(artifacts_\w+)": found', action)) == FACTS
    for path in (root / "roles").glob("*/tasks/*.yml"):
        facts = re.findall(r"set_fact:\n\s+(\w+)", path.read_text(encoding="utf-8"))
        assert all(name.startswith("__") for name in facts), path
