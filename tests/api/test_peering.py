# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Peering against two real API servers, without istiod (tests/e2e runs it)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import ssl
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import ACCOUNT, ANNOTATION, LABEL
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import PeeringReport
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import BUNDLE
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.static_tokens import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import day
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.checks import token_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.credential_checks import credential_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering import peers as peering_peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering import writing
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.run import run_peering
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, PeeringState
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.facts import read_facts
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.tokens import read_tokens

from . import control_plane
from .authority import Authority
from .forward_proxy import balancer
from .loop import in_loop
from .plays import role_play, run_plays

SYSTEM = "istio-system"


@pytest.fixture(scope="module")
def planes(new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    return {name: new_plane(name) for name in ("west", "east")}


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's API servers listen on loopback only, which the product refuses for good reasons."""
    monkeypatch.setattr(
        "ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses._refuse_unreachable",
        lambda *_: None,
    )
    monkeypatch.setattr(peering_peers, "_HANDSHAKE_SECONDS", 60.0)  # they answer, however busy the machine is


def fleet(planes: dict[str, control_plane.ControlPlane], **more: dict[str, t.Any]) -> Fleet:
    """west by kubeconfig and context, east by address, token and CA: both kinds of connection."""
    west, east = planes["west"], planes["east"]
    hosts: dict[str, dict[str, t.Any]] = {
        "west": {"cluster_kubeconfig": str(west.kubeconfig), "cluster_context": "admin"},
        "east": {
            "cluster_api_url": east.server,
            "cluster_api_token": control_plane.ADMIN_TOKEN,
            "cluster_api_ca": east.ca_pem,
        },
    }
    for name, variables in more.items():
        hosts.setdefault(name, {}).update(variables)
    for variables in hosts.values():
        variables.setdefault("cluster_provider", "kubeconfig")
        variables.setdefault("fleet_name", "test")
    return read_fleet(hosts, environment())


async def prepared(planes: dict[str, control_plane.ControlPlane]) -> Fleet:
    """Both clusters as the base chart leaves them, without any remote secret."""
    made = fleet(planes)
    for name, cluster in made.clusters.items():
        async with Kube.connect(cluster.connection, cluster=name) as kube:
            about = {"namespace": SYSTEM}
            await kube.apply(
                [
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}},
                    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, **about}},
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": {"name": "kube-root-ca.crt", **about},
                        "data": {"ca.crt": planes[name].ca_pem},
                    },
                ]
            )
            for secret in await kube.list("v1", "Secret", SYSTEM):
                await kube.delete("v1", "Secret", secret["metadata"]["name"], SYSTEM)
    return made


async def peer(made: Fleet, play: t.Sequence[str] = (), **options: t.Any) -> PeeringReport:
    return await run_peering(made, play or list(made.clusters), Options(sync=False, **options))


async def secrets(made: Fleet, name: str) -> dict[str, dict[str, t.Any]]:
    async with Kube.connect(made.clusters[name].connection, cluster=name) as kube:
        found = await kube.list("v1", "Secret", SYSTEM, {LABEL: "true"})
        return {s["metadata"]["name"]: s for s in found}


def access(secret: dict[str, t.Any], key: str) -> kubeconfig.RemoteAccess:
    found = kubeconfig.parse(base64.b64decode(secret["data"][key]).decode(), key)
    assert found is not None
    return found


def actions(report: PeeringReport) -> dict[str, str]:
    return {f"{e['watcher']}>{e['watched']}": e["action"] for e in report.edges}


@in_loop
async def test_added_then_unchanged_and_no_token_is_made_for_nothing(
    planes: dict[str, control_plane.ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await prepared(planes)
    planned = await peer(made, dry_run=True)
    assert actions(planned) == {"west>east": "add", "east>west": "add"}
    assert [c.action for c in planned.changes] == ["created", "created"]
    assert await secrets(made, "west") == {}

    first = await peer(made)
    assert first.failures == {}
    assert first.summary.startswith("2 edges: 2 added, 0 renewed, 0 removed · not waited for · first token ends 20")
    held = access((await secrets(made, "west"))[BUNDLE], "east")
    assert held.server == planes["east"].server
    connection = Connection(server=held.server, token=held.token, ca_pem=base64.b64decode(held.ca).decode())
    async with Kube.connect(connection, cluster="east") as kube:
        review = await kube.transport.request(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        )
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"

    async def forbidden(*_: t.Any, **__: t.Any) -> None:
        raise AssertionError("a run with nothing to do asked for a token")

    monkeypatch.setattr(Kube, "token", forbidden)
    before = {n: (await secrets(made, n))[BUNDLE]["metadata"]["resourceVersion"] for n in made.clusters}
    again = await peer(made)
    assert set(actions(again).values()) == {"keep"}
    assert again.changes == []
    assert before == {n: (await secrets(made, n))[BUNDLE]["metadata"]["resourceVersion"] for n in made.clusters}
    for report in (planned, first):
        shown = "".join(c.before + c.after for c in report.changes) + repr(report)
        assert held.token not in shown
        assert "eyJ" not in shown


@in_loop
async def test_due_tokens_are_renewed(
    planes: dict[str, control_plane.ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await prepared(planes)
    await peer(made, lifetime=3600)
    before = access((await secrets(made, "west"))[BUNDLE], "east").token
    assert set(actions(await peer(made)).values()) == {"keep"}, "an hour is short, but it has just begun"
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 2500)
    assert set(actions(await peer(made, ["east"], renew_before=600, run_every=60)).values()) == {"keep"}
    assert set(actions(await peer(made, ["east"], run_every=60)).values()) == {"renew"}
    assert access((await secrets(made, "west"))[BUNDLE], "east").token != before


@in_loop
async def test_a_recreated_account_renews_its_tokens(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    async with Kube.connect(made.clusters["east"].connection, cluster="east") as kube:
        await kube.delete("v1", "ServiceAccount", ACCOUNT, SYSTEM)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": SYSTEM}}
        await kube.apply([account])
    assert actions(await peer(made)) == {"west>east": "renew", "east>west": "keep"}


@in_loop
async def test_an_edge_that_the_graph_no_longer_has_goes(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    partial = fleet(planes, west={"mesh_peers": []})
    report = await peer(partial)
    assert actions(report) == {"west>east": "remove", "east>west": "keep"}
    assert await secrets(made, "west") == {}
    assert actions(await peer(made, ["east"])) == {"west>east": "add", "east>west": "keep"}


@in_loop
async def test_absent_removes_both_directions(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    report = await peer(made, ["east"], absent=True)
    assert actions(report) == {"west>east": "remove", "east>west": "remove"}
    assert await secrets(made, "west") == {}
    assert await secrets(made, "east") == {}


@in_loop
async def test_an_unreachable_cluster_fails_alone(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    closed = {
        "cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}",
        "cluster_api_token": "x",
        "cluster_api_ca": planes["west"].ca_pem,
    }
    report = await peer(fleet(planes, south=closed))
    assert set(report.failures) == {"south"}
    assert "refused" in str(report.failures["south"][0]).lower()
    in_place = {f"{e['watcher']}>{e['watched']}" for e in report.edges if e["in_place"]}
    assert in_place == {"west>east", "east>west"}
    assert set((await secrets(made, "west"))[BUNDLE]["data"]) == {"east"}
    assert sorted(report.missing) == ["east", "west"], "they go on, and the recap says without what"
    limited = await peer(fleet(planes, south=closed), ["west"])
    assert limited.failures == {} and "edges with south" in str(limited.missing["west"][0])
    leaving = await peer(fleet(planes, south=closed), ["west"], absent=True)
    assert leaving.failures == {} and "south may still watch" in str(leaving.missing["west"][0])
    assert await secrets(made, "west") == {}
    # A cluster without edges in this run may be unreachable.
    assert (
        await peer(fleet(planes, south={**closed, "mesh_peers": []}, west={"mesh_peers": ["east"]}), ["west"])
    ).failures == {}


async def _refused(kube: Kube) -> bool:
    try:
        await kube.get_path("/api")
    except ApiError as error:
        return error.status == 401
    return False


def _without(made: Fleet, name: str) -> Fleet:
    """The fleet of an inventory that lacks a part."""
    return dataclasses.replace(made, clusters={n: c for n, c in made.clusters.items() if n != name})


@in_loop
async def test_half_an_inventory_removes_no_edge(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    before = {name: await secrets(made, name) for name in made.clusters}
    for play in ([], ["west"]):
        report = await peer(_without(made, "east"), play)
        assert actions(report) == {"west>east": "unnamed"} and report.failures == {} and report.changes == []
        assert "does not name east" in str(report.missing["west"][0])
        assert "peering_forget=east" in str(report.missing["west"][0])
    assert {name: await secrets(made, name) for name in made.clusters} == before
    assert set(actions(await peer(made)).values()) == {"keep"}, "nothing was lost"

    forgotten = await peer(_without(made, "east"), forget=frozenset({"east"}))
    assert actions(forgotten) == {"west>east": "remove"} and forgotten.missing == {}
    assert "delete serviceaccount istio-reader-service-account" in forgotten.warnings[0]
    assert await secrets(made, "west") == {}
    assert set((await secrets(made, "east"))[BUNDLE]["data"]) == {"west"}, "of east nothing is known"


@in_loop
async def test_a_static_token_stays_while_an_inventory_is_half(
    planes: dict[str, control_plane.ControlPlane],
) -> None:
    await _with_static_tokens(planes)
    east = {"cluster_kubeconfig": str(planes["east"].kubeconfig), "cluster_context": "admin"}
    # Were west to watch south, which is the same API server, then east would be a former name of south.
    made = fleet(planes, south={**east, "mesh_peers": ["west"]}, west={"mesh_peers": []})
    half = _without(made, "east")
    due = {"renew_before": 86400 * 400, "lifetime": 86400 * 300}
    report = await _later(time.time() + 86400 * 250, peer(half, ["south", "west"], **due))
    assert actions(report)["south>west"] == "renew", "the watchers that are named use it no more"
    assert "west" in await _token_secrets(made)
    assert "east may use it, which the inventory does not name" in " ".join(report.warnings)


@in_loop
async def test_a_deleted_account_ends_the_tokens_of_who_left(
    planes: dict[str, control_plane.ControlPlane],
) -> None:
    """What the run advises: east left, and still holds west's token."""
    made = await prepared(planes)
    await peer(made)
    held = access((await secrets(made, "east"))[BUNDLE], "west")
    theirs = Connection(server=held.server, token=held.token, ca_pem=base64.b64decode(held.ca).decode())
    planes["west"].kubectl("-n", SYSTEM, "delete", "serviceaccount", ACCOUNT)
    async with asyncio.timeout(60), Kube.connect(theirs, cluster="west") as kube:
        while True:  # the API server's own view of its accounts follows in a moment
            if await _refused(kube):
                break
            await asyncio.sleep(0.1)


@in_loop
@pytest.mark.parametrize("how", ["stopped", "unknown"])
async def test_a_dead_cluster_is_torn_down_and_its_peers_forget_it(
    planes: dict[str, control_plane.ControlPlane], how: str
) -> None:
    made = await prepared(planes)
    await peer(made)
    stopped = {"cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}"}
    # Whoever deletes a cluster of a cloud by its tools often deletes the context too.
    unknown = {"cluster_kubeconfig": str(planes["west"].kubeconfig), "cluster_context": "nonesuch"}
    other = {} if how == "stopped" else dict.fromkeys(("cluster_api_url", "cluster_api_token", "cluster_api_ca"), "")
    dead = fleet(planes, east={**other, **(stopped if how == "stopped" else unknown)})
    report = await peer(dead, ["east"], absent=True)
    assert actions(report) == {"west>east": "remove"}
    assert await secrets(made, "west") == {}
    (error,) = report.failures["east"]
    assert "nothing was removed on it" in str(error) and "take east out of the inventory" in str(error)
    assert report.missing == {}
    again = await peer(_without(dead, "east"))
    assert again.edges == [] and again.missing == {} and again.warnings == [], "that was the end of it"


def test_teardown_of_a_dead_cluster_ends(planes: dict[str, control_plane.ControlPlane], tmp_path: Path) -> None:
    """The whole playbook: west forgets east, and the advice does not lead back to the same command."""
    made = asyncio.run(prepared(planes))
    asyncio.run(peer(made))
    hosts = {
        "vars": {"cluster_provider": "kubeconfig", "fleet_name": "test"},
        "hosts": {
            "west": {"cluster_kubeconfig": str(planes["west"].kubeconfig), "cluster_context": "admin"},
            "east": {
                "cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}",
                "cluster_api_token": "x",
                "cluster_api_ca": planes["east"].ca_pem,
            },
        },
    }
    teardown = Path(__file__).parents[2] / "playbooks" / "teardown.yml"
    ran = run_plays(tmp_path, hosts, teardown, "--limit", "east")
    assert ran.code != 0 and "take east out of the inventory" in ran.output, ran.output
    assert asyncio.run(secrets(made, "west")) == {}
    assert "Remove the probes" not in ran.output


def test_a_cluster_of_this_machine_is_forgotten_before_it_goes(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    """Else the next run would find an edge to a cluster that the inventory does not name, and send here again."""
    made = asyncio.run(prepared(planes))
    asyncio.run(peer(made))
    west = planes["west"]
    authority = base64.b64encode(west.ca_pem.encode()).decode()
    theirs = {
        "clusters": [{"name": "c", "cluster": {"server": west.server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": control_plane.ADMIN_TOKEN}}],
        "contexts": [{"name": "west", "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig_file = tmp_path / "fleets" / "test" / "kubeconfigs" / "west.yaml"
    kubeconfig_file.parent.mkdir(parents=True)
    kubeconfig_file.write_text(yaml.safe_dump(theirs))
    hosts = {
        "vars": {"cluster_provider": "kind", "fleet_name": "test", "fleet_dir": str(tmp_path / "fleets")},
        "hosts": {"west": {}, "east": {}},
    }
    teardown = Path(__file__).parents[2] / "playbooks" / "teardown.yml"
    # With this engine nothing else happens.
    ran = run_plays(tmp_path, hosts, teardown, "--limit", "east", "-e", "kind_cluster_engine=none")
    assert "value of engine must be one of" in ran.output
    assert asyncio.run(secrets(made, "west")) == {}, ran.output


@in_loop
async def test_what_failed_earlier_gets_no_new_edge(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    report = await run_peering(made, ["west"], Options(sync=False), ["east"])
    assert set(actions(report).values()) == {"withheld"}
    assert report.failures == {} and "east failed earlier in this run" in str(report.missing["west"][0])
    assert await secrets(made, "west") == {} and await secrets(made, "east") == {}
    await peer(made)
    again = await run_peering(made, ["west"], Options(sync=False), ["east"])
    assert set(actions(again).values()) == {"keep"} and again.missing == {}, "an edge that is there is not new"


@in_loop
async def test_no_edge_between_clusters_with_different_roots(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    roots = {name: Authority(name).pem.decode() for name in made.clusters}
    for name, cluster in made.clusters.items():
        async with Kube.connect(cluster.connection, cluster=name) as kube:
            about = {"name": "istio-ca-root-cert", "namespace": SYSTEM}
            published = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}
            await kube.apply([{**published, "data": {"root-cert.pem": roots[name]}}])
    try:
        report = await peer(made)
        assert set(actions(report).values()) == {"withheld"}
        assert "different roots" in str(report.missing["west"][0])
        assert "2 failed" in report.summary
        assert await secrets(made, "west") == {} and await secrets(made, "east") == {}
    finally:
        for name, cluster in made.clusters.items():
            async with Kube.connect(cluster.connection, cluster=name) as kube:
                await kube.delete("v1", "ConfigMap", "istio-ca-root-cert", SYSTEM)


async def _at_once(*runs: t.Coroutine[t.Any, t.Any, PeeringReport]) -> list[t.Any]:
    """Both runs have read and decided before either writes."""
    barrier, prepare = asyncio.Barrier(len(runs)), writing.prepare
    waited: set[int] = set()

    async def together(state: PeeringState, watchers: t.Iterable[str]) -> None:
        await prepare(state, watchers)
        if id(state) not in waited:
            waited.add(id(state))
            await barrier.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "prepare", together)
        return await asyncio.gather(*runs)


@in_loop
async def test_two_runs_at_once_lose_no_edge(planes: dict[str, control_plane.ControlPlane]) -> None:
    await prepared(planes)
    south = {"cluster_kubeconfig": str(planes["east"].kubeconfig), "cluster_context": "admin", "mesh_peers": []}
    made = fleet(planes, east={"mesh_peers": []}, south=south)
    for what, absent in (("made", False), ("removed", True)):
        if absent:
            await peer(made, ["south"], absent=True)
        runs = (peer(made, ["east"], absent=absent), peer(made, ["south"]))
        reports = await _at_once(*runs)
        assert [r.failures for r in reports] == [{}, {}]
        held = set((await secrets(made, "west"))[BUNDLE]["data"])
        assert held == ({"south"} if absent else {"east", "south"}), what


@in_loop
async def test_a_key_of_ours_that_somebody_spoiled_is_mended(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    for spoiled in ({"stringData": {"east": "not a kubeconfig"}}, {"data": {"east": None}}):
        planes["west"].kubectl("-n", SYSTEM, "patch", "secret", BUNDLE, "--type=merge", "-p", json.dumps(spoiled))
        report = await peer(made)
        assert report.failures == {} and report.missing == {}
        assert access((await secrets(made, "west"))[BUNDLE], "east").token


def test_a_run_goes_on_without_an_edge_and_says_so_at_the_end(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    """west is peered while south, which failed before, is not; whoever asks the exit status hears of it."""
    in_loop(prepared)(planes)
    hosts = {
        "vars": {"cluster_provider": "kubeconfig", "ansible_connection": "local", "fleet_name": "test"},
        "hosts": {
            "west": {"cluster_kubeconfig": str(planes["west"].kubeconfig), "cluster_context": "admin"},
            "south": {"cluster_kubeconfig": str(planes["east"].kubeconfig), "cluster_context": "admin"},
        },
    }
    playbook = tmp_path / "run.yml"
    refused = {"ansible.builtin.fail": {"msg": "foreign root"}, "when": "inventory_hostname == 'south'"}
    peering = {**role_play("peering"), "name": "Peering", "module_defaults": {"mesh.fleet.peering": {"wait": False}}}
    about = {"hosts": "mesh_clusters", "gather_facts": False}
    playbook.write_text(
        yaml.safe_dump(
            [
                {"name": "Trust", **about, "tasks": [refused]},
                peering,
                {"name": "After", **about, "tasks": [{"ansible.builtin.debug": {"msg": "goes on"}}]},
                {"import_playbook": str(Path(__file__).parents[2] / "playbooks" / "whole.yml")},
            ]
        )
    )
    ran = run_plays(tmp_path, hosts, playbook, environment={"ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages"})
    assert "goes on" in ran.stdout, ran.output
    assert "not whole since peering: west" in ran.stdout
    assert "south failed earlier in this run" in ran.stdout
    assert "west   failed in whole" in ran.stdout and "south  failed in trust" in ran.stdout
    assert ran.code == 2


@in_loop
async def test_a_certificate_that_does_not_cover_the_address(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    other = planes["east"].server.replace("127.0.0.1", "127.0.0.2")
    bad = fleet(planes, east={"cluster_peer_endpoint": other})
    report = await peer(bad)
    text = str(report.failures.get("east", [""])[0])
    # The server binds 127.0.0.1 alone, so a refused connection on 127.0.0.2 is left for istiod to prove.
    assert text == "" and (await secrets(made, "west"))[BUNDLE]
    named = fleet(planes, east={"cluster_peer_endpoint": planes["east"].server.replace("127.0.0.1", "localhost")})
    report = await peer(named)
    assert "certificate does not cover" in str(report.failures["east"][0])


class Fronted(t.NamedTuple):
    """east behind a balancer that ends TLS and shows a certificate of its own."""

    url: str
    authority: Authority

    def fleet(self, planes: dict[str, control_plane.ControlPlane], **east: t.Any) -> Fleet:
        """The controller reaches east by the balancer's address, which is what peers get."""
        return fleet(planes, east={"cluster_api_url": self.url, "cluster_api_ca": self.authority.pem.decode(), **east})


@contextlib.asynccontextmanager
async def fronted(
    plane: control_plane.ControlPlane, folder: Path, *, intermediate: bool = False
) -> t.AsyncIterator[Fronted]:
    own, above = Authority("balancer-ca"), Authority("company-ca")
    # An intermediate CA, whose issuer nobody here has: Go takes it for the end of a chain.
    own.cert = above._sign(own.name, own.key.public_key(), ca=True) if intermediate else own.cert
    chain = folder / "balancer.pem"
    chain.touch(mode=0o600)
    chain.write_bytes(b"".join(own.issue("balancer", server=True)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    behind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    behind.load_verify_locations(cadata=plane.ca_pem)
    async with balancer(int(plane.server.rpartition(":")[2]), tls, behind) as url:
        yield Fronted(url, own)


async def held_by_west(made: Fleet, folder: Path) -> kubeconfig.RemoteAccess:
    """west's way to east, which leads there for a client in Go, as istiod is: by TLS, with a token that is taken."""
    text = base64.b64decode((await secrets(made, "west"))[BUNDLE]["data"]["east"]).decode()
    path = folder / "remote-secret"
    path.touch(mode=0o600)
    path.write_text(text)
    command = [str(control_plane.program("kubectl")), f"--kubeconfig={path}", "auth", "whoami", "-o=name"]
    # In a thread, because the balancer runs in this one.
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = kubeconfig.parse(text, "east")
    assert found is not None
    return found


async def _unseen(*_: t.Any) -> None:
    raise TimeoutError


@pytest.mark.parametrize("public", [False, True], ids=["its own CA", "a public certificate"])
@in_loop
async def test_an_address_that_shows_another_cas_certificate(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    """The edge is made by the CA that verifies the address; one with the API server's own CA is mended, once."""
    made = await prepared(planes)
    async with fronted(planes["east"], tmp_path) as front:
        made = front.fleet(planes)
        if public:
            roots = tmp_path / "roots.pem"
            roots.write_bytes(front.authority.pem)
            monkeypatch.setenv("SSL_CERT_FILE", str(roots))
            made = front.fleet(planes, cluster_api_ca="")
        with monkeypatch.context() as blind:
            # Through a proxy, for example, which only the client knows: its own connection is proof enough.
            blind.setattr(peering_peers, "_shake_hands", _unseen)
            assert actions(await peer(made)) == {"west>east": "add", "east>west": "add"}
        held = await held_by_west(made, tmp_path)
        assert held.server == front.url
        assert base64.b64decode(held.ca).decode().strip() == ("" if public else front.authority.pem.decode().strip())
        assert (await peer(made)).changes == []

        own = base64.b64encode(planes["east"].ca_pem.encode()).decode()
        wrong = json.dumps({"stringData": {"east": kubeconfig.render(dataclasses.replace(held, ca=own))}})
        planes["west"].kubectl("-n", SYSTEM, "patch", "secret", BUNDLE, "--type=merge", "-p", wrong)
        with monkeypatch.context() as blind:
            blind.setattr(peering_peers, "_shake_hands", _unseen)
            assert (await peer(made)).changes == [], "nothing shows that it is wrong"
        report = await peer(made)
        assert {e["watcher"]: e["why"] for e in report.edges if e["action"] == "renew"} == {
            "west": "the cluster's CA has changed"
        }
        assert (await held_by_west(made, tmp_path)).ca == held.ca
        for see in (None, _unseen, None):
            with monkeypatch.context() as change:
                if see:
                    change.setattr(peering_peers, "_shake_hands", see)
                assert (await peer(made)).changes == []


@in_loop
async def test_what_our_own_connection_has_shown_is_not_asked_again(
    planes: dict[str, control_plane.ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def counted(server: peering_peers.PeerServer, *_: t.Any) -> None:
        asked.append(server.url)
        raise TimeoutError

    monkeypatch.setattr(peering_peers, "_shake_hands", counted)
    made = await prepared(planes)
    assert (await peer(made)).failures == {}
    assert asked == []
    other = planes["east"].server.replace("127.0.0.1", "127.0.0.2")
    assert (await peer(fleet(planes, east={"cluster_peer_endpoint": other}))).failures == {}
    assert asked == [other]


@in_loop
async def test_the_own_address_of_a_fronted_api_server_has_its_own_ca(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    await prepared(planes)
    async with fronted(planes["east"], tmp_path) as front:
        made = front.fleet(planes, cluster_peer_endpoint=planes["east"].server)
        assert (await peer(made)).failures == {}
        assert base64.b64decode((await held_by_west(made, tmp_path)).ca).decode() == planes["east"].ca_pem
        # Both CAs are known, and the address shows which one it is.
        both = planes["east"].ca_pem + front.authority.pem.decode()
        assert (await peer(front.fleet(planes, cluster_api_ca=both))).failures == {}
        assert base64.b64decode((await held_by_west(made, tmp_path)).ca).decode().split() == both.split()


@in_loop
async def test_a_context_for_peers_brings_its_own_ca(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    await prepared(planes)
    async with fronted(planes["east"], tmp_path, intermediate=True) as front:
        config = yaml.safe_load(planes["east"].kubeconfig.read_text())
        config["clusters"][0]["cluster"]["certificate-authority"] = str(planes["east"].directory / "ca.crt")
        (tmp_path / "front.crt").write_bytes(front.authority.pem)
        config["clusters"].append({"name": "front", "cluster": {"server": front.url}})
        config["contexts"].append({"name": "east-peer", "context": {"cluster": "front", "user": ""}})
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        there = {"cluster_api_url": "", "cluster_kubeconfig": str(tmp_path / "kubeconfig"), "cluster_context": "token"}
        made = fleet(planes, east=there)
        report = await peer(made)
        text = str(report.failures["east"][0])
        assert "no known CA verifies the certificate of the address that other clusters would use" in text
        assert f"{front.url}: by kube-root-ca.crt: " in text and "context east-peer" in text
        assert await secrets(made, "west") == {}

        config["clusters"][-1]["cluster"]["certificate-authority"] = "front.crt"
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        assert (await peer(made)).failures == {}
        held = await held_by_west(made, tmp_path)
        assert (held.server, base64.b64decode(held.ca)) == (front.url, front.authority.pem)
        assert (await peer(made)).changes == []


def _istioctl(plane: control_plane.ControlPlane, *args: str) -> str:
    program = control_plane.program("istioctl")
    done = subprocess.run(
        [str(program), f"--kubeconfig={plane.kubeconfig}", *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _static_token_of(
    made: Fleet, name: str, planes: dict[str, control_plane.ControlPlane], *, ours: bool = False
) -> None:
    """Write a token into the token Secret, as the token controller does, which these control planes lack."""
    async with Kube.connect(made.clusters[name].connection, cluster=name) as kube:
        token, _expires = await kube.token(SYSTEM, ACCOUNT, seconds=86400 * 300)
        await kube.apply(
            [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": TOKEN_SECRET,
                        "namespace": SYSTEM,
                        "annotations": {"kubernetes.io/service-account.name": ACCOUNT},
                        "labels": owner_labels("peering", made.name) if ours else {},
                    },
                    "type": "kubernetes.io/service-account-token",
                    "data": {
                        "token": base64.b64encode(token.encode()).decode(),
                        "ca.crt": base64.b64encode(planes[name].ca_pem.encode()).decode(),
                    },
                }
            ]
        )


@in_loop
async def test_equal_to_istioctls_secret_and_adopted_from_it(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await _static_token_of(made, "east", planes)
    await _static_token_of(made, "west", planes)
    theirs_text = _istioctl(
        planes["east"], "create-remote-secret", "--name=east", f"--server={planes['east'].server}", "--context=token"
    )
    await peer(made, static=True)
    ours = (await secrets(made, "west"))[BUNDLE]
    (theirs,) = [document for document in yaml.safe_load_all(theirs_text) if document]
    assert yaml.safe_load(base64.b64decode(ours["data"]["east"])) == yaml.safe_load(theirs["stringData"]["east"])
    assert ours["metadata"]["labels"][LABEL] == theirs["metadata"]["labels"][LABEL] == "true"
    assert ours["metadata"]["annotations"][ANNOTATION] == theirs["metadata"]["annotations"][ANNOTATION]

    # Adopted: in place, the same bytes, once.
    await peer(made, absent=True)
    planes["west"].kubectl("apply", "-f", "-", stdin=theirs_text)
    before = (await secrets(made, "west"))["istio-remote-secret-east"]
    report = await peer(made, static=True)
    assert actions(report)["west>east"] == "adopt"
    after = await secrets(made, "west")
    assert set(after) == {"istio-remote-secret-east"}
    assert after["istio-remote-secret-east"]["data"] == before["data"]
    assert actions(await peer(made, static=True))["west>east"] == "keep"
    # Then renewed as ours, though kubectl wrote it first, and removed.
    renewed = await peer(made)
    assert actions(renewed)["west>east"] in ("keep", "renew") and renewed.failures == {}
    await peer(made, absent=True)
    assert await secrets(made, "west") == {}


@in_loop
async def test_a_secret_of_somebody_else_is_left_alone(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    foreign = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "istio-remote-secret-east",
            "namespace": SYSTEM,
            "labels": {LABEL: "true", "istio.io/owned-by": "mesh.googleapis.com"},
            "annotations": {ANNOTATION: "east"},
        },
        "stringData": {"east": "not ours to read"},
    }
    async with Kube.connect(made.clusters["west"].connection, cluster="west") as kube:
        await kube.apply([foreign], manager="somebody")
    before = await secrets(made, "west")
    report = await peer(made)
    assert actions(report) == {"west>east": "provided", "east>west": "add"}
    assert "not changed" in report.warnings[0]
    assert await secrets(made, "west") == before
    await peer(made, absent=True)
    assert await secrets(made, "west") == before


async def _token_secrets(made: Fleet) -> set[str]:
    """The clusters that hold the token Secret."""
    found = set()
    for name, cluster in made.clusters.items():
        async with Kube.connect(cluster.connection, cluster=name) as kube:
            if await kube.get("v1", "Secret", TOKEN_SECRET, SYSTEM):
                found.add(name)
    return found


async def _with_static_tokens(planes: dict[str, control_plane.ControlPlane], *, ours: bool = True) -> Fleet:
    made = await prepared(planes)
    for name in made.clusters:
        await _static_token_of(made, name, planes, ours=ours)
    assert (await peer(made, static=True)).failures == {}
    return made


# These control planes run without the token controller, so a stand-in token is bound and expires; a `renew_before`
# beyond that makes it due, as a static token always is.
@in_loop
async def test_back_from_static_tokens_none_is_left(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await _with_static_tokens(planes)
    tokens = {n: access((await secrets(made, n))[BUNDLE], o).token for n, o in (("west", "east"), ("east", "west"))}
    due = {"renew_before": 86400 * 400, "lifetime": 86400 * 300}
    with_time = time.time() + 86400 * 250
    planned = await _later(with_time, peer(made, dry_run=True, **due))
    removed = [(c.cluster, c.action) for c in planned.changes if c.name == TOKEN_SECRET]
    assert sorted(removed) == [("east", "removed"), ("west", "removed")]
    assert await _token_secrets(made) == {"west", "east"}, "check mode removes nothing"

    report = await _later(with_time, peer(made, **due))
    assert report.failures == {} and report.warnings == []
    assert set(actions(report).values()) == {"renew"}
    counts = "2 edges: 0 added, 2 renewed, 0 removed, 2 static tokens removed · not waited for"
    assert report.summary.startswith(counts)
    assert await _token_secrets(made) == set()
    for name, other in (("west", "east"), ("east", "west")):
        assert access((await secrets(made, name))[BUNDLE], other).token != tokens[name]
    assert (await peer(made)).changes == []


@in_loop
async def test_a_static_token_stays_while_a_watcher_may_use_it(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await _with_static_tokens(planes)
    kept = await peer(made)
    assert set(actions(kept).values()) == {"keep"}, "the stand-in tokens are valid for long"
    assert await _token_secrets(made) == {"west", "east"}
    assert "stays: west would still use it" in " ".join(kept.warnings)

    # A watcher that does not answer may use it.
    async with Kube.connect(made.clusters["west"].connection, cluster="west") as kube:
        await kube.delete("v1", "Secret", BUNDLE, SYSTEM)
    closed = {"cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}", "cluster_api_token": "x"}
    partly = fleet(planes, south={**closed, "cluster_api_ca": planes["west"].ca_pem})
    report = await peer(partly, ["east"])
    assert "south may use it, and did not answer" in " ".join(report.warnings)
    assert "east" in await _token_secrets(made)


@in_loop
async def test_a_cluster_that_leaves_loses_its_static_token(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await _with_static_tokens(planes)
    report = await peer(made, ["east"], absent=True, static=True)
    assert report.failures == {}
    assert await _token_secrets(made) == {"west"}


@in_loop
async def test_a_token_secret_of_somebody_else_stays(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await _with_static_tokens(planes, ours=False)
    await peer(made, absent=True)
    await peer(made)
    assert await _token_secrets(made) == {"west", "east"}


@in_loop
async def test_what_a_former_primary_left_goes(planes: dict[str, control_plane.ControlPlane]) -> None:
    """east was a primary: its remote secrets and its intermediate CA are of no use in a remote."""
    await peer(await prepared(planes))
    made = fleet(planes, east={"mesh_role": "remote", "mesh_primary": "west"}, west={"mesh_peers": []})
    istiod = control_plane_deployment("istiod")
    cluster = made.clusters["east"]
    async with Kube.connect(cluster.connection, cluster="east") as kube:
        signer = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cacerts", "namespace": SYSTEM},
            "data": {"ca-key.pem": ""},
        }
        found = await verified(made, kube, "east")
        assert found.state == "failed" and "remote secret of west" in found.seen
        await kube.apply([signer], labels=owner_labels("trust", "another"))
        assert (await peer(made)).warnings == []
        assert await secrets(made, "east") == {}, "they hold the tokens of its former peers"
        assert await kube.get("v1", "Secret", "cacerts", SYSTEM), "it is another fleet's"

        await kube.delete("v1", "Secret", "cacerts", SYSTEM)
        assert (await verified(made, kube, "east")).state == "ok"
        await kube.apply([signer], labels=owner_labels("trust", made.name))
        await kube.apply([istiod])
        kept = await peer(made)
        assert "cacerts stays" in " ".join(kept.warnings) and "Deployment istiod still runs" in " ".join(kept.warnings)
        assert await kube.get("v1", "Secret", "cacerts", SYSTEM), "an istiod that lost it would make a root of its own"
        found = await verified(made, kube, "east")
        assert found.state == "failed" and "Secret istio-system/cacerts" in found.seen
        planned = await peer(made, dry_run=True)
        assert [(c.cluster, c.name, c.action) for c in planned.changes] == [("east", "cacerts", "removed")]

        await kube.delete("apps/v1", "Deployment", "istiod", SYSTEM)
        assert (await peer(made, ["west"])).changes == [], "east is not in the play"
        done = await peer(made)
        assert [(c.cluster, c.name, c.action) for c in done.changes] == [("east", "cacerts", "removed")]
        assert done.warnings == [] and ", 1 intermediate CA removed" in done.summary
        assert await kube.get("v1", "Secret", "cacerts", SYSTEM) is None
    assert (await peer(made)).changes == []


@in_loop
async def test_a_renamed_cluster_is_not_watched_twice(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    east = made.clusters["east"]
    renamed = dataclasses.replace(east, name="orient", primary="orient")
    later = dataclasses.replace(made, clusters={"west": made.clusters["west"], "orient": renamed})
    report = await peer(later)
    assert actions(report) == {"west>orient": "add", "west>east": "remove", "orient>west": "keep"}
    assert (report.failures, report.missing) == ({}, {})
    assert list((await secrets(made, "west"))[BUNDLE]["data"]) == ["orient"]
    assert (await peer(later)).changes == []


@in_loop
async def test_a_static_token_that_nobody_uses_any_more_goes(planes: dict[str, control_plane.ControlPlane]) -> None:
    await _with_static_tokens(planes)
    alone = fleet(planes, west={"mesh_peers": []}, east={"mesh_peers": []})
    one = alone.clusters["east"].connection
    async with Kube.connect(one, cluster="east") as kube:
        found = await verified(dataclasses.replace(alone, clusters={"east": alone.clusters["east"]}), kube, "east")
    assert found.state == "failed" and TOKEN_SECRET in found.seen
    report = await peer(alone, static=True)
    assert report.failures == {} and report.warnings == []
    assert report.summary == "0 edges: 0 added, 0 renewed, 2 removed, 2 static tokens removed"
    assert await _token_secrets(alone) == set()


async def verified(made: Fleet, kube: Kube, name: str) -> Check:
    """What verify says of the credentials that a cluster holds."""
    found = Facts(name)
    await read_facts(kube, made, dataclasses.replace(made.clusters[name], role="remote", primary="west"), found)
    assert found.problem == ""
    return credential_checks(made, {name: found})[0]


def control_plane_deployment(name: str) -> dict[str, t.Any]:
    labels = {"app": "istiod"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SYSTEM, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "discovery", "image": "pilot"}]},
            },
        },
    }


async def _later(now: float, work: t.Coroutine[t.Any, t.Any, PeeringReport]) -> PeeringReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: now)
        return await work


@pytest.fixture(scope="module")
def capped(
    planes: dict[str, control_plane.ControlPlane], new_plane: control_plane.Start
) -> dict[str, control_plane.ControlPlane]:
    """east gives tokens of a day at most, as managed Kubernetes does, and has a token controller."""
    east = new_plane("capped", "--service-account-max-token-expiration=24h")
    east.start_controllers()
    return {"west": planes["west"], "east": east}


async def one_way(planes: dict[str, control_plane.ControlPlane]) -> Fleet:
    """west watches east, and east nobody."""
    await prepared(planes)
    return fleet(planes, east={"mesh_peers": []})


async def checked_tokens(made: Fleet, run_every: int, now: float | None = None) -> Check:
    """What verify says of the tokens that west holds."""
    async with contextlib.AsyncExitStack() as stack:
        kubes, _failed = await connect_each(stack, made.clusters.values(), absent_ok=False)
        west = Facts("west")
        assert await read_tokens([west], kubes, made) == {}
        assert "eyJ" not in repr(west)
        (check,) = token_checks([west], run_every=run_every, now=now or time.time())
        return check


@in_loop
async def test_a_life_that_the_server_shortens_is_told_at_once(capped: dict[str, control_plane.ControlPlane]) -> None:
    made = await one_way(capped)
    began = time.time()
    report = await peer(made)
    held = kubeconfig.read_token(access((await secrets(made, "west"))[BUNDLE], "east").token)
    assert held is not None and held.expires is not None
    assert abs(held.expires - began - 86400) < 120, "the server gave a day"
    (warning,) = report.warnings
    assert "east: a token lives 24 h (30 days were asked for, the API server gives less)" in warning
    assert "at least every 9 h and set peering_run_every to 32400" in warning
    assert [e["token_ends"] for e in report.edges] == [day(held.expires)]
    assert report.summary.endswith(f"first token ends {day(held.expires)}")
    again = await peer(made)
    assert set(actions(again).values()) == {"keep"}
    assert again.warnings == [warning] and again.summary.endswith(day(held.expires)), "every run says the day"
    check = await checked_tokens(made, 7 * 86400)
    assert check.state == "failed" and f"that of east ends at {day(held.expires)}" in check.seen

    # On the schedule that the warning names, nothing is wrong, and each run renews.
    assert (await peer(made, run_every=32400)).warnings == []
    check = await checked_tokens(made, 32400)
    assert check.state == "ok" and check.seen == f"the first ends at {day(held.expires)}"
    renewed = await _later(began + 32400, peer(made, run_every=32400))
    assert set(actions(renewed).values()) == {"renew"}
    assert (await checked_tokens(made, 32400, now=held.expires + 86400)).seen.startswith("that of east ended at")


@in_loop
async def test_bound_tokens_become_static_ones_in_place(capped: dict[str, control_plane.ControlPlane]) -> None:
    made = await one_way(capped)
    await peer(made)
    before = (await secrets(made, "west"))[BUNDLE]
    report = await peer(made, static=True)
    assert report.failures == {} and report.missing == {} and report.warnings == []
    assert actions(report) == {"west>east": "renew"}
    assert "ends" not in report.summary
    after = (await secrets(made, "west"))[BUNDLE]
    assert after["metadata"]["uid"] == before["metadata"]["uid"], "the key never left its Secret"
    token = kubeconfig.read_token(access(after, "east").token)
    assert token is not None and token.expires is None and token.secret == TOKEN_SECRET
    check = await checked_tokens(made, 7 * 86400)
    assert (check.state, check.seen) == ("ok", "none ends")
    assert (await peer(made, static=True)).changes == []

    # A new key signs tokens: the Secret's own is refused, and nobody writes another one into it.
    spoiled = base64.b64encode(_forged(access(after, "east").token).encode()).decode()
    theirs = json.dumps({"metadata": {"labels": None}, "data": {"token": spoiled}})
    capped["east"].kubectl("-n", SYSTEM, "patch", "secret", TOKEN_SECRET, "--type=merge", "-p", theirs)
    report = await peer(made, static=True)
    assert "refuses the token of its token Secret, which is not ours" in str(report.failures["east"][0])
    assert (await secrets(made, "west"))[BUNDLE]["data"] == after["data"]
    ours = json.dumps({"metadata": {"labels": owner_labels("peering", made.name)}})
    capped["east"].kubectl("-n", SYSTEM, "patch", "secret", TOKEN_SECRET, "--type=merge", "-p", ours)
    report = await peer(made, static=True)
    assert report.failures == {}
    assert [(c.name, c.action) for c in report.changes if c.cluster == "east"] == [
        (TOKEN_SECRET, "removed"),
        (TOKEN_SECRET, "created"),
    ]
    assert (await checked_tokens(made, 7 * 86400)).state == "ok"


def _forged(token: str) -> str:
    """The same claims with a signature that is wrong."""
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{signature[::-1]}"


@in_loop
async def test_a_token_that_its_cluster_refuses_is_mended(planes: dict[str, control_plane.ControlPlane]) -> None:
    made = await prepared(planes)
    await peer(made)
    good = access((await secrets(made, "west"))[BUNDLE], "east")
    bad = kubeconfig.render(dataclasses.replace(good, token=_forged(good.token)))
    spoiled = json.dumps({"stringData": {"east": bad}})
    planes["west"].kubectl("-n", SYSTEM, "patch", "secret", BUNDLE, "--type=merge", "-p", spoiled)
    check = await checked_tokens(made, 3600)
    assert (check.state, check.seen) == ("failed", "that of east is refused by its API server")
    planned = await peer(made, dry_run=True)
    assert actions(planned) == {"west>east": "renew", "east>west": "keep"}
    report = await peer(made)
    assert actions(report) == {"west>east": "renew", "east>west": "keep"}
    assert [e["why"] for e in report.edges if e["action"] == "renew"] == ["the cluster refuses its token"]
    assert "eyJ" not in repr(report)
    assert (await checked_tokens(made, 3600)).state == "ok"
    assert (await peer(made)).changes == []


@in_loop
async def test_each_token_is_asked_about_once(
    planes: dict[str, control_plane.ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several watchers have the one token of a cluster that a run made for all of them."""
    await prepared(planes)
    south = {"cluster_kubeconfig": str(planes["west"].kubeconfig), "cluster_context": "admin", "mesh_peers": ["east"]}
    made = fleet(planes, south=south, west={"mesh_peers": ["east"]}, east={"mesh_peers": []})
    await peer(made)
    asked: list[str] = []
    accepts = Kube.accepts

    async def counted(self: Kube, token: str) -> bool:
        asked.append(self.cluster)
        return await accepts(self, token)

    monkeypatch.setattr(Kube, "accepts", counted)
    await peer(made)
    assert asked == ["east"]


@pytest.mark.parametrize("by", ["token", "client certificate"])
@in_loop
async def test_without_the_right_to_review_the_token_itself_asks(
    planes: dict[str, control_plane.ControlPlane], tmp_path: Path, by: str
) -> None:
    made = await prepared(planes)
    west = planes["west"]
    async with Kube.connect(made.clusters["west"].connection, cluster="west") as kube:
        token, _ends = await kube.token(SYSTEM, ACCOUNT)
        assert await kube.accepts(token) and not await kube.accepts(_forged(token))
    config = yaml.safe_load(west.kubeconfig.read_text())
    certificate, key = (base64.b64encode(pem).decode() for pem in west.authority.issue("nobody", ["nobodies"]))
    user = {"client-certificate-data": certificate, "client-key-data": key}
    config["users"] = [{"name": "limited", "user": user if by != "token" else {"token": control_plane.LIMITED_TOKEN}}]
    config["clusters"][0]["cluster"]["certificate-authority"] = str(west.directory / "ca.crt")
    limited = tmp_path / "kubeconfig"
    limited.write_text(yaml.safe_dump(config))
    async with Kube.connect(Connection(kubeconfig=str(limited), context="limited"), cluster="west") as kube:
        assert await kube.accepts(token)
        assert not await kube.accepts(_forged(token))
