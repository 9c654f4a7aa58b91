# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No password of an address is shown."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.logins import without_logins


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@charts.example/istio", "https://charts.example/istio"),
        ("https://hunter2@charts.example", "https://charts.example"),
        ("https://user:hunter2@more@charts.example:8443/a@b", "https://charts.example:8443/a@b"),
        ("oci://user:hunter2@a.example/istio; http://u:hunter2@b: no", "oci://a.example/istio; http://b: no"),
        ("https://charts.example/istio@1.31.1", "https://charts.example/istio@1.31.1"),
        ('{"a":"https://a.example","mail":"me@b.example"}', '{"a":"https://a.example","mail":"me@b.example"}'),
        ("spiffe://cluster.local/ns/a", "spiffe://cluster.local/ns/a"),
    ],
)
def test_logins_go_and_the_rest_stays(text: str, shown: str) -> None:
    assert without_logins(text) == shown


def test_no_error_shows_a_login() -> None:
    url = "https://user:hunter2@charts.example/index.yaml"
    error = FleetError(f"{url} failed", obj=url, seen=f"{url}: no", means=url, next_step=url)
    shown = f"{error} {error.as_dict()} {error.args} {vars(error)}"
    assert "hunter2" not in shown and "https://charts.example/index.yaml: no" in shown
