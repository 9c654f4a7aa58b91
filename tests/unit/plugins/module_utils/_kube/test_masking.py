# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing secret in what is shown; what is not secret stays readable."""

from __future__ import annotations

import base64
import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import masked, scrub, secret_at

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHsecretsecret\n-----END EC PRIVATE KEY-----\n"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"


def test_secret_values_go_and_keys_stay() -> None:
    secret = {"kind": "Secret", "data": {"password": "c2VjcmV0"}, "stringData": {"user": "tom"}}
    shown = masked(secret)
    assert set(shown["data"]) == {"password"}
    assert "c2VjcmV0" not in str(shown)
    assert "tom" not in str(shown)
    assert secret["data"] == {"password": "c2VjcmV0"}


def test_a_change_is_visible_and_equality_too() -> None:
    one, same, other = (masked({"kind": "Secret", "data": {"k": v}})["data"]["k"] for v in ("YQ==", "YQ==", "Yg=="))
    assert one == same
    assert one != other


@given(st.text(min_size=6, alphabet=st.characters(codec="ascii", categories=["L", "N"])))
def test_no_value_of_any_secret_is_shown(value: str) -> None:
    encoded = base64.b64encode(f"~{value}~".encode()).decode()
    shown = str(masked({"kind": "Secret", "metadata": {"name": "n"}, "data": {"k": encoded}}))
    assert encoded not in shown


def test_kubectls_copy_of_a_secret_is_masked() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"k":"c2VjcmV0"}}', "a": "b"}
    shown = masked({"kind": "Secret", "metadata": {"name": "n", "annotations": notes}})
    assert "c2VjcmV0" not in str(shown)
    assert shown["metadata"]["annotations"]["a"] == "b"


def test_of_a_secret_only_the_values_go() -> None:
    bare = {"kind": "Secret", "metadata": {"name": "n", "labels": {"a": "b"}}, "data": None, "immutable": True}
    assert masked(bare) == bare
    noted = {"kind": "ConfigMap", "metadata": {"annotations": {LAST_APPLIED: "{}"}}, "data": {"k": "v"}, "n": 7}
    assert masked(noted) == noted
    shown = masked({"kind": "Secret", "data": {"k": "0123456789"}})["data"]["k"]
    assert re.fullmatch(r"\(masked, 10 characters, #[0-9a-f]{8}\)", shown)
    notes = {LAST_APPLIED: "x", "a": "b"}
    metadata = {"name": "n", "labels": {"a": "b"}, "annotations": notes}
    kept = masked({"kind": "Secret", "metadata": metadata})["metadata"]
    assert kept == {**metadata, "annotations": {LAST_APPLIED: "(masked)", "a": "b"}}
    assert notes[LAST_APPLIED] == "x", "a copy"


def test_keys_and_tokens_anywhere() -> None:
    shown = str(masked({"kind": "ConfigMap", "data": {"key": PEM, "nested": f"x {JWT} y"}, "list": [[PEM]]}))
    assert "secretsecret" not in shown
    assert "eyJzdWIi" not in shown
    assert "x (token, masked) y" in shown


def test_scrub_cuts_credentials_out_of_text() -> None:
    assert scrub(f"Authorization: Bearer {JWT}") == "Authorization: Bearer (token, masked)"
    assert scrub("bearer abcdefghijkl") == "bearer (masked)"
    assert scrub("users:\n- user:\n    token: abc\n    client-key-data: Zm9v") == (
        "users:\n- user:\n    token: (masked)\n    client-key-data: (masked)"
    )
    assert scrub(PEM[:50]) == "(EC PRIVATE KEY, masked)"


def test_scrub_cuts_logins_out_of_addresses() -> None:
    assert scrub("GET https://user:hunter2@charts.example/a: 404") == "GET https://charts.example/a: 404"


def test_scrub_leaves_ordinary_text() -> None:
    text = 'deployments.apps "istiod" not found; -----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'
    assert scrub(text) == text
    assert scrub('spec.replicas: Invalid value: "x"') == 'spec.replicas: Invalid value: "x"'
    assert "hunter2" not in scrub('data[k]: Invalid value: "hunter2": no', secret=True)
    assert "123" not in scrub("expected string, got &value.valueUnstructured{Value:123}", secret=True)


SECRETS = {
    "a key": (PEM, "secretsecret"),
    "a token": (f"x {JWT} y", JWT),
    "bearer": ("Authorization: Bearer abcdefghijkl", "abcdefghijkl"),
    "basic": ("authorization: basic dG9tOmh1bnRlcjI=", "dG9tOmh1bnRlcjI"),
    "a line": ("user: tom\npassword: hunter2\n", "hunter2"),
    "the line after": ("password:\n  hunter2\n", "hunter2"),
    "JSON": ('{"user": "tom", "password": "hunter two", "x": 1}', "hunter two"),
    "dense JSON": ('{"token":"hunter2","x":1}', "hunter2"),
    "an item": ("- token: 'hunter2'", "hunter2"),
    "a login": ("jdbc:postgresql://tom:hunter2@db/x", "hunter2"),
}
HARMLESS = [
    '{\n  "sds": {\n    "token": {\n      "aud": "istio-ca"\n    }\n  }\n}',
    "sds:\n  token:\n    aud: istio-ca\n",
    'password: ""\ntoken: null\nx: {"token": "", "password": {}}',
    "# Basic authentication, or basic configuration; bearer authentication too",
    "path: /var/run/secrets/tokens/istio-token",
    "https://charts.example/a@b",
]


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_hidden_is_found_in_its_place(name: str) -> None:
    text, hidden = SECRETS[name]
    assert hidden not in scrub(text)
    env = [{"name": "A", "value": "b"}, {"name": "X", "value": text}]
    assert secret_at({"kind": "ConfigMap", "data": {"a": "b", "config": text}}) == "data.config"
    assert secret_at({"kind": "Pod", "spec": {"containers": [{"env": env}]}}) == "spec.containers.0.env.1.value"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert scrub(text) == text
    assert secret_at({"kind": "ConfigMap", "data": {"config": text}}) == ""


@pytest.mark.parametrize("key", ["password", "token", "client-key-data"])
def test_a_field_by_its_name_is_a_secret(key: str) -> None:
    custom: dict[str, t.Any] = {"kind": "Custom", "spec": {"auth": [{key: "hunter2"}]}}
    assert secret_at(custom) == f"spec.auth.0.{key}"
    assert "hunter2" not in str(masked(custom))
    assert secret_at({"kind": "Custom", "spec": {key: "", "x": {key: {"from": "a"}}}}) == ""


def test_a_crd_holds_no_secret() -> None:
    described = {"description": "such as https://user:password@host", "default": {"password": "x"}}
    assert secret_at({"kind": "CustomResourceDefinition", "spec": described}) == ""
