# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which watchers still use a static token after a run."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import MANAGED_BY, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ADOPT,
    KEEP,
    PROVIDED,
    REMOVE,
    RENEW,
    KeyPlan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import BUNDLE

from .test_remote_secrets import bound, istioctls, jwt, secret, text

PREFIX = "kubernetes.io/serviceaccount/"
TOKEN = jwt({PREFIX + "namespace": "istio-system", PREFIX + "secret.name": "the-token"})
HOLDER = {
    "metadata": {"name": "the-token", "labels": owner_labels("peering", "prod")},
    "data": {"token": base64.b64encode(TOKEN.encode()).decode()},
}


def held(token: str = TOKEN) -> dict[str, t.Any]:
    return secret(BUNDLE, {"east": text("east", token), "south": text("south", token)}, ours=True)


@pytest.mark.parametrize(
    ("secrets", "plan", "used"),
    [
        pytest.param([held()], None, True, id="a key out of the run's scope stays"),
        pytest.param([held()], KeyPlan("east", KEEP, home=BUNDLE), True, id="kept"),
        pytest.param(
            [held()],
            KeyPlan("east", RENEW, home=BUNDLE, needs_token=True),
            False,
            id="renewed",
        ),
        pytest.param([held()], KeyPlan("east", RENEW, home=BUNDLE), True, id="only its address"),
        pytest.param([held()], KeyPlan("east", REMOVE, home=BUNDLE), False, id="removed"),
        pytest.param([held(bound())], KeyPlan("east", KEEP, home=BUNDLE), False, id="another token"),
        pytest.param([istioctls("east", TOKEN)], None, True, id="made by istioctl"),
        pytest.param(
            [held(), istioctls("east", bound())],
            KeyPlan("east", ADOPT, home="istio-remote-secret-east", duplicates=(BUNDLE,)),
            False,
            id="the duplicate that had it is removed",
        ),
        pytest.param(
            [secret("theirs", {"east": text("east", TOKEN)}, labels={MANAGED_BY: "argocd"})],
            KeyPlan("east", PROVIDED, home="theirs"),
            True,
            id="somebody else's Secret",
        ),
        pytest.param([secret(BUNDLE, {"east": "no kubeconfig"}, ours=True)], None, False, id="unreadable"),
        pytest.param([], None, False, id="nothing there"),
    ],
)
def test_who_uses_it(secrets: list[dict[str, t.Any]], plan: KeyPlan | None, used: bool) -> None:
    plans = {"west": [plan] if plan else []}
    assert static_tokens.users(HOLDER, "east", {"west": secrets}, plans, "prod") == (["west"] if used else [])


def test_each_key_is_judged_by_its_own_plan() -> None:
    renewed, kept = KeyPlan("south", RENEW, home=BUNDLE, needs_token=True), KeyPlan("east", KEEP, home=BUNDLE)
    assert static_tokens.users(HOLDER, "east", {"west": [held()]}, {"west": [renewed, kept]}, "prod") == ["west"]
    only_south = secret(BUNDLE, {"south": text("south", TOKEN)}, ours=True)
    assert static_tokens.users(HOLDER, "east", {"west": [only_south]}, {}, "prod") == []
    # A plan is about the Secret that it names; who else holds the token keeps it, somebody else's Secret always.
    elsewhere = KeyPlan("east", REMOVE, home="another")
    assert static_tokens.users(HOLDER, "east", {"west": [held()]}, {"west": [elsewhere]}, "prod") == ["west"]
    theirs = secret("theirs", {"east": text("east", TOKEN)}, labels={MANAGED_BY: "argocd"})
    for plan in (KeyPlan("east", REMOVE, home="theirs"), KeyPlan("east", KEEP, home="x", duplicates=("theirs",))):
        assert static_tokens.users(HOLDER, "east", {"west": [theirs]}, {"west": [plan]}, "prod") == ["west"]
    # A plan that keeps a token keeps it, whatever else it needs.
    odd = KeyPlan("east", KEEP, home=BUNDLE, needs_token=True)
    assert static_tokens.users(HOLDER, "east", {"west": [held()]}, {"west": [odd]}, "prod") == ["west"]


def test_a_token_of_another_secret_of_equal_text_is_not_this_one() -> None:
    other = {**HOLDER, "metadata": {**HOLDER["metadata"], "name": "another"}}
    assert static_tokens.users(other, "east", {"west": [held()]}, {}, "prod") == []
    bare = jwt({"sub": "somebody"})
    holder = {**HOLDER, "data": {"token": base64.b64encode(bare.encode()).decode()}}
    assert static_tokens.users(holder, "east", {"west": [held(bare)]}, {}, "prod") == ["west"]
    # No token on either side is no token in use.
    assert static_tokens.users({**HOLDER, "data": {}}, "east", {"west": [held("")]}, {}, "prod") == []


def test_a_token_that_names_no_secret_is_known_by_its_text() -> None:
    plain = "not-a-jwt"
    holder = {**HOLDER, "data": {"token": base64.b64encode(plain.encode()).decode()}}
    assert static_tokens.users(holder, "east", {"west": [held(plain)]}, {}, "prod") == ["west"]
    assert static_tokens.users(HOLDER, "east", {"west": [held(plain)]}, {}, "prod") == []
