# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names a CA lets be signed below it (RFC 5280 4.2.1.10)."""

from __future__ import annotations

import contextlib
import typing as t

with contextlib.suppress(ImportError):  # ansible-core requires it: absent only where a module would run remotely
    from cryptography import x509

__all__ = ["described", "dns_permitted", "uri_permitted"]


def uri_permitted(host: str, permitted: t.Sequence[x509.GeneralName], excluded: t.Sequence[x509.GeneralName]) -> bool:
    """Of URIs: a leading dot means subdomains only, otherwise the host itself."""

    def matches(constraint: str) -> bool:
        wanted, found = constraint.lower(), host.lower()
        return found.endswith(wanted) if wanted.startswith(".") else wanted in ("", found)

    return _allowed(x509.UniformResourceIdentifier, matches, permitted, excluded)


def dns_permitted(name: str, permitted: t.Sequence[x509.GeneralName], excluded: t.Sequence[x509.GeneralName]) -> bool:
    """Of DNS: the name itself and everything under it; "" is every name."""

    def matches(constraint: str) -> bool:
        wanted, found = constraint.lower().lstrip("."), name.lower()
        return wanted == "" or found == wanted or found.endswith(f".{wanted}")

    return _allowed(x509.DNSName, matches, permitted, excluded)


def _allowed(
    kind: type[x509.DNSName] | type[x509.UniformResourceIdentifier],
    matches: t.Callable[[str], bool],
    permitted: t.Sequence[x509.GeneralName],
    excluded: t.Sequence[x509.GeneralName],
) -> bool:
    wanted = [str(n.value) for n in permitted if isinstance(n, kind)]
    barred = [str(n.value) for n in excluded if isinstance(n, kind)]
    return not any(matches(b) for b in barred) and (not wanted or any(matches(w) for w in wanted))


def described(names: t.Sequence[x509.GeneralName]) -> str:
    """``URI:shop.example, DNS:istio-system.svc``, or ``nothing``."""
    kinds = {"UniformResourceIdentifier": "URI", "DNSName": "DNS"}
    return ", ".join(f"{kinds.get(type(n).__name__, type(n).__name__)}:{n.value}" for n in names) or "nothing"
