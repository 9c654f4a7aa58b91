# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where revocation lists come from: the task, and each cluster of the inventory."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.revocation import given_crls, located_crls, read_crls

TEXT = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"


class Hostvars(dict[str, dict[str, t.Any]]):
    raw_get = dict.__getitem__


def test_each_cluster_may_name_its_own_and_all_count() -> None:
    hostvars = Hostvars(
        west={"inventory_dir": "/inventory", "trust_crl": "west.pem"},
        east={"inventory_dir": "/inventory", "trust_crl": ["/etc/east.pem", "west.pem", TEXT]},
        north={"trust_crl": None},
        south={},
    )
    found = given_crls(["/etc/root.pem"], hostvars, hostvars)
    assert found == ["/etc/root.pem", "/inventory/west.pem", "/etc/east.pem", TEXT]
    assert given_crls([], hostvars, ["south"]) == []


def test_the_word_for_lists_of_the_run_is_no_file() -> None:
    assert located_crls(["generated", "./generated", "a.pem"], "/inv") == ["generated", "/inv/generated", "/inv/a.pem"]
    hostvars = Hostvars(west={"inventory_dir": "/inventory", "trust_crl": "generated"})
    assert given_crls(["generated"], hostvars, hostvars) == ["generated"]
    assert read_crls(["generated", TEXT]) == {"text 1 of trust_crl": TEXT}


def test_files_and_texts(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_text(TEXT)
    assert read_crls([str(file), TEXT]) == {str(file): TEXT, "text 2 of trust_crl": TEXT}
    with pytest.raises(FleetError, match="a certificate revocation list cannot be read"):
        read_crls([str(tmp_path / "none.pem")])
