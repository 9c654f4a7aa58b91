# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A credential that a former role or choice of peers left fails verify."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.credential_checks import credential_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts

FLEET = read_fleet(
    {
        name: {"cluster_provider": "kubeconfig", **variables}
        for name, variables in {
            "west": {"mesh_peers": ["east"]},
            "east": {"mesh_peers": []},
            "was": {"mesh_role": "remote", "mesh_primary": "west"},
            "alone": {},
            "google": {"cluster_provider": "gke", "gke_project": "p", "mesh_control_plane": "managed"},
        }.items()
    }
)
SECRET = "istio-remote-secrets"


@pytest.mark.parametrize(
    ("name", "held", "seen"),
    [
        ("west", {"own_remote_secrets": [("east", SECRET), ("was", SECRET)]}, ""),
        ("west", {"own_remote_secrets": [("alone", SECRET)]}, "remote secret of alone"),
        ("east", {"own_remote_secrets": [("west", SECRET)]}, "remote secret of west"),
        ("was", {"own_remote_secrets": [("east", SECRET)]}, "remote secret of east"),
        ("google", {"own_remote_secrets": [("east", SECRET)]}, "remote secret of east"),
        ("east", {"remote_secrets": [("west", "of-somebody-else")]}, ""),
        ("was", {"unwanted_signer": True}, "Secret istio-system/cacerts"),
        ("west", {"static_token": True}, ""),
        ("east", {"static_token": True}, ""),
        ("google", {}, ""),
        ("google", {"static_token": True}, "istio-remote-secret-token, though no cluster watches it"),
    ],
)
def test_what_nobody_wants(name: str, held: dict[str, t.Any], seen: str) -> None:
    (check,) = credential_checks(FLEET, {name: Facts(name, **held)})
    assert (check.state == "failed") is bool(seen)
    assert seen in check.seen
    assert not seen or (check.means and f"--limit {name}" in check.next_step)
