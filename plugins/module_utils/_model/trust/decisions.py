# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happens to each cluster's intermediate CA: issue, renew, keep or refuse; and how it is issued."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ...errors import FleetError
from .certificates import (
    BACKDATE,
    Authority,
    Policy,
    certificate_pem,
    days_left,
    fingerprint,
    key_pem,
    make_intermediate,
    new_key,
    parse_certificates,
    short,
)
from .signing_chain import CERT, ROOT, SigningChain, verify_chain

if t.TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "ISSUE",
    "KEEP",
    "MAX_SKEW",
    "RENEW",
    "ClusterTrust",
    "Decision",
    "bundle_with",
    "decide",
    "duration",
    "issue",
    "same_time",
    "summary",
]

KEEP = "keep"
ISSUE = "issue"
RENEW = "renew"
# Half of what certificates are backdated by; istiod backdates those of workloads by 2 minutes.
MAX_SKEW = BACKDATE / 2
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_DELETE = "check who made it; to get a new one, delete the Secret and run again"


@dataclasses.dataclass(frozen=True)
class ClusterTrust:
    """What a cluster holds now. ``data``: Secret ``cacerts`` as istiod reads it, decoded; None when there is none."""

    cluster: str
    data: t.Mapping[str, str] | None = dataclasses.field(default=None, repr=False)
    owner: str = ""
    """Whose the Secret is, in words; "" where it is this fleet's, and where there is none."""
    take_over: bool = False
    """Whether the user consents that what is somebody else's becomes this fleet's."""
    istiod: bool = False
    """Whether an istiod is installed."""
    ahead: datetime.timedelta = datetime.timedelta()
    """By how much its clock is ahead of the controller's; negative when it is behind."""
    published_root: str = ""
    """PEM of the ConfigMap ``istio-ca-root-cert``: the roots that live proxies trust."""
    tls_form: bool = False
    """Whether the Secret has the names of type ``kubernetes.io/tls``; ``data`` has Istio's in any case."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """What the run does for one cluster."""

    cluster: str
    action: str
    days: int | None = None
    """Days until the present intermediate CA ends; None when there is none."""
    fingerprint: str = ""
    """SHA-256 of the present intermediate CA; "" when there is none."""
    warning: str = ""


def duration(text: str, *, name: str) -> datetime.timedelta:
    """``30d``, ``12h``, ``90m``, or a sum of them such as ``1d12h``.

    Raises:
        FleetError: another form, or zero.
    """
    parts = re.findall(r"(\d+)([dhm])", text)
    if not parts or "".join(n + u for n, u in parts) != text or not any(int(n) for n, _unit in parts):
        raise FleetError(f"{name} is not a length of time", seen=text, next_step="write it as 30d, 12h or 90m")
    try:
        return sum((datetime.timedelta(**{_UNITS[u]: int(n)}) for n, u in parts), datetime.timedelta())
    except OverflowError:
        raise FleetError(f"{name} is too long", seen=text, next_step="use at most 36500d") from None


def decide(live: ClusterTrust, root: x509.Certificate, policy: Policy) -> Decision:
    """Whether a cluster's intermediate CA is issued, renewed or kept.

    Raises:
        FleetError: the cluster's certificates are not usable, or a change would break its mesh; with fingerprints.
    """
    try:
        if live.data is None:
            _no_other_root(live, root)
            decision = Decision(live.cluster, ISSUE)
        else:
            decision = _existing(live, live.data, root, policy)
            if decision.action == RENEW and (live.tls_form or (live.owner and not live.take_over)):
                decision = _not_ours_to_renew(live, decision)
        if decision.action != KEEP:
            same_time(live)
        return decision
    except FleetError as error:
        error.cluster = live.cluster
        error.obj = error.obj or f"Secret {policy.namespace}/cacerts"
        raise


def _not_ours_to_renew(live: ClusterTrust, due: Decision) -> Decision:
    """Keep what another tool has to renew, and say so. Raises FleetError when it has ended already."""
    if live.tls_form:
        # Whatever we would write beside tls.crt, istiod would not look at.
        whose = f"in the form of kubernetes.io/tls{f', of {live.owner}' if live.owner else ''}"
        step = (
            "have cert-manager, or whoever wrote tls.crt, renew it; or save a copy of the Secret, delete it and run "
            "again: this fleet's root then signs a new one"
        )
    else:
        whose = f"of {live.owner}"
        step = (
            f"have {live.owner} renew it; or run once with mesh_take_over: true for {live.cluster}: it is then renewed "
            "from this fleet's root, and later runs keep it so"
        )
    days = due.days or 0
    if days < 0:
        raise FleetError(
            "its intermediate CA has ended, and it is not this fleet's to renew",
            seen=f"it is {whose}, and ended {-days} days ago",
            means="istiod signs nothing that proxies accept",
            next_step=step,
        )
    warning = (
        f"{live.cluster}: its intermediate CA ends in {days} days, and was left as it is because it is not this "
        f"fleet's but {whose}; {step}"
    )
    return dataclasses.replace(due, action=KEEP, warning=warning)


def same_time(live: ClusterTrust) -> None:
    """Refuse to sign where what is signed now would not be valid yet. Raises FleetError naming the difference."""
    if abs(live.ahead) <= MAX_SKEW:
        return
    minutes = int(abs(live.ahead) / datetime.timedelta(minutes=1))
    behind = live.ahead < datetime.timedelta()
    raise FleetError(
        "its clock differs from the controller's",
        cluster=live.cluster,
        obj="API server",
        seen=f"it is {minutes} minutes {'behind' if behind else 'ahead'}",
        means="what this controller signs now is not valid there yet: proxies would reject it"
        if behind
        else "what its istiod signs by its clock is not valid yet elsewhere: proxies of other clusters would reject it",
        next_step="set the clock by NTP, the controller's if all clusters differ from it, else that of this cluster's "
        "nodes; then run again",
    )


def _no_other_root(live: ClusterTrust, root: x509.Certificate) -> None:
    if not live.istiod or not live.published_root.strip():
        return
    trusted = parse_certificates(live.published_root, what="istio-ca-root-cert")
    if fingerprint(root) in {fingerprint(r) for r in trusted}:
        return
    raise FleetError(
        "a live istiod uses another root",
        obj="ConfigMap istio-ca-root-cert",
        seen=f"root SHA256 {', '.join(fingerprint(r) for r in trusted)}; the fleet's is {fingerprint(root)}",
        means="istiod started without cacerts and made its own root; replacing it at once would break every call",
        next_step="uninstall that istiod and restart its workloads afterwards, or rotate its root in steps",
    )


def _existing(live: ClusterTrust, data: t.Mapping[str, str], root: x509.Certificate, policy: Policy) -> Decision:
    try:
        chain = SigningChain.from_data(data, tls_form=live.tls_form)
        present = parse_certificates(chain.certificate, what=CERT)[0]
        # An expired certificate is renewed, not refused; everything else must be right.
        verify_chain(chain, root, dataclasses.replace(policy, now=min(policy.now, present.not_valid_after_utc)))
    except FleetError as error:
        error.next_step = error.next_step or _DELETE
        raise
    left = days_left(present, policy.now)
    end = present.not_valid_after_utc
    keep = Decision(live.cluster, KEEP, left, fingerprint(present))
    if end - policy.now > policy.renew_before:
        return keep
    # An intermediate CA ends with its root at the latest: renewing it at every run would gain nothing.
    gained = min(policy.now + policy.lifetime, root.not_valid_after_utc) - end
    if gained < datetime.timedelta(days=1) and end > policy.now:
        return dataclasses.replace(
            keep, warning=f"{live.cluster}: its intermediate CA ends with the root in {left} days: rotate the root"
        )
    return dataclasses.replace(keep, action=RENEW)


def issue(cluster: str, root: Authority, policy: Policy, *, present: t.Mapping[str, str] | None = None) -> SigningChain:
    """A new intermediate CA for ``cluster``, verified as istiod and the proxies do.

    Args:
        present: the live Secret's data: other roots in its bundle stay, since a rotation may be in progress.
    """
    key = new_key(policy.key_type)
    certificate = make_intermediate(root, key, cluster, policy)
    chain = SigningChain(
        certificate=certificate_pem(certificate),
        key=key_pem(key),
        root=bundle_with(root.certificate, (present or {}).get(ROOT, "")),
        chain=certificate_pem(certificate, root.certificate),
    )
    verify_chain(chain, root.certificate, policy)
    return chain


def bundle_with(root: x509.Certificate, present: str) -> str:
    """``present`` unchanged when it lists ``root`` already, else ``root`` alone.

    istiod compares the file byte by byte: the same roots in another form would count as another root.
    """
    if present.strip() and fingerprint(root) in {fingerprint(c) for c in parse_certificates(present)}:
        return present
    return certificate_pem(root)


def summary(root: x509.Certificate | None, decisions: t.Sequence[Decision], *, failed: int, planned: bool) -> str:
    """The stage's line, such as ``root SHA256 9f:3c…  west renewed (11 days left) · 3 unchanged``.

    Args:
        root: None when it is not made (yet).
        planned: whether this is check mode, which changes nothing.
    """
    issued, renewed = ("would be signed", "would be renewed") if planned else ("signed", "renewed")
    parts = []
    new = [d.cluster for d in decisions if d.action == ISSUE]
    if len(new) > 4:
        parts.append(f"{len(new)} {issued}")
    elif new:
        parts.append(f"{', '.join(new)} {issued}")
    for decision in decisions:
        if decision.action == RENEW:
            left = f"{decision.days} days left" if (decision.days or 0) >= 0 else "it had expired"
            parts.append(f"{decision.cluster} {renewed} ({left})")
    kept = sum(d.action == KEEP for d in decisions)
    if kept:
        parts.append(f"{kept} unchanged")
    if failed:
        parts.append(f"{failed} failed")
    none = "root would be made" if planned else "no root made"
    head = f"root SHA256 {short(root)}" if root is not None else none
    return f"{head}  {' · '.join(parts) or 'no primary in this play'}"
