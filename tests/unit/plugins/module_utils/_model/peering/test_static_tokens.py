# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who still uses a token that never ends, once a run is over."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import BUNDLE

from .test_remote_secrets import bound, istioctls, jwt, secret, text

PREFIX = "kubernetes.io/serviceaccount/"
TOKEN = jwt({PREFIX + "namespace": "istio-system", PREFIX + "secret.name": "the-token"})
HOLDER = {
    "metadata": {"name": "the-token", "labels": {rs.MANAGED_BY: rs.MANAGER}},
    "data": {"token": base64.b64encode(TOKEN.encode()).decode()},
}


def held(token: str = TOKEN) -> dict[str, t.Any]:
    return secret(BUNDLE, {"east": text("east", token), "south": text("south", token)}, ours=True)


@pytest.mark.parametrize(
    ("secrets", "plan", "used"),
    [
        pytest.param([held()], None, True, id="a key out of the run's scope stays"),
        pytest.param([held()], rs.KeyPlan("east", rs.KEEP, home=BUNDLE), True, id="kept"),
        pytest.param([held()], rs.KeyPlan("east", rs.RENEW, home=BUNDLE, needs_token=True), False, id="renewed"),
        pytest.param([held()], rs.KeyPlan("east", rs.RENEW, home=BUNDLE), True, id="only its address"),
        pytest.param([held()], rs.KeyPlan("east", rs.REMOVE, home=BUNDLE), False, id="removed"),
        pytest.param([held(bound())], rs.KeyPlan("east", rs.KEEP, home=BUNDLE), False, id="another token"),
        pytest.param([istioctls("east", TOKEN)], None, True, id="made by istioctl"),
        pytest.param(
            [held(), istioctls("east", bound())],
            rs.KeyPlan("east", rs.ADOPT, home="istio-remote-secret-east", duplicates=(BUNDLE,)),
            False,
            id="the duplicate that had it goes",
        ),
        pytest.param(
            [secret("theirs", {"east": text("east", TOKEN)}, labels={rs.MANAGED_BY: "argocd"})],
            rs.KeyPlan("east", rs.PROVIDED, home="theirs"),
            True,
            id="somebody else's Secret",
        ),
        pytest.param([secret(BUNDLE, {"east": "no kubeconfig"}, ours=True)], None, False, id="unreadable"),
        pytest.param([], None, False, id="nothing there"),
    ],
)
def test_who_uses_it(secrets: list[dict[str, t.Any]], plan: rs.KeyPlan | None, used: bool) -> None:
    plans = {"west": [plan] if plan else []}
    assert static_tokens.users(HOLDER, "east", {"west": secrets}, plans) == (["west"] if used else [])


def test_a_token_that_names_no_secret_is_known_by_its_text() -> None:
    plain = "not-a-jwt"
    holder = {**HOLDER, "data": {"token": base64.b64encode(plain.encode()).decode()}}
    assert static_tokens.users(holder, "east", {"west": [held(plain)]}, {}) == ["west"]
    assert static_tokens.users(HOLDER, "east", {"west": [held(plain)]}, {}) == []


def test_only_ours_is_ours() -> None:
    assert static_tokens.ours(HOLDER)
    assert not static_tokens.ours(None)
    assert not static_tokens.ours({"metadata": {"name": "the-token"}})
