# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deleting objects: named ones, and ours that are no longer wanted."""

from __future__ import annotations

import asyncio
import typing as t

from .._model.istio.ownership import FLEET_LABEL, has_our_labels, is_former
from ..errors import FleetError
from ..results import REMOVED, UNCHANGED, Change
from .batch import all_of, checked, phase_of
from .conditions import gone
from .diffs import Object, described, identity, shown
from .errors import ApiError
from .waiting import Waiter

__all__ = ["delete", "prune", "remove"]


async def delete(
    kube: Waiter,
    obj: t.Mapping[str, t.Any],
    *,
    dry_run: bool,
    mask: bool,
    diff: bool,
    live: Object | None = None,
    version: str = "",
) -> Change:
    """Delete one object; ``live`` when it was read already (then exactly that one is deleted).

    With ``version`` it is deleted in that resourceVersion only: else ApiError 409.
    """
    meta = obj["metadata"]
    name, namespace = str(meta["name"]), str(meta.get("namespace") or "")
    unchanged = Change(kube.cluster, str(obj["kind"]), name, UNCHANGED, namespace=namespace)
    if kube.absent:
        return unchanged
    try:
        resource = await kube.resource(str(obj["apiVersion"]), str(obj["kind"]), obj=described(obj))
    except ApiError as error:
        if error.status == 404:  # no such kind, so no such object
            return unchanged
        raise
    if resource.namespaced and not namespace:
        raise FleetError(
            "no namespace is given", cluster=kube.cluster, obj=described(obj), next_step="set metadata.namespace"
        )
    path = resource.path(namespace, name)
    before = live or await kube.get_path(path, obj=described(obj), kind=str(obj["kind"]))
    if before is None:
        return unchanged
    if not before["metadata"].get("deletionTimestamp"):
        options: dict[str, t.Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": before["metadata"]["uid"], **({"resourceVersion": version} if version else {})},
        }
        if dry_run:
            options["dryRun"] = ["All"]
        try:
            answer = await kube.transport.request("DELETE", path, body=options, obj=described(obj), action="delete")
            if answer.get("kind") not in ("Status", obj["kind"]):
                raise kube.strange(answer, described(obj), "delete")
        except ApiError as error:
            if error.status != 404:
                raise
    return Change(
        kube.cluster,
        str(obj["kind"]),
        name,
        REMOVED,
        namespace=namespace,
        before=shown({"apiVersion": obj["apiVersion"], "kind": obj["kind"], **before}, mask=mask) if diff else "",
    )


async def remove(
    kube: Waiter,
    objects: t.Iterable[t.Mapping[str, t.Any]],
    *,
    dry_run: bool,
    mask: bool,
    diff: bool,
    wait: float,
    lives: t.Mapping[tuple[str, ...], Object] | None = None,
) -> list[Change]:
    """Delete objects, those that others need last; with ``wait`` (seconds) until they are gone."""
    wanted = checked(objects, kube.cluster, {})
    changes: list[Change] = []
    for phase in (2, 1, 0):
        batch = [obj for obj in wanted if phase_of(obj) == phase]
        jobs = [
            delete(kube, obj, dry_run=dry_run, mask=mask, diff=diff, live=(lives or {}).get(identity(obj)))
            for obj in batch
        ]
        done = await all_of(kube, jobs, "deleted")
        changes += done
        if wait and not dry_run:
            removed = {(c.kind, c.namespace, c.name) for c in done if c.action == REMOVED}
            await asyncio.gather(
                *(
                    kube.wait(obj["apiVersion"], obj["kind"], ident[3], ident[2], until=gone, timeout=wait)
                    for obj in batch
                    for ident in (identity(obj),)
                    if ident[1:] in removed
                )
            )
    return changes


async def prune(
    kube: Waiter,
    keep: t.Iterable[t.Mapping[str, t.Any]],
    *,
    labels: t.Mapping[str, str],
    kinds: t.Iterable[tuple[str, str]],
    namespace: str,
    dry_run: bool,
    mask: bool,
    diff: bool,
    wait: float,
) -> list[Change]:
    """See :meth:`Kube.prune`."""
    if not labels:
        raise ValueError("prune without labels would delete what is not ours")
    if kube.absent:
        return []
    kept = {identity(obj) for obj in keep}
    lives: dict[tuple[str, ...], Object] = {}
    # What earlier versions made records no fleet: it may be another fleet's, and goes only with consent.
    selector = {key: value for key, value in labels.items() if key != FLEET_LABEL}
    for found in await asyncio.gather(*(kube.list(*kind, namespace=namespace, labels=selector) for kind in kinds)):
        for obj in found:
            if FLEET_LABEL in labels and not has_our_labels(obj, labels[FLEET_LABEL]):
                if not is_former(obj):
                    continue
                if not kube.take_over:
                    if identity(obj) not in kept:
                        kube.left.append(described(obj))
                    continue
            # What a controller made from an object of ours (with our labels copied) is the controller's.
            owned = any(ref.get("controller") for ref in obj["metadata"].get("ownerReferences") or [])
            if identity(obj) not in kept and not owned:
                lives[identity(obj)] = obj
    return await remove(kube, lives.values(), dry_run=dry_run, mask=mask, diff=diff, wait=wait, lives=lives)
