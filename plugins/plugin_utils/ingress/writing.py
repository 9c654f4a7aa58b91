# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes of the hosts of one cluster, in an order in which a gateway never lacks what it is told to use.

A Gateway whose Secret is not there answers nobody by HTTPS, and a redirect leads callers there. So whatever makes a
certificate comes first, then what uses it, and what was used before goes last.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import pair_of_secret
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import (
    CERT_MANAGER,
    redirect_name,
    without_redirect,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import ISSUER, Site
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["Writing"]

Object = dict[str, t.Any]

_SECRET = ("v1", "Secret")


@dataclasses.dataclass
class Writing:
    """The writes to one cluster.

    Args:
        kube: client of the cluster.
        made: all wanted objects by host.
        namespace: of the Secrets that cert-manager makes; "" while no host is wanted.
        kinds: every kind that a route may become.
        options: ``labels``, ``dry_run`` and ``diff`` of each write.
    """

    kube: Kube
    made: t.Mapping[Site, t.Sequence[Object]]
    namespace: str
    kinds: t.Sequence[tuple[str, str]]
    options: t.Mapping[str, t.Any]
    changes: list[Change] = dataclasses.field(default_factory=list)

    async def certificates(self) -> None:
        """The Secrets whose certificates are given, and what cert-manager makes the others of."""
        await self._apply(obj for some in list(self.made.values()) for obj in some if _makes_certificates(obj))

    async def hosts(self, some: t.Iterable[Site]) -> None:
        """All else that hosts need: what leads callers to their services."""
        await self._apply(obj for site in some for obj in self.made[site] if not _makes_certificates(obj))

    async def without_certificate(self) -> list[Site]:
        """Hosts whose certificate cert-manager has yet to put into their Secret."""
        issued = self._issued()
        found = await asyncio.gather(*(self.kube.get(*_SECRET, site.secret, self.namespace) for site in issued))
        return [site for site, secret in zip(issued, found, strict=True) if not secret or not pair_of_secret(secret)]

    async def lift_redirects(self, held: t.Collection[Site]) -> list[Site]:
        """Serve held hosts by HTTP too where the inventory has no redirect for them; the hosts whose live one stays.

        A challenge by HTTP does not get past a redirect, and the certificate that it is for would be awaited for ever.
        The HTTPRoute that redirects goes with what is not wanted any more.
        """
        there = await self._live(held)
        redirects = {redirect_name(site) for site in held}
        behind = {one["metadata"]["name"] for one in there} & redirects
        lifted = []
        for obj in there:
            plain = without_redirect(obj)
            if plain["spec"] != obj["spec"]:
                behind.add(obj["metadata"]["name"])
                lifted.append(plain)
        off = {site.name for site in held if not site.https_redirect}
        await self._apply(obj for obj in lifted if obj["metadata"]["name"] in off)
        return [site for site in held if site.https_redirect and behind & {site.name, redirect_name(site)}]

    async def prune(self, held: t.Collection[Site] = ()) -> None:
        """Remove what is not wanted any more.

        Args:
            held: hosts that are served as before, so all that is there of them stays, but for a redirect that the
                inventory does not have.
        """
        wanted = [obj for some in list(self.made.values()) for obj in some]
        wanted += [_stub(_SECRET, site.secret, self.namespace) for site in self._issued()]
        kinds = list(self.kinds)
        if held:
            kinds.remove(_SECRET)  # nobody is served by a Secret alone, and theirs may have any name
            off = {redirect_name(site) for site in held if not site.https_redirect}
            wanted += [obj for obj in await self._live(held) if obj["metadata"]["name"] not in off]
        self.changes += await self.kube.prune(wanted, kinds=kinds, **self.options)

    async def _live(self, held: t.Collection[Site]) -> list[Object]:
        """What is there of hosts, but for Secrets."""
        names = {name for site in held for name in (site.name, redirect_name(site))}
        kinds = [kind for kind in self.kinds if kind != _SECRET]
        lists = (self.kube.list(*kind, labels=self.options["labels"]) for kind in kinds)
        found = zip(kinds, await asyncio.gather(*lists), strict=True)
        return [
            {**one, "apiVersion": kind[0], "kind": kind[1]}
            for kind, some in found
            for one in some
            if one["metadata"]["name"] in names
        ]

    def _issued(self) -> list[Site]:
        return [site for site in self.made if site.certificate and site.certificate.source == ISSUER]

    async def _apply(self, objects: t.Iterable[Object]) -> None:
        # Two hosts may have one certificate.
        unique = {(obj["apiVersion"], described(obj)): obj for obj in objects}
        self.changes += await self.kube.apply(list(unique.values()), **self.options)


def _makes_certificates(obj: Object) -> bool:
    return (obj["apiVersion"], obj["kind"]) in (_SECRET, CERT_MANAGER)


def _stub(kind: tuple[str, str], name: str, namespace: str) -> Object:
    """What names an object to keep."""
    return {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": name, "namespace": namespace}}
