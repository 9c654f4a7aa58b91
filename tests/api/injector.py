# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A webhook that injects, as Google's does: by address, with its mark, for namespaces with istio-injection=enabled."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
import typing as t

from . import control_plane

OWNED = {"istio.io/owned-by": "mesh.googleapis.com"}
IMAGE = "gcr.io/gke-release/asm/proxyv2:1.23.6"


def patch(pod: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """A sidecar for a workload, an image for a gateway."""
    for index, container in enumerate(pod["spec"]["containers"]):
        if container["name"] == "istio-proxy":
            return [{"op": "replace", "path": f"/spec/containers/{index}/image", "value": IMAGE}]
    return [{"op": "add", "path": "/spec/containers/-", "value": {"name": "istio-proxy", "image": IMAGE}}]


class Injector:
    """Serves the webhook from this machine; :meth:`configuration` is what the API server has to be told."""

    def __init__(self, plane: control_plane.ControlPlane) -> None:
        certificate, key = plane.authority.issue("injector", server=True)
        for name, data in (("injector.crt", certificate), ("injector.key", key)):
            (plane.directory / name).write_bytes(data)
        self.ca = plane.authority.pem
        self.asked: list[str] = []
        """Namespaces of the pods it was asked about."""
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(review["request"]["namespace"])
                answer = base64.b64encode(json.dumps(patch(review["request"]["object"])).encode()).decode()
                response = {
                    "uid": review["request"]["uid"],
                    "allowed": True,
                    "patchType": "JSONPatch",
                    "patch": answer,
                }
                body = json.dumps({**review, "request": None, "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: t.Any) -> None:
                """The tests' output is theirs."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plane.directory / "injector.crt", plane.directory / "injector.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def configuration(self) -> dict[str, t.Any]:
        url = f"https://127.0.0.1:{self.server.server_address[1]}/inject"
        hook = {
            "name": "namespace.sidecar-injector.istio.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(self.ca).decode()},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}},
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "istiod-asm-managed", "labels": OWNED},
            "webhooks": [hook],
        }

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
