# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One kubeconfig of several files. tests/api/test_connect.py compares it with what kubectl makes of them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.kubeconfig import (
    AbsentCluster,
    Kubeconfig,
    read_kubeconfig,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

VAULTED = "$ANSIBLE_VAULT;1.1;AES256\n3132\n"


def read(value: t.Any, **more: t.Any) -> Kubeconfig:
    return read_kubeconfig(Connection(kubeconfig=str(value), **more), "west")


def write(path: Path, **document: t.Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def clusters(**servers: str) -> list[dict[str, t.Any]]:
    return [{"name": name, "cluster": {"server": server}} for name, server in servers.items()]


def test_of_entries_with_one_name_the_first_counts_whole(tmp_path: Path) -> None:
    one = write(tmp_path / "one", clusters=[{"name": "c", "cluster": {"server": "https://one"}}])
    more = {"server": "https://two", "tls-server-name": "x"}
    two = write(tmp_path / "two", clusters=[{"name": "c", "cluster": more}, *clusters(d="https://d")])
    found = read(f"{one}:{two}")
    assert found.named("clusters", "c") == {"server": "https://one"}
    assert found.named("clusters", "d") == {"server": "https://d"}
    assert found.named("clusters", "e") is None
    assert found.source == f"{one}, {two}"
    assert read(f"{two}:{one}").named("clusters", "c") == more


def test_the_first_current_context_counts(tmp_path: Path) -> None:
    none = write(tmp_path / "none", contexts=[])
    one, two = (write(tmp_path / name, **{"current-context": name}) for name in ("one", "two"))
    assert read(f"{none}:{one}:{two}").document["current-context"] == "one"
    assert read(f"{two}:{one}").document["current-context"] == "two"
    assert read(none).document["current-context"] == ""


def test_files_that_are_missing_or_empty_are_skipped(tmp_path: Path) -> None:
    one = write(tmp_path / "one", clusters=clusters(c="https://one"))
    (tmp_path / "empty").touch()
    found = read(f":{tmp_path / 'gone'}:{tmp_path / 'empty'}::{one}:")
    assert found.named("clusters", "c") == {"server": "https://one"}
    assert found.source == str(one)
    with pytest.raises(AbsentCluster, match="does not exist") as refused:
        read(f"{tmp_path / 'gone'}:{tmp_path / 'too'}")
    assert str(tmp_path / "too") in refused.value.seen
    with pytest.raises(FleetError, match="not a kubeconfig"):
        read(tmp_path / "empty")


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        cluster = {"server": "x", "certificate-authority": "ca.crt"}
        user = {"client-certificate": "own.crt", "client-key": "../key", "tokenFile": "token"}
        user |= {"exec": {"command": "./plugin", "args": ["./x"]}}
        write(
            tmp_path / name / "config",
            clusters=[{"name": name, "cluster": cluster}],
            users=[{"name": name, "user": user}],
        )
        (tmp_path / name / "ca.crt").write_text(f"CA of {name}")
    monkeypatch.chdir(tmp_path)
    found = read("a/config:b/config")
    for name in ("a", "b"):
        folder, cluster, user = tmp_path / name, found.named("clusters", name), found.named("users", name)
        assert cluster is not None and user is not None
        assert found.content(cluster, "certificate-authority") == f"CA of {name}".encode()
        assert user["client-certificate"] == f"{folder}/own.crt"
        assert user["client-key"] == f"{folder}/../key"
        assert user["tokenFile"] == f"{folder}/token"
        assert user["exec"] == {"command": f"{folder}/./plugin", "args": ["./x"]}


@pytest.mark.parametrize("path", ["~/own", "/etc/own"])
def test_absolute_paths_stay(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    user = {"client-key": path, "exec": {"command": "gke-gcloud-auth-plugin"}}
    found = read(write(tmp_path / "config", users=[{"name": "u", "user": user}])).named("users", "u") or {}
    assert found["client-key"] == path.replace("~", "/home/ann")
    assert found["exec"]["command"] == "gke-gcloud-auth-plugin", "it is in PATH"


def test_a_colon_in_the_name_of_a_file_that_is_there(tmp_path: Path) -> None:
    """The file wins over the list that its name could be, too."""
    write(tmp_path / "a", clusters=clusters(c="https://a"))
    assert read(f"{tmp_path}/a:b").named("clusters", "c") == {"server": "https://a"}
    write(tmp_path / "a:b", clusters=clusters(c="https://both"))
    assert read(tmp_path / "a:b").named("clusters", "c") == {"server": "https://both"}
    # The folder ``folder`` is no kubeconfig: this is one path whose last part was not made yet.
    (tmp_path / "folder").mkdir()
    with pytest.raises(AbsentCluster):
        read(tmp_path / "folder:x" / "config")


@pytest.mark.parametrize(
    "document", ["7", "[]", "contexts: [x]", "users: {a: b}", "clusters: [{name: a, cluster: x}]", "just text"]
)
def test_what_is_no_kubeconfig(document: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(document)
    one = write(tmp_path / "one", clusters=clusters(c="https://one"))
    for value in (tmp_path / "config", f"{one}:{tmp_path / 'config'}"):
        with pytest.raises(FleetError, match="is not a kubeconfig") as refused:
            read(value)
        assert str(tmp_path / "config") in refused.value.seen
        assert refused.value.cluster == "west"


def test_files_that_ansible_vault_encrypted(tmp_path: Path) -> None:
    """The kubeconfig and the files that it names are decrypted by who is asked to, with their paths."""
    asked: list[str] = []
    config = {"clusters": [{"name": "c", "cluster": {"certificate-authority": "ca"}}]}
    texts = {"config": yaml.safe_dump(config), "ca": "CA"}

    def decrypt(text: str, what: str, /) -> str:
        assert text == VAULTED
        asked.append(what)
        return texts[Path(what).name]

    for name in texts:
        (tmp_path / name).write_text(VAULTED)
    found = read(tmp_path / "config", decrypt=decrypt)
    assert found.content(found.named("clusters", "c") or {}, "certificate-authority") == b"CA"
    assert asked == [str(tmp_path / "config"), str(tmp_path / "ca")]
    assert (tmp_path / "config").read_text() == VAULTED
    with pytest.raises(FleetError, match="cannot be decrypted") as refused:
        read(tmp_path / "config")
    assert refused.value.cluster == "west"


def test_nothing_of_a_decrypted_file_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(VAULTED)
    for text in ("hidden: [", "users: hidden"):
        with pytest.raises(FleetError) as refused:
            read(tmp_path / "config", decrypt=lambda _text, _what, text=text: text)
        assert "hidden" not in str(refused.value)
    good = read(tmp_path / "config", decrypt=lambda _text, _what: "users: [{name: u, user: {token: hidden}}]")
    assert "hidden" not in repr(good)
