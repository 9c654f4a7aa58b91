# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives Services of type LoadBalancer an address, on clusters of a local fleet.

It runs as a pod on the node, from the standard library alone. The node answers for every address of its block
(a local route does that), and kube-proxy forwards what arrives for an address in a Service's status;
so all there is to do is to write one there.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import ssl
import sys
import typing as t

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def request(method: str, path: str, body: t.Any = None, timeout: float | None = 30) -> http.client.HTTPResponse:
    """One request to the API server, as this pod's service account."""
    with open(f"{ACCOUNT}/token", encoding="utf-8") as handle:
        token = handle.read()
    context = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
    connection = http.client.HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"],
        int(os.environ["KUBERNETES_SERVICE_PORT"]),
        context=context,
        timeout=timeout,
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise OSError(f"{method} {path}: {answer.status} {answer.read(300).decode(errors='replace')}")
    return answer


def address_of(service: dict[str, t.Any]) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip") or "")


def choose(service: dict[str, t.Any], pool: list[str], used: dict[str, str]) -> str | None:
    """An address for ``service``: the one it asks for, or the first free one of the pool; None when there is none."""
    wanted = service["spec"].get("loadBalancerIP")
    free = [a for a in pool if a not in used.values()]
    if wanted:
        return wanted if wanted in free else None
    return free[0] if free else None


class Addresses:
    """Which Service has which address, by the events of the watch."""

    def __init__(self, block: str) -> None:
        self.pool = [str(a) for a in ipaddress.IPv4Network(block)]
        self.used: dict[str, str] = {}

    def seen(self, kind: str, service: dict[str, t.Any]) -> None:
        meta, spec = service["metadata"], service["spec"]
        key = f"{meta['namespace']}/{meta['name']}"
        if kind == "DELETED" or spec.get("type") != "LoadBalancer" or spec.get("loadBalancerClass"):
            self.used.pop(key, None)
            return
        if address_of(service) in self.pool:
            self.used[key] = address_of(service)
            return
        self.used.pop(key, None)
        address = choose(service, self.pool, self.used)
        if address is None:
            print(f"{key}: no free address of {len(self.pool)}", flush=True)
            return
        self.used[key] = address
        path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
        request("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}).read()
        print(f"{key}: {address}", flush=True)


def follow(addresses: Addresses) -> None:
    """List all Services, then watch them until the API server ends the watch."""
    listed = json.load(request("GET", "/api/v1/services"))
    # Addresses that are in use are known before any is given away.
    for service in sorted(listed["items"], key=lambda s: not address_of(s)):
        addresses.seen("ADDED", service)
    version = listed["metadata"]["resourceVersion"]
    watch = request("GET", f"/api/v1/services?watch=1&resourceVersion={version}&timeoutSeconds=600", timeout=660)
    for line in watch:
        event = json.loads(line)
        if event["type"] == "ERROR":
            return
        addresses.seen(event["type"], event["object"])


def main() -> None:
    while True:
        try:
            follow(Addresses(os.environ["BLOCK"]))
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The kubelet starts it again, with its own back-off.
            sys.exit(f"watch ended: {error}")


if __name__ == "__main__":
    main()
