# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order objects are applied."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.batch import phase_of


def test_what_others_need_comes_first() -> None:
    assert [phase_of({"kind": kind}) for kind in ("Namespace", "ServiceAccount", "Secret", "Deployment")] == [
        0,
        1,
        1,
        2,
    ]


def test_the_token_of_an_account_comes_after_the_account() -> None:
    token = {"kind": "Secret", "type": "kubernetes.io/service-account-token"}
    assert phase_of(token) > phase_of({"kind": "ServiceAccount"})
    assert phase_of({"kind": "Secret", "type": "Opaque"}) == 1
