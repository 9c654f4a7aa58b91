# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Helm is started: with what, and what stays of it. Real Helm is in tests/api/test_helm_releases.py."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import types
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._kube.endpoint import Endpoint
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import Release
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.program import as_json, install_or_upgrade, uninstall

SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text("abc", min_size=1), st.recursive(SCALARS, st.lists, max_leaves=5)))
def test_yaml_reads_values_as_they_are(values: dict[str, t.Any]) -> None:
    text = as_json(values)
    assert json.loads(text) == values
    assert yaml.safe_load(text) == values


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(FleetError, match="no number that JSON has"):
        as_json({"a": float("nan")})


def program(folder: Path) -> str:
    """Writes down what it is told, and where the files are that it reads."""
    path = folder / "helm"
    path.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = version ]; then printf v4.0.0; exit; fi\n'
        f'exec > "{folder}/said"\n'
        'for word; do echo "$word"; [ -f "$word" ] && stat -L -c "mode %a" "$word" && cat "$word" && echo; done\n'
        'env | sed "s/^/env /"\n'
        "exit 3\n"
    )
    path.chmod(0o755)
    return str(path)


def test_credentials_and_values_are_private_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in ("KUBECONFIG", "HELM_KUBECONTEXT", "K8S_AUTH_HOST"):
        monkeypatch.setenv(name, "elsewhere")
    endpoint = Endpoint("https://west", ssl.create_default_context(), {"Authorization": "Bearer t0ken"})
    reached = types.SimpleNamespace(endpoint=endpoint)
    kube: t.Any = types.SimpleNamespace(cluster="west", transport=reached, take_over=False)
    release = Release("shop", "apps", "/charts/shop", {"key": "value"})
    before = os.umask(0)
    try:
        done = asyncio.run(install_or_upgrade(kube, program(tmp_path), release, seconds=5))
    finally:
        os.umask(before)
    said = (tmp_path / "said").read_text()
    assert done.code == 3
    assert said.count("mode 600") == 2
    assert '{"token": "t0ken"}' in said
    assert '{"key": "value"}' in said
    assert "--server-side=false" in said
    assert "--take-ownership" not in said
    assert "elsewhere" not in said
    assert list((tmp_path / "tmp").iterdir()) == []
    kubeconfig = said.splitlines()[said.splitlines().index("--kubeconfig") + 1]
    assert kubeconfig.startswith("/proc/"), "it is in memory"
    assert not os.path.exists(kubeconfig)

    # As on macOS: a file of the same mode, gone as soon.
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    asyncio.run(install_or_upgrade(kube, program(tmp_path), release, seconds=5))
    said = (tmp_path / "said").read_text()
    assert said.count("mode 600") == 2
    assert '{"token": "t0ken"}' in said
    assert "/proc/" not in said
    assert list((tmp_path / "tmp").iterdir()) == []

    kube.take_over = True
    asyncio.run(install_or_upgrade(kube, program(tmp_path), release, seconds=5))
    assert "--take-ownership" in (tmp_path / "said").read_text()
    asyncio.run(uninstall(kube, program(tmp_path), release, seconds=5))
    assert (tmp_path / "said").read_text().startswith("uninstall\nshop\n--kubeconfig\n")
    assert list((tmp_path / "tmp").iterdir()) == []
