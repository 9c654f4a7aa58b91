# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remote secrets of one watching cluster: what is there, what should be, and the writes between the two.

istiod takes each key of each labelled Secret as one remote cluster, refuses a second Secret for a cluster
that it knows, and drops a cluster (for about 0.4 s, or until the next event) when its key leaves its Secret.
So a key stays in the Secret where it was found, and only new keys choose a place.
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from . import remote_kubeconfig as rk

__all__ = ["Entry", "KeyPlan", "Peer", "Writes", "compose", "decide", "read_entries"]

BUNDLE = "istio-remote-secrets"
ISTIOCTL_PREFIX = "istio-remote-secret-"
LABEL = "istio/multiCluster"
ANNOTATION = "networking.istio.io/cluster"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "mesh.fleet"
RESOLVED = "mesh.fleet/duplicates-resolved"
SOFT_LIMIT = 900 * 1024
"""Bytes of kubeconfigs up to which a Secret accepts a further key (Kubernetes refuses 1 MiB)."""

OURS = "ours"
ISTIOCTL = "istioctl"
FOREIGN = "foreign"

ADD = "add"
RENEW = "renew"
ADOPT = "adopt"
REMOVE = "remove"
KEEP = "keep"
PROVIDED = "provided"
"""Somebody else's Secret holds the key: left alone."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One key of one live Secret."""

    cluster: str
    home: str
    owner: str
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Peer:
    """What a watched cluster offers, read once for all its watchers."""

    cluster: str
    server: str
    ca: str
    account: str
    """``namespace/name`` of the account whose token is handed out."""
    account_uid: str
    tls_server_name: str = ""
    static_token: str = dataclasses.field(default="", repr=False)
    """The token Secret's token when ``peering_token`` is static, "" otherwise."""


@dataclasses.dataclass(frozen=True)
class KeyPlan:
    """What happens to one edge, and why. ``home`` is "" for a key that has no place yet."""

    cluster: str
    action: str
    reason: str = ""
    home: str = ""
    needs_token: bool = False
    expires: float | None = None
    duplicates: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Writes:
    """The Secrets to apply, in this order, and then the names of those to delete."""

    first: list[dict[str, t.Any]] = dataclasses.field(repr=False)
    """Secrets that only lose keys another Secret holds as well: written (or deleted) before ``apply``."""
    delete_first: list[str]
    apply: list[dict[str, t.Any]] = dataclasses.field(repr=False)
    delete: list[str]


def owner_of(secret: t.Mapping[str, t.Any]) -> str:
    """Whose Secret it is. Only istioctl's exact shape counts as istioctl's; anything unknown is foreign."""
    meta = secret.get("metadata") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if labels.get(MANAGED_BY) == MANAGER:
        return OURS
    keys = sorted(secret.get("data") or {})
    if (
        len(keys) == 1
        and meta.get("name") == ISTIOCTL_PREFIX + keys[0]
        and annotations.get(ANNOTATION) == keys[0]
        and MANAGED_BY not in labels
        and not meta.get("ownerReferences")
        and "istio.io/owned-by" not in {**labels, **annotations}
    ):
        return ISTIOCTL
    return FOREIGN


def read_entries(secrets: t.Iterable[t.Mapping[str, t.Any]]) -> list[Entry]:
    """Every key of the labelled Secrets of a watcher, in a stable order."""
    found = []
    for secret in sorted(secrets, key=lambda s: str(s["metadata"]["name"])):
        if ((secret.get("metadata") or {}).get("labels") or {}).get(LABEL) != "true":
            continue
        owner = owner_of(secret)
        for key, value in sorted((secret.get("data") or {}).items()):
            text = base64.b64decode(value or "").decode("utf-8", "replace")
            found.append(Entry(str(key), str(secret["metadata"]["name"]), owner, text))
    return found


def decide(
    entries: t.Iterable[Entry],
    wanted: t.Mapping[str, Peer | None],
    unwanted: t.Container[str],
    *,
    static: bool,
    renew_before: float,
    now: float,
) -> list[KeyPlan]:
    """One plan per cluster that is wanted or present, sorted by name.

    Args:
        entries: what the watcher holds.
        wanted: clusters that this run gives the watcher; None when the cluster could not be read,
            which leaves its key as it is.
        unwanted: says which present clusters lose their edge in this run; those that are in neither
            are out of the run's scope and stay as they are.
        static: whether tokens without expiry are wanted.
        renew_before: seconds of validity that a bound token must have left.
        now: seconds since the epoch.
    """
    by_cluster: dict[str, list[Entry]] = {}
    for entry in entries:
        by_cluster.setdefault(entry.cluster, []).append(entry)
    plans = []
    for name in sorted({*wanted, *by_cluster}):
        held = by_cluster.get(name, [])
        if name in wanted:
            peer = wanted[name]
            if peer is not None:
                plans.append(_wanted(peer, held, static, renew_before, now))
        elif name in unwanted:
            # Only what carries our label is ever deleted; others' secrets are reported by the caller.
            ours = [e for e in held if e.owner == OURS]
            if ours:
                plans.append(
                    KeyPlan(
                        name,
                        REMOVE,
                        "no edge leads to it any more",
                        ours[0].home,
                        duplicates=tuple(e.home for e in ours[1:]),
                    )
                )
            elif held:
                plans.append(KeyPlan(name, PROVIDED, f"held by Secret {held[0].home}, not ours", held[0].home))
    return plans


def _wanted(peer: Peer, held: list[Entry], static: bool, renew_before: float, now: float) -> KeyPlan:
    foreign = [e for e in held if e.owner == FOREIGN]
    if foreign:
        # A second Secret would be refused by istiod; ours, if there is one, steps back.
        return KeyPlan(
            peer.cluster,
            PROVIDED,
            f"held by Secret {foreign[0].home}, not ours",
            foreign[0].home,
            expires=_expiry(foreign[0], peer),
            duplicates=tuple(e.home for e in held if e.owner == OURS),
        )
    # istioctl's Secret goes first: taking it over writes it, and that event makes istiod read it again
    # should the duplicate have been the one it had registered.
    own = sorted(held, key=lambda e: (e.owner != ISTIOCTL, e.home))
    if not own:
        return KeyPlan(peer.cluster, ADD, "new edge", needs_token=not static)
    home, spare = own[0], tuple(e.home for e in own[1:])
    access = rk.parse(home.text, peer.cluster)
    reason, new_token = _stale(access, peer, static, renew_before, now)
    if reason:
        return KeyPlan(peer.cluster, RENEW, reason, home.home, new_token and not static, _expiry(home, peer), spare)
    action = ADOPT if home.owner == ISTIOCTL or spare else KEEP
    why = f"made by istioctl, taken over in place as Secret {home.home}" if home.owner == ISTIOCTL else ""
    if spare:
        why = f"{why}; " if why else ""
        why += f"also in {', '.join(spare)}"
    return KeyPlan(peer.cluster, action, why, home.home, expires=_expiry(home, peer), duplicates=spare)


def _expiry(entry: Entry, peer: Peer) -> float | None:
    access = rk.parse(entry.text, peer.cluster)
    token = rk.read_token(access.token) if access else None
    return token.expires if token else None


def _stale(
    access: rk.RemoteAccess | None, peer: Peer, static: bool, renew_before: float, now: float
) -> tuple[str, bool]:
    """Why a live key must be written again ("" if it need not) and whether that takes another token."""
    if access is None:
        return "its kubeconfig cannot be read", True
    token = rk.read_token(access.token)
    if token is None or token.account != peer.account:
        return f"its token is not one of {peer.account}", True
    if token.account_uid != peer.account_uid:
        return f"{peer.account} was made anew, which ended its token", True
    if not _same_pem(access.ca, peer.ca):
        return "the cluster's CA has changed", True
    if static:
        if access.token != peer.static_token:
            return "its token is not that of the token Secret", True
    elif token.expires is None:
        return "its token never expires, a bound one is wanted", True
    elif token.expires - now < _due(token, renew_before):
        left = token.expires - now
        return ("its token has expired" if left <= 0 else f"its token ends in {left / 3600:.0f} h"), True
    if access.server != peer.server or access.tls_server_name != peer.tls_server_name:
        return f"the API address was {access.server}", False
    return "", False


def _due(token: rk.Token, renew_before: float) -> float:
    """Seconds left at which a token is due: a server that shortens tokens must not make every run renew them."""
    if token.issued is None or token.expires is None:
        return renew_before
    return min(renew_before, (token.expires - token.issued) / 3)


def _same_pem(one: str, other: str) -> bool:
    """istioctl and the API hold the same PEM; only surrounding white space may differ."""
    try:
        return base64.b64decode(one).split() == base64.b64decode(other).split()
    except ValueError:
        return False


def compose(
    secrets: t.Iterable[t.Mapping[str, t.Any]],
    plans: t.Iterable[KeyPlan],
    peers: t.Mapping[str, Peer],
    tokens: t.Mapping[str, str],
    *,
    namespace: str,
    part_of: str = "peering",
    now: str = "",
    soft_limit: int = SOFT_LIMIT,
) -> Writes:
    """Turn plans into Secrets.

    Args:
        secrets: the watcher's live Secrets.
        plans: what :func:`decide` said.
        peers: the watched clusters.
        tokens: new tokens by cluster; a key that needs none keeps its own.
        namespace: istiod's.
        now: written as annotation where duplicates were resolved, so that istiod sees an event.
        soft_limit: bytes a Secret may hold before a new key goes to the next one.
    """
    live = {str(s["metadata"]["name"]): s for s in secrets}
    data: dict[str, dict[str, str]] = {name: dict(s.get("data") or {}) for name, s in live.items()}
    touched: set[str] = set()
    losing: set[str] = set()
    resolved: set[str] = set()
    new: list[tuple[str, str]] = []
    for plan in plans:
        for spare in plan.duplicates:
            if plan.action == PROVIDED and owner_of(live[spare]) != OURS:
                continue
            data[spare].pop(plan.cluster, None)
            losing.add(spare)
            if plan.action not in (REMOVE, PROVIDED):
                resolved.add(plan.home)
        if plan.action in (KEEP, PROVIDED):
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
        home = _place(data, live, len(value), soft_limit)
        data.setdefault(home, {})[cluster] = value
        touched.add(home)
    return _writes(live, data, touched | resolved, losing - touched - resolved, resolved, namespace, part_of, now)


def _rendered(plan: KeyPlan, peer: Peer, tokens: t.Mapping[str, str], data: t.Mapping[str, t.Mapping[str, str]]) -> str:
    token = tokens.get(plan.cluster) or peer.static_token
    if not plan.needs_token and not token:
        old = rk.parse(base64.b64decode(data[plan.home][plan.cluster]).decode(), plan.cluster)
        token = old.token if old else ""
    access = rk.RemoteAccess(plan.cluster, peer.server, peer.ca, token, peer.tls_server_name)
    return base64.b64encode(rk.render(access).encode()).decode()


def _place(data: t.Mapping[str, t.Mapping[str, str]], live: t.Mapping[str, t.Any], size: int, limit: int) -> str:
    """The first of our bundles with room: istio-remote-secrets, -2, -3, ..."""
    number = 1
    while True:
        name = BUNDLE if number == 1 else f"{BUNDLE}-{number}"
        taken = name in live and owner_of(live[name]) != OURS
        held = sum(len(value) * 3 // 4 for value in data.get(name, {}).values())
        if not taken and (held + size * 3 // 4 <= limit or not data.get(name)):
            return name
        number += 1


def _writes(
    live: t.Mapping[str, t.Any],
    data: t.Mapping[str, dict[str, str]],
    touched: set[str],
    losing: set[str],
    resolved: set[str],
    namespace: str,
    part_of: str,
    now: str,
) -> Writes:
    def secret(name: str) -> dict[str, t.Any]:
        annotations = {ANNOTATION: ",".join(sorted(data[name]))}
        before = ((live.get(name) or {}).get("metadata") or {}).get("annotations") or {}
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
                "labels": {LABEL: "true", MANAGED_BY: MANAGER, "mesh.fleet/part-of": part_of},
                "annotations": annotations,
            },
            "type": (live.get(name) or {}).get("type") or "Opaque",
            "data": {key: data[name][key] for key in sorted(data[name])},
        }

    # A Secret that both loses a duplicate and is the new home of another key is written before the rest:
    # its loss must come before the event that makes istiod read the remaining home.
    return Writes(
        first=[secret(name) for name in sorted(losing) if data[name]],
        delete_first=sorted(name for name in losing if not data[name]),
        apply=[secret(name) for name in sorted(touched, key=lambda n: (n in resolved, n)) if data[name]],
        delete=sorted(name for name in touched if not data[name]),
    )
