# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe of verify."""

from __future__ import annotations

import datetime
import http.server
import json
import ssl
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import COUNTED
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    certificate_pem,
    key_pem,
    new_key,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads import probe

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})


def test_every_name_leads_to_one_cluster() -> None:
    objects = probe.probe_objects(FLEET, FLEET.clusters["west"], {"sample.py": ""}, image="x", created=True)
    services = {o["metadata"]["name"]: o["spec"]["selector"] for o in objects if o["kind"] == "Service"}
    assert services == {f"probe-{name}": {"app": "probe", "mesh.fleet/cluster": name} for name in ("west", "east")}
    (pods,) = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] == "Deployment"]
    assert [n for n, s in services.items() if s.items() <= pods.items()] == ["probe-west"]


def test_its_sidecar_counts_what_policies_are_measured_by() -> None:
    objects = probe.probe_objects(FLEET, FLEET.clusters["west"], {"sample.py": ""}, image="x", created=True)
    (notes,) = [o["spec"]["template"]["metadata"]["annotations"] for o in objects if o["kind"] == "Deployment"]
    assert notes["sidecar.istio.io/statsInclusionRegexps"] == COUNTED


def test_sidecars_of_probes_log_calls_where_istiod_is_ours() -> None:
    remote = {"cluster_provider": "kubeconfig", "mesh_role": "remote", "mesh_primary": "west"}
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig"}, "edge": remote})
    logging = probe.access_log(fleet, fleet.clusters["west"])
    assert logging and logging["metadata"]["namespace"] == "mesh-verify"
    assert logging["metadata"]["labels"] == probe.probe_labels(fleet)
    assert probe.access_log(fleet, fleet.clusters["edge"]) is None


class Redirecting(http.server.BaseHTTPRequestHandler):
    """Sends callers of its first page on."""

    def do_GET(self) -> None:
        self.send_response(301 if self.path == "/" else 200)
        self.send_header("location", f"https://{self.headers['host']}/")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: t.Any) -> None:
        """Says nothing."""


def made(urls: list[str], trusted: str = "") -> dict[str, t.Any]:
    """What the probe's program says of calls."""
    here = str(Path(__file__).parents[6] / "roles" / "apps" / "files" / "sample")
    _python, *words = probe.call_command(urls, 20_000, trusted)
    words = [word.replace("/app", here) for word in words]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def signed(host: str, folder: Path) -> str:
    """A certificate by a CA that nobody knows, as PEM; in the folder with its key."""
    now, authority, key = datetime.datetime.now(datetime.UTC), new_key(), new_key()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a CA of the company")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    (folder / f"{host}.pem").write_text(certificate_pem(leaf) + key_pem(key))
    return certificate_pem(leaf)


def test_by_https_one_of_the_given_certificates_counts_alone(tmp_path: Path) -> None:
    theirs, other = signed("shop.example", tmp_path), signed("other.example", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "shop.example.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/ shop.example"
        answered = made([url], other + theirs)[url]
        refused = [made([url], trusted)[url] for trusted in (other, "")]
        another = made([url.replace("shop", "other")], other + theirs).popitem()[1]
        server.shutdown()
    assert (answered["status"], answered["location"]) == (301, "https://shop.example/")
    for answer in (*refused, another):
        assert answer["status"] == 0 and "does not hold" in answer["problem"]["what"]


def test_a_call_says_where_it_is_sent_on() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        urls = [f"{at}/ shop.example", f"{at}/other shop.example", "http://127.0.0.1:1/"]
        said = made(urls)
        server.shutdown()
    assert [(said[url]["status"], said[url]["location"]) for url in urls] == [
        (301, "https://shop.example/"),
        (200, ""),
        (0, ""),
    ]
