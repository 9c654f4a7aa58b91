# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door's files have a version, which Envoy says and which another configuration changes."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    Certificate,
    EnvoyDoor,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    VERSION_HOST,
    version_in,
    version_said,
    with_version,
)

DOOR = FrontDoor("front-door", (Route("web", "shop", host="shop.example"),))
ENVOY = EnvoyDoor({"web.shop": (Gateway("west", ("192.0.2.1",), region="eu"),)}, regions={"eu": ("10.0.0.0/8",)})
SECURED = dataclasses.replace(ENVOY, certificates=(Certificate("shop", "/etc/front-door/keys/shop-1"),))


def version(door: FrontDoor = DOOR, envoy: EnvoyDoor = ENVOY) -> str:
    """The one version that all routes say."""
    files = with_version(door.name, render(door, envoy))
    said = {version_in(content) for name, content in files.items() if name.startswith("routes-")}
    assert len(said) == 1
    return said.pop()


def test_whatever_envoy_reads_later_makes_another_version() -> None:
    other = (Gateway("west", ("192.0.2.2",), region="eu"),)
    found = [
        version(),
        version(dataclasses.replace(DOOR, routes=(*DOOR.routes, Route("pay", "shop")))),
        version(envoy=dataclasses.replace(ENVOY, gateways={"web.shop": other})),
        version(envoy=SECURED),
        version(envoy=dataclasses.replace(SECURED, certificates=(Certificate("shop", "/etc/front-door/keys/shop-2"),))),
    ]
    assert len(set(found)) == len(found) and version() == found[0]
    assert all(len(text) == 12 for text in found)


def test_the_question_takes_nothing_from_the_routes() -> None:
    plain = render(DOOR, ENVOY)
    asked = with_version(DOOR.name, plain)
    for name, content in asked.items():
        if not name.startswith("routes-"):
            assert content == plain[name]
            continue
        *hosts, last = content["resources"][0]["virtual_hosts"]
        assert hosts == plain[name]["resources"][0]["virtual_hosts"], "the user's stay as they are"
        assert last["domains"] == [VERSION_HOST]
        assert content["version_info"] != plain[name]["version_info"], "or Envoy would not load it"


def test_another_answer_is_no_version() -> None:
    files: dict[str, t.Any] = with_version(DOOR.name, render(DOOR, ENVOY))
    says = files["routes-http-any.yaml"]["resources"][0]["virtual_hosts"][-1]["routes"][0]["direct_response"]
    assert version_said(says["body"]["inline_string"]) == version()
    for text in ("", "0123456789ab", '{"cluster": "west"}', "mesh.fleet front door x 0123456789ab and more"):
        assert version_said(text) == ""
    assert version_in(render(DOOR, ENVOY)["routes-http-any.yaml"]) == version_in({}) == ""
