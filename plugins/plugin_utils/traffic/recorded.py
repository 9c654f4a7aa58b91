# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies in a run that renders files: what of them only clusters know, and is left out by name."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.hosts import hosts_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy, is_global_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import ClusterSeen

__all__ = ["as_everywhere", "without_global_names"]

Object = dict[str, t.Any]


def as_everywhere(
    record: Recording, policies: t.Iterable[Policy], seen: t.Mapping[str, ClusterSeen]
) -> dict[str, ClusterSeen]:
    """What was recorded of the clusters, with the namespaces of services that no app of the inventory brings.

    Objects for those are made as if each cluster had the namespace. The Services by which a name resolves where no pods
    are need the service's ports: they are named.
    """
    unknown = {
        (policy.name, policy.namespace)
        for policy in policies
        if not any(one.service(policy.name, policy.namespace) for one in seen.values())
    }
    for name, namespace in sorted(unknown):
        for cluster in seen:
            why = "only the clusters know whether it is there, and its ports: no app of the inventory brings it"
            instead = "make one without pods where its name must resolve and it does not run, or run mesh.fleet.traffic"
            record.leave_out(cluster, f"Service {namespace}/{name}", why, instead)
    spaces = {namespace for _name, namespace in unknown}
    return {
        cluster: dataclasses.replace(one, namespaces=(one.namespaces or frozenset()) | spaces)
        for cluster, one in seen.items()
    }


def without_global_names(record: Recording, cluster: str, objects: t.Iterable[Object]) -> list[Object]:
    """The objects that are not about a global name, whose address clusters keep; the others are named."""
    known = []
    for obj in objects:
        if any(map(is_global_name, hosts_of(obj))):
            why = "the address of a global name is allocated once for the fleet, and the clusters keep it"
            record.leave_out(cluster, described(obj), why, "run mesh.fleet.traffic")
        else:
            known.append(obj)
    return known
