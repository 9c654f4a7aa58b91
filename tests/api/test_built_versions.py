# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs of the artifacts say their versions: proxy-status and support bundles are made of what they say."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml

from . import control_plane

_ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles" / "artifacts"
VERSIONS: dict[str, str] = yaml.safe_load((_ROLE / "vars" / "main.yml").read_text())["__artifacts_versions"]

SAID = {
    "istioctl": (["version", "--remote=false"], VERSIONS["istio"]),
    "helm": (["version", "--template", "{{.Version}}"], VERSIONS["helm"]),
    "kubectl": (["version", "--client"], VERSIONS["kubernetes"]),
    "kube-apiserver": (["--version"], VERSIONS["kubernetes"]),
    "kind": (["version"], VERSIONS["kind"]),
    "etcd": (["--version"], VERSIONS["etcd"].lstrip("v")),
    # In images, where the source is upstream.
    "pilot-discovery": (["version"], VERSIONS["istio"]),
    "pilot-agent": (["version"], VERSIONS["istio"]),
    "install-cni": (["version"], VERSIONS["istio"]),
}
"""By program: how it is asked, and what it says."""


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_program_says_its_version(name: str) -> None:
    arguments, version = SAID[name]
    if name in ("pilot-discovery", "pilot-agent", "install-cni") and not (control_plane.bin_dir() / name).exists():
        pytest.skip("upstream has it in an image only")
    program = str(control_plane.program(name))
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=True, env={**os.environ, "KUBECONFIG": os.devnull}
    )
    assert version in done.stdout
    assert "unknown" not in done.stdout
