# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors about one GKE cluster, each with what to do."""

from __future__ import annotations

import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from .fields import Difference

__all__ = [
    "being_deleted",
    "broken",
    "ends_nodes",
    "gone",
    "not_deleted",
    "not_gone",
    "not_heeded",
    "not_ours",
    "not_ready",
    "protected",
    "refused",
    "replaces_nodes",
    "replaces_nodes_at_once",
]

Json = t.Mapping[str, t.Any]
_PASSED = "gke_cluster_fields."


def refused(wanted: ClusterSpec, differences: t.Sequence[Difference]) -> FleetError:
    """Differences that need a new cluster."""
    first = differences[0]
    # A new pool can replace the old one in the same cluster.
    pools = all(d.pool for d in differences)
    anew = (
        "name a pool of another name in gke_node_pools, and delete the old one when the new one runs "
        "(gcloud container node-pools delete)"
    )
    return FleetError(
        f"{', '.join(d.variable for d in differences)} cannot be changed in place",
        cluster=wanted.host,
        obj=wanted.path,
        seen=_seen(differences),
        means="Google sets it when it makes a cluster or node pool, so that would have to be recreated",
        next_step=f"set {first.variable} back, or "
        + (anew if pools else "delete the cluster first (gke_cluster_delete: true)"),
    )


def _seen(differences: t.Iterable[Difference]) -> str:
    return "; ".join(f"{d.variable} is {d.before}, wanted {d.after}" for d in differences)


def ends_nodes(wanted: ClusterSpec, differences: t.Sequence[Difference]) -> FleetError:
    """Changes for which nodes of a zone end, and none take their place there."""
    names = ", ".join(dict.fromkeys(d.variable for d in differences))
    pools = dict.fromkeys(one for d in differences for one in d.leaves)
    return FleetError(
        f"{names} cannot be changed without ending nodes",
        cluster=wanted.host,
        obj=wanted.path,
        seen=_seen(differences),
        means=f"Google ends the nodes of {', '.join(pools)}, with the pods on them",
        next_step="set gke_recreate_nodes: true for this run, once other zones can take those pods; or keep the zones",
    )


def replaces_nodes(wanted: ClusterSpec, differences: t.Sequence[Difference], every: t.Sequence[str] = ()) -> FleetError:
    """Changes for which Google replaces the nodes of a pool, or of the pools ``every`` of the cluster."""
    names = ", ".join(dict.fromkeys(d.variable for d in differences))
    of_cluster = any(not d.pool for d in differences)
    pools = [*every] if of_cluster else list(dict.fromkeys(d.pool for d in differences))
    unsure = [d.variable for d in differences if d.variable.startswith(_PASSED)]
    means = f"Google replaces each node of {', '.join(pools)} for it, with the pods on it"
    if len(unsure) == len(differences):
        means = (
            f"Google may replace each node of {', '.join(pools)} for it, with the pods on it: it is not known not to"
        )
    beside = "" if of_cluster else ", or name a pool of another name in gke_node_pools beside it"
    return FleetError(
        f"{names} cannot be changed without new nodes",
        cluster=wanted.host,
        obj=wanted.path,
        seen=_seen(differences),
        means=means,
        next_step=f"set gke_recreate_nodes: true for this run, or set it back{beside}",
    )


def replaces_nodes_at_once(wanted: ClusterSpec, difference: Difference, hasty: t.Sequence[str]) -> FleetError:
    """The same where the pools ``hasty`` lose nodes before they have new ones."""
    whose = f"pool {hasty[0]} loses" if len(hasty) == 1 else f"pools {', '.join(hasty)} lose"
    return FleetError(
        f"{difference.variable} cannot be changed without new nodes, and {whose} old ones first",
        cluster=wanted.host,
        obj=f"{wanted.path}/nodePools/{hasty[0]}",
        seen=_seen([difference]),
        next_step="set gke_upgrade: {max_surge: 1, max_unavailable: 0}, or {strategy: blue_green}; of a pool that the "
        "inventory does not name: gcloud container node-pools update --max-surge-upgrade=1 --max-unavailable-upgrade=0",
    )


def not_heeded(wanted: ClusterSpec, differences: t.Sequence[Difference]) -> FleetError:
    """A cluster was made, and Google did not do all that was said."""
    return FleetError(
        f"Google made it without {', '.join(d.variable for d in differences)}",
        cluster=wanted.host,
        obj=wanted.path,
        seen=_seen(differences),
        means="Google accepted the request and has not heeded all of it, and it cannot be changed in place",
        next_step=f"leave {differences[0].variable} out, or delete the cluster (gke_cluster_delete: true, "
        f"playbooks/teardown.yml --limit {wanted.host}) and make it as Google's documentation asks",
    )


def protected(wanted: ClusterSpec) -> FleetError:
    """It is to be deleted, and the inventory says that it never is."""
    return FleetError(
        "it is protected, so it is not deleted",
        cluster=wanted.host,
        obj=wanted.path,
        seen="gke_deletion_protection: true",
        next_step="set gke_deletion_protection: false if nobody needs it",
    )


def not_ours(wanted: ClusterSpec, live: Json) -> FleetError:
    """A cluster of that name exists, and is not ours."""
    return FleetError(
        "a cluster of this name exists that this fleet did not make",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"labels {live.get('resourceLabels') or {}}",
        next_step="set gke_adopt: true for this host to adopt it, or choose another gke_name",
    )


def not_deleted(wanted: ClusterSpec, live: Json) -> FleetError:
    """A cluster that was to be deleted is not ours."""
    return FleetError(
        "this fleet did not make it, so it is not deleted",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"description {live.get('description', '')!r}, labels {live.get('resourceLabels') or {}}",
        next_step="delete it yourself if nobody needs it",
    )


def broken(wanted: ClusterSpec, live: Json, waited: float = 0.0) -> FleetError:
    """State ERROR or DEGRADED; ``waited``: for how many seconds Google has had the time to delete it."""
    reasons = [f"{c.get('canonicalCode') or c.get('code')}: {c.get('message')}" for c in live.get("conditions") or []]
    return FleetError(
        f"it is in state {live['status']}",
        cluster=wanted.host,
        obj=wanted.path,
        seen="; ".join(reasons) or str(live.get("statusMessage") or "Google gives no reason"),
        means="Google could not make it, or keep it running"
        + (f"; it deletes such clusters by itself, and has not within {waited:g} s" if waited else ""),
        next_step="correct what Google names, or delete it (gke_cluster_delete: true, playbooks/teardown.yml "
        f"--limit {wanted.host}); then run again",
    )


def being_deleted(wanted: ClusterSpec) -> FleetError:
    """State STOPPING."""
    return FleetError(
        "it is being deleted",
        cluster=wanted.host,
        obj=wanted.path,
        seen="status STOPPING",
        next_step="run again when it is gone",
    )


def gone(wanted: ClusterSpec) -> FleetError:
    """It existed, and does not any more."""
    return FleetError("it is gone", cluster=wanted.host, obj=wanted.path, next_step="run again")


def not_ready(wanted: ClusterSpec, live: Json, seconds: float) -> FleetError:
    """Google has been changing it for too long."""
    return FleetError(
        f"it is not ready after {seconds:g} s",
        cluster=wanted.host,
        obj=wanted.path,
        seen=f"status {live.get('status')} {live.get('statusMessage', '')}".strip(),
        means="Google is still changing it",
        next_step="run again, which goes on from there; or raise gke_cluster_timeout",
    )


def not_gone(wanted: ClusterSpec, seconds: float) -> FleetError:
    """Google has been deleting it for too long."""
    return FleetError(
        f"it is not gone after {seconds:g} s",
        cluster=wanted.host,
        obj=wanted.path,
        seen="status STOPPING",
        next_step="run again later",
    )
