# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pages say to somebody who installed the collection holds there: in an empty folder, with an empty home.

The end-to-end test follows the README's way over clusters that exist already; here is what needs none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
WAY = "## Clusters that exist already"
"""The section of the README whose snippets the end-to-end test runs."""
INVENTORY = """
mesh_clusters:
  vars:
    mesh_id: shop
    mesh_trust_domain: shop.example
    mesh_network: per_cluster
    cluster_provider: kubeconfig
    trust_vault_password_file: secrets/vault-password
    fleet_dir: state
    artifacts_parts: []
    control_plane_helm: ./bin/helm
    control_plane_charts: charts
  hosts:
    fra: {cluster_kubeconfig: ../kubeconfigs/fra.yaml, cluster_region: eu-central-1}
"""


class Installed(t.NamedTuple):
    """An empty home with the collection, and an empty folder."""

    home: Path
    folder: Path

    def run(self, *argv: str, cwd: Path | None = None, **more: str) -> str:
        """What a command says, in an environment of nothing else, whether it succeeds or not."""
        env = {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            **more,
        }
        done = subprocess.run(
            argv, cwd=cwd or self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=600,
        )  # fmt: skip
        return f"{done.stdout}\nrc={done.returncode}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    base = tmp_path_factory.mktemp("installed")
    there = Installed(base / "home", base / "folder")
    there.home.mkdir()
    there.folder.mkdir()
    built = there.run("ansible-galaxy", "collection", "build", "--output-path", str(base), cwd=ROOT)
    archive = next(base.glob("mesh-fleet-*.tar.gz"), None)
    assert archive, built
    said = there.run("ansible-galaxy", "collection", "install", str(archive))
    assert "rc=0" in said, said
    return there


def fenced(page: Path) -> list[tuple[str, str]]:
    """The kind and the text of each block of a page."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def of_installed(page: Path) -> list[str]:
    """The blocks with commands that name the collection, or what it needs, by its name."""
    named = re.compile(r"^(ansible-playbook|ansible-galaxy|ansible-doc) .*\bmesh\.fleet\b|^pip install", re.MULTILINE)
    return [text for _kind, text in fenced(page) if named.search(text)]


def test_the_way_has_all_commands_of_installed_users() -> None:
    """So none of them is on a page and in no test."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^{WAY}\n(.*?)(?=^## )", readme, flags=re.DOTALL | re.MULTILINE)
    assert section
    for page in PAGES:
        outside = [text for text in of_installed(page) if page.name != "README.md" or text not in section[1]]
        assert outside == [], page


def test_the_way_comes_before_all_else_about_existing_clusters() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = readme.index(WAY)
    for word in ("cluster_kubeconfig", "inventories/existing", "docs/existing-clusters.md", "ansible-playbook "):
        assert readme.index(word) > first, word


def test_playbooks_that_pages_name_are_installed(installed: Installed) -> None:
    playbooks = installed.home / ".ansible/collections/ansible_collections/mesh/fleet/playbooks"
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:ansible-playbook(?: -\S+)*|import_playbook:) mesh\.fleet\.(\w+)", page.read_text())
    }
    assert named >= {"site", "preflight", "teardown"}
    assert {name for name in named if not (playbooks / f"{name}.yml").is_file()} == set()


def test_ansible_doc_shows_what_pages_name(installed: Installed) -> None:
    commands = {
        command for page in PAGES for command in re.findall(r"`(ansible-doc [^`<]+)`", page.read_text(encoding="utf-8"))
    }
    assert commands
    for command in sorted(commands):
        said = installed.run(*command.split())
        assert "rc=0" in said and "WARNING" not in said, said


VARIABLES = [
    text
    for kind, text in fenced(ROOT / "docs" / "existing-clusters.md")
    if kind == "yaml" and "mesh_clusters:" not in text
]


@pytest.mark.parametrize("text", VARIABLES, ids=lambda text: text.split(":")[0])
def test_preflight_accepts_the_variables_of_the_page(installed: Installed, text: str, tmp_path: Path) -> None:
    inventory, variables = tmp_path / "fleet.yml", tmp_path / "group_vars" / "mesh_clusters.yml"
    inventory.write_text(INVENTORY)
    variables.parent.mkdir()
    variables.write_text(text)
    assert isinstance(yaml.safe_load(text), dict)
    said = installed.run(
        "ansible-playbook", "-i", str(inventory), "mesh.fleet.preflight", "--skip-tags", "reachability",
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true",
    )  # fmt: skip
    assert "rc=0" in said, said


@pytest.mark.parametrize("place", ["the inventory's folder", "another folder", "a checkout", "outside a checkout"])
def test_relative_paths_begin_at_the_inventorys_folder(installed: Installed, place: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    (inventory / "secrets").mkdir(parents=True)
    (inventory / "fleet.yml").write_text(INVENTORY)
    for chart in ("base", "istiod", "gateway"):
        (inventory / "charts" / chart).mkdir(parents=True)
        (inventory / "charts" / chart / "Chart.yaml").write_text(f"name: {chart}\nversion: 1.31.1\n")
    helm = inventory / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text("#!/bin/sh\necho v3.19.0\n")
    helm.chmod(0o755)
    password = inventory / "secrets" / "vault-password"
    password.write_text("sesame\n")
    password.chmod(0o600)
    of_checkout = "checkout" in place
    where = {"the inventory's folder": inventory, "a checkout": ROOT}.get(place, Path("/"))
    playbook = str(ROOT / "playbooks" / "preflight.yml") if of_checkout else "mesh.fleet.preflight"
    given = os.path.relpath(inventory / "fleet.yml", where)
    config = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")} if of_checkout else {}
    said = installed.run(
        "ansible-playbook", "-i", given, playbook, cwd=where, ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true", **config
    )
    assert f"{tmp_path}/kubeconfigs/fra.yaml" in said, said
    assert "vault" not in said, said


def test_so_do_those_of_an_inventory_plugin(installed: Installed, tmp_path: Path) -> None:
    inventory = tmp_path / "google.mesh_fleet.yml"
    inventory.write_text("plugin: mesh.fleet.mesh_fleet\nprojects: [shop-prod]\nservice_account_file: keys/shop.json\n")
    said = installed.run("ansible-inventory", "-i", str(inventory), "--list", cwd=Path("/"), ANSIBLE_NOCOLOR="1")
    assert f"{tmp_path}/keys/shop.json" in " ".join(said.split()), said
