# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""google.cloud's modules get the same kind of credentials as our own client."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings

KEY = {"type": "service_account", "private_key": "sesame"}


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        ({}, {}),
        ({"gke_auth_kind": "machineaccount"}, {}),
        ({"gke_auth_kind": "application"}, {"GCP_AUTH_KIND": "accesstoken"}),
        ({}, {"GCP_AUTH_KIND": "machineaccount"}),
        ({"gke_service_account_file": "/key.json"}, {}),
        ({"gke_service_account_contents": "{}"}, {}),
        ({"gke_service_account_contents": KEY}, {}),
        ({}, {"GCP_SERVICE_ACCOUNT_FILE": "/key.json"}),
        ({}, {"GCP_SERVICE_ACCOUNT_CONTENTS": "{}"}),
        ({"gke_access_token": "ya29"}, {}),
        ({"gke_access_token": "", "gke_service_account_file": ""}, {}),
        ({}, {"GCP_ACCESS_TOKEN": "ya29"}),
        ({"gke_service_account_file": "/key.json"}, {"GCP_ACCESS_TOKEN": "ya29"}),
    ],
)
def test_what_is_given_decides(
    root: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, t.Any], environment: dict[str, str]
) -> None:
    for name in ("AUTH_KIND", "ACCESS_TOKEN", "SERVICE_ACCOUNT_FILE", "SERVICE_ACCOUNT_CONTENTS"):
        monkeypatch.delenv(f"GCP_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    loader = DataLoader()
    role = loader.load_from_file(str(root / "roles/gke_cluster/vars/main.yml"), trusted_as_template=True)
    kind = Templar(loader=loader, variables={**role, **variables}).template(role["__gke_cluster_auth_kind"])
    options = {name.removeprefix("gke_"): value for name, value in variables.items()}
    assert kind == Settings.from_args({"project": "shop-prod", **options}, environment).auth_kind
