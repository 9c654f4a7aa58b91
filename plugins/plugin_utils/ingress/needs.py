# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What routes need in a cluster: the Service and its port, a certificate, kinds of others, names that are free."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import (
    check_pair,
    given_pair,
    pair_of_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import (
    CERT_MANAGER,
    GATEWAY_KINDS,
    INGRESS_SELECTOR,
    Place,
    tls_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import (
    GATEWAY_API,
    GIVEN,
    ISSUER,
    Route,
    Site,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, ports_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Needs", "NotThereYet", "also_served", "refuse_foreign"]

Object = dict[str, t.Any]

_CRDS = "https://gateway-api.sigs.k8s.io/guides/getting-started/introduction/"


class NotThereYet(FleetError):
    """Something is missing that a stage before this one may make: no failure while that stage is planned only."""


@dataclasses.dataclass
class Needs:
    """What the hosts of one cluster need.

    Args:
        kubes: clients of all clusters that answer.
        certificates: ``ingress_certificates``.
        place: where the cluster's objects go.
    """

    fleet: Fleet
    cluster: str
    kubes: t.Mapping[str, Kube]
    certificates: t.Mapping[str, t.Any]
    place: Place
    now: datetime.datetime

    @property
    def kube(self) -> Kube:
        return self.kubes[self.cluster]

    async def port(self, route: Route) -> int:
        """The Service's port behind a route.

        The Service may be in any cluster that this one's control plane watches, as its pods.
        """
        ports = await self._ports(route)
        if ports is None:
            raise NotThereYet(
                f"there is no service {route.service}",
                cluster=self.cluster,
                obj=f"Service {route.namespace}/{route.name}",
                seen=f"{route.called} goes to it; it is in no cluster that answered and that this one may call",
                next_step="bring it by the apps stage, or correct the route's service; then run the ingress stage",
            )
        if not route.port and ports:
            return ports[0].number
        if route.port not in [port.number for port in ports]:
            listed = ", ".join(f"{port.number} {port.name}".strip() for port in ports)
            raise FleetError(
                f"service {route.service} has no port {route.port}" if route.port else f"{route.service} has no port",
                cluster=self.cluster,
                obj=f"Service {route.namespace}/{route.name}",
                seen=f"its ports are {listed}" if listed else "it has none",
                next_step="correct the route's port: it is the Service's, not the pods'",
            )
        return route.port

    async def _ports(self, route: Route) -> list[Port] | None:
        """TCP ports of the Service, in its order; None where it is nowhere. The cluster's own Service counts first."""
        near = [n for n in self.kubes if n != self.cluster and may_call(self.fleet, self.cluster, n)]
        # Of the Gateway API a Service beside its route counts alone.
        for name in (self.cluster, *near):
            service = await self.kubes[name].get("v1", "Service", route.name, route.namespace)
            if service is not None:
                return [port for port in ports_of(service) if port.protocol == "TCP"]
        return None

    async def certificate(self, site: Site) -> list[Object]:
        """The Secret to apply for a host: none where it has no HTTPS, or somebody else keeps the Secret."""
        found = site.certificate
        if found is None or found.source == ISSUER:
            return []
        if found.source == GIVEN:
            pair = given_pair(self.certificates, found.name)
            check_pair(pair, site.host, self.now, what=f"ingress_certificates.{found.name}")
            return [tls_secret(site.secret, self.place.namespace, pair.certificate, pair.key)]
        if recording() is not None:
            return []
        what = f"Secret {self.place.namespace}/{found.name}"
        secret = await self.kube.get("v1", "Secret", found.name, self.place.namespace)
        if secret is None:
            raise NotThereYet(
                f"the certificate of {site.host or 'any host'} is not there",
                cluster=self.cluster,
                obj=what,
                seen="no such Secret: a gateway reads those of its own namespace alone",
                next_step=f"kubectl -n {self.place.namespace} create secret tls {found.name} --cert CRT --key KEY; or "
                "give the certificate by ingress_certificates",
            )
        held = pair_of_secret(secret)
        if held is None:
            raise FleetError(
                "the Secret has no certificate with its key",
                cluster=self.cluster,
                obj=what,
                seen=f"its keys are {', '.join(sorted(secret.get('data') or {})) or 'none'}",
                next_step="give it tls.crt and tls.key, as kubectl create secret tls does",
            )
        check_pair(held, site.host, self.now, what=what)
        return []

    async def kinds_of_others(self, site: Site) -> list[FleetError]:
        """Kinds that a host needs and neither Kubernetes nor Istio has: of the Gateway API, and of cert-manager."""
        if recording() is not None or self.kube.absent:
            return []
        errors = []
        served = [await self._has(*kind) for kind in GATEWAY_KINDS] if site.api == GATEWAY_API else []
        if not all(served):
            errors.append(
                NotThereYet(
                    "the Gateway API is not installed",
                    cluster=self.cluster,
                    obj=f"route of {site.host or 'any host'}",
                    seen="the API server does not know Gateway and HTTPRoute of gateway.networking.k8s.io/v1",
                    means="Kubernetes does not bring these kinds, nor does Istio",
                    next_step=f"install its CRDs of the standard channel ({_CRDS}), or set api: istio",
                )
            )
        if site.certificate and site.certificate.source == ISSUER and not await self._has(*CERT_MANAGER):
            errors.append(
                NotThereYet(
                    "cert-manager is not installed",
                    cluster=self.cluster,
                    obj=f"route of {site.host}",
                    seen="the API server does not know Certificate of cert-manager.io/v1",
                    next_step="install cert-manager and the issuer; or give the certificate by certificate_secret",
                )
            )
        return list(errors)

    async def _has(self, api_version: str, kind: str) -> bool:
        """Whether the API server has a kind."""
        try:
            await self.kube.resource(api_version, kind)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


async def refuse_foreign(kube: Kube, objects: t.Sequence[Object], fleet: str) -> list[FleetError]:
    """Objects that have the names of ours and are somebody else's; ``mesh_take_over`` consents to theirs."""
    if kube.take_over or kube.absent or recording() is not None:
        return []
    errors = []
    for obj in objects:
        meta = obj["metadata"]
        try:
            live = await kube.get(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])
        except ApiError as error:
            if error.status != 404:  # a kind that is not there
                raise
            continue
        if live is not None and not has_our_labels(live, fleet):
            errors.append(
                FleetError(
                    "it is somebody else's",
                    cluster=kube.cluster,
                    obj=described(obj),
                    seen=f"it is of {owner_of(live)}",
                    means="the object of the route has this name, and nothing of theirs is overwritten",
                    next_step="remove or rename it; or let this fleet have it: run once with mesh_take_over: true",
                )
            )
    return errors


async def also_served(kube: Kube, sites: t.Sequence[Site], place: Place, fleet: str) -> list[str]:
    """Warnings of hosts that somebody else's Gateway has at the same gateway.

    Istio merges both, and which of them answers is not for an inventory to say.
    """
    if kube.absent or recording() is not None:
        return []
    hosts = {site.host or "*" for site in sites}
    warnings = []
    for gateway in await kube.list(place.istio_api, "Gateway"):
        spec, meta = gateway.get("spec") or {}, gateway["metadata"]
        if has_our_labels(gateway, fleet, "ingress") or spec.get("selector") != INGRESS_SELECTOR:
            continue
        named = {str(host).rpartition("/")[2] for server in spec.get("servers") or [] for host in server["hosts"]}
        warnings += [
            f"{kube.cluster}: Gateway {meta['namespace']}/{meta['name']} has the host {host} of ingress_routes too: "
            "take it out of one of them"
            for host in sorted(hosts & named)
        ]
    return warnings
