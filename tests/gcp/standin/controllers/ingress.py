# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's multi-cluster ingress: reads its objects in the config cluster alone, and gives them an address.

As Google documents and shows it: a MultiClusterService leads to a headless derived Service ``mci-<name>-svc-<hash>``
in each of its clusters; a MultiClusterIngress gets ``status.VIP``, the reserved one that its annotation names or one
handed out, and ``last-reconcile-time`` in every round that went well. A change that is refused leaves all of that as it
was: an Event of type Warning reports it, and is counted up as long as it lasts. The controller's finalizers hold both
kinds until the load balancer is gone.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import time
import typing as t

from ..cloud import Cloud
from .behind import Behind, Busy, Kind, Unreachable
from .door import Door, Way
from .kinds import GKE_CRDS, INGRESS, INGRESS_CRDS, MULTI_SERVICE, SERVICE, define
from .telling import Teller
from .view import FleetView

__all__ = ["FEATURE", "MANAGER", "Ingress"]

Json = dict[str, t.Any]
FEATURE = "multiclusteringress"
ROLE = "roles/container.admin"
MANAGER = "Google-Multi-Cluster-Ingress"
"""Field manager of what it writes."""
_FINALIZER = {INGRESS.name: "mci.finalizer.networking.gke.io", MULTI_SERVICE.name: "mcs.finalizer.networking.gke.io"}
_PARENT = "networking.gke.io/multiclusterservice-parent"
_PREFIX = "networking.gke.io/"
_RECONCILED = f"{_PREFIX}last-reconcile-time"


class Wrong(Exception):
    """Something about an object that Google says in an Event."""


class Round(t.NamedTuple):
    """What was worked on, what stood beside it, and when."""

    wish: str
    beside: str
    at: float


class Ingress:
    """The controller of one world.

    Args:
        cloud: where addresses are assigned.
        client: of the cluster with a kubeconfig.
        again: seconds until an object that did not change is worked on once more; at Google about 210.
    """

    def __init__(self, cloud: Cloud, client: t.Callable[[str], Behind], again: float = 3) -> None:
        self.cloud, self.client, self.again = cloud, client, again
        self.teller = Teller("multi-cluster-ingress-controller")
        self.rounds: dict[str, Round] = {}
        """By uid, the last one."""
        self.derived: dict[str, set[str]] = {}
        """By uid of a service, the kubeconfigs of the clusters in which its derived one is."""
        self.vips: dict[str, str] = {}
        """Address by the uid of its MultiClusterIngress."""
        self.doors: dict[str, Door] = {}
        """By the uid of a MultiClusterIngress, the load balancer at its address, where that is this machine's."""
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
        # What an ingress leads to is made before it, so it is read after it.
        ingresses = behind.list(INGRESS)
        services = {_key(s): s for s in behind.list(MULTI_SERVICE)}
        used = {key for ingress in ingresses if not _going(ingress) for key in _backends(ingress)}
        members = sorted(member.link for member in fleet.members)
        for key, service in services.items():
            if _going(service):
                if key not in used:
                    self._take_down(behind, fleet, service)
                continue
            work = functools.partial(self._derive, behind, fleet, service)
            self._guarded(behind, MULTI_SERVICE, service, members, work)
        for ingress in ingresses:
            if _going(ingress):
                self._release(behind, ingress)
                continue
            leads = [services[key]["spec"] for key in sorted(_backends(ingress)) if key in services]
            work = functools.partial(self._serve, behind, fleet, ingress, services)
            self._guarded(behind, INGRESS, ingress, leads, work)

    def _guarded(self, behind: Behind, kind: Kind, obj: Json, beside: t.Any, work: t.Callable[[], None]) -> None:
        """Work on an object when it or ``beside`` has changed, and else from time to time."""
        meta = obj["metadata"]
        name = f"{meta['namespace']}/{meta['name']}"
        notes = {key: value for key, value in (meta.get("annotations") or {}).items() if key != _RECONCILED}
        last = self.rounds.get(meta["uid"])
        this = Round(json.dumps([obj["spec"], notes], sort_keys=True), json.dumps(beside, sort_keys=True), -self.again)
        if last and last[:2] == this[:2] and time.monotonic() - last.at < self.again:
            return
        if last is None or last.wish != this.wish:
            self.teller.tell(behind, kind, obj, "UPDATE" if last else "ADD", name)
        self.rounds[meta["uid"]] = this
        if _FINALIZER[kind.name] not in (meta.get("finalizers") or []):
            held = [*(meta.get("finalizers") or []), _FINALIZER[kind.name]]
            behind.merge(kind, meta["name"], meta["namespace"], {"metadata": {"finalizers": held}})
        try:
            work()
        except Wrong as wrong:
            self.teller.tell(behind, kind, obj, "SYNC", f"error translating {name}: {wrong}", bad=True)
        self.rounds[meta["uid"]] = this._replace(at=time.monotonic())

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
        has = self.derived.setdefault(meta["uid"], {member.kubeconfig for member in fleet.members})
        for member in fleet.members:
            if links and member.link not in links:
                if member.kubeconfig in has:
                    self.client(member.kubeconfig).delete(SERVICE, _derived_name(service), meta["namespace"])
                    has.discard(member.kubeconfig)
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
            has.add(member.kubeconfig)
            try:
                self.client(member.kubeconfig).apply(SERVICE, derived)
            except Busy:
                raise
            except Unreachable as error:
                failed.append(f"failed to ensure Service in {member.link}: {error}")
                continue
            said = f"Derived Service was ensured in cluster {{{member.link} {member.cluster}}}"
            self.teller.tell(behind, MULTI_SERVICE, service, "SYNC", said)
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
        backends = _backends(ingress)
        for key, port in backends.items():
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
        mine = f"mci-{_hash(meta['uid'])}"
        status = {
            "VIP": vip,
            "CloudResources": {
                "BackendServices": [
                    f"{mine}-{port}-{space}-{name}" for (space, name), port in sorted(backends.items())
                ],
                "ForwardingRules": [f"{mine}-fw-{meta['namespace']}-{meta['name']}"],
                "TargetProxies": [f"{mine}-{meta['namespace']}-{meta['name']}"],
                "UrlMap": f"{mine}-{meta['namespace']}-{meta['name']}",
            },
        }
        if ingress.get("status") != status:
            behind.merge(INGRESS, meta["name"], meta["namespace"], {"status": status}, status=True)
        self._open(fleet, ingress, services, vip)
        # Last: a reader who sees that the round has ended sees its effects.
        now = datetime.datetime.now(datetime.UTC).strftime("%A, %d-%b-%y %H:%M:%S UTC")
        behind.merge(INGRESS, meta["name"], meta["namespace"], {"metadata": {"annotations": {_RECONCILED: now}}})

    def _open(self, fleet: FleetView, ingress: Json, services: t.Mapping[tuple[str, str], Json], vip: str) -> None:
        """Let the load balancer lead to what the objects say, if the address is one that this machine listens at."""
        if not self.cloud.door or vip != self.cloud.door:
            return
        space, spec = ingress["metadata"]["namespace"], ingress["spec"]["template"]["spec"]

        def way(host: str, path: str, backend: Json) -> Way:
            service = services[space, backend["serviceName"]]
            return Way(host, path, space, _derived_name(service), int(backend["servicePort"]))

        ways = [
            way(str(rule.get("host") or ""), str(path.get("path") or "/*"), path["backend"])
            for rule in spec.get("rules") or []
            for path in (rule.get("http") or {}).get("paths") or []
        ]
        uid = ingress["metadata"]["uid"]
        if uid not in self.doors:
            self.doors[uid] = Door(vip, self.client)
        self.doors[uid].lead([*ways, way("", "/", spec["backend"])], fleet.members)

    def _vip(self, fleet: FleetView, ingress: Json, wanted: str) -> str:
        """The address: the one that is reserved under ``wanted`` (an IP or a URL), else one of Google's."""
        uid = ingress["metadata"]["uid"]
        if not wanted:
            return self.vips.setdefault(uid, f"203.0.113.{len(self.vips) % 250 + 1}")
        for path, address in fleet.addresses.items():
            if wanted == address["address"] or wanted.endswith("/" + path):
                if self.vips.get(uid) not in (None, address["address"]):
                    self._free(self.vips[uid])
                self._mark(f"compute/{path}", "IN_USE")
                self.vips[uid] = str(address["address"])
                return self.vips[uid]
        raise Wrong(f"googleapi: Error 400: Invalid value for field 'resource.IPAddress': '{wanted}'. not reserved")

    def _mark(self, key: str, status: str) -> None:
        with self.cloud.lock:
            if key in self.cloud.resources:
                self.cloud.resources[key]["status"] = status

    def _free(self, vip: str) -> None:
        """A reserved address is not in use any more."""
        with self.cloud.lock:
            for key, item in self.cloud.resources.items():
                if key.startswith("compute/") and "/global/addresses/" in key and item.get("address") == vip:
                    item["status"] = "RESERVED"

    def _release(self, behind: Behind, ingress: Json) -> None:
        """The load balancer goes, and its address is free again."""
        door = self.doors.pop(ingress["metadata"]["uid"], None)
        if door:
            door.close()
        self._free(self.vips.pop(ingress["metadata"]["uid"], ""))
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
        self.rounds.pop(meta["uid"], None)
        self.derived.pop(meta["uid"], None)


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
