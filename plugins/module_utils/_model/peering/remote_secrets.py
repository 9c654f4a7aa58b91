# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remote secrets of one watcher: what the cluster holds, and what a run does with each key.

istiod reads each key of each labelled Secret as one remote cluster, refuses a second Secret for a cluster
that it knows, and drops a cluster (for about 0.4 s, or until the next event) when its key leaves its Secret.
Therefore a key stays in the Secret in which it was found; only a new key may go to any of ours.
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from ...metadata import annotations_of, labels_of
from ..istio.ownership import MANAGED_BY, has_our_labels, is_former
from . import kubeconfig

__all__ = ["ACCOUNT", "Entry", "KeyPlan", "Peer", "decide", "owner_of", "read_entries"]

ACCOUNT = "istio-reader-service-account"
"""The service account, made by Istio's base chart, whose token the watchers use."""
ISTIOCTL_PREFIX = "istio-remote-secret-"
LABEL = "istio/multiCluster"
ANNOTATION = "networking.istio.io/cluster"

OURS = "ours"
ISTIOCTL = "istioctl"
FOREIGN = "foreign"

ADD = "add"
RENEW = "renew"
ADOPT = "adopt"
REMOVE = "remove"
KEEP = "keep"
PROVIDED = "provided"
"""Somebody else's Secret holds the key, and the run does not change it."""
UNNAMED = "unnamed"
"""The inventory does not name the cluster, and nobody said that it left: the key stays as it is."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One key of one live Secret."""

    cluster: str
    home: str
    owner: str
    text: str = dataclasses.field(repr=False)
    former: bool = False
    """Whether its Secret is of an earlier version of this collection, which recorded no fleet."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """What a watched cluster offers, read once for all its watchers."""

    cluster: str
    server: str
    ca: str
    account: str
    """``namespace/name`` of the service account whose token the watchers use."""
    account_uid: str
    tls_server_name: str = ""
    static_token: str = dataclasses.field(default="", repr=False)
    """The token Secret's token when ``peering_token`` is static, "" otherwise."""


@dataclasses.dataclass(frozen=True)
class KeyPlan:
    """What the run does with one key, and why. ``home`` is the Secret that holds it, "" for a new key."""

    cluster: str
    action: str
    reason: str = ""
    home: str = ""
    needs_token: bool = False
    expires: float | None = None
    duplicates: tuple[str, ...] = ()


def owner_of(secret: t.Mapping[str, t.Any], fleet: str) -> str:
    """Whose Secret it is: OURS, this fleet's or one that records no fleet; ISTIOCTL, only in the exact form that
    istioctl writes; FOREIGN for all others."""
    meta = secret.get("metadata") or {}
    labels, annotations = labels_of(secret), annotations_of(secret)
    if has_our_labels(secret, fleet) or is_former(secret):
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


def read_entries(secrets: t.Iterable[t.Mapping[str, t.Any]], fleet: str) -> list[Entry]:
    """Every key of the labelled Secrets of a watcher, in a stable order."""
    found = []
    for secret in sorted(secrets, key=lambda s: str(s["metadata"]["name"])):
        if labels_of(secret).get(LABEL) != "true":
            continue
        owner = owner_of(secret, fleet)
        for key, value in sorted((secret.get("data") or {}).items()):
            text = base64.b64decode(value or "").decode("utf-8", "replace")
            found.append(Entry(str(key), str(secret["metadata"]["name"]), owner, text, is_former(secret)))
    return found


def decide(
    entries: t.Iterable[Entry],
    wanted: t.Mapping[str, Peer | None],
    unwanted: t.Container[str],
    unnamed: t.Container[str] = (),
    *,
    static: bool,
    renew_before: float,
    now: float,
) -> list[KeyPlan]:
    """Decide about each key of a watcher: one plan for each cluster in scope, sorted by name.

    Args:
        entries: the keys that the watcher holds.
        wanted: the clusters that it must watch; None for a cluster that could not be read, whose key stays as it is.
        unwanted: the clusters that it must not watch any more. A key of a cluster that is in neither is out of the
            run's scope and stays as it is.
        unnamed: the clusters whose key stays too, with a plan that says so, see ``scope.py``.
        static: whether tokens must be without expiry.
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
        elif name in unwanted or name in unnamed:
            # Only keys of Secrets with our label are ever removed; for others' the caller warns.
            ours = [e for e in held if e.owner == OURS]
            if ours and name not in unwanted:
                plans.append(KeyPlan(name, UNNAMED, "the inventory does not name this cluster", ours[0].home))
            elif ours:
                plans.append(
                    KeyPlan(
                        name,
                        REMOVE,
                        "the graph has no such edge any more",
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
        # istiod would refuse a second Secret; a key of ours, if there is one, is removed.
        return KeyPlan(
            peer.cluster,
            PROVIDED,
            f"held by Secret {foreign[0].home}, not ours",
            foreign[0].home,
            expires=_expiry(foreign[0], peer),
            duplicates=tuple(e.home for e in held if e.owner == OURS),
        )
    # istioctl's Secret is kept before ours: adopting it writes it, and that event makes istiod read it again
    # in case it had registered the duplicate.
    own = sorted(held, key=lambda e: (e.owner != ISTIOCTL, e.home))
    if not own:
        return KeyPlan(peer.cluster, ADD, "new edge", needs_token=not static)
    home, spare = own[0], tuple(e.home for e in own[1:])
    access = kubeconfig.parse(home.text, peer.cluster)
    reason, new_token = _stale(access, peer, static, renew_before, now)
    if reason:
        return KeyPlan(peer.cluster, RENEW, reason, home.home, new_token and not static, _expiry(home, peer), spare)
    action = ADOPT if home.owner == ISTIOCTL or home.former or spare else KEEP
    why = f"made by istioctl, adopted in place as Secret {home.home}" if home.owner == ISTIOCTL else ""
    if home.former:
        why = "recorded as this fleet's"
    if spare:
        why = f"{why}; " if why else ""
        why += f"also in {', '.join(spare)}"
    return KeyPlan(peer.cluster, action, why, home.home, expires=_expiry(home, peer), duplicates=spare)


def _expiry(entry: Entry, peer: Peer) -> float | None:
    access = kubeconfig.parse(entry.text, peer.cluster)
    token = kubeconfig.read_token(access.token) if access else None
    return token.expires if token else None


def _stale(
    access: kubeconfig.RemoteAccess | None, peer: Peer, static: bool, renew_before: float, now: float
) -> tuple[str, bool]:
    """Why a live key must be written again ("" if it need not), and whether it needs a new token."""
    if access is None:
        return "its kubeconfig cannot be read", True
    token = kubeconfig.read_token(access.token)
    if token is None or token.account != peer.account:
        return f"its token is not one of {peer.account}", True
    if token.account_uid != peer.account_uid:
        return f"{peer.account} was recreated, which ended its token", True
    if not _same_pem(access.ca, peer.ca):
        return "the cluster's CA has changed", True
    if static:
        if access.token != peer.static_token:
            return "its token is not that of the token Secret", True
    elif token.expires is None:
        return "its token never expires, and peering_token is bound", True
    elif token.expires - now < _due(token, renew_before):
        left = token.expires - now
        return ("its token has expired" if left <= 0 else f"its token ends in {left / 3600:.0f} h"), True
    if access.server != peer.server or access.tls_server_name != peer.tls_server_name:
        return f"the API address was {access.server}", False
    return "", False


def _due(token: kubeconfig.Token, renew_before: float) -> float:
    """Seconds of validity below which a token is renewed.

    At most a third of its life: if the API server shortens tokens, not every run must renew them.
    """
    if token.issued is None or token.expires is None:
        return renew_before
    return min(renew_before, (token.expires - token.issued) / 3)


def _same_pem(one: str, other: str) -> bool:
    """Whether two CAs in base64 are the same PEM: istioctl and the API may differ in white space."""
    try:
        return base64.b64decode(one).split() == base64.b64decode(other).split()
    except ValueError:
        return False
