# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules that one value must keep, whatever the rest of the fleet says."""

from __future__ import annotations

import ipaddress
import re
import typing as t
import urllib.parse

from .variables import Variable

__all__ = ["LABEL", "Fault", "fault_of", "is_loopback"]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS-1123 label."""

_DNS = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HUB = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*")
_GOOGLE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_GOOGLE_LABEL = re.compile(r"[-_a-z0-9]{0,63}")
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
_TYPES: t.Mapping[str, type] = {"str": str, "list": list, "dict": dict}
_WORDS: t.Mapping[str, str] = {
    "str": "text",
    "list": "a list",
    "dict": "a dictionary",
    "bool": "true or false",
    "int": "a whole number",
}
# Text of such a form too: that is what -e name=value gives.
_SCALARS = {"bool": re.compile("true|false|yes|no"), "int": re.compile("[0-9]+")}


class Fault(t.NamedTuple):
    """What is wrong with a value, and what would be right."""

    message: str
    hint: str = ""


def fault_of(variable: Variable, value: t.Any) -> Fault | None:
    """Check type, choices and form of a value that is set; None when it is right."""
    if variable.type in _SCALARS:
        words = _SCALARS[variable.type]
        return None if words.fullmatch(str(value).lower()) else _wrong_type(variable, value)
    if variable.form == "key" and isinstance(value, t.Mapping):
        return None  # JSON that YAML has read already, as google.cloud takes it too
    if not isinstance(value, _TYPES[variable.type]):
        return _wrong_type(variable, value)
    if (variable.name, value) == ("gke_peer_endpoint", "dns"):
        hint = "public or private: an istiod has a token of the cluster it watches, and Google asks for its own there"
        return Fault("cannot be used by istiods", hint)
    if variable.choices and value not in variable.choices:
        return Fault("is unknown", f"one of: {', '.join(variable.choices)}")
    rule = _FORMS.get(variable.form)
    return rule(value) if rule else None


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


def _label(value: str) -> Fault | None:
    if LABEL.fullmatch(value):
        return None
    if len(value) > 63:
        return Fault(f"is {len(value)} characters long", "at most 63")
    guess = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    return Fault("is not a DNS-1123 label", f'lower-case letters, digits and "-"; for example {guess or "west"}')


def _dns(value: str) -> Fault | None:
    if _DNS.fullmatch(value):
        return None
    return Fault("is not a DNS name", "lower-case labels with dots between, for example shop.example")


def _network(value: str) -> Fault | None:
    if _LABEL_NAME.fullmatch(value):
        return None
    return Fault("is not a Kubernetes label value", "flat, per_cluster, or a name of at most 63 letters, digits, . _ -")


def _locality(value: str) -> Fault | None:
    if _LABEL_NAME.fullmatch(value):
        return None
    return Fault("is not a Kubernetes label value", "letters, digits, . _ -; for example us-west1")


def _version(value: str) -> Fault | None:
    if _VERSION.fullmatch(value):
        return None
    bare = value.removeprefix("v")
    return Fault("is not a version x.y.z", f"for example {bare if _VERSION.fullmatch(bare) else '1.31.1'}")


def _tag(value: str) -> Fault | None:
    return None if _TAG.fullmatch(value) else Fault("is not an image tag", "for example 1.31.1-distroless")


def _hub(value: str) -> Fault | None:
    if _HUB.fullmatch(value):
        return None
    return Fault("is not an image repository", "without scheme, for example registry.example:5000/istio")


def _path(value: str) -> Fault | None:
    if "\0" in value or "\n" in value:
        return Fault("is not a path", "a path of one line")
    return None


def _cidr(value: str) -> Fault | None:
    if ":" in value:
        return Fault("is not an IPv4 range", "IPv6 is not handled: give the IPv4 range")
    try:
        network = ipaddress.IPv4Network(value, strict=False)
    except ValueError:
        return Fault("is not a range in CIDR form", "for example 10.16.0.0/16")
    if "/" not in value:
        return Fault("has no prefix length", f"for example {value}/16")
    if ipaddress.IPv4Interface(value).ip != network.network_address:
        return Fault("has host bits set", f"{network} is the range that holds it")
    return None


def _https(value: str) -> Fault | None:
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


def _project(value: str) -> Fault | None:
    if _PROJECT.fullmatch(value):
        return None
    if value.isdigit():
        return Fault("is a project number", "give the project's ID: gcloud projects list shows both")
    return Fault("is not a project ID", "6 to 30 lower-case letters, digits and -, for example shop-prod")


def _pem(value: str) -> Fault | None:
    if "-----BEGIN CERTIFICATE-----" in value and "-----END CERTIFICATE-----" in value:
        return None
    return Fault("is not a PEM certificate", "the text itself; from a file: lookup('ansible.builtin.file', path)")


def _labels(value: t.Mapping[t.Any, t.Any]) -> Fault | None:
    for name, label in value.items():
        prefix, slash, last = str(name).rpartition("/")
        if not _LABEL_NAME.fullmatch(last) or (slash and not _DNS.fullmatch(prefix)):
            return Fault(f"has {str(name)[:40]!r}, which is not a label's name", "for example tier: front")
        if not isinstance(label, str):
            return Fault(f"has a value for {name} that is not text", "put it in quotes")
        if not _LABEL_VALUE.fullmatch(label):
            return Fault(f"has a value for {name} that is not a label's", "at most 63 letters, digits, . _ -")
    return None


def _cidrs(value: t.Sequence[t.Any]) -> Fault | None:
    for entry in value:
        wrong = _cidr(entry) if isinstance(entry, str) else Fault("is not text", "put it in quotes")
        if wrong:
            return Fault(f"has {str(entry)[:40]}, which {wrong.message}", wrong.hint)
    return None


def _google_name(value: str) -> Fault | None:
    if _GOOGLE.fullmatch(value):
        return None
    if "/" in value:
        hint = "give its name alone; the project of a Shared VPC goes into gke_network_project"
        return Fault("is a path, not a name", hint)
    return Fault("is not a name in Google Cloud", "at most 63 lower-case letters, digits and -, a letter first")


def _google_cluster(value: str) -> Fault | None:
    if len(value) <= 40 and _GOOGLE.fullmatch(value):
        return None
    return Fault("is not a name that GKE takes", "at most 40 lower-case letters, digits and -, a letter first")


def _google_labels(value: t.Mapping[t.Any, t.Any]) -> Fault | None:
    for name, label in value.items():
        if not _GOOGLE_LABEL.fullmatch(str(name)) or not str(name)[:1].isalpha():
            return Fault(f"has {str(name)[:40]!r}, which is not a label's name", "lower-case letters, digits, _ and -")
        if not isinstance(label, str):
            return Fault(f"has a value for {name} that is not text", "put it in quotes")
        if not _GOOGLE_LABEL.fullmatch(label):
            return Fault(f"has a value for {name} that is not a label's", "lower-case letters, digits, _ and -")
    return None


_FORMS: t.Mapping[str, t.Callable[[t.Any], Fault | None]] = {
    "label": _label,
    "dns": _dns,
    "network": _network,
    "locality": _locality,
    "version": _version,
    "tag": _tag,
    "hub": _hub,
    "path": _path,
    "cidr": _cidr,
    "https": _https,
    "pem": _pem,
    "project": _project,
    "labels": _labels,
    "cidrs": _cidrs,
    "google_name": _google_name,
    "google_cluster": _google_cluster,
    "google_labels": _google_labels,
}


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
