# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ingress gateways keep of a front door's earlier routes, as long as an Envoy may still have them.

A host, a path or a health check that is no longer wanted stays. Where both say something of the same, what is wanted
counts, since a gateway cannot tell by which files it is called.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

__all__ = ["Kept", "keep"]

Object = dict[str, t.Any]
Live = t.Mapping[str, t.Any]
_LONGEST = 63
_PORT_KEYS = ("name", "port", "protocol", "targetPort", "appProtocol")


@dataclasses.dataclass(frozen=True)
class Kept:
    """Objects of one cluster that serve earlier routes beside the wanted ones.

    ``wanted``: what is wanted, with what the live objects of these names do besides. ``left``: live objects that are
    not wanted any more, and stay. ``more``: whether that is more than what is wanted.
    """

    wanted: tuple[Object, ...] = ()
    left: tuple[Live, ...] = ()
    more: bool = False


def keep(wanted: t.Iterable[Live], live: t.Iterable[Live]) -> Kept:
    """What to apply, and what not to remove.

    Args:
        wanted: VirtualServices, Gateways and Services, as :func:`.front_door_gateways.gateway_objects` gives them.
        live: the front door's own objects in the cluster.
    """
    plain = [dict(one) for one in wanted]
    before = {_key(one): one for one in live}
    # A host is served by one object: in another namespace, the older one would count.
    moved = {key: _moved(key, one, plain) for key, one in before.items() if key[0] == "VirtualService"}
    found = []
    for obj in plain:
        here = [one for key, one in before.items() if key == _key(obj) or moved.get(key) == _key(obj)]
        found.append({**obj, "spec": _JOINED[obj["kind"]](obj["spec"], [one.get("spec") or {} for one in here])})
    names = {_key(obj) for obj in plain}
    left = tuple(one for key, one in before.items() if key not in names and not moved.get(key))
    return Kept(tuple(found), left, bool(left) or found != plain)


def _key(obj: Live) -> tuple[str, str, str]:
    return str(obj["kind"]), str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def _moved(key: tuple[str, str, str], one: Live, wanted: t.Iterable[Object]) -> tuple[str, str, str] | None:
    """The wanted object that serves the host of a live VirtualService from another namespace; None for none."""
    spec = one.get("spec") or {}
    for obj in wanted:
        same = obj["kind"] == one["kind"] and all(obj["spec"][name] == spec.get(name) for name in ("hosts", "gateways"))
        if same and _key(obj) != key:
            return _key(obj)
    return None


def _gateway(spec: Object, before: t.Iterable[Live]) -> Object:
    (server,) = spec["servers"]
    hosts = {host for old in before for one in old.get("servers") or () for host in one.get("hosts") or ()}
    return {**spec, "servers": [{**server, "hosts": sorted({*server["hosts"], *hosts})}]}


def _virtual(spec: Object, before: t.Iterable[Live]) -> Object:
    rules = {_match(rule): rule for old in reversed(list(before)) for rule in old.get("http") or ()}
    for rule in spec["http"]:
        rules.pop(_match(rule), None)
    return {**spec, "http": sorted([*spec["http"], *rules.values()], key=_order)}


def _match(rule: Live) -> str:
    return json.dumps(rule.get("match") or [], sort_keys=True)


def _order(rule: Live) -> tuple[bool, int]:
    """Health checks, then the longest path: the first that takes a call counts."""
    (first, *_rest) = rule.get("match") or [{}]
    return "headers" not in first, 0 if "headers" in first else -len(str((first.get("uri") or {}).get("exact") or ""))


def _service(spec: Object, before: t.Iterable[Live]) -> Object:
    ports = [dict(port) for port in spec["ports"]]
    taken = {(port["port"], port.get("protocol", "TCP")) for port in ports}
    for old in (port for one in before for port in one.get("ports") or ()):
        number = (old["port"], old.get("protocol", "TCP"))
        if number in taken:
            continue
        taken.add(number)
        # With several ports, each has a name of its own. What it begins with says the protocol.
        ports[0].setdefault("name", "port")
        port = {"name": "port", **{key: old[key] for key in _PORT_KEYS if old.get(key)}}
        if port["name"] in {one["name"] for one in ports}:
            end = f"-{old['port']}"
            port["name"] = f"{port['name'][: _LONGEST - len(end)]}{end}"
        ports.append(port)
    return {**spec, "ports": ports}


_JOINED: dict[str, t.Callable[[Object, list[Live]], Object]] = {
    "Gateway": _gateway,
    "VirtualService": _virtual,
    "Service": _service,
}
