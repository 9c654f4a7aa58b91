# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet of clusters that exist already, from the machine of a user who is not root and has no container engine.

Helm and the charts are brought in each way that is documented, or downloaded. Helm, charts and API servers are real.
"""

from __future__ import annotations

import os
import shutil
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from . import control_plane
from .chart_servers import NAMES, VERSION, Charts
from .nodes import await_everything, everything
from .plays import Ran, role_play, run_plays
from .test_mesh_roles import release

ROOT = Path(__file__).resolve().parents[2]
_NOBODY = 65534


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Charts]:
    made = Charts(tmp_path_factory.mktemp("charts"))
    made.mirror_helm()
    yield made
    made.stop()


class Machine:
    """A machine with Ansible and little more, and a user of it with an empty home.

    Args:
        home: a folder of its own.
        helm: whether Helm is on PATH.
    """

    def __init__(self, home: Path, helm: bool) -> None:
        self.home = home
        self.path = home / "path"
        self.path.mkdir(parents=True)
        for name in ("sh", "env", "uname", "id"):
            found = shutil.which(name)
            assert found
            (self.path / name).symlink_to(found)
        if helm:
            (self.path / "helm").symlink_to(control_plane.program("helm").resolve())
        self.cache = home / ".cache" / "mesh.fleet" / "artifacts"

    def run(self, vars_: dict[str, t.Any], play: dict[str, t.Any] | Path, *arguments: str, **env: str) -> Ran:
        """Run a playbook as a user who is not root; one who may read the tests' files, though."""
        before: list[str] = []
        if os.geteuid() == 0:
            caps = [f"--{of}=-all,+dac_read_search" for of in ("inh-caps", "ambient-caps", "bounding-set")]
            # With this, access(2) counts the capability too.
            caps.append("--securebits=+no_setuid_fixup")
            before = ["/usr/bin/setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *caps]
            for folder in (self.home, *self.home.rglob("*")):
                os.chown(folder, _NOBODY, _NOBODY, follow_symlinks=False)
        theirs = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_STATE_HOME": str(self.home / ".state"),
            "ANSIBLE_HOME": str(self.home / ".ansible"),
            "PATH": f"{self.path}:{Path(sys.executable).parent}",
            "NO_PROXY": "127.0.0.1",
            **env,
        }
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            theirs.setdefault(name, "http://127.0.0.1:9")
        fleet = {
            "vars": {"fleet_name": "brought", "mesh_id": "shop", "cluster_provider": "kubeconfig", **vars_},
            "hosts": {"west": {}},
        }
        (self.home / "run").mkdir(exist_ok=True)
        return run_plays(self.home / "run", fleet, play, *arguments, environment=theirs, before=before)


def of(api: control_plane.ControlPlane, **more: t.Any) -> dict[str, t.Any]:
    return {
        "cluster_kubeconfig": str(api.kubeconfig),
        "cluster_context": "admin",
        "cluster_region": "here",
        "control_plane_require_cacerts": False,
        "trust_vault_password_create": True,
        **more,
    }


def playbook(where: Path, *parts: str | dict[str, t.Any]) -> Path:
    """A playbook of ours and of plays, in a file."""
    imports = [
        {"import_playbook": str(ROOT / "playbooks" / f"{part}.yml")} if isinstance(part, str) else part
        for part in parts
    ]
    path = where / "brought.yml"
    path.write_text(yaml.safe_dump(imports))
    return path


def ways(charts: Charts) -> dict[str, dict[str, t.Any]]:
    """What the inventory says, by the way in which charts come."""
    return {
        "archives": {
            "artifacts_parts": [],
            "control_plane_charts": str(charts.archives),
            "control_plane_helm": str(control_plane.program("helm").resolve()),
        },
        "repository": {"artifacts_parts": [], "control_plane_charts": charts.repository},
        "registry": {"artifacts_parts": [], "control_plane_charts": charts.registry},
        "downloads": {
            "artifacts_downloads": charts.downloads,
            "artifacts_charts": charts.repository,
            "artifacts_directory": "{{ '../made' }}",
        },
    }


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("way", ["archives", "repository", "registry", "downloads"])
def test_a_run_with_what_the_user_brings(
    api: control_plane.ControlPlane, charts: Charts, tmp_path: Path, way: str
) -> None:
    before = everything(api)
    machine = Machine(tmp_path / "user", helm=way in ("repository", "registry"))
    if way == "downloads":
        machine.cache = machine.home / "made"
    inventory = of(api, **ways(charts)[way])
    stages = ("preflight", "clusters", role_play("control_plane"), role_play("gateways"))
    done = machine.run(inventory, playbook(tmp_path, *stages))
    assert done.code == 0, done.output
    assert release(api, "istiod")["status"] == "deployed"
    assert machine.cache.exists() is (way == "downloads")
    assert ("nothing to bring: artifacts_parts is empty" in done.output) is (way != "downloads")
    if way == "downloads":
        done = machine.run(inventory, playbook(tmp_path, *stages))
        assert done.code == 0 and "changed" not in done.output, done.output
        assert (machine.cache / "bin" / "helm").exists()
        assert not (machine.cache / "bin" / "istioctl").exists()
        # A stage alone finds them there too.
        done = machine.run(inventory, playbook(tmp_path, role_play("control_plane")))
        assert done.code == 0 and "changed" not in done.output, done.output
    absent = [role_play(role, tasks="absent") for role in ("gateways", "control_plane")]
    done = machine.run(inventory, playbook(tmp_path, *absent))
    assert done.code == 0, done.output
    await_everything(api, before)


@pytest.mark.parametrize("kind", ["archives", "repository", "registry"])
def test_charts_that_the_artifacts_keep(
    api: control_plane.ControlPlane, charts: Charts, tmp_path: Path, kind: str
) -> None:
    """Also for a stage alone, which looks for them where the artifacts are."""
    machine = Machine(tmp_path / "user", helm=kind != "registry")
    place = getattr(charts, kind)
    if isinstance(place, Path):  # from the inventory's folder
        place = os.path.relpath(place, machine.home / "run")
    inventory = of(api, artifacts_parts=["charts"], artifacts_charts=place)
    if kind == "registry":  # the Helm of the user's pulls; none is made for that
        inventory["control_plane_helm"] = str(control_plane.program("helm").resolve())
    done = machine.run(inventory, playbook(tmp_path, "preflight", "artifacts"))
    assert done.code == 0, done.output
    assert not (machine.cache / "bin" / "helm").exists()
    for name in NAMES:
        found = machine.cache / "charts" / (f"{name}-{VERSION}.tgz" if kind == "archives" else f"{name}/Chart.yaml")
        assert found.is_file()
    charts.asked.clear()
    done = machine.run(inventory, playbook(tmp_path, "preflight", "artifacts"))
    assert done.code == 0 and "changed" not in done.output, done.output
    assert charts.asked == []


def test_what_lacks_is_one_message(api: control_plane.ControlPlane, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "user", helm=False)
    done = machine.run(of(api), ROOT / "playbooks" / "site.yml")
    assert done.code != 0
    assert done.output.count("bring Helm 3 or 4") == 1
    assert done.output.count(f"bring Istio's charts base, gateway, istiod of version {VERSION}") == 1
    for word in (
        "control_plane_helm",
        "control_plane_charts",
        "artifacts_downloads",
        "artifacts_charts",
        "get.helm.sh",
    ):
        assert word in done.output
    assert not machine.cache.exists()


def test_what_is_brought_and_wrong_is_said(api: control_plane.ControlPlane, charts: Charts, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "user", helm=False)
    shutil.copytree(charts.folder, tmp_path / "few")
    shutil.rmtree(tmp_path / "few" / "gateway")
    places = {
        str(tmp_path / "few"): f"has no gateway of version {VERSION} (it holds base, cni, istiod)",
        charts.repository: "has no version 1.30.0 of base",
        charts.registry: "has no base of version 1.30.0 for this user",
        f"{charts.repository}/nowhere": "cannot be used: downloading index.yaml failed",
    }
    helm = str(control_plane.program("helm").resolve())
    for place, why in places.items():
        wrong = {"artifacts_parts": [], "control_plane_charts": place, "control_plane_helm": helm}
        if "1.30.0" in why:
            wrong["mesh_istio_version"] = "1.30.0"
        done = machine.run(of(api, **wrong), ROOT / "playbooks" / "preflight.yml")
        assert done.code != 0
        assert " ".join(why.split()) in " ".join(done.output.split()), done.output
    bad = {"artifacts_parts": [], "control_plane_charts": str(charts.folder), "control_plane_helm": "/bin/true"}
    done = machine.run(of(api, **bad), ROOT / "playbooks" / "preflight.yml")
    assert "control_plane_helm /bin/true names no Helm" in done.output, done.output


def test_a_changed_archive_is_refused(charts: Charts, api: control_plane.ControlPlane, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "user", helm=True)
    file = f"istiod-{VERSION}.tgz"
    for address in (charts.repository, charts.registry):
        wrong = {"artifacts_parts": ["charts"], "artifacts_charts": address, "artifacts_checksums": {file: "0" * 64}}
        done = machine.run(of(api, **wrong), ROOT / "playbooks" / "artifacts.yml")
        assert done.code != 0
        assert f"checksum of {file} does not match" in done.output
        assert not list(machine.cache.glob("store/charts-*"))
    index = charts.archives / "index.yaml"
    text = index.read_text()
    index.write_text(text.replace("digest: ", "digest: 00"))
    try:
        wrong = {"artifacts_parts": ["charts"], "artifacts_charts": charts.repository}
        done = machine.run(of(api, **wrong), ROOT / "playbooks" / "artifacts.yml")
        assert "does not match" in done.output
    finally:
        index.write_text(text)
