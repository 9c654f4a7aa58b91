# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which proxy leads to a server, by the rules of kubectl, Helm and podman (Go's package httpproxy)."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import urlsplit, urlunsplit

__all__ = ["SCHEMES", "is_socks", "proxy_of", "without_login"]

SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


def proxy_of(server: str, environment: t.Mapping[str, str]) -> str:
    """The URL of the proxy that ``environment`` names for a server, or "".

    ``HTTPS_PROXY`` (``HTTP_PROXY`` for a server that speaks plain HTTP) unless ``NO_PROXY`` names the server. Names
    in capitals are read first. A server on this machine never has a proxy. A value that is no URL counts as none.

    Args:
        server: its address, as ``https://api.example.com:6443``.
        environment: environment variables.
    """
    address = urlsplit(server)
    host = (address.hostname or "").lower().rstrip(".")
    if address.scheme not in _PORTS or _is_this_machine(host):
        return ""
    proxy = _url(_variable(environment, f"{address.scheme}_proxy"))
    skipped = proxy and _is_excluded(host, address.port or _PORTS[address.scheme], _variable(environment, "no_proxy"))
    return "" if skipped else proxy


def is_socks(proxy: str) -> bool:
    return urlsplit(proxy).scheme.startswith("socks5")


def without_login(url: str) -> str:
    """A URL for messages: without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _variable(environment: t.Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name) or ""


def _url(value: str) -> str:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        return url if parts.scheme in SCHEMES and parts.hostname and parts.port != 0 else ""
    except ValueError:
        return ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or bool(address and address.is_loopback)


def _is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` names the host: ``*``, a range, an address, a name with all below it (``.name``: only
    those below it); the last two with a port or without."""
    address = _address(host)
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        if "/" in entry:
            try:
                if address and address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                pass
            continue
        name, its_port = _split(entry)
        if not name or (its_port and its_port != str(port)):
            continue
        other = _address(name)
        if other or address:
            if other == address:
                return True
            continue
        if name.startswith("*."):
            name = name[1:]
        if host.endswith(name if name.startswith(".") else f".{name}") or host == name:
            return True
    return False


def _split(entry: str) -> tuple[str, str]:
    """Host and port of an entry; the port is "" where there is none."""
    if entry.startswith("["):
        name, _bracket, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _colon, port = entry.partition(":")
        return name, port
    return entry, ""
