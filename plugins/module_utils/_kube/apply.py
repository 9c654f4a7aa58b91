# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server-side apply of many objects at once."""

from __future__ import annotations

import asyncio
import typing as t

from .._model.istio.ownership import FLEET_LABEL, fleet_of, is_former, owner_of
from ..errors import FleetError
from ..results import CREATED, Change
from .batch import all_of, checked, phase_of
from .conditions import crd_established
from .diffs import Object, change_of, described, identity, shown
from .discovery import Resource, from_crd
from .errors import ApiError, conflicts
from .waiting import Waiter

__all__ = ["FIELD_MANAGER", "apply", "not_ours"]

FIELD_MANAGER = "mesh.fleet"

_AUTOSCALER = "kube-controller-manager"
_CRD_TIMEOUT = 60.0
_SERVED_TIMEOUT = 30.0


async def apply(
    kube: Waiter,
    objects: t.Iterable[t.Mapping[str, t.Any]],
    *,
    dry_run: bool,
    mask: bool,
    diff: bool,
    labels: t.Mapping[str, str],
    take_over: t.Sequence[str],
    manager: str,
    read: t.Iterable[Object] | None,
) -> list[Change]:
    """See :meth:`Kube.apply`."""
    wanted = checked(objects, kube.cluster, labels)
    if kube.record is not None and manager == FIELD_MANAGER:  # another manager applies a part of an object
        kube.record.apply(kube.cluster, wanted)
    if read is not None:
        lives = {identity(obj): obj for obj in read}
        for obj in wanted:
            obj["metadata"].update(_as_read(lives.get(identity(obj))))
    if kube.absent:
        return [_created(kube, obj, obj, mask, diff) for obj in wanted]
    changes: list[Change] = []
    for phase in range(3):
        batch = [obj for obj in wanted if phase_of(obj) == phase]
        jobs = [_apply_one(kube, obj, dry_run, mask, diff, take_over, manager) for obj in batch]
        changes += await all_of(kube, jobs, "applied")
        crds = [obj for obj in batch if obj["kind"] == "CustomResourceDefinition"]
        if crds and not dry_run:
            await _established(kube, crds)
    return changes


def _as_read(live: Object | None) -> dict[str, str]:
    """The metadata by which the API server refuses an apply when the object is not as it was read.

    An apply with a uid makes no object, so one that was removed is not made again. One that was not there is made with
    a version that no object has: the API server compares it with that of an object which was made since.
    """
    if live is None:
        return {"resourceVersion": "1"}
    return {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}


def _created(kube: Waiter, desired: Object, after: Object, mask: bool, diff: bool) -> Change:
    meta = desired["metadata"]
    return Change(
        cluster=kube.cluster,
        kind=str(desired["kind"]),
        name=str(meta["name"]),
        namespace=str(meta.get("namespace") or ""),
        action=CREATED,
        after=shown(after, mask=mask) if diff else "",
    )


async def _established(kube: Waiter, crds: t.Iterable[Object]) -> None:
    async def one(crd: Object) -> list[Resource]:
        name = crd["metadata"]["name"]
        await kube.wait(crd["apiVersion"], crd["kind"], name, until=crd_established, timeout=_CRD_TIMEOUT)
        resources = from_crd(crd)
        kube.kinds.learn(resources)
        return resources

    kinds: dict[str, set[str]] = {}
    for resources in await asyncio.gather(*(one(crd) for crd in crds)):
        for resource in resources:
            kinds.setdefault(resource.api_version, set()).add(resource.kind)
    await asyncio.gather(*(_discovered(kube, version, some) for version, some in kinds.items()))


async def _discovered(kube: Waiter, api_version: str, kinds: t.Collection[str]) -> None:
    """Wait until the server lists kinds, which is a moment after they are established: who connects in between, as the
    next task does, would find them missing, or one of two kinds that were made together.

    An account that may not list kinds is not held up: it knows them as its own connection does.
    """
    deadline = asyncio.get_running_loop().time() + _SERVED_TIMEOUT
    while True:
        try:
            listed = await kube.kinds.listed(kube.transport, api_version)
        except ApiError as error:
            if error.status != 404:
                return
            listed = []
        missing = sorted(set(kinds) - set(listed))
        if not missing:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise FleetError(
                f"the API server does not list the kind after {_SERVED_TIMEOUT:g} s",
                cluster=kube.cluster,
                obj=f"{', '.join(missing)} of {api_version}",
                seen=f"it lists {', '.join(sorted(listed)) or 'none'} there",
                means="its CustomResourceDefinition is established, but its discovery lags behind",
                next_step="see the API server's log; then run again",
            )
        await asyncio.sleep(0.05)


async def _apply_one(
    kube: Waiter, desired: Object, dry_run: bool, mask: bool, diff: bool, take_over: t.Sequence[str], manager: str
) -> Change:
    meta = desired["metadata"]
    try:
        resource = await kube.resource(desired["apiVersion"], desired["kind"], obj=described(desired))
    except ApiError as error:
        if dry_run and error.status == 404:  # its CRD comes in this very run
            return _created(kube, desired, desired, mask, diff)
        raise
    if resource.namespaced and not meta.get("namespace"):
        raise FleetError(
            "no namespace is given", cluster=kube.cluster, obj=described(desired), next_step="set metadata.namespace"
        )
    path = resource.path(meta.get("namespace") or "", meta["name"])
    secret = desired["kind"] == "Secret"
    before = await kube.get_path(path, obj=described(desired), kind=desired["kind"])
    ours = _is_ours(before, desired)
    if not ours and not kube.take_over:
        _refuse_other_fleets(kube, before, desired)
    params = {"fieldManager": manager, "fieldValidation": "Strict"}
    if dry_run:
        params["dryRun"] = "All"
    try:
        after = await _patch(kube, path, params, desired, secret)
    except ApiError as error:
        if dry_run and error.status == 404:
            return _created(kube, desired, desired, mask, diff)
        owners = conflicts(error)
        if not owners:
            raise _applying(error) from None
        # Somebody edited what is ours, or another tool restored it; or the user consents.
        foreign = [] if ours or kube.take_over else [(o, field) for o, field in owners if o not in take_over]
        if foreign:
            raise _conflict(error, foreign) from None
        desired = _without_scaled(before, desired, owners)
        after = await _patch(kube, path, {**params, "force": "true"}, desired, secret)
    return change_of(kube.cluster, before, after, desired, manager=manager, mask=mask, diff=diff)


def _is_ours(before: Object | None, desired: Object) -> bool:
    """Whether the live object carries the mark of the fleet that applies it, or records no fleet."""
    wanted = fleet_of(desired)
    return bool(wanted) and before is not None and (fleet_of(before) == wanted or is_former(before))


def _refuse_other_fleets(kube: Waiter, before: Object | None, desired: Object) -> None:
    owner, ours = fleet_of(before), fleet_of(desired)
    if owner and ours and owner != ours:
        raise FleetError(
            f"it belongs to fleet {owner}",
            cluster=kube.cluster,
            obj=described(desired),
            seen=f"label {FLEET_LABEL}={owner}",
            means=f"another fleet shares this cluster, and fleet {ours} would overwrite its object",
            next_step="choose another name or namespace for it; or give it to this fleet: "
            "run once with mesh_take_over: true",
        )


def _without_scaled(before: Object | None, desired: Object, owners: t.Sequence[tuple[str, str]]) -> Object:
    """The object without the number of its pods, where an autoscaler sets that: every run would undo it."""
    scaled = {
        entry.get("manager")
        for entry in ((before or {}).get("metadata") or {}).get("managedFields") or []
        if entry.get("subresource") == "scale" and entry.get("manager") == _AUTOSCALER
    }
    if not any(field == ".spec.replicas" and owner in scaled for owner, field in owners):
        return desired
    spec = {key: value for key, value in desired["spec"].items() if key != "replicas"}
    return {**desired, "spec": spec}


async def _patch(kube: Waiter, path: str, params: dict[str, str], desired: Object, secret: bool) -> Object:
    """The apply itself, asked again for some seconds when only a moment is missing to a kind whose CRD was
    just established."""
    deadline = asyncio.get_running_loop().time() + _SERVED_TIMEOUT
    while True:
        try:
            answer: Object = await kube.transport.request(
                "PATCH",
                path,
                params=params,
                body=desired,
                content_type="application/apply-patch+yaml",
                obj=described(desired),
                action="apply",
                secret=secret,
            )
            if (answer.get("metadata") or {}).get("name") != desired["metadata"]["name"]:
                raise kube.strange(answer, described(desired), "apply")
            return answer
        except ApiError as error:
            fresh = (
                error.status == 404
                and error.reason == ""
                and kube.kinds.is_fresh(desired["apiVersion"], desired["kind"])
            )
            if not fresh or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.05)


def _applying(error: ApiError) -> ApiError:
    if error.status == 404 and error.reason == "NotFound":
        error.means = "its namespace does not exist"
        error.next_step = "apply the namespace with it, or before"
    return error


def not_ours(cluster: str, desired: t.Mapping[str, t.Any], live: t.Mapping[str, t.Any], means: str) -> FleetError:
    """What is said of an object of ours whose name somebody else's has."""
    return FleetError(
        "it is somebody else's",
        cluster=cluster,
        obj=described(desired),
        seen=f"it is of {owner_of(live)}",
        means=means,
        next_step="remove or rename it; or let this fleet have it: run once with mesh_take_over: true",
    )


def _conflict(error: ApiError, owners: t.Sequence[tuple[str, str]]) -> FleetError:
    fields: dict[str, list[str]] = {}
    for owner, field in owners:
        fields.setdefault(owner, []).append(field)
    return FleetError(
        "fields of it belong to somebody else",
        cluster=error.cluster,
        obj=error.obj,
        seen="; ".join(f"{owner} owns {', '.join(names)}" for owner, names in fields.items()),
        means="another tool or person manages these fields; nothing of this object was changed",
        next_step=f"remove the fields from what {' and '.join(fields)} applies or from ours, "
        f"or take it over from {' and '.join(fields)}: run once with mesh_take_over: true",
    )
