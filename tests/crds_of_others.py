# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CRDs of others, out of the Go modules that their makers publish: Go's cache has them, or its proxy."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent

CERT_MANAGER = ("github.com/cert-manager/cert-manager", "v1.21.2")
GATEWAY_API = "sigs.k8s.io/gateway-api"

Crd = dict[str, t.Any]


@functools.cache
def module(path: str, version: str) -> Path:
    """The folder of a module; the test is skipped on a machine without Go."""
    if not shutil.which("go"):
        pytest.skip("Go, which fetches the CRDs, is not on this machine")
    command = ["go", "mod", "download", "-json", f"{path}@{version}"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


def gateway_api() -> list[Crd]:
    """The standard channel, of the version that Istio is built with."""
    built = (ROOT / "roles/artifacts/files/go/istio/go.mod").read_text(encoding="utf-8")
    version = re.search(rf"^\s+{re.escape(GATEWAY_API)} (v\S+)", built, flags=re.MULTILINE)
    assert version, "Istio's go.mod names it"
    return _read(module(GATEWAY_API, version[1]) / "config" / "crd" / "standard")


def cert_manager() -> list[Crd]:
    """Certificate and what goes with it."""
    return _read(module(*CERT_MANAGER) / "deploy" / "crds")


def _read(folder: Path) -> list[Crd]:
    found = [one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text("utf-8"))]
    return [one for one in found if one and one["kind"] == "CustomResourceDefinition"]
