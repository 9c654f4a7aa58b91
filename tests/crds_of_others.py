# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CRDs of others, out of the Go modules that their makers publish: Go's cache has them, or its proxy."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import typing as t
from pathlib import Path

import yaml

from tests import go_program

ROOT = Path(__file__).resolve().parent.parent

CERT_MANAGER = "github.com/cert-manager/cert-manager"
GATEWAY_API = "sigs.k8s.io/gateway-api"

Crd = dict[str, t.Any]


@functools.cache
def module(path: str, version: str) -> Path:
    """The folder of a module; without Go the test is skipped."""
    env = go_program.environment("which fetches the CRDs")
    command = ["go", "mod", "download", "-json", f"{path}@{version}"]
    done = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


def gateway_api() -> list[Crd]:
    """The standard channel, of the version that Istio is built with."""
    version = _version(GATEWAY_API, ROOT / "roles/artifacts/files/go/istio/go.mod")
    return _read(module(GATEWAY_API, version) / "config" / "crd" / "standard")


def cert_manager() -> list[Crd]:
    """Certificate and what goes with it, of the version whose controllers tests/api/cert_manager.py builds."""
    version = _version(CERT_MANAGER, ROOT / "tests/go/cert-manager/go.mod")
    return _read(module(CERT_MANAGER, version) / "deploy" / "crds")


def _version(path: str, file: Path) -> str:
    """Of a module, as a go.mod has it."""
    found = re.search(rf"^(?:require)?\s+{re.escape(path)} (v\S+)", file.read_text("utf-8"), flags=re.MULTILINE)
    assert found, f"{file} names {path}"
    return found[1]


def _read(folder: Path) -> list[Crd]:
    found = [one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text("utf-8"))]
    return [one for one in found if one and one["kind"] == "CustomResourceDefinition"]
