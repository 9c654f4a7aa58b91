# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let a cluster's DNS serve names of exported services, for pods without a sidecar, and take them out again."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.exact import delete_exactly, replace_exactly
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_dns import (
    NAMESPACE,
    OPENSHIFT,
    SERVERS,
    Plan,
    Records,
    blocks_of,
    plan_zone,
    zone_of_others,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.corefile import ZONE
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting

__all__ = ["Served", "await_names", "serve_names"]

Object = t.Mapping[str, t.Any]

PART = "services"
_TRIES = 5
_BETWEEN_LOOKS = 2.0


@dataclasses.dataclass(frozen=True)
class Served:
    """What was done in one cluster."""

    changes: t.Sequence[Change] = ()
    warnings: t.Sequence[str] = ()
    """What the user should know, each with the cluster's name."""
    plan: Plan = dataclasses.field(default_factory=Plan)
    """For :func:`await_names`."""


async def serve_names(
    kube: Kube,
    fleet: str,
    records: Records,
    *,
    named: bool = False,
    dry_run: bool = False,
    diff: bool = True,
) -> Served:
    """Write the names into the Corefile of the cluster's CoreDNS, only where it differs, and never over what somebody
    wrote since it was read.

    Args:
        kube: the cluster.
        fleet: the fleet's name: what it wrote earlier is replaced.
        records: addresses of either family by name (``svc.ns.svc.clusterset.local``), as pods of this cluster are to
            see them. Empty: what an earlier run wrote is removed, and a cluster whose DNS is none of ours to change is
            no error.
        named: whether sidecars know exported names where the cluster's DNS is not given any.
        dry_run: write nothing.
        diff: whether changes show what they change.

    Raises:
        FleetError: the cluster's DNS is no CoreDNS whose Corefile can be changed, or it holds no more names.
    """
    if kube.record is not None:
        if records:
            why = f"the names of exported services in {ZONE} are added to the cluster's own file"
            instead = "run mesh.fleet.services once the cluster is there"
            kube.record.leave_out(kube.cluster, f"Corefile of {NAMESPACE}", why, instead)
        return Served()
    if kube.absent:
        return Served()
    owner = owner_labels(PART, fleet)
    changes: list[Change] = []
    for _try in range(_TRIES):
        try:
            configs, servers = await _read(kube, whole=bool(records))
        except ApiError as error:
            if error.forbidden and not records:
                return Served()  # who may not read it has written nothing there
            raise
        plan = plan_zone(records, fleet=fleet, owner=owner, cluster=kube.cluster, configs=configs, servers=servers)
        for found, wanted in plan.writes:
            if not dry_run and not await _written(kube, found, wanted):
                break
            changes.append(_change(kube, fleet, found, wanted, diff))
        else:
            theirs = zone_of_others(configs, fleet) if named and not records else ""
            facts = [*plan.facts, *([_two_answers(theirs)] if theirs else [])]
            return Served(changes, [f"{kube.cluster}: {fact}" for fact in facts], plan)
    raise FleetError(
        "the cluster's Corefile was written by somebody else each time that this run was about to",
        cluster=kube.cluster,
        obj=described(plan.writes[0][0] or plan.writes[0][1] or {}),
        seen=f"{_TRIES} times in a row",
        means=f"a controller or another run keeps changing it; no name of {ZONE} was changed",
        next_step="find who writes it (kubectl get --show-managed-fields -o yaml), then run again",
    )


async def await_names(kube: Kube, served: Served, *, timeout: float) -> str:
    """Wait until every ready CoreDNS answers by what :func:`serve_names` wrote; a warning where that is not seen.

    A ConfigMap reaches a pod within a minute or so, and CoreDNS looks at its file every 30 s. Its metrics name the view
    that it has loaded, which is another one for other records. They are asked through the API server.
    """
    plan = served.plan
    if not plan.view or kube.absent:
        return ""
    unseen = f"{kube.cluster}: whether its DNS has loaded the names of exported services in {ZONE} was not seen"
    deadline = asyncio.get_running_loop().time() + timeout
    with waiting(f"{kube.cluster}: names of {ZONE} in its DNS") as wait:
        while True:
            try:
                late = [pod for pod in await _ready_pods(kube) if not await _has_loaded(kube, pod, plan)]
                if not late:
                    return ""
                wait.seen = f"not yet by {', '.join(late)}"
            except ApiError as error:
                if error.forbidden:
                    return f"{unseen}, since {error.obj} may not be read; it takes up to two minutes"
                wait.seen = ": ".join(part for part in (error.obj, error.what) if part)
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return f"{unseen} within {timeout:g} s: {wait.seen}"
            await asyncio.sleep(min(_BETWEEN_LOOKS, left))


def _two_answers(theirs: str) -> str:
    return (
        f"the cluster's DNS serves {ZONE} for somebody else ({theirs}): a name there that is an exported service too "
        "means that service to pods with a sidecar, and something else to the others"
    )


async def _read(kube: Reader, *, whole: bool) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """ConfigMaps and servers; with ``whole`` false only where we may have written, for every run asks that."""
    if not whole:
        return await kube.list("v1", "ConfigMap", NAMESPACE), []
    here, openshift, servers = await asyncio.gather(
        kube.list("v1", "ConfigMap", NAMESPACE),
        kube.list("v1", "ConfigMap", OPENSHIFT),
        kube.list("apps/v1", "Deployment", NAMESPACE, SERVERS),
    )
    return [*here, *openshift], servers


async def _written(kube: Kube, found: Object | None, wanted: dict[str, t.Any] | None) -> bool:
    """Write or delete a ConfigMap as it was read; False when somebody else was first."""
    if wanted is None:
        return await delete_exactly(kube, found or {})
    return await replace_exactly(kube, wanted, found)


def _change(kube: Kube, fleet: str, found: Object | None, wanted: Object | None, diff: bool) -> Change:
    meta = (wanted or found or {})["metadata"]
    action = CREATED if found is None else REMOVED if wanted is None else CHANGED
    before, after = (blocks_of(found, fleet), blocks_of(wanted, fleet)) if diff else ("", "")
    return Change(kube.cluster, "ConfigMap", str(meta["name"]), action, str(meta["namespace"]), before, after)


async def _ready_pods(kube: Kube) -> list[str]:
    """Names of CoreDNS's pods that get questions; one that starts reads the new file."""
    found = []
    for pod in await kube.pods(NAMESPACE, SERVERS):
        conditions = (pod.get("status") or {}).get("conditions") or []
        if any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions):
            found.append(str(pod["metadata"]["name"]))
    return found


async def _has_loaded(kube: Kube, pod: str, plan: Plan) -> bool:
    page = await kube.raw_get(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{plan.metrics_port}/proxy/metrics")
    return f'view="{plan.view}"' in str(page)
