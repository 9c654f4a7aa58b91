# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forms of values: rules for one value, whatever the rest of the inventory says."""

from __future__ import annotations

import ipaddress
import re
import typing as t
import urllib.parse

from .variable import Fault, Variable

__all__ = [
    "LABEL",
    "OLDEST_ISTIO",
    "cidr",
    "cidr6",
    "cidrs",
    "dns_name",
    "fault_of",
    "https",
    "hub",
    "is_loopback",
    "label",
    "labels",
    "locality",
    "network",
    "path",
    "paths",
    "pem",
    "tag",
    "version",
]

OLDEST_ISTIO = (1, 24)
"""Chart ``base`` of 1.24 is the first whose CRDs are templates, so that Helm upgrades them."""
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS-1123 label."""

_DNS = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HUB = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*")
_TYPES: t.Mapping[str, type] = {"str": str, "list": list, "dict": dict}
_WORDS: t.Mapping[str, str] = {
    "str": "text",
    "list": "a list",
    "dict": "a dictionary",
    "bool": "true or false",
    "int": "a whole number",
}
# As text too, since -e name=value passes text.
_SCALARS = {"bool": re.compile("true|false|yes|no"), "int": re.compile("[0-9]+")}


def fault_of(variable: Variable, value: t.Any) -> Fault | None:
    """What is wrong with type, choice or form of a value that is set; None when it is valid."""
    if variable.type in _SCALARS:
        words = _SCALARS[variable.type]
        return None if words.fullmatch(str(value).lower()) else _wrong_type(variable, value)
    if variable.or_dict and isinstance(value, t.Mapping):
        return None
    if not isinstance(value, _TYPES[variable.type]):
        return _wrong_type(variable, value)
    if variable.no_choices and value in variable.no_choices:
        return variable.no_choices[t.cast(str, value)]
    if variable.choices and value not in variable.choices:
        return Fault("is unknown", f"one of: {', '.join(variable.choices)}")
    return variable.form(value) if variable.form else None


def _wrong_type(variable: Variable, value: t.Any) -> Fault:
    wanted = _WORDS[variable.type]
    if variable.type == "str" and not isinstance(value, (list, dict)):
        if isinstance(value, bool):
            return Fault("is a boolean, not text", "YAML reads a bare yes, no, on, off so: put it in quotes")
        word = "a number" if isinstance(value, (int, float)) else f"a {type(value).__name__}"
        return Fault(f"is {word}, not text", "put it in quotes")
    if variable.type == "list" and isinstance(value, str):
        return Fault("is text, not a list", f"{variable.name}: [{value[:40]}]" if not variable.secret else "")
    return Fault(f"is not {wanted}", f"write {wanted}")


def label(value: str) -> Fault | None:
    if LABEL.fullmatch(value):
        return None
    if len(value) > 63:
        return Fault(f"is {len(value)} characters long", "at most 63")
    guess = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    return Fault("is not a DNS-1123 label", f'lower-case letters, digits and "-"; for example {guess or "west"}')


def dns_name(value: str) -> Fault | None:
    if _DNS.fullmatch(value):
        return None
    return Fault("is not a DNS name", "lower-case labels with dots between, for example shop.example")


def network(value: str) -> Fault | None:
    if _LABEL_NAME.fullmatch(value):
        return None
    return Fault("is not a Kubernetes label value", "flat, per_cluster, or a name of at most 63 letters, digits, . _ -")


def locality(value: str) -> Fault | None:
    if _LABEL_NAME.fullmatch(value):
        return None
    return Fault("is not a Kubernetes label value", "letters, digits, . _ -; for example us-west1")


def version(value: str) -> Fault | None:
    if _VERSION.fullmatch(value):
        if tuple(int(part) for part in value.split(".")[:2]) >= OLDEST_ISTIO:
            return None
        oldest = ".".join(map(str, OLDEST_ISTIO))
        message = (
            f"is older than {oldest}, whose charts are the first that keep Istio's CRDs as this collection needs them"
        )
        return Fault(message, f"{oldest}.0 or newer")
    bare = value.removeprefix("v")
    return Fault("is not a version x.y.z", f"for example {bare if _VERSION.fullmatch(bare) else '1.31.1'}")


def tag(value: str) -> Fault | None:
    return None if _TAG.fullmatch(value) else Fault("is not an image tag", "for example 1.31.1-distroless")


def hub(value: str) -> Fault | None:
    if _HUB.fullmatch(value):
        return None
    return Fault("is not an image repository", "without scheme, for example registry.example:5000/istio")


def path(value: str) -> Fault | None:
    if "\0" in value or "\n" in value:
        return Fault("is not a path", "a path of one line")
    return None


def paths(value: str) -> Fault | None:
    """One file, or a list of files with colons between."""
    return path(value)


def cidr(value: str) -> Fault | None:
    if ":" in value:
        return Fault("is not an IPv4 range", "IPv6 is not supported: set the IPv4 range")
    try:
        network = ipaddress.IPv4Network(value, strict=False)
    except ValueError:
        return Fault("is not a range in CIDR form", "for example 10.16.0.0/16")
    if "/" not in value:
        return Fault("has no prefix length", f"for example {value}/16")
    if ipaddress.IPv4Interface(value).ip != network.network_address:
        return Fault("has host bits set", f"{network} is the range that holds it")
    return None


def cidr6(value: str) -> Fault | None:
    try:
        network = ipaddress.IPv6Network(value, strict=False)
    except ValueError:
        return Fault("is not an IPv6 range in CIDR form", "for example fd12:3456:789a::/112")
    if "/" not in value:
        return Fault("has no prefix length", f"for example {value}/112")
    if ipaddress.IPv6Interface(value).ip != network.network_address:
        return Fault("has host bits set", f"{network} is the range that holds it")
    return None


def https(value: str) -> Fault | None:
    example = "https://host or https://host:port"
    try:
        url = urllib.parse.urlsplit(value)
        port = url.port
    except ValueError as error:
        return Fault(f"is not an address ({error})", example)
    if url.scheme != "https":
        return Fault("does not begin with https://", example)
    if not url.hostname or port == 0 or any(c.isspace() for c in value):
        return Fault("names no host", example)
    if url.username is not None or url.password is not None:
        return Fault("holds credentials", "put the token into cluster_api_token")
    if url.query or url.fragment:
        return Fault("has a query or fragment", example)
    return None


def pem(value: str) -> Fault | None:
    if "-----BEGIN CERTIFICATE-----" in value and "-----END CERTIFICATE-----" in value:
        return None
    return Fault("is not a PEM certificate", "the text itself; from a file: lookup('ansible.builtin.file', path)")


def labels(value: t.Mapping[t.Any, t.Any]) -> Fault | None:
    for name, text in value.items():
        prefix, slash, last = str(name).rpartition("/")
        if not _LABEL_NAME.fullmatch(last) or (slash and not _DNS.fullmatch(prefix)):
            return Fault(f"has {str(name)[:40]!r}, which is not a label's name", "for example tier: front")
        if not isinstance(text, str):
            return Fault(f"has a value for {name} that is not text", "put it in quotes")
        if not _LABEL_VALUE.fullmatch(text):
            return Fault(f"has a value for {name} that is not a label's", "at most 63 letters, digits, . _ -")
    return None


def cidrs(value: t.Sequence[t.Any]) -> Fault | None:
    for entry in value:
        wrong = cidr(entry) if isinstance(entry, str) else Fault("is not text", "put it in quotes")
        if wrong:
            return Fault(f"has {str(entry)[:40]}, which {wrong.message}", wrong.hint)
    return None


def is_loopback(url: str) -> bool:
    """Whether an address leads to the very machine that calls it (so also 0.0.0.0 and ::)."""
    try:
        host = urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
