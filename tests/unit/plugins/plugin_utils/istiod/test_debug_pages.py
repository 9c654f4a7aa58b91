# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which istiod pods are asked."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import istiod_pods


class Cluster:
    """A cluster with istiods, by name their revision, and which of them are ready."""

    cluster = "west"

    def __init__(self, revisions: dict[str, str], ready: t.Container[str]) -> None:
        self.found = [
            {
                "metadata": {"name": name, "labels": {"istio.io/rev": revision}},
                "status": {"containerStatuses": [{"name": "discovery", "ready": name in ready}]},
            }
            for name, revision in revisions.items()
        ]

    async def pods(self, _namespace: str, labels: dict[str, str]) -> list[dict[str, t.Any]]:
        assert labels == {"app": "istiod"}
        return self.found


BOTH = {"former": "1-29", "current": "default"}


def asked(ready: t.Container[str], revisions: dict[str, str] | None = None, **more: bool) -> list[str]:
    kube = t.cast("t.Any", Cluster(revisions or BOTH, ready))
    return asyncio.run(istiod_pods(kube, "istio-system", "default", **more))


def test_those_of_the_revision_are_asked() -> None:
    assert asked(BOTH) == ["current"]


def test_those_of_other_revisions_have_proxies_too() -> None:
    assert asked(BOTH, others=True) == ["former", "current"]
    assert asked(["current"], others=True) == ["current"], "one that is not ready answers nobody"


def test_one_of_the_revision_must_be_ready() -> None:
    for others in (False, True):
        with pytest.raises(FleetError, match="the control plane was not installed"):
            asked(["former"], {"former": "1-29"}, others=others)
