# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm 4 in place of Helm 3, where the machine has one.

``MESH_FLEET_HELM4`` is the path of Helm 4. ``MESH_FLEET_HELM4_COLLECTIONS`` is a folder of collections with a
``kubernetes.core`` of 6.5 or newer, where the installed one is older.
"""

from __future__ import annotations

import importlib.util
import json
import os
import typing as t
from pathlib import Path

import pytest

from . import control_plane
from .nodes import await_everything, everything
from .plays import Ran, role_play, run_plays
from .test_mesh_roles import fleet_of, release

HELM4 = os.environ.get("MESH_FLEET_HELM4", "")
OTHER = os.environ.get("MESH_FLEET_HELM4_COLLECTIONS", "")

pytestmark = [
    pytest.mark.skipif(not HELM4, reason="MESH_FLEET_HELM4 names no Helm 4"),
    pytest.mark.slow,
    pytest.mark.usefixtures("nodes"),
]


def knows_helm_4(folder: str) -> bool:
    """Whether the ``kubernetes.core`` of a folder of collections, "" for the installed one, is 6.5 or newer."""
    if folder:
        where = Path(folder, "ansible_collections", "kubernetes", "core")
    else:
        spec = importlib.util.find_spec("ansible_collections.kubernetes.core")
        assert spec and spec.submodule_search_locations
        where = Path(next(iter(spec.submodule_search_locations)))
    version = json.loads((where / "MANIFEST.json").read_text())["collection_info"]["version"]
    return tuple(map(int, version.split(".")[:2])) >= (6, 5)


class Play:
    """Runs a role of ours against the API server, with Helm 4 unless another Helm is named."""

    def __init__(self, api: control_plane.ControlPlane, tmp: Path, collections: str) -> None:
        self.api, self.tmp = api, tmp
        path = os.pathsep.join(filter(None, (os.environ["ANSIBLE_COLLECTIONS_PATH"], collections)))
        self.environment = {"ANSIBLE_COLLECTIONS_PATH": path}

    def __call__(self, role: str, tasks: str = "main", *, helm: str = HELM4, dns_capture: bool = True) -> Ran:
        play = role_play(
            role,
            tasks=tasks,
            control_plane_require_cacerts=False,
            control_plane_replicas=1,
            control_plane_dns_capture=dns_capture,
            control_plane_values={"base": {"validationFailurePolicy": "Ignore"}},
        )
        return run_plays(self.tmp, fleet_of(self.api, helm), play, environment=self.environment)

    def good(self, role: str, tasks: str = "main", **options: t.Any) -> str:
        done = self(role, tasks, **options)
        assert done.code == 0, done.output
        return done.output


@pytest.mark.skipif(bool(OTHER) or not HELM4 or knows_helm_4(""), reason="this kubernetes.core knows Helm 4")
def test_an_older_kubernetes_core_is_named(api: control_plane.ControlPlane, tmp_path: Path) -> None:
    done = Play(api, tmp_path, "")("control_plane")
    assert done.code != 0
    assert "kubernetes.core 6.5 or newer" in done.output
    assert release(api, "istio-base") == {}


@pytest.mark.skipif(not HELM4 or not knows_helm_4(OTHER), reason="this kubernetes.core does not know Helm 4")
def test_from_nothing_to_gateways_and_back(api: control_plane.ControlPlane, tmp_path: Path) -> None:
    before = everything(api)
    play = Play(api, tmp_path, OTHER)
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
