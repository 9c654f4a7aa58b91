# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading what the action C(objects) is given."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.action.objects import kind_of, manifests, ready, summary
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change


def test_manifests_of_every_form() -> None:
    one = {"kind": "A"}
    assert manifests(one, "west") == [one]
    assert manifests([one], "west") == [one]
    assert manifests("kind: A\n---\n---\nkind: B\n", "west") == [{"kind": "A"}, {"kind": "B"}]
    assert manifests(["kind: A", one], "west") == [one, one]
    assert manifests({"kind": "ConfigMapList", "items": [one, one]}, "west") == [one, one]
    assert manifests([], "west") == manifests(None, "west") == manifests("", "west") == []


def test_text_that_is_not_yaml() -> None:
    with pytest.raises(FleetError) as caught:
        manifests("a: [1\nb: }", "west")
    assert caught.value.cluster == "west"
    assert caught.value.seen.startswith("line ")


def test_kind_of() -> None:
    assert kind_of("v1/Secret", "west") == ("v1", "Secret")
    assert kind_of("apps/v1/Deployment", "west") == ("apps/v1", "Deployment")
    for bad in ("Secret", "/Secret", "v1/"):
        with pytest.raises(FleetError):
            kind_of(bad, "west")


def test_summary() -> None:
    def change(action: str) -> Change:
        return Change("west", "A", "a", action)

    assert summary("west", [change("created"), change("created"), change("unchanged")]) == "west 3 objects: 2 created"
    assert summary("west", [change("unchanged")]) == "west 1 object: nothing changed"


@pytest.mark.parametrize(
    ("error", "late"), [(NotInTime("not as expected after 60 s"), True), (FleetError("no"), False)]
)
def test_only_a_time_that_is_over_is_said(error: FleetError, late: bool) -> None:
    class Waiting:
        cluster = "west"

        async def wait(self, *_: t.Any, **__: t.Any) -> None:
            raise error

    about = {"apiVersion": "apps/v1", "kind": "Deployment"}
    with pytest.raises(FleetError) as caught:
        asyncio.run(ready(t.cast("t.Any", Waiting()), [{**about, "metadata": {"name": n}} for n in "ab"], 60))
    assert caught.value.what == "2 objects are not ready" + (" after 60 s" if late else "")
