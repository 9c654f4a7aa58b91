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
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import CERT_MANAGER, redirect_name
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

    async def prune(self, held: t.Collection[Site] = ()) -> None:
        """Remove what is not wanted any more.

        Args:
            held: hosts that are served as before, so all that is there of them stays.
        """
        wanted = [obj for some in list(self.made.values()) for obj in some]
        wanted += [_stub(_SECRET, site.secret, self.namespace) for site in self._issued()]
        kinds = list(self.kinds)
        if held:
            kinds.remove(_SECRET)  # nobody is served by a Secret alone, and theirs may have any name
            names = {name for site in held for name in (site.name, redirect_name(site))}
            labels = self.options["labels"]
            for kind, found in zip(
                kinds, await asyncio.gather(*(self.kube.list(*kind, labels=labels) for kind in kinds)), strict=True
            ):
                metas = [one["metadata"] for one in found]
                wanted += [_stub(kind, meta["name"], meta["namespace"]) for meta in metas if meta["name"] in names]
        self.changes += await self.kube.prune(wanted, kinds=kinds, **self.options)

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
