# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.nearest import Nearest
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, table
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check

PLACE = {"cluster_region": "us-west1"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OWN = {**PLACE, "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/own"}
BY_URL = {
    **PLACE,
    "cluster_provider": "kubeconfig",
    "cluster_api_url": "https://192.0.2.1",
    "cluster_api_token": "sesame",
    "cluster_api_ca": PEM,
}


def said(hosts: t.Mapping[str, t.Mapping[str, t.Any]], **more: t.Any) -> list[str]:
    return [f"{p.host} {p.statement} | {p.hint}" for p in check(hosts, **more)]


def one(host: str = "west", **variables: t.Any) -> str:
    """The only problem of a fleet of two whose other cluster is sound."""
    found = said({"east": PLACE, host: {**PLACE, **variables}})
    assert len(found) == 1, found
    return found[0]


def test_a_sound_fleet_has_no_problem() -> None:
    hosts = {
        "west": {**PLACE, "cluster_zone": "us-west1-a", "mesh_peers": ["own", "far"]},
        "own": {**OWN, "cluster_pod_cidr": "10.0.0.0/16"},
        "far": BY_URL,
        "edge": {**OWN, "mesh_role": "remote", "mesh_primary": "own", "cluster_labels": {"tier": "edge"}},
        "goo": {
            **PLACE,
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "gke_spot": True,
            "mesh_control_plane": "managed",
        },
    }
    assert said(hosts) == []


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, "west gke_project is missing | set gke_project to the ID of your project, or the environment"),
        ({"gke_project": "Shop"}, 'west gke_project "Shop" is not a project ID'),
        ({"gke_project": "123456789012"}, 'west gke_project "123456789012" is a project number'),
        ({"gke_project": "shop-prod", "gke_endpoint": "vpn"}, 'west gke_endpoint "vpn" is unknown'),
        (
            {"gke_project": "shop-prod", "gke_projects": "x"},
            "west gke_projects is not a variable of this collection | did",
        ),
        ({"gke_project": "shop-prod", "gke_spot": "perhaps"}, 'west gke_spot "perhaps" is not true or false'),
        ({"gke_project": "shop-prod", "gke_node_count": -1}, "west gke_node_count -1 is not a whole number"),
        (
            {"gke_project": "shop-prod", "gke_auth_kind": "serviceaccount"},
            'west gke_auth_kind "serviceaccount" is given without a credential | set gke_service_account_file or',
        ),
    ],
)
def test_what_google_needs(variables: dict[str, t.Any], problem: str) -> None:
    found = one(cluster_provider="gke", **variables)
    assert found.startswith(problem)


def test_the_environment_has_what_a_host_leaves_out() -> None:
    gke = {**PLACE, "cluster_provider": "gke"}
    named = {"GCP_PROJECT": "shop-prod"}
    assert said({"west": gke}, environment=Environment(variables=named)) == []
    for kind, variable in (("serviceaccount", "GCP_SERVICE_ACCOUNT_FILE"), ("accesstoken", "GCP_ACCESS_TOKEN")):
        hosts = {"west": {**gke, "gke_auth_kind": kind}}
        assert len(said(hosts, environment=Environment(variables=named))) == 1
        assert said(hosts, environment=Environment(variables={**named, variable: "x"})) == []


def test_no_clusters() -> None:
    assert said({}) == [" the fleet has no clusters | put hosts into the inventory group mesh_clusters"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"cluster_provider": "kinnd"}, 'cluster_provider "kinnd" is unknown | one of: kind, gke, kubeconfig'),
        ({"cluster_region": ""}, "cluster_region is missing | cluster_region: us-west1"),
        ({"cluster_region": None, "cluster_zone": "eu-de-1"}, 'only a zone "eu-de-1" | cluster_region: eu-de'),
        ({"cluster_region": False}, "cluster_region false is a boolean, not text"),
        ({"mesh_revison": "x"}, "mesh_revison is not a variable of this collection | did you mean mesh_revision?"),
        ({"cluster_qqqq": "x"}, "see docs/variables.md"),
        ({"mesh_role": "remote"}, "mesh_primary is missing for a remote | one of: east"),
        ({"mesh_role": "remote", "mesh_primary": "eas"}, 'did you mean "east"?'),
        ({"mesh_role": "remote", "mesh_primary": "west"}, 'mesh_primary "west" is the remote itself'),
        ({"mesh_primary": "east"}, "is set, but the cluster is a primary itself"),
        ({"mesh_control_plane": "managed"}, 'does not go with provider "kind"'),
        ({"mesh_peers": ["est"]}, 'mesh_peers "est" is not a cluster of this fleet | did you mean "east"?'),
        ({"mesh_peers": ["west"]}, 'mesh_peers "west" is the cluster itself'),
        ({"mesh_peers": ["east", "east"]}, 'mesh_peers "east" is listed twice'),
        ({"mesh_peers": [7]}, "mesh_peers 7 is not a cluster's name"),
        ({"mesh_peers": "east"}, 'mesh_peers "east" is text, not a list | mesh_peers: [east]'),
        ({"cluster_kubeconfig": "x"}, 'cluster_kubeconfig does not go with provider "kind"'),
        ({"cluster_peer_endpoint": "https://127.1.2.3:6443"}, "is loopback"),
        ({"cluster_peer_endpoint": "https://localhost"}, "is loopback"),
        ({"cluster_peer_endpoint": "https://[::1]:6443"}, "is loopback"),
        ({"cluster_peer_endpoint": "http://192.0.2.1"}, "does not begin with https://"),
        ({"cluster_peer_endpoint": "https://h:99999"}, "is not an address"),
        ({"cluster_pod_cidr": "10.0.0.0"}, "has no prefix length"),
        ({"cluster_pod_cidr": "10.0.0.1/16"}, "has host bits set | 10.0.0.0/16 is the range"),
        ({"cluster_pod_cidr": "fd00::/48"}, "is not an IPv4 range"),
        ({"cluster_pod_cidr": "ten"}, "is not a range in CIDR form"),
        ({"cluster_pod_cidr": "10.0.0.0/25"}, "is too small | a node needs a /24"),
        ({"cluster_pod_cidr": "0.0.0.0/1"}, "is too large"),
        ({"cluster_service_cidr": "10.0.0.0/29"}, "is too small"),
        ({"cluster_service_cidr": "172.0.0.0/11"}, "kube-apiserver accepts at most a /12"),
        ({"cluster_labels": {"a b": "c"}}, "is not a label's name"),
        ({"cluster_labels": {"a": 1}}, "has a value for a that is not text"),
        ({"cluster_labels": "x"}, "is not a dictionary"),
        ({"mesh_network": "a b"}, "is not a Kubernetes label value"),
    ],
)
def test_a_problem_of_one_cluster(variables: dict[str, t.Any], expected: str) -> None:
    assert expected in one(**variables)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"mesh_trust_domain": "A_b"}, "is not a DNS name"),
        ({"mesh_istio_version": 1.31}, "mesh_istio_version 1.31 is a number, not text | put it in quotes"),
        ({"mesh_istio_version": "v1.31.1"}, 'mesh_istio_version "v1.31.1" is not a version x.y.z | for example 1.31.1'),
        ({"mesh_hub": "https://hub"}, "is not an image repository"),
        ({"mesh_tag": "a b"}, "is not an image tag"),
        ({"mesh_id": "Shop One"}, "is not a DNS-1123 label | lower-case letters"),
        ({"mesh_exports": {}}, "mesh_exports {} is not a list"),
        ({"fleet_pod_range": "10.16.0.0/20"}, "has no free /16 left for west and 1 more"),
        ({"fleet_engine_network": "10.99.0.0/29"}, "is too small"),
    ],
)
def test_a_problem_of_the_fleet(variables: dict[str, t.Any], expected: str) -> None:
    assert any(expected in line for line in said({h: {**PLACE, **variables} for h in ("west", "east")}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({**PLACE, "cluster_provider": "kubeconfig"}, "cluster_kubeconfig is missing"),
        ({**BY_URL, "cluster_kubeconfig": "x"}, "which one leads to the cluster?"),
        ({**BY_URL, "cluster_api_token": None}, "cluster_api_token is missing beside cluster_api_url"),
        ({**BY_URL, "cluster_api_ca": None}, "cluster_api_ca is missing beside cluster_api_url"),
        (
            {**BY_URL, "cluster_api_ca": "/etc/ca.pem"},
            "cluster_api_ca (text of 11 characters) is not a PEM certificate",
        ),
        ({**BY_URL, "cluster_api_url": "https://127.0.0.1:6443"}, "is loopback: no peer can use it"),
        ({**BY_URL, "cluster_context": "x"}, "cluster_context belongs to cluster_kubeconfig"),
        ({**OWN, "cluster_api_token": "x"}, "cluster_api_token belongs to cluster_api_url"),
    ],
)
def test_ways_to_a_cluster(variables: dict[str, t.Any], expected: str) -> None:
    found = said({"east": PLACE, "own": variables})
    assert len(found) == 1, found
    assert expected in found[0]


def test_loopback_is_fine_with_an_endpoint_for_peers_or_without_peers() -> None:
    loop = {**BY_URL, "cluster_api_url": "https://127.0.0.1:6443"}
    assert said({"own": loop}) == []
    assert said({"own": {**loop, "cluster_peer_endpoint": "https://192.0.2.1"}, "east": PLACE}) == []


def test_gke_zone_and_name() -> None:
    found = said({"1" + "x" * 40: {**PLACE, "cluster_provider": "gke", "cluster_zone": "europe-north1-a"}})
    assert "the name is not one that GKE takes" in found[0]
    assert 'cluster_zone "europe-north1-a" is not in region "us-west1"' in found[1]


def test_names() -> None:
    found = said({"west": PLACE, "West": PLACE, "a" * 64: PLACE, "b" * 50: PLACE})
    assert found[0] == "West the name differs from west's only by case | choose another name"
    assert "West the name is not a DNS-1123 label" in found[1]
    assert "is 64 characters long | at most 63" in found[2]
    assert "7 characters too long for a host name" in found[3]


def test_fleet_wide_variables_that_differ_are_told_where_they_differ() -> None:
    hosts = {"a": {**PLACE, "mesh_id": "shop"}, "b": {**PLACE, "mesh_id": "shop"}, "c": PLACE}
    assert said(hosts) == [
        'c mesh_id is not set here, which means the value of fleet_name, and differs from a\'s "shop" '
        "| one value for the whole fleet: set it in the vars of the group"
    ]
    assert said({h: {**PLACE, "mesh_exports": [{"service": "a.b"}]} for h in ("a", "b")}) == []
    assert said({"a": {**PLACE, "mesh_revision": "default"}, "b": PLACE}) == []


def test_a_variable_that_no_stage_reads_is_refused_once() -> None:
    hosts = {host: {**PLACE, "mesh_traffic": [{"service": "orders.shop"}]} for host in ("a", "b")}
    assert said(hosts) == [" mesh_traffic is reserved: no stage reads it yet | remove it"]
    assert said({"a": {**PLACE, "mesh_traffic": []}}) == []


def test_remotes() -> None:
    remote = {**PLACE, "mesh_role": "remote"}
    found = said(
        {
            "west": PLACE,
            "one": {**remote, "mesh_primary": "two"},
            "two": {**remote, "mesh_primary": "west", "mesh_peers": ["west"]},
            "three": {**remote, "mesh_primary": "away"},
            "four": {**remote, "mesh_primary": "crowd"},
            "five": {**remote, "mesh_primary": "west", "mesh_id": "other"},
            "six": {**remote, "mesh_primary": "west", "mesh_control_plane": "managed", "cluster_provider": "gke"},
        },
        groups={"all": ["away", "west"], "crowd": ["west"]},
    )
    text = "\n".join(found)
    assert 'one mesh_primary "two" is a remote itself | one of: west' in text
    assert "two mesh_peers means nothing for a remote: its primary watches for it" in text
    assert 'three mesh_primary "away" is a host, but not a cluster of this fleet' in text
    assert 'four mesh_primary "crowd" is a group, not a cluster' in text
    assert 'five mesh_primary "west" is of mesh "local", this cluster of "other"' in text
    assert 'six mesh_control_plane "managed" does not go with mesh_role remote' in text


def test_ranges_follow_what_istio_needs() -> None:
    same = {"cluster_pod_cidr": "10.1.0.0/16", "cluster_service_cidr": "10.2.0.0/16"}
    flat = said({"a": {**OWN, **same}, "b": {**OWN, **same}})
    assert len(flat) == 1
    assert "b cluster_pod_cidr 10.1.0.0/16 overlaps a's 10.1.0.0/16 | choose another, free here: 10.3.0.0/16" in flat[0]
    apart = {"mesh_network": "per_cluster"}
    assert said({"a": {**OWN, **same, **apart}, "b": {**OWN, **same, **apart}}) == []
    mixed = said({"a": {**OWN, "cluster_pod_cidr": "10.1.0.0/16"}, "b": {**OWN, "cluster_service_cidr": "10.1.4.0/24"}})
    assert "b cluster_service_cidr 10.1.4.0/24 overlaps a's pod range 10.1.0.0/16" in mixed[0]
    itself = said({"a": {**OWN, **apart, "cluster_pod_cidr": "10.1.0.0/16", "cluster_service_cidr": "10.1.4.0/24"}})
    assert "a cluster_service_cidr 10.1.4.0/24 overlaps its own pod range 10.1.0.0/16" in itself[0]


def test_local_clusters_share_nothing_on_any_network() -> None:
    apart = {**PLACE, "mesh_network": "per_cluster"}
    both = said({h: {**apart, "cluster_service_cidr": "10.2.0.0/16"} for h in ("a", "b")})
    assert len(both) == 1
    assert "b cluster_service_cidr 10.2.0.0/16 overlaps a's 10.2.0.0/16" in both[0]
    engine = {"fleet_engine_network": "10.89.0.0/16"}
    (found,) = said({"a": {**PLACE, **engine, "cluster_pod_cidr": "10.89.7.0/24"}})
    assert "a cluster_pod_cidr 10.89.7.0/24 overlaps the container network 10.89.0.0/16" in found


def test_a_range_given_before_is_not_taken_away() -> None:
    found = said({"west": PLACE, "own": {**OWN, "mesh_network": "far", "cluster_pod_cidr": "10.16.9.0/24"}})
    assert len(found) == 1
    assert "own cluster_pod_cidr 10.16.9.0/24 overlaps west's 10.16.0.0/16, allocated from fleet_pod_range" in found[0]


def test_secrets_are_in_no_problem() -> None:
    hosts = {
        "a": {**PLACE, "cluster_api_token": "sesame", "cluster_api_tokn": "sesame", "cluster_provider": "kubeconfig"},
        "b": {**BY_URL, "cluster_api_token": ["sesame"], "cluster_api_url": "https://u:sesame@192.0.2.1"},
        "c": {**BY_URL, "cluster_api_ca": "sesame", "cluster_peer_endpoint": "https://sesame@["},
    }
    found = check(hosts)
    assert len(found) >= 6
    assert "sesame" not in repr(found) + table(found)


def test_the_table_lines_up() -> None:
    problems = [
        Problem("north", "cluster_pod_cidr", "10.40.0.0/14", "overlaps west's 10.42.0.0/16", "free here: 10.44.0.0/14"),
        Problem("", "memory", "1.0 GiB", "is free"),
    ]
    assert table(problems).splitlines() == [
        "2 problems, nothing was touched",
        "  north    cluster_pod_cidr 10.40.0.0/14 overlaps west's 10.42.0.0/16  free here: 10.44.0.0/14",
        "  (fleet)  memory 1.0 GiB is free",
    ]


@pytest.mark.parametrize(
    ("word", "name"), [("fr", "fra"), ("wset", "west"), ("WEST", "west"), ("wist", "west"), ("zzzz", "")]
)
def test_nearest(word: str, name: str) -> None:
    assert Nearest(["west", "east", "fra"]).find(word) == name


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
    | st.sampled_from(["remote", "kind", "gke", "kubeconfig", "west", "10.0.0.0/8", "https://u@[::1", "per_cluster"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.one_of(st.sampled_from([*VARIABLES, "mesh_x", "gke_x", "other"]), st.text(max_size=5))
HOSTS = st.dictionaries(
    st.one_of(st.sampled_from(["west", "east", "West"]), st.text(max_size=70)),
    st.dictionaries(NAMES, VALUES, max_size=12),
    max_size=5,
)


@given(HOSTS)
def test_checks_never_raise_and_what_passes_is_a_fleet(hosts: dict[str, dict[str, t.Any]]) -> None:
    problems = check(hosts, {"all": list(hosts)})
    assert table(problems)
    if not problems:
        assert list(read_fleet(hosts).clusters) == list(hosts)


LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(st.lists(LABELS, min_size=1, max_size=16, unique=True), st.sampled_from(["flat", "per_cluster"]), st.data())
def test_a_fleet_made_right_has_no_problem(names: list[str], network: str, data: st.DataObject) -> None:
    hosts: dict[str, dict[str, t.Any]] = {}
    for name in names:
        hosts[name] = {"cluster_region": data.draw(LABELS), "mesh_network": network}
        if len(hosts) > 1 and data.draw(st.booleans()):
            hosts[name] |= {"mesh_role": "remote", "mesh_primary": names[0]}
        elif data.draw(st.booleans()):
            hosts[name]["mesh_peers"] = [other for other in names if other != name]
    assert said(hosts) == []
    assert len(read_fleet(hosts).clusters) == len(names)


def test_a_large_fleet_full_of_problems_is_checked_in_time_that_grows_with_its_size() -> None:
    def seconds(count: int) -> float:
        hosts = {
            f"c{i}": {
                f"mesh_x{i}": 1,
                "mesh_role": "remote",
                "mesh_primary": f"d{i}x",
                "cluster_pod_cidr": "10.1.0.0/16",
            }
            for i in range(count)
        }
        began = time.process_time()
        assert len(check(hosts)) > 3 * count
        return time.process_time() - began

    # Twice that would be quadratic; the small one is large enough to measure.
    assert seconds(4000) < 8 * max(seconds(1000), 0.05)
