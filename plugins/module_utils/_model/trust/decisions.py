# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One root for a mesh, one signer per cluster: what has to be signed, what stays, what is refused."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ...errors import FleetError
from .certificates import (
    Authority,
    certificate_pem,
    days_left,
    fingerprint,
    key_pem,
    make_intermediate,
    new_key,
    parse_certificates,
    short,
)
from .chain_checks import verify_chain
from .signing_chain import CERT, SigningChain

if t.TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "ISSUE",
    "KEEP",
    "RENEW",
    "ClusterTrust",
    "Decision",
    "Policy",
    "bundle_with",
    "decide",
    "duration",
    "sign",
    "summary",
]

KEEP = "keep"
ISSUE = "issue"
RENEW = "renew"
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_DELETE = "check who made it; to have a new one signed, delete the Secret and run again"


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the fleet wants of its certificates, and when it is asked."""

    trust_domain: str
    namespace: str
    revision: str
    now: datetime.datetime
    key_type: str = "ecdsa-p256"
    organization: str = "Istio"
    root_lifetime: datetime.timedelta = datetime.timedelta(days=3650)
    lifetime: datetime.timedelta = datetime.timedelta(days=730)
    renew_before: datetime.timedelta = datetime.timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class ClusterTrust:
    """What a cluster holds now. ``data``: the decoded Secret ``cacerts``, None when there is none."""

    cluster: str
    data: t.Mapping[str, str] | None = dataclasses.field(default=None, repr=False)
    ours: bool = False
    """The Secret carries this project's labels."""
    istiod: bool = False
    """An istiod is installed."""
    published_root: str = ""
    """PEM of the ConfigMap ``istio-ca-root-cert``: what the live mesh believes."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is to be done for a cluster, and why."""

    cluster: str
    action: str
    days: int | None = None
    """Days that the present intermediate has left; None when there is none."""
    fingerprint: str = ""
    """Of the present intermediate; after signing, of the new one."""
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


def decide(live: ClusterTrust, root: x509.Certificate, policy: Policy, *, made_now: bool = False) -> Decision:
    """Whether a cluster's signer stays, is made, or is renewed.

    Args:
        made_now: the root was made in this run, so nothing live can have come from it.

    Raises:
        FleetError: what is live cannot be used, or would be harmed; with fingerprints.
    """
    try:
        if live.data is None:
            _no_other_root(live, root)
            return Decision(live.cluster, ISSUE)
        return _existing(live, live.data, root, policy)
    except FleetError as error:
        error.cluster = live.cluster
        error.obj = error.obj or f"Secret {policy.namespace}/cacerts"
        if made_now and live.data is not None and live.ours:
            error.means = "it was signed by a root of this project whose key is not on this controller"
            error.next_step = "bring back the fleet's trust folder (trust_dir), or rotate the cluster's root"
        raise


def _no_other_root(live: ClusterTrust, root: x509.Certificate) -> None:
    if not live.istiod or not live.published_root.strip():
        return
    believed = parse_certificates(live.published_root, what="istio-ca-root-cert")
    if fingerprint(root) in {fingerprint(b) for b in believed}:
        return
    raise FleetError(
        "a live istiod uses another root",
        obj="ConfigMap istio-ca-root-cert",
        seen=f"root SHA256 {', '.join(fingerprint(b) for b in believed)}; the fleet's is {fingerprint(root)}",
        means="istiod started without cacerts and made a root of its own; a sudden change would cut every call",
        next_step="uninstall that istiod and restart its workloads afterwards, or rotate its root in steps",
    )


def _existing(live: ClusterTrust, data: t.Mapping[str, str], root: x509.Certificate, policy: Policy) -> Decision:
    try:
        chain = SigningChain.from_data(data)
        present = parse_certificates(chain.certificate, what=CERT)[0]
        # Expired is a reason to renew, not to refuse; everything else has to be right.
        at = min(policy.now, present.not_valid_after_utc)
        verify_chain(
            chain,
            root=root,
            trust_domain=policy.trust_domain,
            namespace=policy.namespace,
            revision=policy.revision,
            now=at,
        )
    except FleetError as error:
        error.next_step = error.next_step or _DELETE
        raise
    left = days_left(present, policy.now)
    end = present.not_valid_after_utc
    keep = Decision(live.cluster, KEEP, left, fingerprint(present))
    if end - policy.now > policy.renew_before:
        return keep
    # A signer ends with its root at the latest: renewing it at every run would gain nothing.
    gained = min(policy.now + policy.lifetime, root.not_valid_after_utc) - end
    if gained < datetime.timedelta(days=1) and end > policy.now:
        return dataclasses.replace(
            keep, warning=f"{live.cluster}: its signer ends with the root in {left} days: rotate the root"
        )
    return dataclasses.replace(keep, action=RENEW)


def sign(cluster: str, root: Authority, policy: Policy, *, present: t.Mapping[str, str] | None = None) -> SigningChain:
    """A new signer for ``cluster``, verified as istiod and the proxies will.

    Args:
        present: the live Secret's data: roots that it lists beside ours stay (a rotation may be under way).
    """
    key = new_key(policy.key_type)
    certificate = make_intermediate(
        root,
        key,
        cluster=cluster,
        namespace=policy.namespace,
        revision=policy.revision,
        organization=policy.organization,
        lifetime=policy.lifetime,
        now=policy.now,
    )
    chain = SigningChain(
        certificate=certificate_pem(certificate),
        key=key_pem(key),
        root=bundle_with(root.certificate, (present or {}).get("root-cert.pem", "")),
        chain=certificate_pem(certificate, root.certificate),
    )
    verify_chain(
        chain,
        root=root.certificate,
        trust_domain=policy.trust_domain,
        namespace=policy.namespace,
        revision=policy.revision,
        now=policy.now,
    )
    return chain


def bundle_with(root: x509.Certificate, present: str) -> str:
    """``present`` as it is when it lists ``root`` already, else ``root`` alone.

    istiod compares the file byte by byte: the same roots written differently would be "another root".
    """
    if present.strip() and fingerprint(root) in {fingerprint(c) for c in parse_certificates(present)}:
        return present
    return certificate_pem(root)


def summary(root: x509.Certificate | None, decisions: t.Sequence[Decision], *, failed: int, planned: bool) -> str:
    """The stage's line, such as ``root SHA256 9f:3c…  west renewed (11 days left) · 3 unchanged``.

    Args:
        root: None while it is still to be made.
        planned: check mode: what would be done.
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
    head = f"root SHA256 {short(root)}" if root is not None else "root would be made"
    return f"{head}  {' · '.join(parts) or 'no primary in this play'}"
