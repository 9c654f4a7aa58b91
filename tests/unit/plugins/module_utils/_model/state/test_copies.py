# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which copy of the state counts, and what is never written to a cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.state import copies
from ansible_collections.mesh.fleet.plugins.module_utils._model.state.copies import Copy, merged
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

STATE = {"root-cert.pem": "text of the root", "root-key.vault": "$ANSIBLE_VAULT;1.1;AES256\n61"}


def name_of(place: str) -> str:
    return place or "the disk"


def test_the_only_copy_counts_wherever_it_is() -> None:
    for place in ("", "east", "west"):
        for former in (False, True):
            found = merged([Copy("", {}), Copy(place, STATE, former)], "east", name_of)
            assert found.files == STATE
            assert found.sources == (() if place == "east" else (place,))
            assert found.changed is (place != "east" or former)


def test_equal_copies_are_one() -> None:
    found = merged([Copy("", STATE), Copy("east", STATE), Copy("west", STATE)], "east", name_of)
    assert found == copies.Merged(STATE, ("", "west"), changed=False)


def test_half_a_copy_is_completed() -> None:
    half = {"root-key.vault": STATE["root-key.vault"]}
    found = merged([Copy("", STATE), Copy("east", half)], "east", name_of)
    assert found == copies.Merged(STATE, ("",), changed=True)


@pytest.mark.parametrize("file", list(STATE))
def test_copies_that_differ_are_refused(file: str) -> None:
    with pytest.raises(FleetError, match="two different copies") as refused:
        merged([Copy("", STATE), Copy("east", {**STATE, file: "other"})], "east", name_of)
    assert file in refused.value.obj
    assert "the disk" in refused.value.seen
    assert "east" in refused.value.seen
    assert STATE[file] not in str(refused.value)


def test_a_former_copy_may_be_older_but_has_the_same_root() -> None:
    older = {**STATE, "external/west.csr.pem": "old"}
    newer = {**STATE, "external/west.csr.pem": "new"}
    assert merged([Copy("", newer), Copy("east", older, former=True)], "east", name_of).files == newer
    with pytest.raises(FleetError, match="two different copies"):
        merged([Copy("", newer), Copy("east", {**older, "root-cert.pem": "other"}, former=True)], "east", name_of)


def test_only_files_of_ours_are_state() -> None:
    ours = [
        "root-cert.pem",
        "root-key.vault",
        "root-key.vault.old1",
        "external/a-1.csr.pem",
        "external/a.key.vault.old",
    ]
    assert all(map(copies.is_state, ours))
    theirs = [
        ".lock",
        ".moving",
        "notes.txt",
        "my-root.key",
        "external/notes",
        "root-cert.pem~",
        "external/a/b.csr.pem",
    ]
    assert not any(map(copies.is_state, theirs))


NAMES = st.from_regex(
    r"external/[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]+)?\.(csr\.pem|key\.vault)", fullmatch=True
)


@given(st.dictionaries(NAMES, st.text(st.characters(codec="utf-8")), max_size=4))
def test_a_secret_gives_back_what_was_put_in(files: dict[str, str]) -> None:
    secret = copies.to_secret("shop", {**STATE, **files}, {})
    assert copies.from_secret(secret, "east") == Copy("east", {**STATE, **files})
    assert copies.from_secret(copies.to_secret("shop", files, {}, former="controller"), "east").former


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"root-key.vault": "-----BEGIN PRIVATE KEY-----"}, "not encrypted"),
        ({"root-key.vault": "-----BEGIN EC PRIVATE KEY-----"}, "not encrypted"),
        ({"external/a b.csr.pem": "x"}, "name"),
        ({"external/a..b.csr.pem": "x"}, "name"),
        ({"root-cert.pem": "x" * (copies.LIMIT + 1)}, "too large"),
    ],
)
def test_what_a_cluster_is_never_given(files: dict[str, str], says: str) -> None:
    with pytest.raises(FleetError, match=says):
        copies.to_secret("shop", files, {})


@pytest.mark.parametrize("data", [{"notes": "eA=="}, {"root-cert.pem": "no base64"}, {"root-cert.pem": "/w=="}])
def test_a_secret_of_somebody_else_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(FleetError, match="something else"):
        copies.from_secret({"data": data}, "east")
