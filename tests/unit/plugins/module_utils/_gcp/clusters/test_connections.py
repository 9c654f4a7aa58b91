# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to GKE clusters: requested once in a run, renewed in time, stored in private files only."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
import json
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import connections as reach
from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import AbsentCluster, resolve
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

CA = (Path(__file__).parent / "ca.pem").read_text()
PLACE = {"cluster_provider": "gke", "cluster_region": "us-west1", "cluster_zone": "us-west1-a"}


class Google:
    """Counts what it is asked; its tokens last as long as ``lasts`` says, in seconds."""

    project = "shop-prod"
    lists = 0
    tokens = 0
    lasts: t.ClassVar[float | None] = 3600.0
    clusters: t.ClassVar[list[dict[str, t.Any]]] = []

    def call(self, service: str, method: str, **params: t.Any) -> dict[str, t.Any]:
        assert (service, method) == ("container", "projects.locations.clusters.list")
        assert params == {"parent": "projects/shop-prod/locations/-"}
        type(self).lists += 1
        return {"clusters": self.clusters}

    account = "service account fleet@shop-prod"

    def token(self) -> str:
        type(self).tokens += 1
        return f"token-{self.tokens}"

    def token_expires(self) -> datetime.datetime | None:
        if self.lasts is None:
            return None
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.lasts)


def made(name: str, place: str = "us-west1-a", address: str = "34.82.1.9") -> dict[str, t.Any]:
    ca = base64.b64encode(CA.encode()).decode()
    return {
        "name": name,
        "location": place,
        "status": "RUNNING",
        "endpoint": address,
        "masterAuth": {"clusterCaCertificate": ca},
        "controlPlaneEndpointsConfig": {
            "ipEndpointsConfig": {"publicEndpoint": address, "privateEndpoint": "10.0.0.2"}
        },
    }


@pytest.fixture(autouse=True)
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Google]:
    class Own(Google):
        clusters: t.ClassVar[list[dict[str, t.Any]]] = [made("west")]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("GCP_ACCESS_TOKEN", "GCP_PROJECT", "GCP_AUTH_KIND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(reach, "_google", lambda given: Own())
    return Own


def cluster(**variables: t.Any) -> Cluster:
    hosts = {"west": {**PLACE, "gke_project": "shop-prod", **variables}}
    return reach.with_connections(read_fleet(hosts, environment())).clusters["west"]


def test_no_request_is_sent_before_a_connection(google: type[Google]) -> None:
    assert cluster().connection.lookup is not None
    assert (google.lists, google.tokens) == (0, 0)


@pytest.mark.parametrize("own", [{"cluster_api_url": "https://1.2.3.4"}, {"cluster_kubeconfig": "/own"}])
def test_a_connection_of_the_inventory_is_kept(own: dict[str, str]) -> None:
    found = cluster(**own).connection
    assert found.lookup is None
    assert own.get("cluster_api_url", "") == found.server and own.get("cluster_kubeconfig", "") == found.kubeconfig


def test_a_connection_is_not_read_before_somebody_connects() -> None:
    def read() -> Connection:
        raise FleetError("read")

    fleet = read_fleet({"west": {**PLACE, "gke_project": "shop-prod"}}, environment())
    ours = {"west": fleet.clusters["west"].with_connection(read)}
    west = reach.with_connections(dataclasses.replace(fleet, clusters=ours)).clusters["west"]
    with pytest.raises(FleetError, match="read"):
        assert west.connection


def test_one_list_and_one_token_serve_all_tasks_of_a_run(google: type[Google]) -> None:
    for _task in range(3):
        found = cluster().connection.resolved()
        assert (found.server, found.token) == ("https://34.82.1.9", "token-1")
        assert found.ca_pem == CA
    assert (google.lists, google.tokens) == (1, 1)


def test_what_is_kept_is_for_the_owner_alone(google: type[Google], tmp_path: Path) -> None:
    cluster().connection.resolved()
    folder = tmp_path / "mesh.fleet" / "google"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_token_near_its_end_is_renewed(google: type[Google], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster().connection.resolved().token == "token-1"
    google.lasts = 7200
    with monkeypatch.context() as later:
        later.setattr(reach, "_MARGIN_SECONDS", 3601.0)
        assert cluster().connection.resolved().token == "token-2"
        assert cluster().connection.resolved().token == "token-2"
    assert google.lists == 1


def test_a_client_renews_in_the_middle_of_its_work(google: type[Google]) -> None:
    google.lasts = 240.2

    async def work() -> list[str]:
        endpoint = await resolve(cluster().connection, "west")
        before = endpoint.headers["Authorization"]
        google.lasts = 3600
        await asyncio.sleep(0.3)  # past the moment at which the token should be renewed
        await asyncio.gather(*[endpoint.renew() for _request in range(20)])
        return [before, endpoint.headers["Authorization"]]

    assert asyncio.run(work()) == ["Bearer token-1", "Bearer token-2"]


def test_a_refused_token_is_replaced_once_for_all(google: type[Google]) -> None:
    async def work() -> list[bool]:
        tasks = [await resolve(cluster().connection, "west") for _task in range(3)]
        used = tasks[0].headers["Authorization"]
        found = await asyncio.gather(*[task.another(used) for task in tasks for _request in range(20)])
        assert {task.headers["Authorization"] for task in tasks} == {"Bearer token-2"}
        return found

    assert asyncio.run(work()) == [True] * 60
    assert (google.lists, google.tokens) == (1, 2)


def test_a_new_token_is_not_renewed_before_it_was_accepted(google: type[Google]) -> None:
    async def work() -> None:
        endpoint = await resolve(cluster().connection, "west")
        assert await endpoint.another("Bearer token-1")
        assert not await endpoint.another("Bearer token-2")
        endpoint.accepted("Bearer token-2")
        assert await endpoint.another("Bearer token-2")
        assert endpoint.account == "service account fleet@shop-prod"

    asyncio.run(work())
    assert google.tokens == 3


def test_a_given_token_that_is_refused_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCP_ACCESS_TOKEN", "given-by-a-person")
    with pytest.raises(FleetError) as caught:
        cluster().connection.lookup(refused="given-by-a-person")  # type: ignore[misc]
    assert caught.value.what == "the access token in GCP_ACCESS_TOKEN is not accepted"
    with pytest.raises(FleetError) as caught:
        cluster(gke_access_token="another").connection.lookup(refused="another")  # type: ignore[misc]
    assert "set gke_access_token anew" in caught.value.next_step


def test_a_given_token_is_used_as_it_is_and_not_kept(google: type[Google], tmp_path: Path) -> None:
    google.lasts = None
    found = cluster(gke_access_token="given-by-a-person").connection.resolved()
    assert (found.token, found.expires) == ("given-by-a-person", 0.0)
    for path in (tmp_path / "mesh.fleet" / "google").iterdir():
        assert "given-by-a-person" not in path.read_text()


def test_a_token_is_in_no_text_of_a_cluster() -> None:
    there = cluster(gke_access_token="given-by-a-person")
    assert "given-by-a-person" not in repr(there) + repr(there.connection.resolved())
    assert "given-by-a-person" not in repr(asyncio.run(resolve(there.connection, "west")))


def test_a_cluster_made_during_the_run_is_found(google: type[Google], monkeypatch: pytest.MonkeyPatch) -> None:
    google.clusters.clear()
    there = cluster()
    with pytest.raises(AbsentCluster) as caught:
        there.connection.resolved()
    assert caught.value.obj == "cluster west in us-west1-a"
    google.clusters.append(made("west"))
    reach.forget(reach.options(there))
    assert there.connection.resolved().server == "https://34.82.1.9"


def test_a_cluster_of_the_name_elsewhere_is_another() -> None:
    with pytest.raises(AbsentCluster) as caught:
        cluster(cluster_zone="us-west1-b").connection.resolved()
    assert caught.value.seen == "one of this name in us-west1-a"


def test_its_name_in_google_may_be_another(google: type[Google]) -> None:
    google.clusters.append(made("shop-1", address="34.82.1.10"))
    assert cluster(gke_name="shop-1").connection.resolved().server == "https://34.82.1.10"


def test_a_connection_of_its_own_wins(google: type[Google]) -> None:
    assert cluster(cluster_kubeconfig="/k").connection.lookup is None
    assert google.lists == 0


def test_istiods_of_others_are_never_sent_to_the_dns_endpoint(google: type[Google]) -> None:
    dns = {"endpoint": "gke-1.us-west1.gke.goog", "allowExternalTraffic": True}
    google.clusters[0]["controlPlaneEndpointsConfig"]["dnsEndpointConfig"] = dns
    there = cluster(gke_endpoint="dns")
    found = there.connection.resolved()
    assert (found.server, found.ca_pem, found.required_permission.split()[0]) == (
        "https://gke-1.us-west1.gke.goog",
        "",
        "container.clusters.connect",
    )
    assert peer_server(there, None).url == "https://10.0.0.2"
    reach.forget(reach.options(there))
    google.clusters[0]["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["enabled"] = False
    assert there.connection.resolved().server == "https://gke-1.us-west1.gke.goog"
    with pytest.raises(FleetError, match="is Google's DNS endpoint") as caught:
        peer_server(there, None)
    assert "gke_peer_endpoint" in caught.value.next_step


def test_the_address_for_peers_by_choice() -> None:
    assert peer_server(cluster(gke_peer_endpoint="private"), None).url == "https://10.0.0.2"
    assert peer_server(cluster(gke_peer_endpoint="public"), None).url == "https://34.82.1.9"


FAR = {"cluster_region": "europe-north1", "cluster_zone": "europe-north1-a"}
OWN = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/k"}


@pytest.mark.parametrize(
    ("other", "everywhere", "peer"),
    [
        ({}, True, "https://10.0.0.2"),
        ({"gke_private_nodes": False}, True, "https://10.0.0.2"),
        ({}, False, "https://10.0.0.2"),
        (FAR, True, "https://10.0.0.2"),
        (FAR, False, "https://34.82.1.9"),
        ({"gke_network": "another"}, True, "https://34.82.1.9"),
        ({"gke_project": "shop-edge"}, True, "https://34.82.1.9"),
        # On a Shared VPC it does not matter whose project the cluster is in.
        ({"gke_project": "shop-edge", "gke_network_project": "shop-prod"}, True, "https://10.0.0.2"),
        ({"gke_network_project": "shop-net"}, True, "https://34.82.1.9"),
        (OWN, True, "https://34.82.1.9"),
        # Who does not watch it does not count; a remote's primary does.
        ({**OWN, "mesh_peers": []}, True, "https://10.0.0.2"),
        ({**OWN, "mesh_peers": ["west"]}, True, "https://34.82.1.9"),
        ({**OWN, "mesh_role": "remote", "mesh_primary": "west"}, True, "https://10.0.0.2"),
    ],
)
def test_the_peers_address_is_private_if_all_reach_it(
    google: type[Google], other: dict[str, t.Any], everywhere: bool, peer: str
) -> None:
    google.clusters[0]["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["globalAccess"] = everywhere
    shared = {"gke_project": "shop-prod"}
    hosts = {"west": {**PLACE, **shared}, "east": {**PLACE, **shared, **other}}
    west = reach.with_connections(read_fleet(hosts, environment())).clusters["west"]
    assert peer_server(west, None).url == peer


def test_a_key_that_yaml_read_already_is_json_again() -> None:
    """The options of a host, as modules, the name of the cached file and the client's settings use them."""
    key = {"type": "service_account", "private_key": "sesame"}
    assert json.loads(reach.options(cluster(gke_service_account_contents=key))["service_account_contents"]) == key


def test_login_asks_for_a_token_only(google: type[Google]) -> None:
    reach.login(cluster())
    assert (google.lists, google.tokens) == (0, 1)
