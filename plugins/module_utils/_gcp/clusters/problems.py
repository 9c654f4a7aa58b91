# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong with a GKE cluster, and what to do then."""

from __future__ import annotations

import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from .pools import Difference

__all__ = ["broken", "foreign", "gone", "kept", "leaving", "not_gone", "not_ready", "refused"]

Json = t.Mapping[str, t.Any]


def refused(wanted: ClusterSpec, differences: t.Sequence[Difference]) -> FleetError:
    """Differences that only a new cluster would mend."""
    first = differences[0]
    # A pool is made anew beside the old one, which keeps the cluster.
    pools = all(d.variable.endswith("spot") for d in differences)
    anew = (
        "name a pool of another name in gke_node_pools, and delete the old one when the new one runs "
        "(gcloud container node-pools delete)"
    )
    return FleetError(
        f"{', '.join(d.variable for d in differences)} cannot be changed in place",
        cluster=wanted.host,
        obj=wanted.path,
        seen="; ".join(f"{d.variable} is {d.before}, wanted {d.after}" for d in differences),
        means="Google sets it when a cluster or node pool is made, so that would have to be made anew",
        next_step=f"set {first.variable} back, or "
        + (anew if pools else "delete the cluster first (gke_cluster_delete: true)"),
    )


def foreign(wanted: ClusterSpec, live: Json) -> FleetError:
    """A cluster of that name is there, and not ours."""
    return FleetError(
        "a cluster of this name exists that this fleet did not make",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"labels {live.get('resourceLabels') or {}}",
        next_step="set gke_adopt: true for this host to take it over, or choose another gke_name",
    )


def kept(wanted: ClusterSpec, live: Json) -> FleetError:
    """A cluster that was to be deleted, and is not ours."""
    return FleetError(
        "this fleet did not make it, so it is not deleted",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"description {live.get('description', '')!r}, labels {live.get('resourceLabels') or {}}",
        next_step="delete it by hand if it shall go",
    )


def broken(wanted: ClusterSpec, live: Json) -> FleetError:
    """State ERROR or DEGRADED."""
    said = [f"{c.get('canonicalCode') or c.get('code')}: {c.get('message')}" for c in live.get("conditions") or []]
    return FleetError(
        f"it is in state {live['status']}",
        cluster=wanted.host,
        obj=wanted.path,
        seen="; ".join(said) or str(live.get("statusMessage") or "Google says no more"),
        means="Google could not make or keep it",
        next_step="mend what Google names, or delete it (gke_cluster_delete: true, playbooks/teardown.yml "
        f"--limit {wanted.host}); then run again",
    )


def leaving(wanted: ClusterSpec) -> FleetError:
    """State STOPPING."""
    return FleetError(
        "it is being deleted",
        cluster=wanted.host,
        obj=wanted.path,
        seen="status STOPPING",
        next_step="run again when it is gone",
    )


def gone(wanted: ClusterSpec) -> FleetError:
    """It was there, and is not any more."""
    return FleetError("it is gone", cluster=wanted.host, obj=wanted.path, next_step="run again")


def not_ready(wanted: ClusterSpec, live: Json, seconds: float) -> FleetError:
    """Google is at work on it for too long."""
    return FleetError(
        f"it is not ready after {seconds:g} s",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"status {live.get('status')} {live.get('statusMessage', '')}".strip(),
        means="Google is still at work on it",
        next_step="run again: it is taken as it is by then; or raise gke_cluster_timeout",
    )


def not_gone(wanted: ClusterSpec, seconds: float) -> FleetError:
    """Google deletes it for too long."""
    return FleetError(
        f"it is not gone after {seconds:g} s",
        cluster=wanted.host,
        obj=wanted.path,
        seen="status STOPPING",
        next_step="run again later",
    )
