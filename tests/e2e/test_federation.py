# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two meshes of two teams, each with its root and its inventory, on one cluster each: they exchange files, and call.

The tests run in their order. Each call that must pass has one beside it, as like it as can be, that must not.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import http.server
import json
import pathlib
import re
import shutil
import ssl
import threading
import typing as t

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    certificate_pem,
    key_pem,
    new_key,
)

from .federated import APPS, CALLER, NAME, PRODUCER, SNI, Mesh, at_once, certificate, knock, send, uri
from .local_fleet import STATE, Fleet
from .mesh import Objects, calls, differences, objects, proof
from .playbooks import ROOT, changed
from .waiting import until, until_equal

MESHES = {"west": "west.mesh", "east": "east.mesh"}
WORDS = {
    "west.example": MESHES["west"],
    "east.example": MESHES["east"],
    "shop.store": f"sample-producer.{APPS}",
    "web/frontend": f"{APPS}/sample-caller-sa",
}
"""What the documentation calls otherwise than these meshes do."""


def shown(comment: str) -> dict[str, t.Any]:
    """The variables that docs/federation.md shows below a comment, in the words of these meshes."""
    text = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```yaml\n# {comment}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    for word, here in WORDS.items():
        block = block.replace(word, here)
    return dict(yaml.safe_load(block))


def plain_root() -> dict[str, t.Any]:
    """A root without a name constraint, as other tools make it, and its key: the trust of a mesh that has it."""
    key, now = new_key(), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "west")])
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return {"trust_root": "provided", "trust_root_cert": certificate_pem(root), "trust_root_key": key_pem(key)}


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("per_cluster")
    return objects(fleet)


@pytest.fixture(scope="module")
def meshes(before: Objects, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Mesh, Mesh]]:
    folder = tmp_path_factory.mktemp("meshes")
    west, east = (Mesh(fleet, [cluster], folder / cluster) for cluster in MESHES)
    for one in (west, east):
        shutil.rmtree(STATE / one.name, ignore_errors=True)
    # West's root is the user's own and plain, east's is ours: one is trusted as a copy, the other limits itself too.
    west.trust = plain_root()
    for one in (west, east):
        values = shown(one.cluster)
        assert values == {"mesh_trust_domain": one.domain, "mesh_federation": values["mesh_federation"]}
        one.federation = values["mesh_federation"]
    yield west, east
    for one in (west, east):
        shutil.rmtree(STATE / one.name, ignore_errors=True)


def test_each_team_makes_its_mesh_and_a_file(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    at_once(meshes, "site")
    for one, other in ((west, east), (east, west)):
        text = one.bundle(other.cluster).read_text()
        assert "PRIVATE" not in text
        assert len(json.loads(text)["roots"]) == 1
        assert one.answer(f"{NAME}:8080") != other.cluster
    assert [s["host"] for s in json.loads(east.bundle("west").read_text())["services"]] == [NAME]
    # Before they exchange files, neither its own certificate nor one that claims east's name is anything to east.
    for name in (f"west.mesh{CALLER}", f"east.mesh{CALLER}"):
        assert knock(east.gateway(), certificate(west, tmp_path, uri(name))) == "refused"


def test_with_the_files_the_calls_pass(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    send(west, east)
    send(east, west)
    for one in (east, west):
        said = " ".join(one.play("site", "--tags", "control_plane,federation").split())
        assert ("has no name constraint" in said) == (one is west), "of a root of ours it is told, with the way out"
    until_equal(functools.partial(west.answer, f"{NAME}:8080"), "east", "west's call to answer from east")
    said = json.loads(west.said(f"{NAME}:8080"))
    assert said["identity"] == {"by": f"spiffe://east.mesh{PRODUCER}", "uri": f"spiffe://west.mesh{CALLER}"}
    assert east.answer(f"sample-producer.{APPS}:8080") == "east", "calls within a mesh go on"
    assert west.answer(f"sample-producer.{APPS}:8080") == "west"
    assert changed(west.play("site", "--tags", "control_plane,federation")) == 0
    at_once(meshes, "verify")
    made = calls(west.name)["west", "east.mesh", NAME]
    assert (
        f"no certificate → {NAME} at {east.gateway()}",
        "ok",
        "refused",
    ) in [(one["name"], one["state"], one["seen"]) for one in proof(east.name)["checks"]]
    assert f"403 from spiffe://east.mesh{PRODUCER}" in made["seen"], "the probe is no caller, and knows who answers"


def test_another_account_of_the_peer_is_refused(meshes: tuple[Mesh, Mesh]) -> None:
    west, _east = meshes
    assert west.answer(f"{NAME}:8080") == "east"
    assert west.answer(f"{NAME}:8080", "sample-producer") == "403"


def test_two_services_of_one_name_are_told_apart(meshes: tuple[Mesh, Mesh]) -> None:
    west, _east = meshes
    own = f"sample-producer.{APPS}.{MESHES['east']}"
    assert west.answer(f"{NAME}:8080") == "east"
    (peer,) = west.federation["peers"]
    west.federation = {"peers": [{**peer, "exports": [{"service": f"sample-producer.{APPS}"}]}]}
    assert "offers a name that is taken" in west.play("federation", good=False)
    west.federation["peers"][0]["names"] = "own"
    assert {"peers": [{**peer, "names": "own"}]} == shown("west, which exports shop.store itself")["mesh_federation"]
    west.play("federation")
    until_equal(functools.partial(west.answer, f"{own}:8080"), "east", "the peer's own name to answer")
    said = json.loads(west.said(f"{own}:8080"))
    assert said["identity"] == {"by": f"spiffe://east.mesh{PRODUCER}", "uri": f"spiffe://west.mesh{CALLER}"}
    until_equal(
        functools.partial(west.answer, f"{own}:8080", "sample-producer"), "403", "another account to be refused"
    )
    until_equal(functools.partial(west.answer, f"{NAME}:8080"), "west", "the name that west exports to be west's")
    west.play("verify")
    assert f"403 from spiffe://east.mesh{PRODUCER}" in calls(west.name)["west", "east.mesh", own]["seen"]


def test_the_peers_ca_speaks_for_the_peer_alone(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    gateway = east.gateway()
    sign = functools.partial(certificate, west, tmp_path)
    assert knock(gateway, sign(uri(f"west.mesh{CALLER}"))) == "200", "else what follows shows nothing"
    claims = f"spiffe://east.mesh{CALLER}"
    mailbox = x509.RFC822Name._init_without_validation(claims)
    for forged in (uri(f"east.mesh{CALLER}"), x509.DNSName(claims), mailbox):
        assert knock(gateway, sign(forged)) == "refused", forged
        assert knock(gateway, sign(uri(f"west.mesh{CALLER}"), forged)) == "refused", forged
    assert knock(gateway, sign(uri(f"north.mesh{CALLER}"))) == "refused"
    assert knock(gateway, sign(uri(f"west.mesh{PRODUCER}"))) == "403"


@contextlib.contextmanager
def trusted_as_it_is(of: Mesh, by: Mesh) -> t.Iterator[None]:
    """A mesh trusts another's root itself and no copy with a constraint, as Istio's documentation has it."""
    about = ("-n", "istio-system", "configmap", "istio")
    config = yaml.safe_load(by.fleet.kubectl(by.cluster, "get", *about, "-o", "jsonpath={.data.mesh}"))
    (peer,) = config["caCertificates"]
    assert peer["trustDomains"] == [of.domain] and peer["pem"] != of.trust["trust_root_cert"]

    def trust(pem: str) -> None:
        data = {"mesh": yaml.safe_dump({**config, "caCertificates": [{**peer, "pem": pem}]})}
        by.fleet.kubectl(by.cluster, "patch", *about, "--type=merge", "-p", json.dumps({"data": data}))

    trust(of.trust["trust_root_cert"])
    try:
        yield
    finally:
        trust(peer["pem"])


def test_with_the_peers_root_as_it_is_its_ca_speaks_for_us(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    forged = certificate(west, tmp_path, uri(f"east.mesh{CALLER}"))
    refused = functools.partial(knock, east.gateway(), forged)
    with trusted_as_it_is(west, east):
        until_equal(refused, "200", "what the test above shows is the constraint's doing, or a forged name to pass")
    until_equal(refused, "refused", "the forged name to be refused again")


def test_what_is_not_exported_is_not_reached(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    own = certificate(west, tmp_path, uri(f"west.mesh{CALLER}"))
    assert knock(east.gateway(), own) == "200"
    for host in (f"sample-producer.{APPS}.svc.cluster.local", f"sample-caller.{APPS}.global"):
        assert knock(east.gateway(), own, f"outbound_.8080_._.{host}") == "refused", host
    # Where pods are reached without a gateway, the name in the handshake is the caller's choice: the policy counts.
    policy = json.loads(
        east.fleet.kubectl(
            "east", "-n", "istio-system", "get", "authorizationpolicy", "federation-west.mesh", "-o", "json"
        )
    )
    assert policy["spec"]["rules"][0]["when"] == [{"key": "connection.sni", "notValues": [SNI]}]


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers as any workload would."""

    def do_GET(self) -> None:
        body = json.dumps({"cluster": "server"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(address: str, chain: tuple[str, str]) -> t.Iterator[int]:
    """A workload outside both clusters, with a certificate of the test's; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)
    with http.server.ThreadingHTTPServer((address, 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("has", "pinned", "answer"),
    [("east.mesh", "east.mesh", "server"), ("west.mesh", "west.mesh", "503"), ("east.mesh", "west.mesh", "503")],
    ids=["its-own", "forged", "another"],
)
def test_a_server_by_the_peers_ca(
    meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path, has: str, pinned: str, answer: str
) -> None:
    west, east = meshes
    network = json.loads(east.fleet.ask_engine("network", "inspect", east.fleet.engine_network))[0]
    subnets = network.get("subnets") or network["IPAM"]["Config"]
    here = next(one.get("gateway") or one.get("Gateway") for one in subnets)
    host = f"server-{has}-{pinned}".replace(".", "-") + ".test"
    with serving(here, certificate(east, tmp_path, uri(f"{has}{PRODUCER}"))) as port:
        entry = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": host, "namespace": APPS},
            "spec": {
                "hosts": [host],
                "addresses": ["240.242.0.1"],
                "location": "MESH_INTERNAL",
                "resolution": "STATIC",
                "ports": [{"number": 8080, "name": "http", "protocol": "HTTP"}],
                "subjectAltNames": [f"spiffe://{pinned}{PRODUCER}"],
                "endpoints": [
                    {"address": here, "ports": {"http": port}, "labels": {"security.istio.io/tlsMode": "istio"}}
                ],
            },
        }
        west.fleet.kubectl("west", "apply", "-f", "-", stdin=json.dumps(entry))
        try:
            until_equal(lambda: west.answer(f"{host}:8080"), answer, f"what a server of {has} answers")
        finally:
            west.fleet.kubectl("west", "-n", APPS, "delete", "serviceentry", host)


def test_a_file_that_was_mixed_up_is_refused(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    shutil.copy(west.bundle("east"), west.folder / west.federation["peers"][0]["bundle"])
    said = west.play("federation", good=False)
    assert "has our own trust domain" in said
    send(east, west)


def test_a_peer_that_leaves_is_not_trusted_any_more(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    own = certificate(west, tmp_path, uri(f"west.mesh{CALLER}"))
    assert knock(east.gateway(), own) == "200"
    gateway = east.gateway()
    east.federation = {"peers": []}
    east.play("site", "--tags", "control_plane,federation")
    until_equal(lambda: knock(gateway, own), "refused", "west's calls to be refused")
    assert not east.bundle("west").exists()
    assert east.answer(f"sample-producer.{APPS}:8080") == "east"


def test_a_root_is_not_trusted_before_its_policy_is_there(meshes: tuple[Mesh, Mesh]) -> None:
    _west, east = meshes
    named = ("-n", "istio-system", "get", "authorizationpolicies", "-o", "name")
    assert "federation-west.mesh" not in east.fleet.kubectl("east", *named)
    (peer,) = shown("east")["mesh_federation"]["peers"]
    east.federation = {"peers": [{name: value for name, value in peer.items() if name != "exports"}]}
    east.play("site", "--tags", "control_plane")
    assert "federation-west.mesh" in east.fleet.kubectl("east", *named)


def test_a_peer_whose_istiod_claims_our_domain_is_refused(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    east.federation = shown("east")["mesh_federation"]
    east.play("federation")
    call = functools.partial(west.answer, f"sample-producer.{APPS}.{MESHES['east']}:8080")
    until_equal(call, "east", "west's call to pass")
    kubectl = functools.partial(west.fleet.kubectl, "west")
    config = yaml.safe_load(kubectl("-n", "istio-system", "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"))
    data = {"mesh": yaml.safe_dump({**config, "trustDomain": "east.mesh"})}
    kubectl("-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", json.dumps({"data": data}))
    for space, name in (("istio-system", "istiod"), (APPS, "sample-caller-v1")):
        kubectl("-n", space, "rollout", "restart", f"deployment/{name}")
        kubectl("-n", space, "rollout", "status", f"deployment/{name}", "--timeout=120s")
    asked = ("-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "certs")
    until(
        lambda: f"spiffe://east.mesh{CALLER}" in kubectl("-n", APPS, "exec", "deploy/sample-caller-v1", *asked),
        "west's pod to claim an identity of east",
    )
    until_equal(call, "503", "east to refuse it")
    with trusted_as_it_is(west, east):
        until_equal(call, "east", "it to pass where the peer's root is trusted as it is")


def test_the_meshes_leave_nothing_behind(meshes: tuple[Mesh, Mesh], before: Objects, fleet: Fleet) -> None:
    at_once(meshes, "teardown")
    until_equal(lambda: differences(fleet, before), {}, "what the meshes leave behind")
