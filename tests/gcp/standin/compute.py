# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute's side of the stand-in: named resources that are global, of a region or of a zone."""

from __future__ import annotations

import copy
import functools
import ipaddress
import re
import typing as t

from .cloud import Cloud, Fault
from .discovery import Refused, services

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
# Collections, their folder in a resource's path and the parameter that names one.
_COLLECTIONS = {
    "networks": ("networks", "network"),
    "subnetworks": ("subnetworks", "subnetwork"),
    "firewalls": ("firewalls", "firewall"),
    "routers": ("routers", "router"),
    "addresses": ("addresses", "address"),
    "globalAddresses": ("addresses", "address"),
    "sslCertificates": ("sslCertificates", "sslCertificate"),
}


def _place(path: Json) -> str:
    for scope in ("region", "zone"):
        if scope in path:
            return f"projects/{path['project']}/{scope}s/{path[scope]}"
    return f"projects/{path['project']}/global"


def _url(tail: str) -> str:
    return f"https://www.googleapis.com/compute/v1/{tail}"


def _operation(
    cloud: Cloud, path: Json, kind: str, target: str, then: t.Callable[[], None], fault: Fault | None
) -> Json:
    name, place = f"operation-{next(cloud.count):013d}", _place(path)
    view: Json = {
        "kind": "compute#operation",
        "id": str(next(cloud.count)),
        "name": name,
        "operationType": kind,
        "targetLink": _url(target),
        "selfLink": _url(f"{place}/operations/{name}"),
    }
    for scope in ("region", "zone"):
        if scope in path:
            view[scope] = _url(place)
    return cloud.begin(f"compute/{place}/operations/{name}", view, then, fault)


def insert(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder, _parameter = _COLLECTIONS[collection]
    item = copy.deepcopy(body)
    name = str(item.get("name", ""))
    if not _NAME.fullmatch(name):
        raise Refused(400, f"Invalid value for field 'resource.name': '{name}'.")
    target = f"{_place(path)}/{folder}/{name}"
    key = f"compute/{target}"
    if key in cloud.resources:
        raise Refused(409, f"The resource '{target}' already exists", reason="alreadyExists")
    for going in cloud.operations.values():
        if not going.done and going.view.get("operationType") == "insert" and going.view["targetLink"] == _url(target):
            raise Refused(409, f"The resource '{target}' already exists", reason="alreadyExists")
    _check(cloud, collection, path, item, key)
    item |= {
        "kind": f"compute#{collection.rstrip('s')}",
        "id": str(next(cloud.count)),
        "selfLink": _url(target),
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
    }
    if "region" in path:
        item["region"] = _url(_place(path))
    if collection == "networks":
        item.setdefault("routingConfig", {"routingMode": "REGIONAL"})
    if collection == "subnetworks":
        first = ipaddress.IPv4Network(item["ipCidrRange"]).network_address
        item |= {"gatewayAddress": str(first + 1), "fingerprint": f"{next(cloud.count):08x}", "purpose": "PRIVATE"}
        item.setdefault("privateIpGoogleAccess", False)
    if folder == "addresses":
        item |= {"status": "RESERVED"}
        item.setdefault("address", str(ipaddress.IPv4Address("198.51.100.0") + next(cloud.count) % 250))

    def done() -> None:
        if fault is None:
            cloud.resources[key] = item

    return _operation(cloud, path, "insert", target, done, fault)


def _check(cloud: Cloud, collection: str, path: Json, item: Json, key: str) -> None:
    """What Google checks beyond the form: references and ranges."""
    network = item.get("network")
    if network:
        short = str(network).rsplit("/", 1)[-1]
        if f"compute/projects/{path['project']}/global/networks/{short}" not in cloud.resources and short != "default":
            raise Refused(404, f"The resource 'projects/{path['project']}/global/networks/{short}' was not found")
        item["network"] = _url(f"projects/{path['project']}/global/networks/{short}")
    if collection != "subnetworks":
        return
    mine = _ranges(item)
    for text in mine:
        try:
            ipaddress.IPv4Network(text)
        except ValueError:
            raise Refused(400, f"Invalid value for field 'resource.ipCidrRange': '{text}'.") from None
    for other, found in cloud.under(f"compute/projects/{path['project']}/regions/*/subnetworks/*"):
        if other == key or found.get("network") != item.get("network"):
            continue
        for text in mine:
            for theirs in _ranges(found):
                if ipaddress.IPv4Network(text).overlaps(ipaddress.IPv4Network(theirs)):
                    raise Refused(
                        400,
                        f"Invalid IPCidrRange: {text} conflicts with existing subnetwork '{found['name']}' "
                        f"in region '{found['region'].rsplit('/', 1)[-1]}'.",
                    )


def _ranges(item: Json) -> list[str]:
    return [item["ipCidrRange"], *(r["ipCidrRange"] for r in item.get("secondaryIpRanges") or [])]


def _key(collection: str, path: Json) -> str:
    folder, parameter = _COLLECTIONS[collection]
    return f"compute/{_place(path)}/{folder}/{path[parameter]}"


def _get(cloud: Cloud, key: str) -> Json:
    if key not in cloud.resources:
        raise Refused(404, f"The resource '{key.partition('/')[2]}' was not found", reason="notFound")
    return cloud.get(key)


def get(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _get(cloud, _key(collection, path))


def patch(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _key(collection, path)
    changed = {**_get(cloud, key), **copy.deepcopy(body)}
    _check(cloud, collection, path, changed, key)
    if collection == "subnetworks":
        if body.get("fingerprint") != cloud.resources[key]["fingerprint"]:
            raise Refused(412, "Invalid fingerprint.", word="conditionNotMet")
        changed["fingerprint"] = f"{next(cloud.count):08x}"

    def done() -> None:
        if fault is None:
            cloud.resources[key] = changed

    return _operation(cloud, path, "patch", key.partition("/")[2], done, fault)


def delete(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _key(collection, path)
    found = _get(cloud, key)
    users = [k for k, v in cloud.resources.items() if _uses(k, v, collection, found)]
    if users:
        raise Refused(
            400,
            f"The {collection.rstrip('s')} resource '{key.partition('/')[2]}' is already being used by "
            f"'{users[0].partition('/')[2]}'",
            reason="resourceInUseByAnotherResource",
        )

    def done() -> None:
        if fault is None:
            cloud.resources.pop(key, None)

    return _operation(cloud, path, "delete", key.partition("/")[2], done, fault)


def _uses(key: str, item: Json, collection: str, found: Json) -> bool:
    if key.startswith("container/") and "/clusters/" in key:
        return collection in ("networks", "subnetworks") and item.get(collection[:-1]) == found["name"]
    return collection == "networks" and key.startswith("compute/") and item.get("network") == found["selfLink"]


def listed(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder = _COLLECTIONS[collection][0]
    items = [v for _k, v in cloud.under(f"compute/{_place(path)}/{folder}/*")]
    page, more = cloud.paged(_filtered(items, params), params, "maxResults")
    return {"kind": f"compute#{collection.rstrip('s')}List", "items": page, **more}


def aggregated(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder = _COLLECTIONS[collection][0]
    found = [
        pair
        for scope in ("regions/*", "global")
        for pair in cloud.under(f"compute/projects/{path['project']}/{scope}/{folder}/*")
    ]
    keep = _filtered([v for _k, v in found], params)
    page, more = cloud.paged([pair for pair in found if pair[1] in keep], params, "maxResults")
    groups: Json = {}
    for key, item in page:
        parts = key.split("/")
        place = "global" if parts[3] == "global" else f"{parts[3]}/{parts[4]}"
        groups.setdefault(place, {}).setdefault(folder, []).append(item)
    return {"items": groups, **more}


def _filtered(items: list[Json], params: Json) -> list[Json]:
    """The filters that callers of ours use: ``name = x`` and ``network eq x``."""
    text = params.get("filter")
    if not text:
        return items
    match = re.fullmatch(r"\(?\s*(\w+)\s*(?:=|eq)\s*\"?([^\"]+?)\"?\s*\)?", text)
    if match is None:
        raise Refused(501, f"the stand-in does not know the filter {text}")
    field, value = match.groups()
    return [i for i in items if str(i.get(field, "")) == value or re.fullmatch(value, str(i.get(field, "")))]


def get_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"compute/{_place(path)}/operations/{path['operation']}")
    if found is None:
        raise Refused(404, f"The resource '{_place(path)}/operations/{path['operation']}' was not found")
    return cloud.see(found)


def project(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return {"name": path["project"], "id": cloud.number(path["project"]), "kind": "compute#project"}


HANDLERS: dict[str, t.Callable[..., Json]] = {"compute.projects.get": project}
_VERBS: dict[str, t.Callable[..., Json]] = {
    "insert": insert,
    "get": get,
    "list": listed,
    "aggregatedList": aggregated,
    "patch": patch,
    "update": patch,
    "delete": delete,
}
_KNOWN = {m.id for s in services() if s.name == "compute" for m in s.methods}
for _collection in _COLLECTIONS:
    for _verb, _handler in _VERBS.items():
        if f"compute.{_collection}.{_verb}" in _KNOWN:
            HANDLERS[f"compute.{_collection}.{_verb}"] = functools.partial(_handler, _collection)
for _scope in ("global", "region", "zone"):
    HANDLERS[f"compute.{_scope}Operations.get"] = get_operation
    HANDLERS[f"compute.{_scope}Operations.wait"] = get_operation
