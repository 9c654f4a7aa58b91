# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""APIs that clusters need: switched on when Google says that they are off, so nobody has to ask before."""

from __future__ import annotations

import typing as t

from ...results import Change
from ..api.polling import PollTimeout, poll_until
from ..api.session import Google, GoogleError
from .project_access import enable_apis

__all__ = ["CLUSTER_APIS", "with_apis"]

CLUSTER_APIS = ("compute.googleapis.com", "container.googleapis.com")
_OFF = ("SERVICE_DISABLED", "accessNotConfigured")
_Answer = t.TypeVar("_Answer")


def with_apis(
    google: Google,
    look: t.Callable[[], _Answer],
    empty: _Answer,
    *,
    allowed: bool,
    timeout: float,
    dry_run: bool,
) -> tuple[_Answer, list[Change]]:
    """What ``look`` tells, and the APIs that had to be switched on for it.

    Args:
        google: client of the project.
        look: asks Google.
        empty: what it tells of a project in which nothing is; stands for an API that check mode leaves off.
        allowed: whether an API that is off may be switched on; if not, Google's refusal is told.
        timeout: seconds until it has to answer: Google needs some minutes.
        dry_run: switch nothing on.
    """
    try:
        return look(), []
    except GoogleError as error:
        if not allowed or error.reason not in _OFF:
            raise
    changes = enable_apis(google, CLUSTER_APIS, allowed=True, timeout=timeout, dry_run=dry_run)
    if dry_run:
        return empty, changes
    refusal: list[GoogleError] = []

    def again() -> tuple[bool, _Answer]:
        try:
            return True, look()
        except GoogleError as error:
            if error.reason not in _OFF:
                raise
            refusal[:] = [error]
            return False, empty

    try:
        return poll_until(again, timeout), changes
    except PollTimeout as up:
        raise refusal[0] from up
