# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a control plane says of an object in its status."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reported import complaints


def said(generation: int = 2, **status: t.Any) -> list[str]:
    return complaints({"metadata": {"name": "x", "generation": generation}, "status": status})


def test_errors_and_warnings_are_told_and_nothing_else() -> None:
    both = [{"type": {"name": "ReferencedResourceNotFound", "code": "IST0101"}, "level": "ERROR"}]
    both.append({"code": "IST0102", "level": "Warn", "message": "not injected"})
    assert said(validationMessages=[*both, {"code": "IST0001", "level": "INFO"}]) == [
        "IST0101: ReferencedResourceNotFound",
        "IST0102: not injected",
    ]
    assert complaints({"metadata": {"name": "x"}}) == []
    assert said() == []


def test_a_condition_that_does_not_hold() -> None:
    failed = {"type": "PassedAnalysis", "status": "False", "message": "1 Error found"}
    assert said(conditions=[failed, {"type": "Reconciled", "status": "True"}]) == ["PassedAnalysis: 1 Error found"]
    assert said(conditions=[{"type": "Reconciled", "status": "False", "reason": "stillPropagating"}]) == []


def test_what_is_about_an_earlier_state_is_not_told() -> None:
    failed = {"type": "PassedAnalysis", "status": "False", "reason": "errorsFound"}
    assert said(observedGeneration=1, conditions=[failed]) == []
    assert said(conditions=[{**failed, "observedGeneration": 1}]) == []
    assert said(observedGeneration="2", conditions=[failed]) == ["PassedAnalysis: errorsFound"]
