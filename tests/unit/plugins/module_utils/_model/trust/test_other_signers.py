# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether istiod signs certificates, by the Helm values of the user."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.other_signers import another_ca_signs


def told(value: t.Any) -> dict[str, t.Any]:
    return {"pilot": {"env": {"ENABLE_CA_SERVER": value}}}


@pytest.mark.parametrize("value", ["false", False, "0", "F"])
def test_istiod_that_is_told_not_to_sign_has_another_signer(value: t.Any) -> None:
    assert another_ca_signs({}, told(value))
    assert not another_ca_signs(told(value), told("true")), "the later value counts"
    assert another_ca_signs(told("true"), told(value), {"pilot": {"env": {"OTHER": "true"}}})


@pytest.mark.parametrize("tree", [{}, {"pilot": None}, {"pilot": {"env": None}}, told("true"), told("no"), told("")])
def test_istiod_signs_where_nothing_else_is_said(tree: dict[str, t.Any]) -> None:
    assert not another_ca_signs(tree)
