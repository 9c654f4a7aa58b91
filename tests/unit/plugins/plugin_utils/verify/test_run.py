# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One cluster whose probe does not start takes nothing from the others."""

from __future__ import annotations

import asyncio
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import run as verify
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.run import Options, VerifyRun

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
SECONDS = 0.4


class Run(VerifyRun):
    """A run whose clusters are connected and whose state is right."""

    left = 0.0
    """Seconds that the checks have, when they begin."""

    async def _connect(self, _stack: t.Any, names: t.Iterable[str]) -> None:
        self.facts = {name: Facts(name) for name in names}
        self.kubes = dict.fromkeys(self.facts, t.cast("t.Any", None))

    async def _check_state(self) -> None:
        self.left = self.deadline - time.monotonic()


async def _install(_kube: t.Any, _fleet: t.Any, cluster: t.Any, *, deadline: float, **_: t.Any) -> list[t.Any]:
    if cluster.name == "east":
        await asyncio.sleep(max(0.0, deadline - time.monotonic()))
        raise FleetError(
            "not as expected after 90 s",
            cluster="east",
            obj="Deployment mesh-verify/probe",
            means='its pods are refused: violates PodSecurity "restricted:latest"',
        )
    return []


async def _find(_kube: t.Any, found: Facts, _sample: str) -> None:
    found.probe = "" if found.cluster == "east" else "probe-x"


async def _none(*_: t.Any) -> dict[t.Any, t.Any]:
    return {}


async def _nothing(*_: t.Any) -> None:
    return


def test_a_probe_that_does_not_start_uses_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "install_probe", _install)
    monkeypatch.setattr(verify, "find_pods", _find)
    monkeypatch.setattr(verify, "find_outdated", _none)
    monkeypatch.setattr(verify, "read_tokens", _none)
    monkeypatch.setattr(verify.Calls, "run", _nothing)
    run = Run(FLEET, FLEET.clusters, Options({}, "image", "apps", timeout=SECONDS))
    asyncio.run(run.run())
    assert run.left > SECONDS / 2
    assert [found.problem for found in run.facts.values()] == ["", ""], "what needs no probe is checked all the same"
    (check,) = (one for one in run.checks if one.state == "failed")
    assert (check.group, check.name, check.state) == ("probe", "east", "failed")
    assert "PodSecurity" in check.means and "reachable" not in check.next_step


class Cluster:
    """Has the Gateway of the sample's page, for these hosts."""

    def __init__(self, hosts: list[str]) -> None:
        self.hosts = hosts

    async def get(self, _api: str, kind: str, name: str, space: str) -> dict[str, t.Any] | None:
        assert (kind, name, space) == ("Gateway", "sample-caller", "apps")
        return {"spec": {"servers": [{"hosts": self.hosts}]}} if self.hosts else None


@pytest.mark.parametrize(
    ("hosts", "page"),
    [([], {}), (["*"], {"east": "http://192.0.2.1/"}), (["shop.example"], {"east": "http://shop.example/"})],
)
def test_the_page_is_named_where_a_gateway_serves_it(hosts: list[str], page: dict[str, str]) -> None:
    fleet = read_fleet({"west": {}, "east": {"mesh_role": "remote", "mesh_primary": "west"}})
    run = VerifyRun(fleet, fleet.clusters, Options({}, "image", "apps"))
    run.kubes = t.cast("t.Any", {"west": Cluster(hosts), "east": Cluster(["elsewhere.example"])})
    asyncio.run(run._find_page("east", "192.0.2.1"))
    assert run.pages == page
