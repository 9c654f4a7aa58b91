# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failed calls of clusters whose control plane Google runs: no advice about an istiod that nobody can ask."""

from __future__ import annotations

import dataclasses
import re

from ..control_planes.managed_peering import NAMESPACE, OPTIONS
from .report import Call

__all__ = ["for_google"]

_OURS = re.compile(r"\bistiods?\b|\bthe (peering|trust|control_plane) stage|mesh_trust_domain|site\.yml")


def for_google(call: Call) -> Call:
    """The call with what can be done about it there; a cause that lies elsewhere stays as it was told."""
    if call.ok or not call.expected or not _OURS.search(f"{call.means} {call.next_step}"):
        return call
    both = call.caller if call.callee == call.caller else f"{call.caller},{call.callee}"
    return dataclasses.replace(
        call,
        means=f"Google's control plane has not joined {both} yet, or has not read {call.service} there: "
        "it takes in new services within minutes",
        next_step=f"look at ConfigMap {NAMESPACE}/{OPTIONS} in both; run the gke_fleet stage with --limit {both}, "
        "which tells Google's state; then verify again",
    )
