# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which artifacts a fleet gets where its inventory says nothing of them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

HELM, CHARTS = {"control_plane_helm": "/opt/helm"}, {"control_plane_charts": "~/charts"}
EMPTY = {"control_plane_helm": "", "control_plane_charts": None}


@pytest.mark.parametrize(
    ("clusters", "parts"),
    [
        ([{}, {}], ["helm", "charts"]),
        ([EMPTY, EMPTY], ["helm", "charts"]),
        ([CHARTS, CHARTS], ["helm"]),
        ([CHARTS, {}], ["helm", "charts"]),
        ([CHARTS, EMPTY], ["helm", "charts"]),
        ([HELM, {**HELM, **CHARTS}], ["charts"]),
        ([{**HELM, **CHARTS}], []),
        ([], ["helm", "charts"]),
        ([{"cluster_provider": "kind"}, HELM], ["tools", "charts", "node"]),
        ([{"cluster_provider": "kind", **HELM, **CHARTS}], ["tools", "node"]),
    ],
)
def test_what_every_cluster_brings_is_left_out(root: Path, clusters: list[dict[str, t.Any]], parts: list[str]) -> None:
    loader = DataLoader()
    role = loader.load_from_file(str(root / "roles/artifacts/defaults/main.yml"), trusted_as_template=True)
    hosts = {f"c{i}": {"cluster_provider": "kubeconfig", **own} for i, own in enumerate(clusters)}
    variables = {"hostvars": hosts, "groups": {"mesh_clusters": list(hosts)}}
    assert Templar(loader=loader, variables=variables).template(role["artifacts_parts"]) == parts
