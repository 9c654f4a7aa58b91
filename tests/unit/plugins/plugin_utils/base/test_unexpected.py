# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import asyncio
import errno
import typing as t

import pytest
from ansible.utils.display import Display

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import parse_certificates
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import Unexpected, as_problem


def test_an_error_of_ours_stays_itself() -> None:
    error = FleetError("it refused", cluster="west")
    assert as_problem(error, "east") is error
    assert error.cluster == "west"


def test_a_defect_names_our_line_and_asks_for_a_report(defects: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Display, "vvv", lambda self, msg, host=None: shown.append(msg))

    async def work() -> None:
        raise KeyError("Authorization: Bearer hidden-hidden-1")

    (problem,) = asyncio.run(settle([work()]))
    defects.clear()
    assert isinstance(problem, Unexpected)
    assert "KeyError" in problem.seen
    assert "test_unexpected.py" in problem.seen
    assert "/issues" in problem.next_step
    assert "Traceback" not in str(problem)
    assert "Traceback" in shown[0]
    assert "hidden-1" not in str(problem) + shown[0]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "Permission denied")]
)
def test_what_the_system_refuses_is_no_defect(error: OSError) -> None:
    problem = as_problem(error, "west")
    assert (problem.what, problem.cluster) == ("this machine refused", "west")
    assert str(error.strerror) in problem.seen


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionError(), ConnectionResetError(errno.ECONNRESET, "reset"), OSError("odd")]
)
def test_what_a_library_raises_is_not_this_machines(error: OSError, defects: list[str]) -> None:
    """They are OSErrors too, and many have no words."""
    problem = as_problem(error, "west")
    defects.clear()
    assert isinstance(problem, Unexpected)
    assert type(error).__name__ in problem.seen


def test_our_own_line_goes_before_a_librarys(defects: list[str]) -> None:
    with pytest.raises((AttributeError, TypeError)) as caught:
        parse_certificates(t.cast("str", None))
    assert "_model/trust/certificates.py:" in as_problem(caught.value, "west").seen
    assert len(defects) == 1
    defects.clear()
