# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn the plans for a watcher's keys into Secrets, in the order in which they must be written."""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from ...metadata import annotations_of
from ..istio.ownership import owner_labels
from . import kubeconfig
from .remote_secrets import (
    ADD,
    ADOPT,
    ANNOTATION,
    KEEP,
    LABEL,
    OURS,
    PROVIDED,
    REMOVE,
    UNNAMED,
    KeyPlan,
    Peer,
    ca_of_key,
    owner_of,
)

__all__ = ["BUNDLE", "SOFT_LIMIT", "Writes", "compose"]

BUNDLE = "istio-remote-secrets"
RESOLVED = "mesh.fleet/duplicates-resolved"
SOFT_LIMIT = 900 * 1024
"""Bytes of kubeconfigs up to which a Secret accepts a further key (Kubernetes refuses 1 MiB)."""


@dataclasses.dataclass(frozen=True)
class Writes:
    """The Secrets to apply and the names of those to delete, in the order of the fields."""

    first: list[dict[str, t.Any]] = dataclasses.field(repr=False)
    """Secrets that only lose duplicates, that is keys that another Secret holds too."""
    delete_first: list[str]
    apply: list[dict[str, t.Any]] = dataclasses.field(repr=False)
    delete: list[str]


def compose(
    secrets: t.Iterable[t.Mapping[str, t.Any]],
    plans: t.Iterable[KeyPlan],
    peers: t.Mapping[str, Peer],
    tokens: t.Mapping[str, str],
    *,
    namespace: str,
    fleet: str,
    part_of: str = "peering",
    now: str = "",
    soft_limit: int = SOFT_LIMIT,
) -> Writes:
    """Turn plans into Secrets.

    Args:
        secrets: the watcher's live Secrets.
        plans: from :func:`decide`.
        peers: the watched clusters.
        tokens: new tokens by cluster; a key that needs none keeps its own.
        namespace: istiod's.
        fleet: its name, which the Secrets carry.
        now: value of an annotation where duplicates were removed, so that istiod sees an event.
        soft_limit: bytes up to which a Secret gets new keys; a further key gets another Secret.
    """
    live = {str(s["metadata"]["name"]): s for s in secrets}
    data: dict[str, dict[str, str]] = {name: dict(s.get("data") or {}) for name, s in live.items()}
    touched: set[str] = set()
    losing: set[str] = set()
    resolved: set[str] = set()
    new: list[tuple[str, str]] = []
    for plan in plans:
        for spare in plan.duplicates:
            if owner_of(live[spare], fleet) != OURS:
                continue
            data[spare].pop(plan.cluster, None)
            losing.add(spare)
            if plan.action not in (REMOVE, PROVIDED):
                resolved.add(plan.home)
        if plan.action in (KEEP, PROVIDED, UNNAMED):
            continue
        if plan.action == REMOVE:
            data[plan.home].pop(plan.cluster, None)
            touched.add(plan.home)
            continue
        peer = peers[plan.cluster]
        if plan.action == ADOPT:
            touched.add(plan.home)
            continue
        value = _rendered(plan, peer, tokens, data)
        if plan.action == ADD:
            new.append((plan.cluster, value))
        else:
            data[plan.home][plan.cluster] = value
            touched.add(plan.home)
    for cluster, value in sorted(new):
        home = _place(data, live, len(value), soft_limit, fleet)
        data.setdefault(home, {})[cluster] = value
        touched.add(home)
    return _writes(
        live,
        data,
        touched | resolved,
        losing - touched - resolved,
        resolved,
        namespace,
        owner_labels(part_of, fleet),
        now,
    )


def _rendered(plan: KeyPlan, peer: Peer, tokens: t.Mapping[str, str], data: t.Mapping[str, t.Mapping[str, str]]) -> str:
    held = data.get(plan.home, {}).get(plan.cluster) or ""
    old = kubeconfig.parse(base64.b64decode(held).decode("utf-8", "replace"), plan.cluster)
    token = tokens.get(plan.cluster) or peer.static_token or (old.token if old else "")
    access = kubeconfig.RemoteAccess(plan.cluster, peer.server, ca_of_key(peer, old), token, peer.tls_server_name)
    return base64.b64encode(kubeconfig.render(access).encode()).decode()


def _place(
    data: t.Mapping[str, t.Mapping[str, str]], live: t.Mapping[str, t.Any], size: int, limit: int, fleet: str
) -> str:
    """The first of our Secrets with room: istio-remote-secrets, istio-remote-secrets-2, ..."""
    number = 1
    while True:
        name = BUNDLE if number == 1 else f"{BUNDLE}-{number}"
        foreign = name in live and owner_of(live[name], fleet) != OURS
        held = sum(len(value) * 3 // 4 for value in data.get(name, {}).values())
        if not foreign and (held + size * 3 // 4 <= limit or not data.get(name)):
            return name
        number += 1


def _writes(
    live: t.Mapping[str, t.Any],
    data: t.Mapping[str, dict[str, str]],
    touched: set[str],
    losing: set[str],
    resolved: set[str],
    namespace: str,
    owner: t.Mapping[str, str],
    now: str,
) -> Writes:
    def secret(name: str) -> dict[str, t.Any]:
        annotations = {ANNOTATION: ",".join(sorted(data[name]))}
        before = annotations_of(live.get(name))
        if name in resolved:
            annotations[RESOLVED] = now
        elif RESOLVED in before:
            annotations[RESOLVED] = before[RESOLVED]
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {LABEL: "true", **owner},
                "annotations": annotations,
            },
            "type": (live.get(name) or {}).get("type") or "Opaque",
            "data": {key: data[name][key] for key in sorted(data[name])},
        }

    # Secrets with resolved duplicates come last: istiod must see the loss of the duplicate before the event that
    # makes it read the Secret that keeps the key.
    return Writes(
        first=[secret(name) for name in sorted(losing) if data[name]],
        delete_first=sorted(name for name in losing if not data[name]),
        apply=[secret(name) for name in sorted(touched, key=lambda n: (n in resolved, n)) if data[name]],
        delete=sorted(name for name in touched if not data[name]),
    )
