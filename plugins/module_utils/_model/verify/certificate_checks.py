# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of certificates: one root in all clusters and proxies, and time left on every certificate."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ...errors import FleetError
from ..trust.certificates import days_left, fingerprint, parse_certificates
from ..trust.revocation import LEAST_DAYS, Authorities, authorities, crl_days, parse_crls, uncovered
from ..trust.signing_chain import CERT, CHAIN, CRL, ROOT, SigningChain
from .facts import FAILED, OK, SKIPPED, Check, Facts, check_of

__all__ = ["certificate_checks"]


def certificate_checks(
    facts: t.Mapping[str, Facts],
    *,
    leaf_hours: int,
    signer_days: int,
    foreign: t.Container[str] = (),
    fleet_root: str = "",
) -> list[Check]:
    """One root everywhere (Secret, ConfigMap, live proxies), and time left on every certificate and revocation list.

    Proxies of clusters in ``foreign`` trust the roots of another CA, which has several and renews them by itself.

    Args:
        fleet_root: PEM of the fleet's root; "" where it is not known, so that no cluster's can be called wrong.
    """
    now = datetime.datetime.now(datetime.UTC)
    ours = {name: found for name, found in facts.items() if name not in foreign}
    checks = clock_checks(ours) + root_checks(ours, fleet_root) + crl_checks(ours, now)
    for name, found in facts.items():
        for group, text, least, unit in (
            ("intermediate CA", (found.cacerts or {}).get("ca-cert.pem", ""), signer_days, "days"),
            ("leaf", found.proxy_chain, leaf_hours, "hours"),
        ):
            if not text:
                continue
            try:
                first = parse_certificates(text)[0]
            except FleetError as error:
                checks.append(
                    Check(group, name, FAILED, error.what, (name,), "it is not a certificate", "run the trust stage")
                )
                continue
            hours = (first.not_valid_after_utc - now).total_seconds() / 3600
            left = days_left(first, now) if unit == "days" else int(hours)
            step = "run the trust stage" if group == "intermediate CA" else "see the proxy's log and istiod's"
            checks.append(
                check_of(
                    group,
                    name,
                    left >= least,
                    f"{left} {unit} left",
                    (name,),
                    "it expires soon and was not renewed",
                    f"{step} with --limit {name}" if group == "intermediate CA" else step,
                )
            )
    return checks


def crl_checks(facts: t.Mapping[str, Facts], now: datetime.datetime) -> list[Check]:
    """Whether revocation lists last, and cover every CA of these clusters. None where no cluster has any."""
    known: Authorities = {}
    for found in facts.values():
        data = found.cacerts or {}
        try:
            known |= authorities([SigningChain(data.get(CERT, ""), "", data.get(ROOT, ""), data.get(CHAIN, ""))])
        except FleetError:
            continue  # the check of its intermediate CA says so
    checks = []
    for name, found in facts.items():
        text = (found.cacerts or {}).get(CRL, "")
        if not text.strip():
            continue
        try:
            crls = parse_crls(text, what=CRL)
        except FleetError as error:
            good, seen = False, f"{error.what}: {error.seen}"
        else:
            left, missing = crl_days(crls, now), uncovered(crls, known)
            good = not missing and (left is None or left >= LEAST_DAYS)
            seen = f"{len(crls)}, without an end" if left is None else f"{len(crls)}, the first ends in {left} days"
            if missing:
                seen += f"; none of {'; '.join(ca.subject.rfc4514_string() for ca in missing)}"
        means = "proxies with CRLs refuse every call whose chain has a CA without one, or one that has ended"
        step = "have the CAs issue new ones, name them in trust_crl, and run the trust stage"
        checks.append(check_of("revocation lists", name, good, seen, (name,), means, step))
    return checks


_PLACES = ("Secret cacerts", "ConfigMap istio-ca-root-cert", "live proxy")


_GRACE = datetime.timedelta(minutes=2)
"""By so much istiod backdates the certificates of workloads."""


def clock_checks(facts: t.Mapping[str, Facts]) -> list[Check]:
    """Whether clocks agree: a certificate that istiod signs by its clock is valid at once in every cluster."""
    return [
        check_of(
            "clock",
            name,
            abs(found.ahead) <= _GRACE,
            f"{int(found.ahead.total_seconds()):+d} s from the controller's" if found.ahead else "as the controller's",
            (name,),
            "certificates signed by a clock that is ahead are not valid yet where another is behind: calls fail",
            "set the clock by NTP, the controller's if all clusters differ from it, else that of this cluster's nodes",
        )
        for name, found in facts.items()
    ]


def root_checks(facts: t.Mapping[str, Facts], fleet_root: str) -> list[Check]:
    """Whether each cluster has the fleet's root in all places. Which is the fleet's is never guessed by numbers."""
    places = {}
    for name, found in facts.items():
        texts = ((found.cacerts or {}).get("root-cert.pem", ""), found.root_config or "", found.proxy_roots)
        places[name] = {place: _roots(text) for place, text in zip(_PLACES, texts, strict=True) if text}
    wanted = _roots(fleet_root) if fleet_root else ""
    # A bundle that holds the fleet's root may hold others too, while a root is rotated: it is then the same everywhere.
    bundles = collections.Counter(r for found in places.values() for r in found.values() if wanted in r)
    if wanted:
        common = bundles.most_common(1)[0][0] if bundles else wanted
    else:
        common = next(iter(bundles)) if len(bundles) == 1 else ""
    return [_root_check(name, found, common, places, known=bool(wanted)) for name, found in places.items()]


def _root_check(
    name: str, found: dict[str, str], common: str, places: t.Mapping[str, dict[str, str]], *, known: bool
) -> Check:
    if not found:
        return Check("root", name, SKIPPED, "nothing to compare yet", (name,))
    own = found.get(_PLACES[0]) or next(iter(found.values()))
    # Without the fleet's root a cluster is compared with what its own istiod is given, then with the others.
    reference = common or own
    other = {place: root for place, root in found.items() if root != reference}
    if not other and common:
        return Check("root", name, OK, f"{_short(common)} in {', '.join(found)}", (name,))
    if (common and own == common) or (not common and other):
        # Its Secret is right: what was made before it was written has another root.
        seen = "; ".join(f"{place} has {_short(root)}" for place, root in other.items())
        return Check(
            "root",
            name,
            FAILED,
            f"{seen}, {'the fleet' if known else _PLACES[0]} {_short(reference)}",
            (name,),
            "cacerts was written after istiod started: proxies refuse each other's certificates",
            f"run the trust stage with --limit {name}, then restart istiod and the workloads there",
        )
    if known:
        return Check(
            "root",
            name,
            FAILED,
            f"{'; '.join(f'{place} has {_short(root)}' for place, root in other.items())}, the fleet {_short(common)}",
            (name,),
            "it is not of the fleet's root: it and the other clusters refuse each other's certificates",
            f"run the trust stage with --limit {name}: it signs what is missing, or says whose certificates are there",
        )
    roots: dict[str, list[str]] = {}
    for cluster, there in places.items():
        if there:
            roots.setdefault(there.get(_PLACES[0]) or next(iter(there.values())), []).append(cluster)
    return Check(
        "root",
        name,
        FAILED,
        "; ".join(f"{_short(root)} in {', '.join(clusters)}" for root, clusters in roots.items()),
        (name,),
        "clusters of different roots refuse each other's certificates; which one is the fleet's is not known here, "
        "because its trust folder is not on this controller",
        "copy the fleet's trust folder here, or set trust_dir to it, then verify again: restart nothing before",
    )


def _short(roots: str) -> str:
    return f"{roots[:17]}…"


def _roots(text: str) -> str:
    """The sorted fingerprints of a bundle, which do not depend on its order and white space."""
    try:
        return " ".join(sorted(fingerprint(c) for c in parse_certificates(text)))
    except FleetError:
        return "unreadable"
