# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm 4 in place of Helm 3, where the machine has one: ``MESH_FLEET_HELM4`` is its path."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from . import control_plane
from .nodes import await_everything, everything
from .plays import Ran, role_play, run_plays
from .test_mesh_roles import fleet_of, release

HELM4 = os.environ.get("MESH_FLEET_HELM4", "")

pytestmark = [
    pytest.mark.skipif(not HELM4, reason="MESH_FLEET_HELM4 names no Helm 4"),
    pytest.mark.slow,
    pytest.mark.usefixtures("nodes"),
]


class Play:
    """Runs a role of ours against the API server, with Helm 4 unless another Helm is named."""

    def __init__(self, api: control_plane.ControlPlane, tmp: Path) -> None:
        self.api, self.tmp = api, tmp

    def __call__(self, role: str, tasks: str = "main", *, helm: str = HELM4, dns_capture: bool = True) -> Ran:
        play = role_play(
            role,
            tasks=tasks,
            control_plane_require_cacerts=False,
            control_plane_replicas=1,
            control_plane_dns_capture=dns_capture,
            control_plane_values={"base": {"validationFailurePolicy": "Ignore"}},
        )
        return run_plays(self.tmp, fleet_of(self.api, helm), play)

    def good(self, role: str, tasks: str = "main", **options: t.Any) -> str:
        done = self(role, tasks, **options)
        assert done.code == 0, done.output
        return done.output


def test_from_nothing_to_gateways_and_back(api: control_plane.ControlPlane, tmp_path: Path) -> None:
    before = everything(api)
    play = Play(api, tmp_path)
    for role in ("control_plane", "gateways"):
        assert "changed)" in play.good(role)
        assert "changed" not in play.good(role)
    assert release(api, "istiod") == {"status": "deployed", "revision": "1"}

    # istiod sets this field of its own webhook, which older charts set in each revision, too: that is no conflict.
    hook = "validatingwebhookconfiguration/istio-validator-istio-system"
    patch = '[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]'
    api.kubectl("patch", hook, "--type=json", "--field-manager=pilot-discovery", "-p", patch)
    assert "changed)" in play.good("control_plane", dns_capture=False)
    assert release(api, "istiod") == {"status": "deployed", "revision": "2"}

    # What one Helm installed, the other changes.
    assert "changed)" in play.good("control_plane", helm=str(control_plane.program("helm")))
    assert "changed)" in play.good("control_plane", dns_capture=False)
    assert release(api, "istiod") == {"status": "deployed", "revision": "4"}

    play.good("gateways", "absent")
    play.good("control_plane", "absent")
    await_everything(api, before)
