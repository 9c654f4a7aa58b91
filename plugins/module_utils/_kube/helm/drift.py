# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a release's objects are what Helm made of them: what is missing or was changed, by whom, and how it was.

Helm compares a new manifest with the one before, never with the cluster. An object is read, and the API server is asked
by a dry run only where the manifest is not simply in it, or a person set fields of it.

What others may own is left as it is: values of controllers and autoscalers, what webhooks add, labels and annotations,
the CA that a webhook's server wrote, and every CRD that there is.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import re
import typing as t

from ...results import CHANGED, CREATED, Change
from ..batch import phase_of
from ..client import Kube
from ..diffs import Object, cleaned, described, shown
from ..errors import ApiError
from ..managed_fields import MISSING, Path, assign, entries, leaves, remove, value_at
from .manifests import as_helm_sends, documents, objects_in
from .releases import Record

__all__ = ["Drift", "find_drift", "put_right"]

_COMPARER = "mesh.fleet-compare"
"""Field manager of the dry runs: nothing is ever written under it."""
_HELM = "helm"
_TRIES = 3

_PEOPLE = ("kubectl", "k9s", "Lens", "OpenLens", "freelens", "headlamp", "Mozilla", "node-fetch", "curl", "unknown")
"""How the names of field managers begin by which people work."""
_CONTROLLERS = ("mesh.fleet", "kube-controller-manager", "kube-scheduler", "kubelet", "pilot-discovery", "cainjector")
_CONTROLLERS_END = ("-controller", "-controller-manager", "-operator", "-autoscaler", "cainjector", "-certgen")
_LEFT = ("f:kubectl.kubernetes.io/restartedAt", "f:caBundle", "f:nodePort", "f:clusterIP", "f:clusterIPs", "f:replicas")
"""What a person sets and may keep: a restart, a CA, what the API server allots, where an autoscaler goes on."""
_REPLICAS = ("f:spec", "f:replicas")

_CRD = re.compile(r"^kind: CustomResourceDefinition$", re.MULTILINE)
_CRD_NAME = re.compile(r"^metadata:\n(?:  .*\n)*?  name: (\S+)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Drift:
    """One object that is not as Helm made it."""

    manifest: Object
    live: Object | None
    """None: it is missing."""
    wanted: Object
    """As it should be; with what others own."""
    by: str
    """Who changed it, in words; "" when nobody knows."""
    path: str
    """Where it is on the API server; of a missing one, where it is made."""

    def change(self, cluster: str) -> Change:
        """What putting it right changes; ``--diff`` shows by whom it became what it is."""
        meta = self.wanted["metadata"]
        return Change(
            cluster=cluster,
            kind=str(self.wanted["kind"]),
            name=str(meta["name"]),
            namespace=str(meta.get("namespace") or ""),
            action=CREATED if self.live is None else CHANGED,
            before=f"# {self.by}\n{shown(self.live)}" if self.live is not None else f"# {self.by}\n",
            after=shown(self.wanted),
        )


async def find_drift(kube: Kube, record: Record, *, strict: bool) -> list[Drift]:
    """The objects of a release that are not as Helm made them, those that others need first.

    Args:
        strict: every value of the manifest is the release's, unless a known controller set it; else only what people
            changed, or what is missing, counts: a chart of the user's may have controllers that nobody here knows.
    """
    slots = asyncio.Semaphore(kube.concurrency)

    async def one(manifest: Object | str) -> Drift | None:
        async with slots:
            return await _compare(kube, record, manifest, strict)

    found = await asyncio.gather(*(one(manifest) for manifest in _manifests(record.manifest)))
    return sorted((drift for drift in found if drift), key=lambda drift: phase_of(drift.wanted))


async def put_right(kube: Kube, record: Record, drift: Drift, *, strict: bool) -> None:
    """Make or change one object; what somebody writes meanwhile is compared anew."""
    for _try in range(_TRIES):
        method = "POST" if drift.live is None else "PUT"
        try:
            await kube.transport.request(
                method,
                drift.path,
                params={"fieldManager": _HELM},
                body=drift.wanted,
                obj=described(drift.wanted),
                action="create" if drift.live is None else "update",
                secret=drift.wanted["kind"] == "Secret",
            )
            return
        except ApiError as error:
            if error.status != 409 or _try == _TRIES - 1:
                raise
        again = await _compare(kube, record, drift.manifest, strict)
        if again is None:
            return
        drift = again


def _manifests(text: str) -> list[Object | str]:
    """Objects of a manifest. A CRD stays text: they are large, and are only looked for."""
    found: list[Object | str] = []
    for part in documents(text):
        if _CRD.search(part) and _CRD_NAME.search(part):
            found.append(part)
        else:
            found += objects_in(part)
    return found


async def _compare(kube: Kube, record: Record, manifest: Object | str, strict: bool) -> Drift | None:
    if isinstance(manifest, str):
        match = _CRD_NAME.search(manifest)
        name = match[1].strip("\"'") if match else ""
        api_version = "apiextensions.k8s.io/v1"
        if await kube.get(api_version, "CustomResourceDefinition", name) is not None:
            return None  # as it is: a newer one may have been applied by hand, and hold objects that the older lacks
        (manifest,) = objects_in(manifest)
    wanted = as_helm_sends(manifest, record.name, record.namespace)
    meta = wanted["metadata"]
    try:
        resource = await kube.resource(wanted["apiVersion"], wanted["kind"], obj=described(wanted))
    except ApiError as error:
        if error.status == 404:  # its CRD is missing too: Helm makes both
            return None
        raise
    if resource.namespaced:
        meta.setdefault("namespace", record.namespace)
    namespace = str(meta.get("namespace") or "")
    path = resource.path(namespace, meta["name"])
    live = await kube.get_path(path, obj=described(wanted))
    if live is None:
        return Drift(manifest, None, wanted, "it was deleted", resource.path(namespace))
    if live["metadata"].get("deletionTimestamp"):
        return None
    people = [entry for entry in entries(live) if _by_person(entry)]
    added = any(_counts(leaf) for entry in people for leaf in leaves(entry))
    stopped = strict and value_at(live, _REPLICAS) == 0
    if _contains(live, wanted) and not added and not stopped:
        return None
    try:
        asked = await kube.transport.request(
            "PATCH",
            path,
            params={"fieldManager": _COMPARER, "force": "true", "dryRun": "All"},
            body=wanted,
            content_type="application/apply-patch+yaml",
            obj=described(wanted),
            action="apply",
            secret=wanted["kind"] == "Secret",
        )
    except ApiError as error:
        if error.status in (400, 404, 409, 422, 500):
            # What the API server would not take cannot be put right by writing it: Helm says so at the next upgrade.
            return None
        raise
    right = _right(live, asked, strict)
    if cleaned(right) == cleaned(live):
        return None
    return Drift(manifest, live, right, _who(live, right), path)


def _contains(live: t.Any, wanted: t.Any) -> bool:
    """Whether everything of ``wanted`` is in ``live`` as it is written; False may also be another way to write it."""
    if wanted is None or wanted in ({}, []):
        return True
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(mine, theirs) for mine, theirs in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def _by_person(entry: t.Mapping[str, t.Any]) -> bool:
    return str(entry.get("manager")).startswith(_PEOPLE) or entry.get("manager") == "oc"


def _is_left(entry: t.Mapping[str, t.Any], strict: bool) -> bool:
    """Whether the values that a field manager set stay, also where the manifest has others."""
    name = str(entry.get("manager"))
    if name.startswith(_CONTROLLERS) or name.endswith(_CONTROLLERS_END):
        return True
    return not strict and not name.startswith(_HELM) and not _by_person(entry)


def _counts(leaf: Path) -> bool:
    """Whether a field that the manifest does not have may be taken away from a person."""
    return leaf[0] not in ("f:metadata", "f:status") and leaf[-1] not in _LEFT


def _right(live: Object, asked: Object, strict: bool) -> Object:
    """The live object with the manifest in it, without what people added, and with what is others'."""
    out = copy.deepcopy(asked)
    comparer = [entry for entry in entries(asked) if entry.get("manager") == _COMPARER]
    for entry in entries(live):
        for leaf in leaves(entry) if _is_left(entry, strict) else ():
            value = value_at(live, leaf)
            if leaf[-1].startswith("f:") and value is not MISSING:
                assign(out, leaf, copy.deepcopy(value))
    kept = [leaf for entry in (*comparer, *(e for e in entries(live) if not _by_person(e))) for leaf in leaves(entry)]
    for entry in entries(live):
        if not _by_person(entry):
            continue
        for leaf in leaves(entry):
            if not _counts(leaf) or any(other[: len(leaf)] == leaf for other in kept):
                continue
            remove(out, leaf)
    if out["kind"] == "Service":
        # The port that a dry run allots is none: the API server does that anew when it is written.
        there = {port.get("nodePort") for port in live["spec"].get("ports") or []}
        asked_for = any(leaf[-1] == "f:nodePort" for entry in comparer for leaf in leaves(entry))
        for port in out["spec"].get("ports") or [] if not asked_for else ():
            if port.get("nodePort") not in there:
                port.pop("nodePort", None)
    if strict and _is_stopped(live, asked):
        remove(out, _REPLICAS)
    # As the server keeps them: a write under Helm's name then moves the fields that it changes to Helm.
    out["metadata"]["managedFields"] = copy.deepcopy(live["metadata"].get("managedFields") or [])
    out["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    if "status" in live:
        out["status"] = live["status"]
    return out


def _is_stopped(live: Object, asked: Object) -> bool:
    """Whether it was scaled to 0, of which no autoscaler makes more, and the manifest does not ask for that."""
    comparer = [leaf for entry in entries(asked) if entry.get("manager") == _COMPARER for leaf in leaves(entry)]
    return value_at(live, _REPLICAS) == 0 and _REPLICAS not in comparer


def _who(live: Object, right: Object) -> str:
    """Who set what is put right: field managers of the live object, as ``kubectl-edit (2026-11-26T11:15:00Z)``."""
    found = []
    for entry in entries(live):
        if str(entry.get("manager")).startswith(_HELM):
            continue
        if any(value_at(live, leaf) != value_at(right, leaf) for leaf in leaves(entry)):
            found.append(f"{entry.get('manager')} ({entry.get('time', 'no time')})")
    if not found and value_at(live, _REPLICAS) == 0:
        return "it was scaled to 0"  # of which the API server records no manager
    return f"changed by {', '.join(found)}" if found else "a field of it was removed"
