# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's multi-cluster services: from a ServiceExport to a name that pods of every member call.

As Google documents it: the importer needs ``roles/compute.networkViewer``, on a Shared VPC in the host project too,
where the fleet's agent needs its role; each export leads to a ServiceImport in every member that has the namespace,
with the address of a derived Service ``gke-mcs-<hash>`` beside it, whose Endpoints are the pods of all exporting
clusters; the name is ``NAME.NAMESPACE.svc.clusterset.local``. With the last export all of it goes.
"""

from __future__ import annotations

import hashlib
import typing as t

from .behind import Behind
from .kinds import ENDPOINTS, EXPORT, IMPORT, NAMESPACE, SERVICE, SERVICES_CRDS, SLICE, define
from .names import ZONE, Zone
from .view import FleetView, Member

__all__ = ["FEATURE", "Services"]

Json = dict[str, t.Any]
FEATURE = "multiclusterservicediscovery"
ROLE = "roles/compute.networkViewer"
AGENT_ROLE = "roles/multiclusterservicediscovery.serviceAgent"
MANAGED_BY = "gke-mcs-controller.gke.io"
_OURS = {"app.kubernetes.io/managed-by": MANAGED_BY}
_SELECT = f"app.kubernetes.io/managed-by={MANAGED_BY}"
_DERIVED = "net.gke.io/derived-service"
Key = tuple[str, str]
"""Namespace and name of an exported service."""


class Exported(t.NamedTuple):
    """One exported service, as all its exporting clusters together offer it."""

    ports: list[Json]
    subsets: list[Json]
    by: list[str]
    """Memberships that export it."""


class Services:
    """The importer and exporter of all clusters."""

    def __init__(self, client: t.Callable[[str], Behind]) -> None:
        self.client = client
        self.zones: dict[str, Zone] = {}
        self.applied: dict[tuple[str, str, Key], Json] = {}

    def reconcile(self, fleet: FleetView) -> None:
        """One look at all members, and what it leads to."""
        if fleet.on(FEATURE) is None:
            for path in list(self.zones):
                self._forget(path)
            return
        here = {member.kubeconfig for member in fleet.members}
        for path in set(self.zones) - here:
            self._forget(path)
        ready = [m for m in fleet.members if define(self.client(m.kubeconfig), SERVICES_CRDS)]
        for member in ready:
            if member.kubeconfig not in self.zones:
                zone = Zone(member.kubeconfig)
                zone.announce(self.client(member.kubeconfig))
                self.zones[member.kubeconfig] = zone
        exported = self._exports(ready)
        for member in ready:
            importer = f"serviceAccount:{member.project}.svc.id.goog[gke-mcs/gke-mcs-importer]"
            looks = {(project, ROLE, importer) for project in (member.project, member.host)}
            agent = f"serviceAccount:service-{member.number}@gcp-sa-mcsd.iam.gserviceaccount.com"
            if member.host != member.project:
                looks.add((member.host, AGENT_ROLE, agent))
            if looks <= fleet.bindings:  # else it says so in its log alone
                self._import(member, exported)

    def _forget(self, path: str) -> None:
        """A cluster left, or the feature went: what was imported there goes, the kinds stay."""
        self.zones.pop(path).close()
        self._drop(self.client(path), path, set())

    # -- exporting -----------------------------------------------------------------------------

    def _exports(self, members: t.Sequence[Member]) -> dict[Key, Exported]:
        found: dict[Key, Exported] = {}
        for member in members:
            behind = self.client(member.kubeconfig)
            for export in behind.list(EXPORT):
                meta = export["metadata"]
                key = (meta["namespace"], meta["name"])
                service = behind.get(SERVICE, key[1], key[0])
                if service is None or meta.get("deletionTimestamp"):
                    continue
                ports = [
                    {"name": p.get("name", ""), "port": p["port"], "protocol": p.get("protocol", "TCP")}
                    for p in service["spec"].get("ports") or []
                ]
                # The oldest export decides where clusters differ; here all count as equal.
                all_of_it = found.setdefault(key, Exported(ports, [], []))
                all_of_it.by.append(member.numbered)
                all_of_it.subsets.extend(_subsets(behind, key))
        return found

    # -- importing -----------------------------------------------------------------------------

    def _import(self, member: Member, exported: t.Mapping[Key, Exported]) -> None:
        behind = self.client(member.kubeconfig)
        spaces = {n["metadata"]["name"] for n in behind.list(NAMESPACE) if not n["metadata"].get("deletionTimestamp")}
        wanted = {key: it for key, it in exported.items() if key[0] in spaces}
        records = {}
        for key, it in wanted.items():
            namespace, name = key
            derived = "gke-mcs-" + hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:10]
            meta = {"namespace": namespace, "labels": _OURS}
            service = self._apply(
                behind, SERVICE, key, {"metadata": {**meta, "name": derived}, "spec": {"ports": it.ports}}
            )
            self._apply(behind, ENDPOINTS, key, {"metadata": {**meta, "name": derived}, "subsets": it.subsets})
            address = str(service["spec"]["clusterIP"])
            records[f"{name}.{namespace}.svc.{ZONE}"] = address
            self._apply(
                behind,
                IMPORT,
                key,
                {
                    "metadata": {**meta, "name": name, "annotations": {_DERIVED: derived}},
                    "spec": {
                        "ips": [address],
                        "ports": [{k: v for k, v in p.items() if v} for p in it.ports],
                        "sessionAffinity": "None",
                        "type": "ClusterSetIP",
                    },
                },
            )
            status = {"status": {"clusters": [{"cluster": name} for name in it.by]}}
            if (self.applied.get((behind.path, "status", key)) or {}) != status:
                behind.merge(IMPORT, name, namespace, status, status=True)
                self.applied[behind.path, "status", key] = status
        self.zones[member.kubeconfig].records = records
        self._drop(behind, member.kubeconfig, set(wanted))

    def _apply(self, behind: Behind, kind: t.Any, key: Key, obj: Json) -> Json:
        """Apply where it is not as it was applied last, or is gone."""
        meta = obj["metadata"]
        live = behind.get(kind, meta["name"], meta["namespace"])
        place = (behind.path, kind.name, key)
        if live is None or self.applied.get(place) != obj:
            live = behind.apply(kind, obj)
            self.applied[place] = obj
        return live

    def _drop(self, behind: Behind, path: str, keep: set[Key]) -> None:
        for kept in [place for place in self.applied if place[0] == path and place[2] not in keep]:
            del self.applied[kept]
        for imported in behind.list(IMPORT, labels=_SELECT):
            meta = imported["metadata"]
            if (meta["namespace"], meta["name"]) in keep:
                continue
            derived = (meta.get("annotations") or {}).get(_DERIVED)
            if derived:
                behind.delete(SERVICE, derived, meta["namespace"])
                behind.delete(ENDPOINTS, derived, meta["namespace"])
            behind.delete(IMPORT, meta["name"], meta["namespace"])


def _subsets(behind: Behind, key: Key) -> list[Json]:
    """The ready pods of a service, by the ports they listen on."""
    namespace, name = key
    found = []
    for piece in behind.list(SLICE, namespace, f"kubernetes.io/service-name={name}"):
        ready = [
            {"ip": address}
            for endpoint in piece.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready", True)
            for address in endpoint["addresses"]
        ]
        ports = [
            {"name": p.get("name", ""), "port": p["port"], "protocol": p.get("protocol", "TCP")}
            for p in piece.get("ports") or []
        ]
        if ready and ports:
            found.append({"addresses": ready, "ports": ports})
    return found
