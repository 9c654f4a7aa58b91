# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the status of ServiceExports and ServiceImports: of ours, and the conditions of exports that users made."""

from __future__ import annotations

import dataclasses
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import FIELD_MANAGER
from ansible_collections.mesh.fleet.plugins.module_utils._kube.batch import all_of
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.managed_fields import status_managers
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    Merged,
    export_conditions,
)
from ansible_collections.mesh.fleet.plugins.module_utils.fast_yaml import DUMPER
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import key_of

__all__ = ["Reported", "report_on_others", "write_status"]

Object = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Reported:
    """What was done to exports that users made, and which were left to another controller."""

    changes: list[Change]
    warnings: list[str]


async def write_status(
    kube: Kube,
    obj: t.Mapping[str, t.Any],
    status: Object | None,
    *,
    manager: str = FIELD_MANAGER,
    force: bool = True,
    dry_run: bool = False,
) -> Object:
    """Write what is ours of an object's status; fields of other managers stay, and all else of the object.

    Args:
        kube: its cluster.
        obj: the object, of which C(apiVersion), C(kind), name and namespace count.
        status: the status; None takes back what C(manager) wrote.
        manager: the field manager.
        force: whether fields of other managers that differ become ours; the API server refuses them otherwise.
        dry_run: let the server compute the answer and keep nothing.

    Returns:
        The object as it is then.
    """
    resource = await kube.resource(obj["apiVersion"], obj["kind"])
    space, name = key_of(obj)
    body: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    body["metadata"] = {"name": name, "namespace": space}
    if status is not None:
        body["status"] = status
    params = {"fieldManager": manager}
    if force:
        params["force"] = "true"
    if dry_run:
        params["dryRun"] = "All"
    answer: Object = await kube.transport.request(
        "PATCH",
        resource.path(space, name, "status"),
        params=params,
        body=body,
        content_type="application/apply-patch+yaml",
        obj=described(obj),
        action="report on",
    )
    return answer


async def report_on_others(
    kube: Kube,
    fleet: str,
    exports: t.Iterable[tuple[Object, Merged | None]],
    now: str,
    *,
    dry_run: bool,
    diff: bool,
) -> Reported:
    """Write the conditions of ServiceExports that users made, and nothing else of these objects.

    One whose status another controller writes is left to it, also if that controller is not one that we know.

    Args:
        kube: their cluster.
        fleet: the fleet's name. Its conditions have a field manager of their own, so that it takes back only these.
        exports: each with the service that comes of it; None where nothing does, so that conditions of ours go.
        now: the time, as Kubernetes writes it.
        dry_run: plan only.
        diff: whether changes show the status before and after.
    """
    manager = f"{FIELD_MANAGER}-exports-{fleet}"
    jobs, warnings = [], []
    for live, merged in exports:
        managers = status_managers(live)
        others = sorted(managers - {manager})
        status: Object | None = None
        if merged is not None and others:
            space, name = key_of(live)
            warnings.append(
                f"{kube.cluster}: the status of ServiceExport {space}/{name} is of {', '.join(others)}: its conditions "
                "are left as they are. Where no other controller of multi-cluster services runs, recreate it"
            )
        elif merged is not None:
            conditions = export_conditions(merged, kube.cluster, live, now)
            if not conditions:
                continue
            status = {"conditions": conditions}
        if status is not None or manager in managers:
            jobs.append(_write(kube, live, status, manager, dry_run=dry_run, diff=diff))
    changes = await all_of(kube, jobs, "reported on")
    return Reported([change for change in changes if change.action != UNCHANGED], warnings)


async def _write(kube: Kube, live: Object, status: Object | None, manager: str, *, dry_run: bool, diff: bool) -> Change:
    space, name = key_of(live)
    try:
        after = await write_status(kube, live, status, manager=manager, force=False, dry_run=dry_run)
    except ApiError as error:
        if error.status != 404:
            raise
        # Its owner removed it since it was read.
        return Change(kube.cluster, live["kind"], name, UNCHANGED, space)
    shown = (_shown(live), _shown({**live, "status": after.get("status")})) if diff else ("", "")
    return Change(kube.cluster, live["kind"], name, CHANGED, space, *shown)


def _shown(live: Object) -> str:
    """What ``--diff`` shows: the status, of which alone something changes."""
    space, name = key_of(live)
    kept = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": name, "namespace": space}}
    text: str = yaml.dump({**kept, "status": live.get("status") or {}}, Dumper=DUMPER, allow_unicode=True)
    return text
