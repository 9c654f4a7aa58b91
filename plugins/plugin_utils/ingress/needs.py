# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What routes need in a cluster: the Service and its port, a certificate, kinds of others, names that are free."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import not_ours
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import (
    check_pair,
    given_pair,
    names_in,
    pair_of_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import (
    CERT_MANAGER,
    GATEWAY_API_VERSION,
    GATEWAY_KINDS,
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
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.sharing import mixed_up
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS, ingress_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.claims import (
    HTTP_KINDS,
    claims,
    route_claims,
    selects,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import may_call
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, ports_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Needs", "NotThereYet", "also_served", "refuse_foreign"]

Object = dict[str, t.Any]

_CRDS = f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{GATEWAY_API_VERSION}/standard-install.yaml"


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
    warnings: list[str] = dataclasses.field(default_factory=list)
    names: dict[Site, list[str]] = dataclasses.field(default_factory=dict)
    """By host the DNS names in its certificate, as far as it was seen."""

    @property
    def kube(self) -> Kube:
        return self.kubes[self.cluster]

    async def port(self, route: Route) -> int:
        """The Service's port behind a route.

        The Service may be in any cluster that this one's control plane watches, as its pods.
        """
        ports, silent = await self._ports(route)
        if ports is None and silent and route.port:
            self.warnings.append(
                f"{self.cluster}: nobody knows whether {route.service} has the port {route.port} of ingress_routes: "
                f"{_listed(silent)} did not answer"
            )
            return route.port
        if ports is None:
            unknown = f"; {_listed(silent)} did not answer" if silent else ""
            raise NotThereYet(
                f"there is no service {route.service}",
                cluster=self.cluster,
                obj=f"Service {route.namespace}/{route.name}",
                seen=f"{route.called} goes to it; it is in no cluster that answered and that this one may call"
                + unknown,
                next_step="bring it by the apps stage, or correct the route's service; then run the ingress stage"
                + (
                    "; or give the route a port, which is taken unseen while a cluster does not answer"
                    if silent
                    else ""
                ),
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

    async def _ports(self, route: Route) -> tuple[list[Port] | None, list[str]]:
        """TCP ports of the Service, in its order, and the clusters that do not say whether they have it.

        The cluster's own Service counts first. None where it is in no cluster that answers.
        """
        of = ("v1", "Service", route.name, route.namespace)
        service = await self.kube.get(*of)
        silent: list[str] = []
        if service is None:
            # Of the Gateway API a Service beside its route counts alone.
            near = [n for n in self.fleet.clusters if n != self.cluster and may_call(self.fleet, self.cluster, n)]
            there = [name for name in near if name in self.kubes]
            asked = await asyncio.gather(*(self.kubes[name].get(*of) for name in there), return_exceptions=True)
            answers = dict(zip(there, asked, strict=True))
            for error in asked:
                if isinstance(error, BaseException) and not isinstance(error, FleetError):
                    raise error
            silent = [name for name in near if name not in answers or isinstance(answers[name], FleetError)]
            service = next((one for one in asked if isinstance(one, dict)), None)
        if service is None:
            return None, silent
        return [port for port in ports_of(service) if port.protocol == "TCP"], []

    async def certificate(self, site: Site) -> list[Object]:
        """The Secret to apply for a host: none where it has no HTTPS, or somebody else keeps the Secret."""
        found = site.certificate
        if found is None:
            return []
        if found.source == ISSUER:
            self.names[site] = [site.host]
            return []
        if found.source == GIVEN:
            pair = given_pair(self.certificates, found.name)
            check_pair(pair, site.host, self.now, what=f"ingress_certificates.{found.name}")
            self.names[site] = names_in(pair)
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
        self.names[site] = names_in(held)
        return []

    def mixed_up(self) -> list[str]:
        """Warnings of hosts whose calls browsers send on each other's connections, where Istio answers 404."""
        return [
            f"{self.cluster}: the certificate in Secret {self.place.namespace}/{secret} is good for {_listed(hosts)}: "
            "browsers send calls of one on a connection to another, where Istio answers 404. Give each of these hosts "
            "a certificate for its own name alone, for example by certificate_issuer"
            for secret, hosts in mixed_up(self.names)
        ]

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
                    next_step=f"install its CRDs of the standard channel: kubectl apply --server-side -f {_CRDS}; "
                    "or set api: istio",
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
            means = "the object of the route has this name, and nothing of theirs is overwritten"
            errors.append(not_ours(kube.cluster, obj, live, means))
    return errors


async def also_served(kube: Kube, sites: t.Sequence[Site], place: Place, fleet: Fleet) -> list[str]:
    """Warnings of hosts that somebody else serves at the same gateway: by a Gateway, a VirtualService or an HTTPRoute.

    Istio merges all of them, and which of them answers is not for an inventory to say.
    """
    if kube.absent or recording() is not None:
        return []
    hosts = {site.host or "*" for site in sites}
    kinds = [(place.istio_api, "Gateway"), (place.istio_api, "VirtualService"), *HTTP_KINDS]
    gateways, virtual, http_gateways, http_routes = [await kube.list(*kind) for kind in kinds]

    def theirs(some: t.Iterable[Object]) -> list[Object]:
        return [one for one in some if not has_our_labels(one, fleet.name, "ingress")]

    # A primary's objects configure the gateways of its remotes too.
    proxies = [ingress_labels(fleet, one) for one in fleet.clusters.values() if one.primary == kube.cluster]
    found: dict[str, set[str]] = {}
    for gateway in theirs(gateways):
        spec, meta = gateway.get("spec") or {}, gateway["metadata"]
        if selects(gateway, proxies):
            named = {str(host).rpartition("/")[2] for server in spec.get("servers") or [] for host in server["hosts"]}
            for host in hosts & named:
                found.setdefault(host, set()).add(f"Gateway {meta['namespace']}/{meta['name']}")
    told = set(found)
    for claim in (
        *claims(gateways, theirs(virtual), proxies),
        *route_claims(http_gateways, theirs(http_routes), INGRESS, place.namespace),
    ):
        if claim.host in hosts - told:
            found.setdefault(claim.host, set()).add(claim.object)
    return [
        f"{kube.cluster}: {one} has the host {host} of ingress_routes too: take it out of one of them"
        for host, some in sorted(found.items())
        for one in sorted(some)
    ]


def _listed(names: t.Sequence[str]) -> str:
    """The first three of many names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
