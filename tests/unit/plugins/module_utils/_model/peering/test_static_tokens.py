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


def test_a_token_that_names_no_secret_is_known_by_its_text() -> None:
    plain = "not-a-jwt"
    holder = {**HOLDER, "data": {"token": base64.b64encode(plain.encode()).decode()}}
    assert static_tokens.users(holder, "east", {"west": [held(plain)]}, {}, "prod") == ["west"]
    assert static_tokens.users(HOLDER, "east", {"west": [held(plain)]}, {}, "prod") == []
