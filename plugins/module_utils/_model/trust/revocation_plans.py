# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters get which revocation lists, and which new chains wait until lists for them are there."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import typing as t

from ...errors import FleetError
from .decisions import ClusterTrust
from .own_lists import SIGNED_HERE
from .revocation import (
    Authorities,
    Revocations,
    authorities,
    crl_days,
    is_fit,
    judge,
    key_of,
    parse_crls,
    signed_by,
    uncovered,
)
from .signing_chain import CRL, SigningChain

if t.TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "URGENT_DAYS",
    "CrlPlan",
    "apart_from",
    "held_lists",
    "left_alone",
    "limited_chains",
    "plan_crls",
    "unreached_chains",
    "waiting_chains",
    "with_lists",
]

URGENT_DAYS = 14
"""With fewer left, a renewal waits for no cluster that cannot be written: its own calls would fail soon."""

UNTIL_READ = datetime.timedelta(minutes=1)
"""Until the kubelet has brought a list to proxies, and more than what the answer's whole seconds hide of a clock."""


@dataclasses.dataclass
class CrlPlan:
    """What is written to clusters because of the CRLs that are given."""

    writes: dict[str, SigningChain] = dataclasses.field(default_factory=dict)
    """By cluster, what its Secret holds then; only where it differs, or its chain is new."""
    warnings: list[str] = dataclasses.field(default_factory=list)
    days: int | None = None
    """Until the first CRL ends, of those that are given, else of those in the clusters; None when none does."""
    listed: set[str] = dataclasses.field(default_factory=set)
    """Clusters of ``writes`` whose CRLs are other ones than before."""
    refused: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """Clusters that get nothing, and why. The others do: their lists would end else."""


def waiting_chains(
    given: t.Mapping[str, str], known: t.Mapping[str, ClusterTrust], chains: t.Mapping[str, SigningChain]
) -> dict[str, FleetError]:
    """By cluster, why a chain that was signed now is not written: CRLs are in use, and one of its CAs has none.

    Args:
        given: the CRLs that are given, PEM by the name that errors give them. Without any, those in the clusters count.
        known: what clusters hold now.
        chains: by cluster, what was signed now.

    Raises:
        FleetError: what is given cannot be read.
    """
    if not chains:
        return {}
    held = {name: (live.data or {}).get(CRL, "").strip() for name, live in known.items()}
    texts = dict(given) or {f"Secret cacerts of {name}": text for name, text in held.items() if text}
    lists: dict[str, list[x509.CertificateRevocationList]] = {}
    for what, text in texts.items():
        try:
            lists[what] = parse_crls(text, what=what)
        except FleetError:
            if given:
                raise
            lists[what] = []  # istiod would not take a chain beside it either
    if given:
        lists = {"trust_crl": [crl for found in lists.values() for crl in found]}
    waiting = {}
    for name, chain in chains.items():
        for what, crls in lists.items():
            if missing := uncovered(crls, authorities([chain])):
                waiting[name] = FleetError(
                    "its new intermediate CA has no certificate revocation list",
                    cluster=name,
                    obj=what,
                    seen=f"none of {'; '.join(ca.subject.rfc4514_string() for ca in missing)} is in it",
                    means="istiod would not load the chain, and proxies that have CRLs refuse every call whose chain "
                    "has a CA without one",
                    next_step="name generated in trust_crl, so that the run signs one; or, with trust_root: external, "
                    "sign an empty one with the key beside the request and add it to trust_crl (roles/trust/README.md)",
                )
                break
    return waiting


def limited_chains(
    others: t.Mapping[str, ClusterTrust], play: t.Iterable[str], chains: t.Mapping[str, SigningChain]
) -> dict[str, FleetError]:
    """By cluster, why a chain that was signed now is not written: other clusters' CRLs, not written now, lack its CA.

    Args:
        others: the primaries outside the play.
        play: the clusters of the play, which get the list of a new CA.
        chains: by cluster, what was signed now.
    """
    lists = {name: held_lists(found) for name, found in others.items()} if chains else {}
    waiting = {}
    for name, chain in chains.items():
        known = authorities([chain])
        if lacking := [other for other, crls in lists.items() if crls and uncovered(crls, known)]:
            waiting[name] = FleetError(
                "clusters outside the play have no certificate revocation list of its new intermediate CA",
                cluster=name,
                obj="--limit",
                seen=f"cacerts of {', '.join(lacking)} has lists, and none of that CA",
                means="their proxies would refuse every call whose chain has it",
                next_step=f"run again without --limit, or with --limit {','.join([*play, *lacking])}: the run then "
                "writes the list to each",
            )
    return waiting


def unreached_chains(
    unreached: t.Mapping[str, str], known: t.Mapping[str, ClusterTrust], chains: t.Mapping[str, SigningChain]
) -> dict[str, FleetError]:
    """By cluster, why a chain that was signed now had better wait: other clusters that get no lists lack its CA.

    Args:
        unreached: by cluster, why it gets no lists.
        known: what clusters hold now; who is not there did not answer, and may have lists.
        chains: by cluster, what was signed now.
    """
    lists = {name: held_lists(known[name]) for name in unreached if name in known} if chains else {}
    waiting = {}
    for name, chain in chains.items():
        cas = authorities([chain])
        lacking = [
            f"{other}: {why}"
            for other, why in unreached.items()
            if other != name and (other not in lists or (lists[other] and uncovered(lists[other], cas)))
        ]
        if lacking:
            waiting[name] = FleetError(
                "clusters that have revocation lists, or may have, do not get that of its new intermediate CA",
                cluster=name,
                obj="trust_crl",
                seen="; ".join(lacking),
                means="their proxies would refuse every call whose chain has it",
                next_step="mend what is said of these clusters and run again; what has fewer than "
                f"{URGENT_DAYS} days left is renewed in any case",
            )
    return waiting


def held_lists(found: ClusterTrust) -> list[x509.CertificateRevocationList]:
    """The lists that a cluster's istiod hands out: none of what cannot be read."""
    text = (found.data or {}).get(CRL, "").strip()
    with contextlib.suppress(FleetError):
        return parse_crls(text, what=CRL) if text else []
    return []


def with_lists(found: ClusterTrust, crl: str) -> SigningChain | None:
    """What a cluster holds, with other lists; None where it holds no chain, or these lack one of its CAs."""
    try:
        chain = SigningChain.from_data(found.data or {})
        missing = uncovered(parse_crls(crl, what=CRL), authorities([chain]))
    except FleetError:
        return None
    return None if missing else dataclasses.replace(chain, crl=crl)


def plan_crls(
    given: t.Mapping[str, str],
    live: t.Mapping[str, ClusterTrust],
    others: t.Mapping[str, ClusterTrust],
    unread: t.Mapping[str, FleetError],
    chains: t.Mapping[str, SigningChain],
    now: datetime.datetime,
    *,
    peers: bool = False,
) -> CrlPlan:
    """What is written to the clusters of the play, with the CRLs that are ``given``.

    Args:
        live: the clusters of the play.
        others: the other primaries of the mesh.
        unread: primaries that did not answer, or hold what is not usable.
        chains: by cluster, what was signed now and is written.
        peers: whether the mesh calls other meshes.

    Raises:
        FleetError: the CRLs are not fit, or a CA of the mesh has none. What is wrong with one cluster is in
            ``refused``.
    """
    if not given:
        return _what_is_there(live, chains, now)
    present: dict[str, SigningChain] = {}
    unread = dict(unread)
    for name, found in {**others, **live}.items():
        if found.data is None or name in unread:
            continue
        try:
            chain = SigningChain.from_data(found.data, tls_form=found.tls_form)
            authorities([chain])
        except FleetError as error:  # what is wrong there is told of that cluster, and the others go on
            unread[name] = error
        else:
            present[name] = chain
    whole = {**present, **chains}
    good = judge(given, whole, now, peers=peers, signed_here=SIGNED_HERE, silent=bool(unread))
    plan = CrlPlan(warnings=list(good.warnings), days=good.days)
    for name, found in live.items():
        if name not in whole or (name not in chains and found.data and found.data.get(CRL) == good.text):
            continue
        if reason := left_alone(found):
            plan.warnings.append(f"{name}: {reason}")
            continue
        plan.writes[name] = dataclasses.replace(whole[name], crl=good.text)
        plan.listed.add(name)
    plan.refused |= _not_begun(good, live, plan.writes, now)
    if unread:
        known = authorities([*present.values(), *chains.values()])
        for name, apart in _beside_silent(good, live, plan.writes, unread, known, now).items():
            if name in chains and live[name].data is not None and not held_lists(live[name]):
                # Its CA would end, and without lists its proxies refuse nobody.
                plan.writes[name] = dataclasses.replace(chains[name], crl="")
                plan.listed.discard(name)
                plan.warnings.append(f"{name}: {apart.what}; {apart.seen}; {apart.next_step}")
            else:
                plan.refused.setdefault(name, apart)
        silent = ", ".join(unread)
        plan.warnings.append(
            f"{silent}: did not answer, so it is not known whether each of its CAs has a CRL in trust_crl"
        )
    plan.writes = {name: chain for name, chain in plan.writes.items() if name not in plan.refused}
    plan.listed &= plan.writes.keys()
    return plan


def _what_is_there(
    live: t.Mapping[str, ClusterTrust], chains: t.Mapping[str, SigningChain], now: datetime.datetime
) -> CrlPlan:
    """Without given CRLs those in the clusters stay, until they end: so that is told from the first day on."""
    plan = CrlPlan({n: dataclasses.replace(c, crl=(live[n].data or {}).get(CRL, "")) for n, c in chains.items()})
    ends: dict[str, int] = {}
    for name, found in live.items():
        text = "" if found.owner else (found.data or {}).get(CRL, "").strip()  # another owner's are not ours to renew
        with contextlib.suppress(FleetError):  # istiod does not start with what cannot be read, and verify tells it
            left = crl_days(parse_crls(text, what=CRL), now) if text else None
            if left is not None:
                ends[name] = left
    if ends:
        plan.days = min(ends.values())
        end = f"ends in {plan.days} days" if plan.days >= 0 else f"ended {-plan.days} days ago"
        plan.warnings.append(
            f"cacerts of {', '.join(ends)}: no run renews its revocation lists, of which the first {end}, and proxies "
            "refuse every call whose chain has a CA with one that has ended: name generated, or newer ones, in "
            "trust_crl; or, to go without, take ca-crl.pem out of each cacerts and restart istiod (README.md of the "
            "role trust)"
        )
    return plan


def left_alone(found: ClusterTrust) -> str:
    """Why CRLs are not written to a cluster; "" when they are."""
    if found.tls_form:
        return (
            "no CRLs are written, because its cacerts has the form of kubernetes.io/tls, beside which istiod reads "
            "none: its proxies accept certificates that were revoked"
        )
    if found.owner and not found.take_over:
        return (
            f"no CRLs are written, because its cacerts is not this fleet's but of {found.owner}: write key ca-crl.pem "
            f"there, or run once with mesh_take_over: true for {found.cluster}"
        )
    return ""


def _not_begun(
    good: Revocations, live: t.Mapping[str, ClusterTrust], writes: t.Iterable[str], now: datetime.datetime
) -> dict[str, FleetError]:
    """By cluster, why nothing is written to it: by its clock a list has not begun, and its proxies would refuse calls.

    An earlier run may have signed that list, and refused the cluster.
    """
    begins = max((crl.last_update_utc for crl in parse_crls(good.text, what="trust_crl")), default=now)
    refused = {}
    for name in writes:
        there = now + live[name].ahead
        if begins > there + UNTIL_READ:
            refused[name] = FleetError(
                "by its clock a certificate revocation list is not valid yet",
                cluster=name,
                obj="API server",
                seen=f"its clock says {there:%Y-%m-%d %H:%M} UTC; the list begins at {begins:%Y-%m-%d %H:%M}",
                means="its proxies would refuse every call whose chain has the CA of that list",
                next_step="set the clock of its nodes by NTP, and that of the CA if it is ahead; then run again",
            )
    return refused


def _beside_silent(
    good: Revocations,
    live: t.Mapping[str, ClusterTrust],
    writes: t.Iterable[str],
    unread: t.Mapping[str, FleetError],
    known: Authorities,
    now: datetime.datetime,
) -> dict[str, FleetError]:
    """By cluster, why nothing is written to it: that could part a cluster which did not answer from it.

    A list of a CA that is not ``known`` may be of one of its CAs, and stays. Without one that has ended no call is
    lost: proxies refuse it beside that list too.
    """
    refused = {}
    after = {key_of(crl) for crl in parse_crls(good.text, what="trust_crl")}
    for name in writes:
        held = held_lists(live[name])
        unknown = [crl for crl in held if not any(signed_by(crl, ca) for ca in known.values())]
        if not held or {key_of(crl) for crl in unknown if is_fit(crl, now)} - after:
            refused[name] = apart_from(unread, name, first=not held)
    return refused


def apart_from(unread: t.Mapping[str, FleetError], cluster: str, *, first: bool) -> FleetError:
    """Why a cluster gets no lists beside primaries that did not answer; ``first``: it has none yet."""
    return FleetError(
        f"no {'first' if first else 'other'} CRLs are written to it as long as a primary does not answer",
        cluster=cluster,
        obj="trust_crl",
        seen="; ".join(f"{name}: {error.what}" for name, error in unread.items()),
        means="the CAs of that primary are not known, and proxies with CRLs refuse every call whose chain has a CA "
        "without one",
        next_step="make every primary of the inventory reachable and run again; clusters that have lists get newer "
        "ones of the same CAs in any case",
    )
