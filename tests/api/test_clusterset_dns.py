# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of exported services in a cluster's DNS: a real CoreDNS answers them, and a real API server keeps its file."""

from __future__ import annotations

import contextlib
import json
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_dns import (
    Plan,
    with_block,
    zone_block,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.corefile import main_server
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import clusterset_dns
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_dns import (
    Served,
    await_names,
    serve_names,
)

from . import control_plane
from .core_dns import AAAA, NOERROR, NXDOMAIN, SERVFAIL, SRV, Answer, CoreDns, free_port
from .loop import in_loop

WEB = "web.shop.svc.clusterset.local"
DB = "db.shop.svc.clusterset.local"
RECORDS = {WEB: ["10.1.2.3"], DB: ["10.9.9.8", "10.9.9.9", "fd00::2"]}
COREFILE = ".:53 {\n    bind 127.0.0.1\n    errors\n    whoami\n    reload 2s 1s\n}\n"
FLEET = "prod"

Connect = t.Callable[..., Kube]


def corefile(records: t.Mapping[str, list[str]], *, views: bool = True, text: str = COREFILE) -> str:
    return with_block(text, zone_block(records, FLEET, main_server(text), views=views), FLEET)


# -- what CoreDNS answers ----------------------------------------------------------------------


def test_coredns_answers_exported_names_and_no_others(tmp_path: Path) -> None:
    with CoreDns(tmp_path, corefile(RECORDS), free_port()) as dns:
        assert dns.ask(WEB) == Answer(NOERROR, ("10.1.2.3",), (5,))
        assert dns.ask(WEB.upper()) == Answer(NOERROR, ("10.1.2.3",), (5,))
        assert dns.ask(DB).addresses == ("10.9.9.8", "10.9.9.9"), "a headless service has all of its pods"
        assert dns.ask(DB, AAAA).addresses == ("fd00::2",)
        for kind in (AAAA, SRV):
            assert dns.ask(WEB, kind).code == NOERROR
            assert dns.ask(WEB, kind).addresses == ()
        for name in ("", "svc.", "shop.svc.", "none.svc."):
            assert dns.ask(f"{name}clusterset.local") == Answer(NOERROR, authority=1), "the names below are there"
        for name in ("none.shop.svc", f"x.{WEB.removesuffix('.clusterset.local')}", "shop", "a.shop.svc.x"):
            assert dns.ask(f"{name}.clusterset.local") == Answer(NXDOMAIN, authority=1)


def test_an_older_coredns_answers_the_names_too(tmp_path: Path) -> None:
    with CoreDns(tmp_path, corefile(RECORDS, views=False), free_port()) as dns:
        assert dns.ask(WEB) == Answer(NOERROR, ("10.1.2.3",), (5,))
        assert dns.ask("none.shop.svc.clusterset.local").code == SERVFAIL


def test_it_takes_up_other_names_as_it_runs(tmp_path: Path) -> None:
    with CoreDns(tmp_path, COREFILE, free_port()) as dns:
        assert dns.ask(WEB).addresses == (), "whoami knows no such name"
        dns.write(corefile({WEB: ["10.1.2.4"]}))
        dns.await_words("Reloading complete")
        assert dns.ask(WEB).addresses == ("10.1.2.4",)
        assert dns.ask(DB).code == NXDOMAIN


def test_a_thousand_names_are_answered(tmp_path: Path) -> None:
    records = {f"web{n}.shop.svc.clusterset.local": [f"10.1.{n // 250}.{n % 250 + 1}"] for n in range(1000)}
    with CoreDns(tmp_path, corefile(records), free_port()) as dns:
        assert dns.ask("web999.shop.svc.clusterset.local").addresses == ("10.1.3.250",)
        assert dns.ask("web1000.shop.svc.clusterset.local").code == NXDOMAIN


# -- what the API server keeps -----------------------------------------------------------------


def deployment(image: str = "registry.k8s.io/coredns/coredns:v1.12.1") -> dict[str, t.Any]:
    labels = {"k8s-app": "kube-dns"}
    box = {"name": "coredns", "image": image, "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns"}]}
    pod = {"containers": [box], "volumes": [{"name": "config-volume", "configMap": {"name": "coredns"}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


@pytest.fixture
def cluster(plane: control_plane.ControlPlane) -> t.Iterator[t.Callable[[str], None]]:
    """Writes the Corefile of a cluster with CoreDNS as kubeadm installs it."""

    def write(text: str, name: str = "coredns", key: str = "Corefile") -> None:
        meta = {"name": name, "namespace": "kube-system"}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {key: text}}
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(config))

    plane.kubectl("apply", "-f", "-", stdin=json.dumps(deployment()))
    write(COREFILE)
    yield write
    plane.kubectl("-n", "kube-system", "delete", "configmap", "coredns", "coredns-custom", "--ignore-not-found")
    plane.kubectl("-n", "kube-system", "delete", "deployment", "coredns")


async def text_of(kube: Kube, name: str = "coredns", key: str = "Corefile") -> str:
    found = await kube.get("v1", "ConfigMap", name, "kube-system")
    return str((found or {})["data"][key])


def actions(served: Served) -> list[str]:
    return [f"{change.described} {change.action}" for change in served.changes]


CHANGED = ["ConfigMap kube-system/coredns changed"]


@pytest.mark.usefixtures("cluster")
@in_loop
async def test_names_are_written_once_and_go_again(connect: Connect) -> None:
    async with connect() as kube:
        planned = await serve_names(kube, FLEET, RECORDS, dry_run=True)
        assert await text_of(kube) == COREFILE, "check mode writes nothing"
        done = await serve_names(kube, FLEET, RECORDS)
        assert actions(planned) == actions(done) == CHANGED
        assert (planned.changes, done.warnings) == (done.changes, [])
        assert done.changes[0].before == ""
        assert done.changes[0].after == zone_block(RECORDS, FLEET, main_server(COREFILE), views=True), "ours alone"
        assert await text_of(kube) == corefile(RECORDS)
        assert actions(await serve_names(kube, FLEET, RECORDS)) == []
        assert actions(await serve_names(kube, "other", {})) == [], "another fleet removes nothing of it"
        assert actions(await serve_names(kube, FLEET, {}, diff=False)) == CHANGED
        assert await text_of(kube) == COREFILE
        assert actions(await serve_names(kube, FLEET, {})) == []


@in_loop
async def test_what_was_written_in_between_is_kept(
    connect: Connect, cluster: t.Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody edits the Corefile after it was read: it is read again, and both are there."""
    theirs = f"{COREFILE}corp.example:53 {{\n    whoami\n}}\n"
    read, times = clusterset_dns._read, []

    async def between(kube: Kube, *, whole: bool) -> t.Any:
        found = await read(kube, whole=whole)
        if not times:
            cluster(theirs)
        times.append(1)
        return found

    monkeypatch.setattr(clusterset_dns, "_read", between)
    async with connect() as kube:
        done = await serve_names(kube, FLEET, RECORDS)
        assert (actions(done), len(times)) == (CHANGED, 2)
        assert await text_of(kube) == corefile(RECORDS, text=theirs)


@in_loop
async def test_what_was_done_before_a_second_try_is_said(
    connect: Connect, cluster: t.Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names move to what the Corefile imports by now; somebody writes that one in between."""
    custom = "coredns-custom"
    cluster("# theirs\n", custom, "a.server")
    read, times = clusterset_dns._read, []

    async def between(kube: Kube, *, whole: bool) -> t.Any:
        found = await read(kube, whole=whole)
        if not times:
            cluster("# others\n", custom, "a.server")
        times.append(1)
        return found

    async with connect() as kube:
        await serve_names(kube, FLEET, RECORDS)
        cluster(f"{await text_of(kube)}import custom/*.server\n")
        monkeypatch.setattr(clusterset_dns, "_read", between)
        done = await serve_names(kube, FLEET, RECORDS)
        assert (actions(done), len(times)) == ([*CHANGED, f"ConfigMap kube-system/{custom} changed"], 2)
        assert await text_of(kube, custom, "a.server") == "# others\n"
        assert actions(await serve_names(kube, FLEET, RECORDS)) == []


@in_loop
async def test_who_writes_it_each_time_is_not_overwritten(
    connect: Connect, cluster: t.Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, texts = clusterset_dns._read, [COREFILE]

    async def between(kube: Kube, *, whole: bool) -> t.Any:
        found = await read(kube, whole=whole)
        texts.append(f"{texts[-1]}# again\n")
        cluster(texts[-1])
        return found

    monkeypatch.setattr(clusterset_dns, "_read", between)
    async with connect() as kube:
        with pytest.raises(FleetError, match="written by somebody else each time") as refused:
            await serve_names(kube, FLEET, RECORDS)
        assert refused.value.obj == "ConfigMap kube-system/coredns"
        assert await text_of(kube) == texts[-1]


@in_loop
async def test_a_zone_of_others_is_left_alone(connect: Connect, cluster: t.Callable[[str], None]) -> None:
    theirs = f"{COREFILE}clusterset.local:53 {{\n    forward . 10.1.1.1\n}}\n"
    cluster(theirs)
    async with connect() as kube:
        done = await serve_names(kube, FLEET, RECORDS)
        assert (actions(done), await text_of(kube)) == ([], theirs)
        (warning,) = done.warnings
        assert warning.startswith("west: the cluster's DNS serves clusterset.local already (ConfigMap kube-system/cor")
        assert "line 7: clusterset.local:53 {" in warning


@in_loop
async def test_imported_servers_are_made_and_removed(
    connect: Connect, cluster: t.Callable[..., None], plane: control_plane.ControlPlane
) -> None:
    custom, key = "coredns-custom", "mesh-fleet.server"
    cluster(f"{COREFILE}import custom/*.server\n")
    async with connect() as kube:
        assert actions(await serve_names(kube, FLEET, RECORDS)) == [f"ConfigMap kube-system/{custom} created"]
        assert (await text_of(kube, custom, key)).startswith("# mesh.fleet prod")
        assert actions(await serve_names(kube, FLEET, RECORDS)) == []
        plane.kubectl("-n", "kube-system", "patch", "configmap", custom, "-p", '{"data": {"a.server": "# theirs"}}')
        assert actions(await serve_names(kube, FLEET, {})) == [f"ConfigMap kube-system/{custom} changed"]
        assert await text_of(kube, custom, "a.server") == "# theirs"
        plane.kubectl("-n", "kube-system", "patch", "configmap", custom, "-p", '{"data": {"a.server": null}}')
        await serve_names(kube, FLEET, RECORDS)
        assert actions(await serve_names(kube, FLEET, {})) == [f"ConfigMap kube-system/{custom} removed"]


@in_loop
async def test_a_cluster_without_coredns_is_refused(connect: Connect) -> None:
    async with connect() as kube:
        with pytest.raises(FleetError, match="cannot be added") as refused:
            await serve_names(kube, FLEET, RECORDS)
        assert refused.value.cluster == "west"
        assert actions(await serve_names(kube, FLEET, {})) == []


@pytest.mark.usefixtures("cluster")
@in_loop
async def test_who_may_not_read_it_has_nothing_to_remove(connect: Connect) -> None:
    async with connect("limited") as kube:
        assert await serve_names(kube, FLEET, {}) == Served()
        with pytest.raises(FleetError, match="not"):
            await serve_names(kube, FLEET, RECORDS)


# -- whether it is loaded ----------------------------------------------------------------------


@contextlib.contextmanager
def pod(plane: control_plane.ControlPlane) -> t.Iterator[None]:
    """A ready pod of CoreDNS at this machine's address, which the API server can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 53))  # nothing is sent
        address = probe.getsockname()[0]
    made = {"apiVersion": "v1", "kind": "Pod", **deployment()["spec"]["template"]}
    made["metadata"] = {"name": "coredns-1", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    made["spec"] = {"containers": [{"name": "coredns", "image": "coredns"}], "nodeName": "nowhere"}
    status = {"podIP": address, "podIPs": [{"ip": address}], "conditions": [{"type": "Ready", "status": "True"}]}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(made))
    patch = json.dumps({"status": status})
    plane.kubectl("-n", "kube-system", "patch", "pod", "coredns-1", "--subresource=status", "--type=merge", "-p", patch)
    yield
    plane.kubectl("-n", "kube-system", "delete", "pod", "coredns-1", "--force", "--grace-period=0")


@in_loop
async def test_the_names_are_awaited_until_coredns_has_them(
    connect: Connect, cluster: t.Callable[[str], None], plane: control_plane.ControlPlane, tmp_path: Path
) -> None:
    text = COREFILE.replace("errors", f"prometheus :{free_port()}").replace("    bind 127.0.0.1\n", "")
    cluster(text)
    async with connect() as kube:
        with CoreDns(tmp_path, text, free_port()) as dns, pod(plane):
            served = await serve_names(kube, FLEET, RECORDS)
            late = await await_names(kube, served, timeout=0)
            assert late.endswith("was not seen within 0 s: not yet by coredns-1")
            dns.write(await text_of(kube))  # as kubelet does
            assert await await_names(kube, served, timeout=120) == ""
            assert dns.ask(WEB).addresses == ("10.1.2.3",)
            other = await serve_names(kube, FLEET, {WEB: ["10.1.2.4"]})
            assert "not yet by coredns-1" in await await_names(kube, other, timeout=0), "an older view is another one"
        async with connect("limited") as nobody:
            may_not = await await_names(nobody, other, timeout=60)
            assert "may not be read" in may_not


@in_loop
async def test_what_cannot_be_seen_is_not_awaited(connect: Connect) -> None:
    async with connect() as kube:
        assert await await_names(kube, Served(plan=Plan()), timeout=60) == ""
