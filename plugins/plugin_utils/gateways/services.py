# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Services of a cluster's gateways, in any namespace: each cluster may have them in another one."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import PART_OF, fleet_of
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of

__all__ = ["find_gateways"]

_SELECTOR = "istio in (eastwestgateway,ingressgateway)"


async def find_gateways(kube: Reader, fleet: str, *expected: str) -> dict[str, dict[str, t.Any]]:
    """By name, the Services of the east-west and the ingress gateway.

    Those of ``fleet`` are preferred to those of others, then one in the namespaces of ``expected``. One that somebody
    else made counts only there: elsewhere it may belong to another mesh.
    """
    found: dict[str, dict[str, t.Any]] = {}
    services = [s for s in await kube.list("v1", "Service", labels=_SELECTOR) if _counts(s, fleet, expected)]
    for service in sorted(services, key=lambda s: _rank(s, fleet, expected), reverse=True):
        found[service["metadata"]["name"]] = service
    return found


def _ours(service: t.Mapping[str, t.Any], fleet: str) -> bool:
    # Earlier versions recorded no fleet.
    return labels_of(service).get(PART_OF) == "gateways" and fleet_of(service) in (fleet, "")


def _counts(service: t.Mapping[str, t.Any], fleet: str, expected: t.Sequence[str]) -> bool:
    meta = service["metadata"]
    return meta["name"] in (EASTWEST, INGRESS) and (_ours(service, fleet) or meta["namespace"] in expected)


def _rank(service: t.Mapping[str, t.Any], fleet: str, expected: t.Sequence[str]) -> tuple[bool, bool, str]:
    namespace = str(service["metadata"]["namespace"])
    return not _ours(service, fleet), namespace not in expected, namespace
