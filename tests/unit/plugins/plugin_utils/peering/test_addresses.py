# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A loopback address of a cluster that others watch is found before anything is made."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.addresses import unreachable_addresses

FAR = {"cluster_provider": "kubeconfig", "cluster_api_url": "https://192.0.2.9"}


def kubeconfig(folder: Path, **servers: str) -> str:
    document = {
        "current-context": next(iter(servers)),
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def refused(west: dict[str, t.Any], **others: dict[str, t.Any]) -> dict[str, str]:
    hosts = {"west": {"cluster_provider": "kubeconfig", **west}, **others}
    return {name: str(error) for name, error in unreachable_addresses(read_fleet(hosts)).items()}


@pytest.mark.parametrize(
    "server", ["https://127.0.0.1:6443", "https://127.8.8.8", "https://[::1]:6443", "https://localhost"]
)
def test_a_loopback_address_is_refused_where_others_watch(tmp_path: Path, server: str) -> None:
    there = {"cluster_kubeconfig": kubeconfig(tmp_path, west=server)}
    assert "cannot be reached from another cluster" in refused(there, east=FAR)["west"]
    assert list(refused({"cluster_api_url": server}, east=FAR)) == ["west"]
    assert refused(there) == {}, "nobody else is there"
    assert refused(there, east={**FAR, "mesh_peers": []}) == {}, "nobody watches it"
    assert refused({**there, "cluster_peer_endpoint": "https://192.0.2.1:6443"}, east=FAR) == {}


def test_the_address_of_a_proxy_is_refused_where_others_watch(tmp_path: Path) -> None:
    rancher = "https://rancher.example/k8s/clusters/c-m-abc"
    there = {"cluster_kubeconfig": kubeconfig(tmp_path, west=rancher)}
    assert "is that of a proxy" in refused(there, east=FAR)["west"]
    assert refused(there, east={**FAR, "mesh_peers": []}) == {}, "nobody watches it"
    assert refused({**there, "cluster_peer_endpoint": "https://192.0.2.1:6443"}, east=FAR) == {}


def test_a_context_for_peers_is_an_address(tmp_path: Path) -> None:
    servers = {"west": "https://127.0.0.1:6443", "west-peer": "https://192.0.2.1:6443"}
    assert refused({"cluster_kubeconfig": kubeconfig(tmp_path, **servers)}, east=FAR) == {}


@pytest.mark.parametrize("content", [None, "{", "[]", "7", "contexts: [x]"])
def test_no_kubeconfig_is_left_to_the_check_that_connects(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    assert refused({"cluster_kubeconfig": str(path)}, east=FAR) == {}
