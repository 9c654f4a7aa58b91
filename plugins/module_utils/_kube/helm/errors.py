# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors of Helm, with their meaning and the next step."""

from __future__ import annotations

import re

from ...errors import FleetError
from ..masking import scrub

__all__ = ["explain"]

_VALUES = "correct the values of this release, see --check --diff, and run again"
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"don't meet the specifications of the schema", "the chart refuses a value", _VALUES),
    (
        r"execution error at|can't evaluate field|nil pointer evaluating|wrong type for value|cannot overwrite table",
        "the chart refuses a value",
        _VALUES,
    ),
    (
        r"another operation \(install/upgrade/rollback\) is in progress",
        "somebody else changes this release at the same time",
        "run again once they are done; the next run repairs what an interrupted one left",
    ),
    (
        r"release: already exists|cannot re-use a name that is still in use",
        "somebody else made or changed this release in the same moment",
        "run again once they are done",
    ),
    (
        r"invalid ownership metadata|exists and cannot be imported",
        "something else made an object of that name: istioctl, an operator, or another release",
        "leave it to what made it and choose other names (mesh_revision); or take it over with all that it holds: run "
        "once with mesh_take_over: true. Do not delete a CRD: every object of its kind would go with it",
    ),
    (
        r"unknown flag: --take-ownership",
        "mesh_take_over is set, and this Helm cannot take over objects of others",
        "use Helm 3.17 or newer, as that of the artifacts, and run again",
    ),
    (
        r"failed calling webhook",
        "a webhook of this cluster is registered and nothing answers for it",
        "restore what serves the webhook, then run again; if nothing serves it any more, save its configuration and "
        "remove it",
    ),
    (
        r"timed out waiting|context deadline exceeded|would exceed context deadline",
        "the cluster did not answer in time",
        "look at the API server and its webhooks, then run again",
    ),
    (
        r"chart .* not found|failed to (download|fetch)|not a valid chart repository|repo .* not found",
        "the chart cannot be had from its repository",
        "check control_plane_charts and mesh_istio_version",
    ),
    (
        r"cluster unreachable|connection refused|no such host|i/o timeout",
        "the API server is not reachable from here",
        "check the cluster and its kubeconfig, then run again",
    ),
    (
        r"Unauthorized|forbidden",
        "the account may not do this",
        "use an account with cluster-admin rights: Istio's charts hold cluster roles and CRDs",
    ),
    (
        r"Apply failed with \d+ conflict|conflict occurred while applying",
        "another tool owns a field that the chart sets",
        "remove the field from what that tool applies, then run again",
    ),
    (r"no space left", "a disk is full", "free space, then run again"),
)


def explain(output: str, cluster: str, obj: str, action: str) -> FleetError:
    """A FleetError for Helm's output when ``action`` (install, upgrade, remove) of ``obj`` failed."""
    seen = _error_text(scrub(output))
    for pattern, means, next_step in _KNOWN:
        if re.search(pattern, output, re.IGNORECASE):
            return FleetError(
                f"Helm could not {action} it",
                cluster=cluster,
                obj=obj,
                seen=seen,
                means=means,
                next_step=next_step,
            )
    return FleetError(
        f"Helm could not {action} it",
        cluster=cluster,
        obj=obj,
        seen=seen,
        next_step="run again with -vvv to see Helm's command and its whole output",
    )


def _error_text(output: str) -> str:
    """The error in Helm's output: from ``Error:`` on, without warnings, at most a few lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("Error:"):
            lines = [line.removeprefix("Error:").strip(), *lines[number + 1 :]]
            break
    text = "; ".join(line for line in lines if not line.startswith("WARNING:")).replace(":;", ":")
    return text if len(text) <= 600 else text[:600] + " …"
