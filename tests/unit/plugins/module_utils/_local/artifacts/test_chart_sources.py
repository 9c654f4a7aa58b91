# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Charts of a repository; tests/api/test_brought.py has real ones, and a registry."""

from __future__ import annotations

import asyncio
import hashlib
import io
import pathlib
import tarfile
import typing as t

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.chart_sources import (
    CHARTS,
    fetch_charts,
    is_folder,
    plain_http,
    repository_index,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .test_downloads import Answers, serving


def packed(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        entry = tarfile.TarInfo(f"{name}/Chart.yaml")
        data = f"name: {name}".encode()
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def repository(version: str = "1.31.1", **entry: t.Any) -> Answers:
    answers: Answers = {}
    entries: dict[str, t.Any] = {}
    for name in CHARTS:
        data = packed(name)
        answers[f"/{name}.tgz"] = (200, data)
        digest = hashlib.sha256(data).hexdigest()
        entries[name] = [{"version": version, "urls": [f"{name}.tgz"], "digest": digest, **entry}]
    answers["/index.yaml"] = (200, yaml.safe_dump({"entries": entries}).encode())
    return answers


def fetched(answers: Answers, folder: pathlib.Path, checksums: t.Mapping[str, str] | None = None) -> list[str]:
    with serving(answers) as address:
        asyncio.run(fetch_charts(address, "1.31.1", folder, helm="", checksums=checksums or {}))
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("version", ["1.31.1", "v1.31.1"])
def test_every_chart_is_unpacked_below_its_name(tmp_path: pathlib.Path, version: str) -> None:
    assert fetched(repository(version), tmp_path) == sorted(f"{name}/Chart.yaml" for name in CHARTS)


def test_a_chart_that_is_not_what_the_repository_says_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetError, match=r"checksum of base-1\.31\.1\.tgz does not match"):
        fetched(repository(digest="0" * 64), tmp_path)
    own = {f"{name}-1.31.1.tgz": hashlib.sha256(packed(name)).hexdigest() for name in CHARTS}
    assert fetched(repository(digest="0" * 64), tmp_path, own)
    with pytest.raises(FleetError, match=r"no checksum for base-1\.31\.1\.tgz"):
        fetched(repository(digest=None), tmp_path)


def test_a_missing_version_is_named_with_those_that_are_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetError, match=r"no chart base 1\.31\.1") as caught:
        fetched(repository("1.30.0"), tmp_path)
    assert caught.value.seen == "it has 1.30.0"


@pytest.mark.parametrize("text", [b"<html>log in</html>", b"{a: [", b"entries: 3", b"- 1"])
def test_a_page_is_no_repository(text: bytes) -> None:
    with serving({"/index.yaml": (200, text)}) as address, pytest.raises(FleetError, match="no chart repository"):
        repository_index(address)


def test_an_archive_of_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    answers = repository()
    for data in (packed("other"), b"no archive"):
        answers["/base.tgz"] = (200, data)
        own = {"base-1.31.1.tgz": hashlib.sha256(data).hexdigest()}
        with pytest.raises(FleetError, match="archive"):
            fetched(answers, tmp_path, own)


def test_what_an_address_is() -> None:
    assert [is_folder(place) for place in ("~/charts", "https://x", "http://x", "oci://x", "")] == [True] + [False] * 4


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("oci://127.0.0.1:5000/istio", True),
        ("oci://localhost:5000/istio", True),
        ("oci://registry.example/istio", False),
        ("oci://127.example/istio", True),
        ("http://127.0.0.1/charts", False),
        ("/charts", False),
    ],
)
def test_a_registry_of_this_machine_needs_no_certificate(address: str, plain: bool) -> None:
    assert plain_http(address) == (["--plain-http"] if plain else [])
