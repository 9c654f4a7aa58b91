# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Preflight asks a cluster that an earlier run made too, before anything is touched."""

from __future__ import annotations

import asyncio
import json
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.standing import check_standing
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.standing import read_standing

from . import control_plane
from .plays import Ran, run_plays

FLEET = "standing"
FORMER = "former-mesh"


@pytest.fixture
def istiod(plane: control_plane.ControlPlane) -> t.Iterator[None]:
    """An istiod of the fleet in another namespace than the inventory's."""
    labels = {"app": "istiod", "install.operator.istio.io/owning-resource": "mesh.fleet"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "discovery", "image": "pilot"}]}}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FORMER, "labels": {"mesh.fleet/fleet": FLEET}}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "istiod", "namespace": FORMER, "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": pod},
        },
    ]
    plane.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    yield
    plane.kubectl("-n", FORMER, "delete", "deployment", "istiod")
    plane.kubectl("label", "namespace", FORMER, "mesh.fleet/fleet-")


def preflight(tmp: Path, **variables: t.Any) -> Ran:
    fleet = {"vars": {"fleet_name": FLEET, **variables}, "hosts": {"west": {}}}
    task = {"name": "Ask", "mesh.fleet.preflight": {"part": "cluster"}}
    return run_plays(tmp, fleet, {"name": "P", "hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]})


def kubeconfig(tmp: Path, source: Path, server: str) -> None:
    """The kubeconfig of a local cluster, where kind_cluster puts it."""
    text = source.read_text()
    for file in ("ca.crt", "other.crt", "admin.crt", "admin.key"):
        text = text.replace(f": {file}", f": {source.parent / file}")
    config = yaml.safe_load(text)
    for context in config["contexts"]:
        context["name"] = "west" if context["name"] == "admin" else context["name"]
    for entry in config["clusters"]:
        entry["cluster"]["server"] = server
    path = tmp / FLEET / "kubeconfigs" / "west.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(config))


@pytest.mark.usefixtures("istiod")
def test_a_local_cluster_that_stands_is_asked(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    assert preflight(tmp_path, cluster_provider="kind", fleet_dir=str(tmp_path)).code == 0, "it is not made yet"
    kubeconfig(tmp_path, plane.kubeconfig, plane.server)
    done = preflight(tmp_path, cluster_provider="kind", fleet_dir=str(tmp_path))
    assert done.code != 0
    assert "the fleet's control plane runs in another namespace" in done.output
    assert f"set mesh_namespace: {FORMER} again" in done.output
    assert preflight(tmp_path, cluster_provider="kind", fleet_dir=str(tmp_path), mesh_namespace=FORMER).code == 0


def test_a_local_cluster_that_was_stopped_costs_no_time(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    kubeconfig(tmp_path, plane.kubeconfig, f"https://127.0.0.1:{control_plane.closed_port()}")
    began = time.monotonic()
    assert preflight(tmp_path, cluster_provider="kind", fleet_dir=str(tmp_path)).code == 0
    assert time.monotonic() - began < 60


def test_a_server_that_nobody_verifies_is_named(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    kubeconfig(tmp_path, plane.kubeconfig, plane.server)
    path = tmp_path / FLEET / "kubeconfigs" / "west.yaml"
    given = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(path), "cluster_context": "west"}
    warning = "west: insecure-skip-tls-verify is set in its kubeconfig"
    good = preflight(tmp_path, **given)
    assert (good.code, warning in " ".join(good.output.split())) == (0, False), good.output
    config = yaml.safe_load(path.read_text())
    for entry in config["clusters"]:
        entry["cluster"] = {"server": plane.server, "insecure-skip-tls-verify": True}
    path.write_text(yaml.safe_dump(config))
    bad = preflight(tmp_path, **given)
    assert (bad.code, warning in " ".join(bad.output.split())) == (0, True), bad.output


PLACES = {"rke2-coredns-rke2-coredns": "kube-system", "dns-default": "openshift-dns", "kube-dns": "kube-system"}


@pytest.mark.parametrize("name", PLACES)
def test_a_dns_domain_is_found_where_platforms_serve_it(
    plane: control_plane.ControlPlane, connect: t.Callable[..., Kube], name: str
) -> None:
    meta: dict[str, t.Any] = {"name": name, "namespace": PLACES[name], "labels": {"k8s-app": "kube-dns"}}
    corefile = ".:53 {\n    errors\n    kubernetes corp.example in-addr.arpa {\n    }\n}\n"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": corefile}}
    container = {"name": "kubedns", "image": "nowhere/none:1", "args": ["--domain=corp.example."]}
    labels = {"k8s-app": "kube-dns"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    server = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
    server["spec"] = {"selector": {"matchLabels": labels}, "template": template}
    made = server if name == "kube-dns" else config
    if PLACES[name] != "kube-system":
        plane.kubectl("create", "namespace", PLACES[name])
    plane.kubectl("create", "-f", "-", stdin=json.dumps(made))
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "cluster_region": "eu"}})

    async def run() -> None:
        async with connect() as kube:
            check_standing(fleet, fleet.clusters["west"], await read_standing(kube))

    try:
        with pytest.raises(FleetError, match="DNS domain is not") as refused:
            asyncio.run(run())
        assert refused.value.obj == f"{made['kind']} {PLACES[name]}/{name}"
    finally:
        plane.kubectl("-n", PLACES[name], "delete", str(made["kind"]).lower(), name)


def test_without_a_word_of_the_dns_a_node_is_asked(
    plane: control_plane.ControlPlane, connect: t.Callable[..., Kube]
) -> None:
    """The kubelet of this node cannot be reached: so it is said that the domain is not known."""
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "cluster_region": "eu"}})
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(node))
    ready = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    plane.kubectl("patch", "node", "a", "--subresource=status", "--type=merge", "-p", ready)
    asked: list[str] = []

    async def run() -> list[str]:
        async with connect() as kube:
            get_path = kube.get_path

            async def noted(path: str, **more: t.Any) -> dict[str, t.Any] | None:
                asked.append(path)
                return await get_path(path, **more)

            kube.get_path = noted  # type: ignore[method-assign]
            return check_standing(fleet, fleet.clusters["west"], await read_standing(kube))

    try:
        assert "the kubelet of a could not be asked" in " ".join(asyncio.run(run()))
        assert "/api/v1/nodes/a/proxy/configz" in asked
    finally:
        plane.kubectl("delete", "node", "a")
