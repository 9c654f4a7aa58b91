# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of certificates: one root in all clusters and proxies, and time left on every certificate."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ...errors import FleetError
from ..trust.certificates import days_left, fingerprint, parse_certificates
from .facts import FAILED, SKIPPED, Check, Facts, check_of

__all__ = ["certificate_checks"]


def certificate_checks(
    facts: t.Mapping[str, Facts], *, leaf_hours: int, signer_days: int, foreign: t.Container[str] = ()
) -> list[Check]:
    """One root everywhere (Secret, ConfigMap, live proxies), and time left on every certificate.

    Proxies of clusters in ``foreign`` trust the roots of another CA, which has several and renews them by itself.
    """
    checks = []
    places: dict[str, dict[str, str]] = {}
    now = datetime.datetime.now(datetime.UTC)
    for name, found in facts.items():
        if name in foreign:
            continue
        texts = {
            "Secret cacerts": (found.cacerts or {}).get("root-cert.pem", ""),
            "ConfigMap istio-ca-root-cert": found.root_config or "",
            "live proxy": found.proxy_roots,
        }
        places[name] = {place: _roots(text) for place, text in texts.items() if text}
    counted = collections.Counter(r for found in places.values() for r in found.values())
    common = counted.most_common(1)[0][0] if counted else ""
    for name, found_here in places.items():
        if not found_here:
            checks.append(Check("root", name, SKIPPED, "nothing to compare yet", (name,)))
            continue
        other = {place: root for place, root in found_here.items() if root != common}
        seen = f"{common[:17]}… in {', '.join(found_here)}"
        if other:
            seen = (
                "; ".join(f"{place} has {root[:17]}…" for place, root in other.items()) + f", the fleet {common[:17]}…"
            )
        checks.append(
            check_of(
                "root",
                name,
                not other,
                seen,
                (name,),
                "cacerts was written after istiod started, or differs: proxies refuse each other's certificates",
                f"run the trust stage with --limit {name}, then restart istiod and the workloads there",
            )
        )
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


def _roots(text: str) -> str:
    """The sorted fingerprints of a bundle, which do not depend on its order and white space."""
    try:
        return " ".join(sorted(fingerprint(c) for c in parse_certificates(text)))
    except FleetError:
        return "unreadable"
