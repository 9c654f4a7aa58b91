# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two meshes of two teams, each with its root and its inventory, on one cluster each: they exchange files, and call.

The tests run in their order. Each call that must pass has one beside it, as like it as can be, that must not.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import datetime
import functools
import http.server
import json
import pathlib
import shutil
import socket
import ssl
import threading
import typing as t

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Authority,
    certificate_pem,
    key_from_pem,
    key_pem,
    new_key,
    parse_certificates,
)

from . import playbooks
from .local_fleet import FLEETS, STATE, Fleet
from .mesh import Objects, calls, differences, objects
from .playbooks import ROOT, changed
from .waiting import until_equal

MESHES = {"west": "west.mesh", "east": "east.mesh"}
APPS = "istio-apps"
NAME = f"sample-producer.{APPS}.global"
SNI = f"outbound_.8080_._.{NAME}"
CALLER = f"/ns/{APPS}/sa/sample-caller-sa"
PRODUCER = f"/ns/{APPS}/sa/sample-producer-sa"
CALL = """
import sys, urllib.error, urllib.request
try:
    request = urllib.request.Request(sys.argv[1], headers={"accept": "application/json"})
    print(urllib.request.urlopen(request, timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print("no:", error)
"""


class Mesh:
    """One team's mesh: its inventory, and its cluster."""

    def __init__(self, fleet: Fleet, cluster: str, folder: pathlib.Path) -> None:
        self.fleet, self.cluster, self.folder = fleet, cluster, folder
        self.name = f"{FLEETS}-fed-{cluster}"
        self.domain = MESHES[cluster]
        self.federation: dict[str, t.Any] = {"peers": []}
        folder.mkdir()
        (folder / "group_vars").mkdir()
        for name in ("connection", "machine"):
            for path in (ROOT / "inventories/local/group_vars/mesh_clusters").glob(f"{name}*.yml"):
                (folder / "group_vars" / "mesh_clusters").mkdir(exist_ok=True)
                shutil.copy(path, folder / "group_vars" / "mesh_clusters")

    def play(self, playbook: str, *arguments: str, good: bool = True) -> str:
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "fleet_name": self.name,
            "mesh_id": self.cluster,
            "mesh_trust_domain": self.domain,
            "mesh_network": f"{self.cluster}-net",
            "mesh_federation": self.federation,
            "apps_sample": {"caller": [self.cluster], "producer": {"v1": [self.cluster]}},
            "apps_sample_image": self.fleet.facts["sample_image"],
            "gateways_ingress": False,
            "artifacts_parts": ["tools", "charts"],
        }
        hosts = {self.cluster: self.fleet.as_existing()[self.cluster]}
        inventory = {"mesh_clusters": {"vars": common, "hosts": hosts}}
        (self.folder / "fleet.yml").write_text(yaml.safe_dump(inventory))
        return playbooks.play(playbook, *arguments, good=good, inventories=[str(self.folder)])

    def exec(self, app: str, program: str, *arguments: str) -> str:
        return self.fleet.kubectl(
            self.cluster, "-n", APPS, "exec", f"deploy/{app}-v1", "-c", app, "--", "python3", "-c", program, *arguments
        )

    def answer(self, address: str, app: str = "sample-caller") -> str:
        """Who answers a pod of ours, as the callee's cluster; else what is said in place of an answer."""
        said = self.exec(app, CALL, f"http://{address}/")
        try:
            return str(json.loads(said)["cluster"])
        except (ValueError, KeyError, TypeError):
            return said

    def bundle(self, peer: str) -> pathlib.Path:
        return STATE / self.name / "federation" / f"{self.domain}-for-{MESHES[peer]}.json"

    def gateway(self) -> str:
        (one,) = json.loads(self.bundle("west" if self.cluster == "east" else "east").read_text())["gateways"]
        return str(one["address"])

    def authority(self) -> tuple[Authority, str]:
        """What its istiod signs with, and the chain: who has it can sign whatever name."""
        text = self.fleet.kubectl(self.cluster, "-n", "istio-system", "get", "secret", "cacerts", "-o", "json")
        data = {name: base64.b64decode(value).decode() for name, value in json.loads(text)["data"].items()}
        return Authority(parse_certificates(data["ca-cert.pem"])[0], key_from_pem(data["ca-key.pem"])), data[
            "cert-chain.pem"
        ]


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("per_cluster")
    return objects(fleet)


@pytest.fixture(scope="module")
def meshes(before: Objects, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Mesh, Mesh]]:
    folder = tmp_path_factory.mktemp("meshes")
    west, east = (Mesh(fleet, cluster, folder / cluster) for cluster in MESHES)
    for one in (west, east):
        shutil.rmtree(STATE / one.name, ignore_errors=True)
    west.federation = {"peers": [{"trust_domain": "east.mesh", "bundle": "mail/east.json"}]}
    export = {"service": f"sample-producer.{APPS}", "callers": [f"{APPS}/sample-caller-sa"]}
    east.federation = {"peers": [{"trust_domain": "west.mesh", "bundle": "mail/west.json", "exports": [export]}]}
    yield west, east
    for one in (west, east):
        shutil.rmtree(STATE / one.name, ignore_errors=True)


def send(one: Mesh, other: Mesh) -> None:
    """A mail with the file that one team wrote for the other."""
    (other.folder / "mail").mkdir(exist_ok=True)
    shutil.copy(one.bundle(other.cluster), other.folder / "mail" / f"{one.cluster}.json")


def both(meshes: tuple[Mesh, Mesh], playbook: str) -> None:
    """Each team runs a playbook, at the same time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(one.play, playbook) for one in meshes]:
            done.result()


def certificate(mesh: Mesh, folder: pathlib.Path, *names: x509.GeneralName) -> tuple[str, str]:
    """Paths of a chain and a key: a workload's certificate with any names, by the CA of a mesh."""
    authority, chain = mesh.authority()
    key, now = new_key(), datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    (folder / "chain.pem").write_text(certificate_pem(leaf) + chain)
    (folder / "key.pem").write_text(key_pem(key))
    return str(folder / "chain.pem"), str(folder / "key.pem")


def knock(address: str, chain: tuple[str, str], sni: str = SNI) -> str:
    """The status that a call by mutual TLS gets from outside at a gateway; "refused" where TLS gives none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["istio"])
    context.load_cert_chain(*chain)
    try:
        with (
            socket.create_connection((address, 15443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=sni) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}:8080\r\nConnection: close\r\n\r\n".encode())
            said = secure.recv(1000).decode(errors="replace").split()
            return said[1] if len(said) > 1 else "refused"
    except OSError:
        return "refused"


def test_each_team_makes_its_mesh_and_a_file(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    both(meshes, "site")
    for one, other in ((west, east), (east, west)):
        text = one.bundle(other.cluster).read_text()
        assert "PRIVATE" not in text
        assert len(json.loads(text)["roots"]) == 1
        assert one.answer(f"{NAME}:8080") != other.cluster
    assert [s["host"] for s in json.loads(east.bundle("west").read_text())["services"]] == [NAME]


def test_with_the_files_the_calls_pass(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    send(west, east)
    send(east, west)
    for one in (east, west):
        one.play("site", "--tags", "control_plane,federation")
    until_equal(functools.partial(west.answer, f"{NAME}:8080"), "east", "west's call to answer from east")
    said = json.loads(west.exec("sample-caller", CALL, f"http://{NAME}:8080/"))
    assert said["identity"] == {"by": f"spiffe://east.mesh{PRODUCER}", "uri": f"spiffe://west.mesh{CALLER}"}
    assert east.answer(f"sample-producer.{APPS}:8080") == "east", "calls within a mesh go on"
    assert west.answer(f"sample-producer.{APPS}:8080") == "west"
    assert changed(west.play("site", "--tags", "control_plane,federation")) == 0
    west.play("verify")
    made = calls(west.name)["west", "east.mesh", NAME]
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
    west.play("federation")
    until_equal(functools.partial(west.answer, f"{own}:8080"), "east", "the peer's own name to answer")
    said = json.loads(west.exec("sample-caller", CALL, f"http://{own}:8080/"))
    assert said["identity"] == {"by": f"spiffe://east.mesh{PRODUCER}", "uri": f"spiffe://west.mesh{CALLER}"}
    until_equal(
        functools.partial(west.answer, f"{own}:8080", "sample-producer"), "403", "another account to be refused"
    )
    until_equal(functools.partial(west.answer, f"{NAME}:8080"), "west", "the name that west exports to be west's")
    west.play("verify")
    assert f"403 from spiffe://east.mesh{PRODUCER}" in calls(west.name)["west", "east.mesh", own]["seen"]


def uri(value: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(f"spiffe://{value}")


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
    shutil.copy(west.bundle("east"), west.folder / "mail" / "east.json")
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
    east.federation = {"peers": [{"trust_domain": "west.mesh", "bundle": "mail/west.json"}]}
    east.play("site", "--tags", "control_plane")
    assert "federation-west.mesh" in east.fleet.kubectl("east", *named)


def test_the_meshes_leave_nothing_behind(meshes: tuple[Mesh, Mesh], before: Objects, fleet: Fleet) -> None:
    both(meshes, "teardown")
    until_equal(lambda: differences(fleet, before), {}, "what the meshes leave behind")
