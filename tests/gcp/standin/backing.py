# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real clusters behind the stand-in's: their endpoint and CA, and tokens that they accept.

Kubernetes authenticates bearer tokens of the form ``<id>.<secret>`` from Secrets ``bootstrap-token-<id>``,
which kubeadm's clusters (so kind's) have switched on. Unlike a service account's token, one such token can be
valid in any number of clusters at once, as Google's are.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
import time
import typing as t
import urllib.parse

import kubernetes
import urllib3
import yaml

from .cloud import Cloud
from .warden import guard

__all__ = ["back_with", "seal"]

Json = dict[str, t.Any]
_SECONDS = 60.0


def back_with(cloud: Cloud) -> None:
    """Give each cluster that has a kubeconfig in ``cloud.kubeconfigs`` that cluster's endpoint and CA."""

    def on_cluster(cluster: Json) -> None:
        path = cloud.kubeconfigs.get(cluster["name"])
        if not path:
            return
        with open(path, encoding="utf-8") as handle:
            config = yaml.safe_load(handle)
        # The last one is for peers: an address that other clusters reach too, as Google's are.
        entry = config["clusters"][-1]["cluster"]
        address = urllib.parse.urlsplit(entry["server"]).netloc
        cluster["endpoint"] = address
        cluster["masterAuth"] = {"clusterCaCertificate": entry["certificate-authority-data"]}
        ends = cluster.setdefault("controlPlaneEndpointsConfig", {})
        ends.setdefault("ipEndpointsConfig", {}).update(publicEndpoint=address, privateEndpoint=address)
        ends.setdefault("dnsEndpointConfig", {})["endpoint"] = address
        for token in sorted(cloud.tokens):
            if is_bootstrap(token):
                seal(path, token)

    def on_mode(cluster: Json) -> None:
        path = cloud.kubeconfigs.get(cluster["name"])
        if path and (cluster.get("autopilot") or {}).get("enabled"):
            guard(path, cluster)

    def on_token(token: str) -> None:
        for key, cluster in cloud.resources.items():
            path = cloud.kubeconfigs.get(cluster.get("name", ""))
            if path and key.startswith("container/") and cluster["status"] != "PROVISIONING":
                seal(path, token)

    cloud.on_cluster += [on_cluster, on_mode]
    cloud.on_change.append(on_mode)
    cloud.on_token.append(on_token)


def is_bootstrap(token: str) -> bool:
    """Whether a cluster can be configured to accept this token."""
    name, _dot, secret = token.partition(".")
    return len(name) == 6 and len(secret) == 16


def seal(kubeconfig: str, token: str) -> None:
    """Make the cluster of ``kubeconfig`` accept ``token``, as its administrator; wait until it does."""
    name, _dot, secret = token.partition(".")
    with kubernetes.config.new_client_from_config(kubeconfig) as api:
        core, rbac = kubernetes.client.CoreV1Api(api), kubernetes.client.RbacAuthorizationV1Api(api)
        data = {"token-id": name, "token-secret": secret, "usage-bootstrap-authentication": "true"}
        _apply(
            core.create_namespaced_secret,
            "kube-system",
            {
                "metadata": {"name": f"bootstrap-token-{name}"},
                "type": "bootstrap.kubernetes.io/token",
                "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
            },
        )
        _apply(
            rbac.create_cluster_role_binding,
            {
                "metadata": {"name": f"stand-in-{name}"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"system:bootstrap:{name}"}
                ],
            },
        )
        _await(api, token)


def _await(api: t.Any, token: str) -> None:
    """An API server learns by watches of the Secret and of the binding: Google's tokens count at once. One that does
    not answer in time is left to its caller to complain of."""
    # Not the administrator's connections: their certificate would speak for any token.
    context = ssl.create_default_context(cafile=api.configuration.ssl_ca_cert)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # kubeadm's CA has no key identifier of its issuer
    url = f"{api.configuration.host.rstrip('/')}/api/v1/namespaces/kube-system/secrets?limit=1"
    headers = {"Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + _SECONDS
    with urllib3.PoolManager(ssl_context=context, timeout=_SECONDS, retries=False) as pool:
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if pool.request("GET", url, headers=headers).status == 200:
                    return
            time.sleep(0.05)  # between two looks


def _apply(create: t.Callable[..., t.Any], *args: t.Any) -> None:
    try:
        create(*args)
    except kubernetes.client.ApiException as error:
        if error.status != 409:
            raise
