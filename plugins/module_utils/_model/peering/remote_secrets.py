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

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..istio.ownership import MANAGED_BY, has_our_labels, is_former
from . import kubeconfig
from .token_ends import Life, life_of, renew_below

__all__ = [
    "ACCOUNT",
    "Entry",
    "KeyPlan",
    "Peer",
    "ca_of_key",
    "decide",
    "life_of_entry",
    "owner_of",
    "read_entries",
    "unproven",
]

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
    former: bool
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
    other_cas: tuple[str, ...] = ()
    """Those that may be the right one too, where no certificate told which: see ``authorities.py``."""
    refusal: FleetError | None = None
    """Why no key with this address may be written."""


@dataclasses.dataclass(frozen=True)
class KeyPlan:
    """What the run does with one key, and why. ``home`` is the Secret that holds it, "" for a new key."""

    cluster: str
    action: str
    reason: str = ""
    home: str = ""
    needs_token: bool = False
    life: Life | None = None
    """Of the token that the key has after the run; None when that never ends, or is not known yet."""
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
    run_every: float = 0.0,
    refused: t.Container[str] = (),
) -> list[KeyPlan]:
    """Decide about each key of a watcher: one plan for each cluster in scope, sorted by name.

    Args:
        entries: the keys that the watcher holds.
        wanted: the clusters that it must watch; None for a cluster that could not be read, whose key stays as it is.
        unwanted: the clusters that it must not watch any more. A key of a cluster that is in neither is out of the
            run's scope and stays as it is.
        unnamed: the clusters whose key stays too, with a plan that says so, see ``scope.py``; but one that is watched
            by another name now goes, because istiod would count its endpoints twice.
        static: whether tokens must be without expiry.
        renew_before: seconds of validity that a bound token must have left.
        now: seconds since the epoch.
        run_every: seconds until the next scheduled run; see ``token_ends.py``.
        refused: tokens that the watched clusters do not accept, see :func:`unproven`.
    """
    need = _Need(static, renew_before, run_every, now, refused)
    by_cluster: dict[str, list[Entry]] = {}
    for entry in entries:
        by_cluster.setdefault(entry.cluster, []).append(entry)
    plans = []
    for name in sorted({*wanted, *by_cluster}):
        held = by_cluster.get(name, [])
        if name in wanted:
            peer = wanted[name]
            if peer is not None:
                plans.append(_wanted(peer, held, need))
        elif name in unwanted or name in unnamed:
            # Only keys of Secrets with our label are ever removed; for others' the caller warns.
            ours = [e for e in held if e.owner == OURS]
            today = "" if name in unwanted else _renamed(ours, wanted)
            if ours and name not in unwanted and not today:
                plans.append(KeyPlan(name, UNNAMED, "the inventory does not name this cluster", ours[0].home))
            elif ours:
                plans.append(
                    KeyPlan(
                        name,
                        REMOVE,
                        f"a former name of {today}" if today else "the graph has no such edge any more",
                        ours[0].home,
                        duplicates=tuple(e.home for e in ours[1:]),
                    )
                )
            else:
                plans.append(KeyPlan(name, PROVIDED, f"held by Secret {held[0].home}, not ours", held[0].home))
    return plans


def _renamed(ours: t.Iterable[Entry], wanted: t.Mapping[str, Peer | None]) -> str:
    """By which other name the cluster of these keys is watched; "" where that is not known."""
    for entry in ours:
        access = kubeconfig.parse(entry.text, entry.cluster)
        token = kubeconfig.read_token(access.token) if access else None
        for peer in wanted.values():
            if access is None or peer is None:
                continue
            same_account = token is not None and token.account_uid != "" and token.account_uid == peer.account_uid
            if same_account or (access.server == peer.server and _same_pem(access.ca, peer.ca)):
                return peer.cluster
    return ""


def unproven(entries: t.Iterable[Entry], wanted: t.Mapping[str, Peer | None]) -> dict[str, set[str]]:
    """By watched cluster, the live tokens whose claims are good: whether they are accepted, only that cluster knows."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        peer = wanted.get(entry.cluster)
        # The token Secret's own was proven when it was read, and any other one is replaced by it.
        if peer is None or peer.static_token or entry.owner == FOREIGN:
            continue
        access = kubeconfig.parse(entry.text, entry.cluster)
        token = kubeconfig.read_token(access.token) if access else None
        if access and token and (token.account, token.account_uid) == (peer.account, peer.account_uid):
            found.setdefault(entry.cluster, set()).add(access.token)
    return found


def life_of_entry(entry: Entry) -> Life | None:
    """Of the token of a live key; None when it never ends, or there is none."""
    access = kubeconfig.parse(entry.text, entry.cluster)
    return life_of(kubeconfig.read_token(access.token)) if access else None


@dataclasses.dataclass(frozen=True)
class _Need:
    """What tokens must be like, see :func:`decide`."""

    static: bool
    renew_before: float
    run_every: float
    now: float
    refused: t.Container[str] = dataclasses.field(repr=False)


def _wanted(peer: Peer, held: list[Entry], need: _Need) -> KeyPlan:
    foreign = [e for e in held if e.owner == FOREIGN]
    if foreign:
        # istiod would refuse a second Secret; a key of ours, if there is one, is removed.
        return KeyPlan(
            peer.cluster,
            PROVIDED,
            f"held by Secret {foreign[0].home}, not ours",
            foreign[0].home,
            life=life_of_entry(foreign[0]),
            duplicates=tuple(e.home for e in held if e.owner == OURS),
        )
    # istioctl's Secret is kept before ours: adopting it writes it, and that event makes istiod read it again
    # in case it had registered the duplicate.
    own = sorted(held, key=lambda e: (e.owner != ISTIOCTL, e.home))
    if not own:
        return KeyPlan(peer.cluster, ADD, "new edge", needs_token=not need.static, life=_static_life(peer))
    home, spare = own[0], tuple(e.home for e in own[1:])
    access = kubeconfig.parse(home.text, peer.cluster)
    reason, new_token = _stale(access, peer, need)
    if reason:
        life = _static_life(peer) if new_token else life_of_entry(home)
        return KeyPlan(peer.cluster, RENEW, reason, home.home, new_token and not need.static, life, spare)
    action = ADOPT if home.owner == ISTIOCTL or home.former or spare else KEEP
    why = f"made by istioctl, adopted in place as Secret {home.home}" if home.owner == ISTIOCTL else ""
    if home.former:
        why = "recorded as this fleet's"
    if spare:
        why = f"{why}; " if why else ""
        why += f"also in {', '.join(spare)}"
    return KeyPlan(peer.cluster, action, why, home.home, life=life_of_entry(home), duplicates=spare)


def ca_of_key(peer: Peer, access: kubeconfig.RemoteAccess | None) -> str:
    """The CA that a key gets: the cluster's, or its own while nothing shows that this one is wrong for its address.

    Without the second, keys would change to and fro with what the controller happens to reach.
    """
    if access is None or access.server != peer.server:
        return peer.ca
    return access.ca if any(_same_pem(access.ca, one) for one in peer.other_cas) else peer.ca


def _static_life(peer: Peer) -> Life | None:
    return life_of(kubeconfig.read_token(peer.static_token))


def _stale(access: kubeconfig.RemoteAccess | None, peer: Peer, need: _Need) -> tuple[str, bool]:
    """Why a live key must be written again ("" if it need not), and whether it needs a new token."""
    if access is None:
        return "its kubeconfig cannot be read", True
    token = kubeconfig.read_token(access.token)
    if token is None or token.account != peer.account:
        return f"its token is not one of {peer.account}", True
    if token.account_uid != peer.account_uid:
        return f"{peer.account} was recreated, which ended its token", True
    if access.checked_otherwise or not _same_pem(access.ca, ca_of_key(peer, access)):
        return "the cluster's CA has changed", True
    life = life_of(token)
    if need.static:
        if access.token != peer.static_token:
            return "its token is not that of the token Secret", True
    elif life is None:
        return "its token never expires, and peering_token is bound", True
    elif life.ends - need.now < renew_below(life, need.renew_before, need.run_every):
        left = life.ends - need.now
        return ("its token has expired" if left <= 0 else f"its token ends in {left / 3600:.0f} h"), True
    if access.token in need.refused:
        return "the cluster refuses its token", True
    if access.server != peer.server or access.tls_server_name != peer.tls_server_name:
        return f"the API address was {access.server}", False
    return "", False


def _same_pem(one: str, other: str) -> bool:
    """Whether two CAs in base64 are the same PEM: istioctl and the API may differ in white space."""
    try:
        return base64.b64decode(one).split() == base64.b64decode(other).split()
    except ValueError:
        return False
