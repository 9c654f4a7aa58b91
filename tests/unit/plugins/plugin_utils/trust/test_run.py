# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of a trust run: what is asked and said before anything is signed."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import run
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

ARGS = {"root": "generated", "root_cert": "", "root_key": "", "timeout": 1.0}
POLICY = certificates.Policy("shop.example", "istio-system", "default", datetime.datetime.now(datetime.UTC))


@dataclasses.dataclass
class Clusters:
    """Two clusters without an istiod, and what happened, in its order."""

    directory: Path
    west: ClusterTrust = dataclasses.field(default_factory=lambda: ClusterTrust("west"))
    east: ClusterTrust = dataclasses.field(default_factory=lambda: ClusterTrust("east"))
    happened: list[str] = dataclasses.field(default_factory=list)
    chains: dict[str, SigningChain] = dataclasses.field(default_factory=dict)

    def run(self, *play: str, policy: certificates.Policy = POLICY) -> run.TrustRun:
        hosts = {name: {"cluster_region": "here"} for name in ("west", "east")}
        fleet = read_fleet(hosts, environment())
        clusters = [fleet.clusters[name] for name in play or hosts]
        box = VaultBox(str(self.directory / "password"), create=True)
        done = run.TrustRun(
            fleet, clusters, ARGS, policy, str(self.directory / "trust"), box, False, self.happened.append
        )
        asyncio.run(done.run())
        return done


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    made = Clusters(tmp_path)

    async def read(_fleet: t.Any, cluster: t.Any, *_args: t.Any, **_more: t.Any) -> ClusterTrust:
        return t.cast(ClusterTrust, getattr(made, cluster.name))

    async def write(_fleet: t.Any, cluster: t.Any, chain: t.Any, *, renewed: bool, **_more: t.Any) -> list[t.Any]:
        made.happened.append(f"{cluster.name} {'renewed' if renewed else 'signed'}")
        made.chains[cluster.name] = chain
        return []

    monkeypatch.setattr(run, "read_trust", read)
    monkeypatch.setattr(run, "write_cacerts", write)
    monkeypatch.setattr(run, "ephemeral", lambda _folder: "")
    return made


def test_a_folder_that_ends_is_warned_of_first(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ephemeral", lambda folder: f"{folder} is in memory")
    done = clusters.run("west")
    warning, signed = clusters.happened
    assert "will not last" in warning
    assert signed == "west signed"
    assert done.warnings == [warning]
    # The root is there by now, so that it has a copy where it came from.
    assert clusters.run("east").warnings == []


def test_an_istiod_that_runs_picks_up_what_is_renewed(clusters: Clusters) -> None:
    clusters.run()
    for name in ("west", "east"):
        setattr(clusters, name, ClusterTrust(name, clusters.chains[name].data, istiod=name == "west"))
    clusters.happened.clear()
    clusters.run()
    assert clusters.happened == []
    clusters.run(policy=dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=710)))
    assert sorted(clusters.happened) == ["east signed", "west renewed"]
    # An istiod that waits for its first one has no earlier chain.
    clusters.west = ClusterTrust("west", istiod=True)
    clusters.happened.clear()
    clusters.run("west")
    assert clusters.happened == ["west signed"]


def test_a_clock_that_is_behind_makes_no_root(clusters: Clusters) -> None:
    clusters.west = ClusterTrust("west", ahead=-datetime.timedelta(hours=1))
    done = clusters.run("west")
    assert done.failures["west"].what == "its clock differs from the controller's"
    assert clusters.happened == []
    assert not (clusters.directory / "trust" / "root-key.vault").exists()


def test_a_self_signed_istiod_elsewhere_is_asked_first(clusters: Clusters) -> None:
    key = certificates.new_key()
    root = certificates.certificate_pem(certificates.make_root(key, POLICY))
    clusters.east = ClusterTrust("east", istiod=True, published_root=root)
    with pytest.raises(FleetError, match="a live istiod uses another root") as refused:
        clusters.run("west")
    assert refused.value.cluster == "east"
    assert clusters.happened == []
    assert not (clusters.directory / "trust" / "root-key.vault").exists()
