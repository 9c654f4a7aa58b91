# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's multi-cluster ingress: reads its objects in the config cluster alone, and gives them an address.

As Google documents it: a MultiClusterService leads to a headless derived Service ``mci-<name>-svc-<hash>`` in each of
its clusters; a MultiClusterIngress gets ``status.VIP``, the reserved one that its annotation names or one handed out;
what is wrong is told by an Event. The controller's finalizers hold both until the load balancer is gone.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import typing as t

from ..cloud import Cloud
from .behind import Behind, Kind, Unreachable
from .kinds import EVENT, GKE_CRDS, INGRESS, INGRESS_CRDS, MULTI_SERVICE, SERVICE, define
from .view import FleetView

__all__ = ["FEATURE", "Ingress"]

Json = dict[str, t.Any]
FEATURE = "multiclusteringress"
ROLE = "roles/container.admin"
_CONTROLLER = "multi-cluster-ingress-controller"
_FINALIZER = {INGRESS.name: "mci.finalizer.networking.gke.io", MULTI_SERVICE.name: "mcs.finalizer.networking.gke.io"}
_PARENT = "networking.gke.io/multiclusterservice-parent"
_PREFIX = "networking.gke.io/"


class Wrong(Exception):
    """Something about an object that Google says in an Event."""


class Ingress:
    """The controller of one world; ``cloud`` is where addresses are handed out."""

    def __init__(self, cloud: Cloud, client: t.Callable[[str], Behind]) -> None:
        self.cloud, self.client = cloud, client
        self.told: dict[str, set[str]] = {}
        """Events by the uid of what they are about: each is told once."""
        self.vips: dict[str, str] = {}
        """Address by the uid of its MultiClusterIngress."""
        self.home = ""
        """Kubeconfig of the cluster whose objects are ours."""

    def reconcile(self, fleet: FleetView) -> None:
        for member in fleet.members:
            define(self.client(member.kubeconfig), GKE_CRDS)
        feature = fleet.on(FEATURE)
        config = str((((feature or {}).get("spec") or {}).get(FEATURE) or {}).get("configMembership") or "")
        home = next((m for m in fleet.members if config in (m.name, m.numbered)), None)
        if self.home and (home is None or home.kubeconfig != self.home):
            self._let_go(self.client(self.home), fleet)
            self.home = ""
        if home is None:
            return
        self.home = home.kubeconfig
        behind = self.client(home.kubeconfig)
        if not define(behind, INGRESS_CRDS):
            return
        services = {_key(s): s for s in behind.list(MULTI_SERVICE)}
        ingresses = behind.list(INGRESS)
        used = {key for ingress in ingresses if not _going(ingress) for key in _backends(ingress)}
        for key, service in services.items():
            if _going(service):
                if key not in used:
                    self._take_down(behind, fleet, service)
                continue
            self._guarded(behind, MULTI_SERVICE, service, functools.partial(self._derive, behind, fleet, service))
        for ingress in ingresses:
            if _going(ingress):
                self._release(behind, ingress)
            else:
                self._guarded(
                    behind, INGRESS, ingress, functools.partial(self._serve, behind, fleet, ingress, services)
                )

    def _guarded(self, behind: Behind, kind: Kind, obj: Json, work: t.Callable[[], None]) -> None:
        meta = obj["metadata"]
        self._tell(behind, kind, obj, "ADD", f"{meta['namespace']}/{meta['name']}")
        if _FINALIZER[kind.name] not in (meta.get("finalizers") or []):
            held = [*(meta.get("finalizers") or []), _FINALIZER[kind.name]]
            behind.merge(kind, meta["name"], meta["namespace"], {"metadata": {"finalizers": held}})
        try:
            work()
        except Wrong as wrong:
            self._tell(
                behind, kind, obj, "SYNC", f"error translating {meta['namespace']}/{meta['name']}: {wrong}", bad=True
            )

    # -- services ------------------------------------------------------------------------------

    def _derive(self, behind: Behind, fleet: FleetView, service: Json) -> None:
        meta, spec = service["metadata"], service["spec"]
        robot = f"serviceAccount:service-{fleet.number}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
        if (fleet.project, ROLE, robot) not in fleet.bindings:
            raise Wrong(f"googleapi: Error 403: {robot} lacks {ROLE} on project {fleet.project}, forbidden")
        links = [entry["link"] for entry in spec.get("clusters") or []]
        unknown = sorted(set(links) - {m.link for m in fleet.members})
        if unknown:
            raise Wrong(f"cluster {unknown[0]} is not a member of the fleet")
        failed = []
        for member in fleet.members:
            if links and member.link not in links:
                continue
            parent = json.dumps({"Namespace": meta["namespace"], "Name": meta["name"]})
            derived = {
                "metadata": {
                    "name": _derived_name(service),
                    "namespace": meta["namespace"],
                    "annotations": {_PARENT: parent},
                },
                "spec": {**spec["template"]["spec"], "clusterIP": "None"},
            }
            try:
                self.client(member.kubeconfig).apply(SERVICE, derived)
            except Unreachable as error:
                failed.append(f"failed to ensure Service in {member.link}: {error}")
                continue
            said = f"Derived Service was ensured in cluster {{{member.link} {member.cluster}}}"
            self._tell(behind, MULTI_SERVICE, service, "SYNC", said)
        if failed:
            raise Wrong("; ".join(failed))

    def _take_down(self, behind: Behind, fleet: FleetView, service: Json) -> None:
        for member in fleet.members:
            self.client(member.kubeconfig).delete(SERVICE, _derived_name(service), service["metadata"]["namespace"])
        self._loose(behind, MULTI_SERVICE, service)

    # -- ingresses -----------------------------------------------------------------------------

    def _serve(
        self, behind: Behind, fleet: FleetView, ingress: Json, services: t.Mapping[tuple[str, str], Json]
    ) -> None:
        meta = ingress["metadata"]
        for key, port in _backends(ingress).items():
            service = services.get(key)
            if service is None or _going(service):
                raise Wrong(f"MultiClusterService {key[0]}/{key[1]} not found")
            offered = [p["port"] for p in service["spec"]["template"]["spec"]["ports"]]
            if port not in offered:
                raise Wrong(f"MultiClusterService {key[0]}/{key[1]} has no port {port}")
        notes = meta.get("annotations") or {}
        for name in filter(None, notes.get(f"{_PREFIX}pre-shared-certs", "").split(",")):
            if name not in fleet.certificates:
                raise Wrong(f"googleapi: Error 404: The resource 'sslCertificates/{name}' was not found, notFound")
        vip = self._vip(fleet, ingress, notes.get(f"{_PREFIX}static-ip", ""))
        if (ingress.get("status") or {}).get("VIP") == vip:
            return
        rule = f"mci-{_hash(meta['uid'])}-fw-{meta['namespace']}-{meta['name']}"
        now = datetime.datetime.now(datetime.UTC).strftime("%A, %d-%b-%y %H:%M:%S UTC")
        behind.merge(
            INGRESS,
            meta["name"],
            meta["namespace"],
            {"metadata": {"annotations": {f"{_PREFIX}last-reconcile-time": now}}},
        )
        behind.merge(
            INGRESS,
            meta["name"],
            meta["namespace"],
            {"status": {"VIP": vip, "CloudResources": {"ForwardingRules": [rule]}}},
            status=True,
        )
        self._tell(behind, INGRESS, ingress, "UPDATE", f"{meta['namespace']}/{meta['name']}")

    def _vip(self, fleet: FleetView, ingress: Json, wanted: str) -> str:
        """The address: the one that is reserved under ``wanted`` (an IP or a URL), else one of Google's."""
        uid = ingress["metadata"]["uid"]
        if not wanted:
            return self.vips.setdefault(uid, f"203.0.113.{len(self.vips) % 250 + 1}")
        for path, address in fleet.addresses.items():
            if wanted == address["address"] or wanted.endswith("/" + path):
                self._mark(f"compute/{path}", "IN_USE")
                self.vips[uid] = str(address["address"])
                return self.vips[uid]
        raise Wrong(f"googleapi: Error 400: Invalid value for field 'resource.IPAddress': '{wanted}'. not reserved")

    def _mark(self, key: str, status: str) -> None:
        with self.cloud.lock:
            if key in self.cloud.resources:
                self.cloud.resources[key]["status"] = status

    def _release(self, behind: Behind, ingress: Json) -> None:
        """The load balancer goes, and its address is free again."""
        vip = self.vips.pop(ingress["metadata"]["uid"], "")
        with self.cloud.lock:
            for key, item in self.cloud.resources.items():
                if key.startswith("compute/") and "/global/addresses/" in key and item.get("address") == vip:
                    item["status"] = "RESERVED"
        self._loose(behind, INGRESS, ingress)

    def _let_go(self, behind: Behind, fleet: FleetView) -> None:
        """The feature went, or another cluster is the config cluster: nothing waits for us here any more."""
        for ingress in behind.list(INGRESS):
            self._release(behind, ingress)
        for service in behind.list(MULTI_SERVICE):
            self._take_down(behind, fleet, service)

    # -- both ----------------------------------------------------------------------------------

    def _loose(self, behind: Behind, kind: Kind, obj: Json) -> None:
        meta = obj["metadata"]
        held = [name for name in meta.get("finalizers") or [] if name != _FINALIZER[kind.name]]
        behind.merge(kind, meta["name"], meta["namespace"], {"metadata": {"finalizers": held}})

    def _tell(self, behind: Behind, kind: Kind, obj: Json, reason: str, message: str, *, bad: bool = False) -> None:
        meta = obj["metadata"]
        told = self.told.setdefault(meta["uid"], set())
        if f"{reason} {message}" in told:
            return
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        behind.create(
            EVENT,
            {
                "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
                "involvedObject": {
                    "apiVersion": kind.api,
                    "kind": kind.name,
                    "name": meta["name"],
                    "namespace": meta["namespace"],
                    "uid": meta["uid"],
                },
                "type": "Warning" if bad else "Normal",
                "reason": reason,
                "message": message,
                "source": {"component": _CONTROLLER},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        told.add(f"{reason} {message}")


def _key(obj: Json) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _going(obj: Json) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def _backends(ingress: Json) -> dict[tuple[str, str], int]:
    """Port by the service that an ingress leads to."""
    spec = ingress["spec"]["template"]["spec"]
    found = [spec["backend"]]
    for rule in spec.get("rules") or []:
        found += [path["backend"] for path in (rule.get("http") or {}).get("paths") or []]
    return {(ingress["metadata"]["namespace"], b["serviceName"]): int(b["servicePort"]) for b in found}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _derived_name(service: Json) -> str:
    meta = service["metadata"]
    return f"mci-{meta['name']}-svc-{_hash(meta['namespace'] + meta['name'])}"
