# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two meshes as groups of one inventory, as docs/federation.md shows them: each run is about one of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import read_peers
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import problems_with

ROOT = Path(__file__).parents[2]
FILES = dict(
    re.findall(
        r"```yaml\n# ((?:meshes|west|east)\.yml)\n(.*?)```", (ROOT / "docs" / "federation.md").read_text(), re.DOTALL
    )
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    """By mesh, the variables of its hosts, as Ansible reads the page's files."""
    folder = tmp_path_factory.mktemp("meshes")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    found = {}
    for mesh in ("west", "east"):
        done = subprocess.run(
            ["ansible-inventory", "-i", "meshes.yml", "-i", f"{mesh}.yml", "--list"],
            cwd=folder,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=True,
        )
        read = json.loads(done.stdout)
        members = [host for group in read["mesh_clusters"]["children"] for host in read[group]["hosts"]]
        found[mesh] = {host: read["_meta"]["hostvars"][host] for host in members}
    return found


def test_the_page_has_all_files() -> None:
    assert sorted(FILES) == ["east.yml", "meshes.yml", "west.yml"]


def test_a_run_is_about_one_mesh(hosts: dict[str, dict[str, t.Any]]) -> None:
    assert {mesh: list(members) for mesh, members in hosts.items()} == {"west": ["fra"], "east": ["iad"]}
    for members in hosts.values():
        assert problems_with(members) == []


def test_each_reads_the_bundle_that_the_other_writes(hosts: dict[str, dict[str, t.Any]]) -> None:
    mine = {mesh: next(iter(members.values())) for mesh, members in hosts.items()}
    for mesh, other in (("west", "east"), ("east", "west")):
        peers, problems = read_peers(mine[mesh]["mesh_federation"], mine[mesh]["mesh_trust_domain"])
        ours, theirs = mine[mesh]["mesh_trust_domain"], mine[other]["mesh_trust_domain"]
        written = f"{mine[other]['federation_dir']}/{theirs}-for-{ours}.json"
        assert problems == []
        assert [(peer.trust_domain, peer.bundle) for peer in peers] == [(theirs, written)]
