# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until cert-manager and istiod have done their part for a host, or say why they do not."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import check_pair, pair_of_secret
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import (
    CERT_MANAGER,
    GATEWAY_CLASS,
    GATEWAY_KINDS,
    Place,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Certificate, Site
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.status import (
    UNSEEN,
    certificate_failed,
    certificate_ready,
    gateway_ready,
    newest_request,
    request_says,
    route_ready,
)
from ansible_collections.mesh.fleet.plugins.module_utils.clocks import AHEAD
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["LETS_THROUGH", "Readiness"]

Object = dict[str, t.Any]

_GATEWAY_KIND, _ROUTE_KIND = GATEWAY_KINDS
_REQUEST = "CertificateRequest"
_GROUP = "cert-manager.io"
_ISSUERS = ("Issuer", "ClusterIssuer")
LETS_THROUGH = (
    "if its challenge is HTTP-01, the host's redirect sends it on to HTTPS: https_redirect: false and a run of the "
    "ingress stage let it through"
)
_OF_CERT_MANAGER = "kubectl get pods -A -l app.kubernetes.io/instance=cert-manager"


@dataclasses.dataclass
class Readiness:
    """The wait for the hosts of one cluster.

    Args:
        kube: client of the cluster.
        place: where its objects are.
        istiod: the namespace of its istiod.
        timeout: seconds for all hosts together, from now on; they are waited for at once.
        behind: hosts whose calls by HTTP are redirected now, those of a challenge too.
    """

    kube: Kube
    place: Place
    istiod: str
    timeout: float
    behind: t.Collection[Site] = ()
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + self.timeout

    async def issued(self, site: Site, objects: t.Sequence[Object]) -> None:
        """Until cert-manager has issued the certificate of a host, if it is to.

        Args:
            objects: the host's.

        Raises FleetError: it did not in time, or gave it up, or what it issued is not good.
        """
        for obj in objects:
            if (obj["apiVersion"], obj["kind"]) == CERT_MANAGER and site.certificate:
                await self._certificate(obj, site, site.certificate)

    async def errors(self, site: Site, objects: t.Sequence[Object]) -> list[FleetError]:
        """Why a host is not served; none as soon as it is.

        Args:
            objects: those that were applied for the host.
        """
        try:
            await self.issued(site, objects)
        except FleetError as error:
            # Its gateway lacks the Secret then: that would be the same fault once more.
            return [error]
        mine = [obj for obj in objects if (obj["apiVersion"], obj["kind"]) in GATEWAY_KINDS]
        waits = [self._taken(obj, site) for obj in mine]
        found = await asyncio.gather(*waits)
        return [error for error in found if error is not None]

    def _left(self) -> float:
        """Seconds until the time is up."""
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    # -- cert-manager's ------------------------------------------------------------------------

    async def _certificate(self, obj: Object, site: Site, issuer: Certificate) -> None:
        """Until the Certificate is issued and its Secret has what browsers take."""
        name, space = obj["metadata"]["name"], obj["metadata"]["namespace"]

        def settled(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            done, seen = certificate_ready(live)
            failed = certificate_failed(live)
            return done or bool(failed), failed or seen

        try:
            live = await self.kube.wait(*CERT_MANAGER, name, space, until=settled, timeout=self._left())
        except NotInTime as error:
            live = await self.kube.get(*CERT_MANAGER, name, space)
            raise await self._not_issued(obj, site, issuer, certificate_ready(live)[1]) from error
        failed = certificate_failed(live)
        if not certificate_ready(live)[0]:
            raise await self._not_issued(obj, site, issuer, failed, given_up=True)
        if failed:
            self.warnings.append(
                f"{self.kube.cluster}: cert-manager could not renew the certificate of {site.host}, which is still "
                f"good ({described(obj)}): {failed}"
            )
        what = f"Secret {space}/{site.secret}"
        secret = await self.kube.get("v1", "Secret", site.secret, space)
        held = pair_of_secret(secret) if secret else None
        if held is None:
            raise FleetError(
                "cert-manager's certificate is not in its Secret",
                cluster=self.kube.cluster,
                obj=what,
                seen="it has no tls.crt with its tls.key" if secret else "there is no such Secret",
                next_step=f"kubectl -n {space} describe {CERT_MANAGER[1].lower()} {name}; then run the ingress stage",
            )
        try:
            check_pair(held, site.host, datetime.datetime.now(datetime.UTC) + AHEAD, what=what)
        except FleetError as error:
            error.cluster = self.kube.cluster
            error.next_step = f"see what the issuer {issuer.name} signs: {error.next_step}"
            raise

    async def _not_issued(
        self, obj: Object, site: Site, issuer: Certificate, seen: str, *, given_up: bool = False
    ) -> FleetError:
        """What keeps cert-manager from issuing, from the issuer down to the request."""
        space, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        request = await self._request(name, space)
        said = f"{_REQUEST} {request['metadata']['name']}: {request_says(request)}" if request else ""
        means, step = await self._issuer(issuer, space)
        hint = f"; {LETS_THROUGH}" if site in self.behind and not means else ""
        if given_up:
            means = means or "the issuer refused; cert-manager tries again in an hour, and later each time"
            look = f"kubectl -n {space} describe certificaterequests" if request else f"kubectl -n {space} get events"
            step = (
                f"{step or look}; then kubectl -n {space} delete certificate {name}, and run the ingress stage: it "
                "makes it anew, and cert-manager tries at once"
            )
        elif not request and not means:
            means = "cert-manager's controller does not run, or waits for the issuer"
            step = _OF_CERT_MANAGER
        return FleetError(
            f"the certificate of {site.host} was not issued"
            if given_up
            else f"the certificate of {site.host} was not issued within {self.timeout:g} s",
            cluster=self.kube.cluster,
            obj=described(obj),
            seen="; ".join(part for part in (seen, said) if part),
            means=means,
            next_step=(step or f"kubectl -n {space} describe certificate {name}; then run the ingress stage again")
            + hint,
        )

    async def _request(self, certificate: str, namespace: str) -> t.Mapping[str, t.Any] | None:
        with contextlib.suppress(FleetError):  # without the permission for requests, less is known
            return newest_request(await self.kube.list(CERT_MANAGER[0], _REQUEST, namespace), certificate)
        return None

    async def _issuer(self, issuer: Certificate, namespace: str) -> tuple[str, str]:
        """What is wrong with cert-manager's own issuers, and the next step; "" for those of other controllers."""
        if issuer.group != _GROUP or issuer.kind not in _ISSUERS:
            return "", ""
        where = namespace if issuer.kind == "Issuer" else ""
        option = f"-n {where} " if where else ""
        label = f"{issuer.kind} {where}/{issuer.name}" if where else f"{issuer.kind} {issuer.name}"
        try:
            live = await self.kube.get(CERT_MANAGER[0], issuer.kind, issuer.name, where)
        except FleetError:  # without the permission for issuers, less is known
            return "", ""
        if live is None:
            return (
                f"there is no {label}",
                f"make it, or correct certificate_issuer (kubectl {option}get {issuer.kind.lower()}s)",
            )
        good, seen = certificate_ready(live)
        if good:
            return "", ""
        return f"{label} cannot issue: {seen}", f"kubectl {option}describe {issuer.kind.lower()} {issuer.name}"

    # -- istiod's --------------------------------------------------------------------------------

    async def _taken(self, obj: Object, site: Site) -> FleetError | None:
        """Until istiod has taken a Gateway or an HTTPRoute."""
        kind = (obj["apiVersion"], obj["kind"])
        ready = gateway_ready if kind == _GATEWAY_KIND else route_ready
        name, space = obj["metadata"]["name"], obj["metadata"]["namespace"]
        try:
            await self.kube.wait(*kind, name, space, until=ready, timeout=self._left())
        except NotInTime as error:
            error.what = f"istiod does not serve {site.host or 'any host'} after {self.timeout:g} s"
            error.next_step = f"kubectl -n {space} describe {kind[1].lower()}.gateway.networking.k8s.io {name}"
            if error.seen.endswith(UNSEEN):
                error.means, error.next_step = await self._istiod()
            return error
        except FleetError as error:
            error.cluster = error.cluster or self.kube.cluster
            return error
        return None

    async def _istiod(self) -> tuple[str, str]:
        """Why no istiod answers, and the next step.

        One that runs needs no restart when the kinds come: it watches for them.
        """
        why = "it does not run, its PILOT_ENABLE_GATEWAY_API is false, or the CRDs are older than it takes"
        look = (
            f"kubectl -n {self.istiod} logs -l app=istiod --tail=-1 | grep -iE 'gateway|crd'; then run the stage again"
        )
        with contextlib.suppress(FleetError):  # without the permission for classes, less is known
            if await self.kube.get(_GATEWAY_KIND[0], "GatewayClass", GATEWAY_CLASS) is None:
                return f"nor is there the GatewayClass {GATEWAY_CLASS}, which istiod makes: {why}", look
        return f"no istiod of this revision reads it: {why}", look
