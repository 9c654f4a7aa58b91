# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which refusals leave the question to the token itself; tests/api asks a real API server."""

from __future__ import annotations

import asyncio
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.token_review import accepts


def asked(status: int, *, forbidden: bool = False) -> bool:
    """What is said of a token where the review is answered so, and the token itself cannot be tried."""

    async def request(*_args: t.Any, **_options: t.Any) -> None:
        error = ApiError("refused", status=status)
        error.forbidden = error.forbidden or forbidden
        raise error

    endpoint = types.SimpleNamespace(server="https://clusters.example/k8s/clusters/c-1", lookup=None)
    return asyncio.run(accepts(t.cast("t.Any", types.SimpleNamespace(request=request, endpoint=endpoint)), "token"))


@pytest.mark.parametrize(("status", "forbidden"), [(403, False), (404, False), (0, True)])
def test_a_question_that_may_not_be_asked_refuses_no_token(status: int, forbidden: bool) -> None:
    assert asked(status, forbidden=forbidden)


@pytest.mark.parametrize("status", [0, 500])
def test_no_answer_is_passed_on(status: int) -> None:
    with pytest.raises(ApiError):
        asked(status)
