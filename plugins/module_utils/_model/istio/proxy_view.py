# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A live proxy's own view: the roots it trusts, its certificate, where it sends a service's calls."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import typing as t

__all__ = ["ProxySecrets", "endpoints_of", "parse_secrets"]


@dataclasses.dataclass(frozen=True)
class ProxySecrets:
    """PEM texts; "" for what the proxy does not have."""

    roots: str = ""
    chain: str = ""


def parse_secrets(dump: str) -> ProxySecrets:
    """Roots and chain from Envoy's ``config_dump?resource=dynamic_active_secrets`` (it leaves private keys out)."""
    try:
        configs = json.loads(dump).get("configs") or []
    except (ValueError, AttributeError):
        return ProxySecrets()
    roots = chain = ""
    for config in configs:
        secret = config.get("secret") or {}
        if config.get("name") == "ROOTCA":
            roots = _inline((secret.get("validation_context") or {}).get("trusted_ca"))
        elif config.get("name") == "default":
            chain = _inline((secret.get("tls_certificate") or {}).get("certificate_chain"))
    return ProxySecrets(roots, chain)


def _inline(source: t.Any) -> str:
    value = (source or {}).get("inline_bytes") or ""
    return (
        base64.b64decode(value).decode("utf-8", "replace") if value else str((source or {}).get("inline_string") or "")
    )


def endpoints_of(clusters: str, hostname: str, port: int) -> list[str]:
    """Addresses (``ip:port``) of ``outbound|<port>||<hostname>`` in Envoy's ``/clusters`` text."""
    pattern = rf"^outbound\|{port}\|\|{re.escape(hostname)}::(\[[^\]]+\]:\d+|[^:]+:\d+)::health_flags::"
    return sorted(set(re.findall(pattern, clusters, re.MULTILINE)))
