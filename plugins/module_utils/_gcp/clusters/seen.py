# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clusters of a project as preflight read them, for the stage of the same run that compares them again.

They are good for saying that nothing is to be done. Who finds that something is asks Google anew.
"""

from __future__ import annotations

import time
import typing as t

from ..api.run_memory import run_memory
from .clusters import Clusters

__all__ = ["hand_on", "take_over"]

Json = dict[str, t.Any]
_SECONDS = 300.0
"""An older answer is not taken."""
_PUBLIC = "clusterCaCertificate"


def hand_on(given: t.Mapping[str, t.Any], clusters: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Keep all clusters of a project that were just read, for one later task of this run.

    Args:
        given: project and credentials, as connections.py: options() returns them.
        clusters: as Google returns them. Passwords and keys that Google shows of old clusters are left out.
    """
    with run_memory(_about(given)) as known:
        known["clusters"], known["read"] = [_without_secrets(cluster) for cluster in clusters], time.time()


def take_over(given: t.Mapping[str, t.Any]) -> dict[tuple[str, str], Json] | None:
    """What was handed on, by location and name, once; None where nothing was, or too long ago.

    Args:
        given: as for :func:`hand_on`.
    """
    with run_memory(_about(given)) as known:
        read, found = float(known.pop("read", 0.0)), known.pop("clusters", None)
    if found is None or time.time() - read > _SECONDS:
        return None
    return Clusters.by_place(found)


def _about(given: t.Mapping[str, t.Any]) -> Json:
    return {**given, "of": "whole clusters"}


def _without_secrets(cluster: t.Mapping[str, t.Any]) -> Json:
    login = {_PUBLIC: ca} if (ca := (cluster.get("masterAuth") or {}).get(_PUBLIC)) else {}
    return {**cluster, "masterAuth": login} if "masterAuth" in cluster else dict(cluster)
