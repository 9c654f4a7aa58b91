# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Namespaces of one fleet or several: made or shared, and removed by the last of them.

A namespace is removed only when nothing is in it but what Kubernetes puts there and what the caller made. Every
namespaced kind that the API server has is looked at, custom ones too, because deleting a namespace deletes all.
"""

from __future__ import annotations

import asyncio
import re
import typing as t

from .._model.istio.ownership import FLEET_LABEL, PART_OF, USER, fleet_of
from ..errors import FleetError
from ..metadata import annotations_of, labels_of
from ..results import Change
from .apply import FIELD_MANAGER
from .client import Kube
from .diffs import Object, identity, owned_fields
from .discovery import Resource
from .errors import ApiError
from .reading import Reader
from .removal import remove
from .waiting import Waiter

__all__ = ["claim_namespace", "contents", "forget_namespace", "leave_to_others", "remove_namespace", "what_keeps"]

_CLAIM = "PersistentVolumeClaim"
_TOKEN = "kubernetes.io/service-account-token"
_TOKEN_OF = "kubernetes.io/service-account.name"
_LISTED_AT_ONCE = 16

Ours = t.Callable[[t.Mapping[str, t.Any]], bool]


async def claim_namespace(
    kube: Kube, wanted: Object, live: Object | None, *, dry_run: bool = False, diff: bool = True
) -> list[Change]:
    """Apply a namespace of ours, or record in another fleet's that ours uses it too.

    Args:
        wanted: with the labels of its owner.
        live: the namespace as it is.

    Raises FleetError: the other fleet's labels are not those that ours needs.
    """
    ours, owner = fleet_of(wanted), fleet_of(live)
    if not owner or owner == ours or kube.take_over:
        return await kube.apply([wanted], dry_run=dry_run, diff=diff)
    name, has = str(wanted["metadata"]["name"]), labels_of(live)
    needed = {key: value for key, value in labels_of(wanted).items() if key not in (FLEET_LABEL, PART_OF)}
    lacking = {key: value for key, value in needed.items() if has.get(key) != value}
    if lacking:
        raise FleetError(
            f"it belongs to fleet {owner}, which labels it otherwise",
            cluster=kube.cluster,
            obj=f"Namespace {name}",
            seen="; ".join(f"{key} is {has.get(key) or 'not set'}, not {value}" for key, value in lacking.items()),
            means=f"fleets {owner} and {ours} share this cluster, and cannot share this namespace",
            next_step="choose another namespace; or give it to this fleet: run once with mesh_take_over: true",
        )
    mark = _bare(name, {USER + ours: labels_of(wanted).get(PART_OF, "")})
    return await kube.apply([mark], dry_run=dry_run, diff=diff, manager=_user_manager(ours))


async def leave_to_others(kube: Kube, live: Object, fleet: str, *, dry_run: bool) -> list[Change]:
    """Take the fleet's name off a namespace that others use: what they need of it stays as it is.

    The next run of one of them makes it its own.
    """
    name = str(live["metadata"]["name"])
    changes: list[Change] = []
    if fleet_of(live) == fleet:
        metadata = (owned_fields(live, FIELD_MANAGER) or {}).get("f:metadata") or {}
        left = _bare(name, {})
        for part, values in (("labels", labels_of(live)), ("annotations", annotations_of(live))):
            ours = {key.removeprefix("f:") for key in metadata.get(f"f:{part}") or {}} - {FLEET_LABEL, PART_OF}
            left["metadata"][part] = {key: value for key, value in values.items() if key in ours}
        changes += await kube.apply([left], dry_run=dry_run)
    if USER + fleet in labels_of(live):
        changes += await kube.apply([_bare(name, {})], dry_run=dry_run, manager=_user_manager(fleet))
    return changes


async def forget_namespace(kube: Kube, live: Object, fleet: str, *, dry_run: bool) -> list[Change]:
    """Take all that the fleet applied off a namespace that stays, and that no other fleet uses."""
    bare = _bare(str(live["metadata"]["name"]), {})
    changes = await kube.apply([bare], dry_run=dry_run)
    if USER + fleet in labels_of(live):
        changes += await kube.apply([bare], dry_run=dry_run, manager=_user_manager(fleet))
    return changes


def _bare(name: str, labels: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
    }


def _user_manager(fleet: str) -> str:
    """A field manager of the fleet's own: applying under it leaves what others applied."""
    return f"{FIELD_MANAGER}/{fleet}"


async def remove_namespace(
    kube: Waiter, live: Object, *, ours: Ours, dry_run: bool, wait: float = 0
) -> tuple[list[Change], list[str]]:
    """Remove the namespace if nothing in it keeps it.

    Args:
        live: the namespace as it was read: exactly that one is removed. No other fleet uses it.
        ours: whether the caller made an object, and does not want it any more.
        dry_run: change nothing, and return what would be done.
        wait: seconds to wait until it is gone; 0 does not wait.

    Returns:
        The change, and what keeps the namespace, as ``Kind name``. One of both is empty.
    """
    kept = await what_keeps(kube, str(live["metadata"]["name"]), ours)
    if kept:
        return [], kept
    wanted = _bare(str(live["metadata"]["name"]), {})
    lives: dict[tuple[str, ...], Object] = {identity(wanted): live}
    return await remove(kube, [wanted], dry_run=dry_run, mask=True, diff=True, wait=wait, lives=lives), []


async def what_keeps(kube: Reader, namespace: str, ours: Ours) -> list[str]:
    """What is in a namespace that neither Kubernetes puts there nor the caller made, as ``Kind name``.

    A claim always keeps it, whoever made it: the data would go. So does a kind that cannot be listed.
    """
    objects, unknown = await contents(kube, namespace)
    derived = {str(obj["metadata"].get("uid")) for obj in objects}
    services = {str(obj["metadata"]["name"]) for obj in objects if _is(obj, "v1", "Service")}
    namespaced = {(resource.api_version, resource.kind) for resource in kube.kinds.namespaced()}
    kept = [
        obj
        for obj in objects
        if obj["kind"] == _CLAIM
        or not (
            obj["metadata"].get("deletionTimestamp")
            or _by_kubernetes(obj, services)
            or _goes_with_its_owner(obj, derived, namespaced)
            or ours(obj)
        )
    ]
    kept.sort(key=lambda obj: (obj["kind"] != _CLAIM, obj["kind"], obj["metadata"]["name"]))
    return [f"{obj['kind']} {obj['metadata']['name']}" for obj in kept] + unknown


async def contents(kube: Reader, namespace: str) -> tuple[list[Object], list[str]]:
    """All objects of a namespace but events, and a text for each kind that could not be listed."""
    if kube.absent:
        return [], []
    resources, silent = await kube.kinds.every(kube.transport)
    unknown = [f"kinds of {version}, which does not answer" for version in silent]
    slots = asyncio.Semaphore(_LISTED_AT_ONCE)

    async def listed(resource: Resource) -> list[Object]:
        async with slots:
            try:
                return await kube.list(resource.api_version, resource.kind, namespace)
            except ApiError as error:
                if error.status != 405:
                    unknown.append(f"objects of kind {resource.kind}, which cannot be listed: {error.what}")
                return []

    found = await asyncio.gather(*(listed(resource) for resource in resources if resource.kind != "Event"))
    return [obj for some in found for obj in some], unknown


def _is(obj: t.Mapping[str, t.Any], api_version: str, *kinds: str) -> bool:
    return obj["apiVersion"] == api_version and obj["kind"] in kinds


def _by_kubernetes(obj: t.Mapping[str, t.Any], services: t.Container[str]) -> bool:
    """Whether Kubernetes puts it into every namespace, or derives it from a Service."""
    name = str(obj["metadata"]["name"])
    if _is(obj, "v1", "ConfigMap"):
        return name == "kube-root-ca.crt"
    if _is(obj, "v1", "ServiceAccount"):
        return name == "default"
    if _is(obj, "v1", "Secret"):
        # Kubernetes made one for each account until 1.24. One of another name was made by a person, to be used.
        account = annotations_of(obj).get(_TOKEN_OF, "")
        return obj.get("type") == _TOKEN and bool(re.fullmatch(rf"{re.escape(account)}-token-[a-z0-9]{{5}}", name))
    if _is(obj, "v1", "Endpoints"):
        return name in services or "endpoints.kubernetes.io/managed-by" in labels_of(obj)
    return False


def _goes_with_its_owner(
    obj: t.Mapping[str, t.Any], uids: t.Container[str], namespaced: t.Container[tuple[str, str]]
) -> bool:
    """Whether an owner in this namespace is judged in its place, or Kubernetes removes it since its owner is gone.

    An owner outside all namespaces made it for a purpose of its own.
    """
    owners = obj["metadata"].get("ownerReferences") or []
    return bool(owners) and all(
        owner.get("uid") in uids or (owner.get("apiVersion"), owner.get("kind")) in namespaced for owner in owners
    )
