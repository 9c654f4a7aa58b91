# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm's kubeconfig says what our client uses."""

from __future__ import annotations

import base64
import json
import ssl
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.endpoint import Endpoint
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.kubeconfig import kubeconfig_of

SERVER = "https://west.example:6443"


def parts(endpoint: Endpoint) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    config = json.loads(kubeconfig_of(endpoint))
    return config["clusters"][0]["cluster"], config["users"][0]["user"]


def test_there_is_one_context_and_it_is_chosen() -> None:
    plain = Endpoint("http://west.example", None, pem={"ca": b"", "cert": b"", "key": b""})
    cluster, user = {"server": "http://west.example"}, dict[str, str]()
    assert json.loads(kubeconfig_of(plain)) == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fleet",
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "fleet"}}],
        "clusters": [{"name": "fleet", "cluster": cluster}],
        "users": [{"name": "fleet", "user": user}],
    }


@pytest.mark.parametrize(
    ("authorization", "user"),
    [
        ("Bearer abc", {"token": "abc"}),
        ("Basic " + base64.b64encode(b"ada:l:o").decode(), {"username": "ada", "password": "l:o"}),
        ("", {}),
    ],
)
def test_the_login_is_that_of_our_requests(authorization: str, user: dict[str, str]) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    cluster, found = parts(Endpoint(SERVER, ssl.create_default_context(), headers))
    assert (cluster, found) == ({"server": SERVER}, user)


def test_certificates_name_and_proxy_go_along() -> None:
    endpoint = Endpoint(
        SERVER,
        ssl.create_default_context(),
        server_name="api",
        proxy="http://proxy:3128",
        pem={"ca": b"CA", "cert": b"CERT", "key": b"KEY"},
    )
    cluster, user = parts(endpoint)
    assert cluster == {
        "server": SERVER,
        "certificate-authority-data": base64.b64encode(b"CA").decode(),
        "tls-server-name": "api",
        "proxy-url": "http://proxy:3128",
    }
    assert {key: base64.b64decode(value) for key, value in user.items()} == {
        "client-certificate-data": b"CERT",
        "client-key-data": b"KEY",
    }


def test_a_server_that_is_not_checked_has_no_ca() -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    cluster, _user = parts(Endpoint(SERVER, tls, pem={"ca": b"CA"}))
    assert cluster == {"server": SERVER, "insecure-skip-tls-verify": True}


def test_helm_acts_as_whom_we_act() -> None:
    whom = {"as": "ann", "as-groups": ["ops"], "as-uid": "7", "as-user-extra": {"reason": ["a"]}}
    _cluster, user = parts(Endpoint(SERVER, None, {"Authorization": "Bearer abc"}, impersonation=whom))
    assert user == {"token": "abc", **whom}
