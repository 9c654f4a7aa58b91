# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be in a cluster before its istiod trusts a peer's root, and as long as it does."""

from __future__ import annotations

import asyncio
import base64
import typing as t

import yaml
from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import not_ours
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.objects import PART, mesh_objects
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.peer_roots import may_sign_for, refuse_own
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import parse_certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    CERT,
    CHAIN,
    ROOT,
    as_istiod_reads,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["guard", "refuse_foreign", "refuse_own_keys", "still_trusted"]

_PREFIX = "federation-"
_POLICY = ("security.istio.io/v1", "AuthorizationPolicy")
_CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "authorizationpolicies.security.istio.io")


async def guard(kube: Kube, fleet: Fleet, domains: t.Iterable[str], *, dry_run: bool) -> tuple[bool, list[Change]]:
    """Refuse all calls of peers for which no policy is there yet; stage federation then says what each may call.

    Returns:
        Whether it is done: not where the cluster has no Istio yet, and so no workload that could be called.
    """
    if kube.absent or await kube.get(*_CRD) is None:
        return False, []
    there = await _guarded(kube, fleet)
    new = mesh_objects(fleet, {domain: () for domain in domains if domain not in there})
    await refuse_foreign(kube, fleet, new)
    return True, await kube.apply(new, labels=owner_labels(PART, fleet.name), dry_run=dry_run)


async def refuse_own_keys(kube: Reader, fleet: Fleet, trusted: t.Mapping[str, t.Sequence[x509.Certificate]]) -> None:
    """No root of a peer has a key of this mesh: of what istiod signs with, or of what proxies trust already.

    Raises:
        FleetError: one has, or what the cluster holds cannot be read.
    """
    if not trusted or kube.absent or recording() is not None:
        return
    secret, published = await asyncio.gather(
        kube.get("v1", "Secret", "cacerts", fleet.namespace),
        kube.get("v1", "ConfigMap", "istio-ca-root-cert", fleet.namespace),
    )
    try:
        held = {
            key: base64.b64decode(value or "").decode() for key, value in ((secret or {}).get("data") or {}).items()
        }
        data = as_istiod_reads(held) if held else {}
        texts = [
            *(data.get(key, "") for key in (ROOT, CERT, CHAIN)),
            ((published or {}).get("data") or {}).get(ROOT, ""),
        ]
        found = [one for text in texts if text.strip() for one in parse_certificates(text)]
        # What is published holds the copies of peers' roots too, also former ones. They cannot sign for us.
        refuse_own(trusted, [one for one in found if may_sign_for(one, fleet.trust_domain)])
    except FleetError as error:
        error.cluster = kube.cluster
        raise


async def still_trusted(kube: Reader, fleet: Fleet, named: t.Collection[str]) -> list[str]:
    """Trust domains of former peers whose roots an istiod of the cluster still has: their calls must stay refused.

    Of roots that somebody else gave istiod nothing is said: only peers that this fleet made a policy for are meant.

    Args:
        named: the domains of the peers that there are.
    """
    former = (await _guarded(kube, fleet)).difference(named) if not kube.absent else set()
    if not former:
        return []
    trusted: set[str] = set()
    for config in await kube.list("v1", "ConfigMap", namespace=fleet.namespace):
        name, text = config["metadata"]["name"], (config.get("data") or {}).get("mesh")
        # One for each revision.
        if text and (name == "istio" or name.startswith("istio-")):
            trusted |= _domains(text)
    return sorted(former & trusted)


async def refuse_foreign(kube: Kube, fleet: Fleet, objects: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Nobody else's objects are made ours: they would go with the federation. ``mesh_take_over`` consents to it.

    Raises:
        FleetError: one has the name of an object of ours.
    """
    if kube.take_over or kube.absent or recording() is not None:
        return
    ours: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for obj in objects:
        kind, meta = (obj["apiVersion"], obj["kind"]), obj["metadata"]
        if kind not in ours:
            listed = await kube.list(*kind, labels=owner_labels(PART, fleet.name))
            ours[kind] = {(one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in listed}
        if (meta["namespace"], meta["name"]) in ours[kind]:
            continue
        live = await kube.get(*kind, meta["name"], meta["namespace"])
        if live is not None and not has_our_labels(live, fleet.name, PART):
            means = "what protects a federation has this name, and nothing of theirs is overwritten"
            raise not_ours(kube.cluster, obj, live, means)


async def _guarded(kube: Reader, fleet: Fleet) -> set[str]:
    """The trust domains for which a policy of this fleet is there."""
    listed = await kube.list(*_POLICY, namespace=fleet.namespace, labels=owner_labels(PART, fleet.name))
    names = (str(one["metadata"]["name"]) for one in listed)
    return {name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)}


def _domains(text: str) -> set[str]:
    """The trust domains of the roots that a mesh's configuration adds to its own (``caCertificates``)."""
    try:
        found = yaml.safe_load(text)
        entries = found.get("caCertificates") or []
        return {str(domain) for entry in entries for domain in entry.get("trustDomains") or []}
    except (yaml.YAMLError, AttributeError, TypeError):
        return set()
