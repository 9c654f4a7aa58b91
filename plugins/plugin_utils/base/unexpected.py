# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Any exception as a problem: what was not foreseen about one cluster is told of that cluster, and stops no other."""

from __future__ import annotations

import os
import traceback

from ansible.utils.display import Display

from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import scrub
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import explain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Unexpected", "as_problem"]

_DISPLAY = Display()
_ISSUES = "https://github.com/mesh-fleet/mesh.fleet/issues"
_OURS = f"{os.sep}mesh{os.sep}fleet{os.sep}plugins{os.sep}"


class Unexpected(FleetError):
    """A defect of this collection: it met what nobody foresaw."""


def as_problem(error: Exception, cluster: str = "") -> FleetError:
    """What a user is told of ``error``; the traceback of a defect is printed with ``-vvv`` only.

    Args:
        cluster: whose work it was; "" where that is not known.
    """
    if isinstance(error, FleetError):
        error.cluster = error.cluster or cluster
        return error
    # Of the system's, not a library's: a deadline or a connection that broke, without number and often without words.
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, (TimeoutError, ConnectionError))
    ):
        # Any write may meet a full disk or a folder without permission.
        means, next_step = explain(str(error))
        return FleetError("this machine refused", cluster=cluster, seen=str(error), means=means, next_step=next_step)
    _DISPLAY.vvv(scrub("".join(traceback.format_exception(error))), host=cluster or None)
    text = scrub(f"{type(error).__name__}: {error}")
    return Unexpected(
        "something came that mesh.fleet does not expect",
        cluster=cluster,
        seen=f"{text[:200]} in {_place(error)}",
        means="a defect of mesh.fleet, met by what this cluster, or a machine before it, answered",
        next_step=f"run again; if it stays, report it with the output of -vvv: {_ISSUES}",
    )


def _place(error: Exception) -> str:
    """The last of our own lines that led to it, as ``file:line function``."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in frame.filename] or frames
    if not ours:
        return "an unknown place"
    file = ours[-1].filename
    return f"{file.rpartition(_OURS)[2] or file}:{ours[-1].lineno} {ours[-1].name}"
