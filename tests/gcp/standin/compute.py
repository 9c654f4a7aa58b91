# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute's side of the stand-in: named resources that are global, of a region or of a zone."""

from __future__ import annotations

import copy
import functools
import re
import typing as t

from .cloud import Cloud, Fault
from .compute_rules import check, fill, link, range_user_of, user_of
from .discovery import services
from .errors import Refused
from .places import REGIONS, is_zone

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]
_NAME = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
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
            place = f"projects/{path['project']}/{scope}s/{path[scope]}"
            if not (path[scope] in REGIONS if scope == "region" else is_zone(path[scope])):
                raise _missing(place)
            return place
    return f"projects/{path['project']}/global"


def _missing(target: str) -> Refused:
    return Refused(404, f"The resource '{target}' was not found")


def _operation(
    cloud: Cloud, path: Json, kind: str, target: str, then: t.Callable[[], None], fault: Fault | None
) -> Json:
    name, place = f"operation-{next(cloud.count):013d}", _place(path)
    found = cloud.resources.get(f"compute/{target}") or {}
    view: Json = {
        "kind": "compute#operation",
        "id": str(next(cloud.count)),
        "name": name,
        "operationType": kind,
        "targetLink": link(target),
        "targetId": str(found.get("id") or next(cloud.count)),
        "selfLink": link(f"{place}/operations/{name}"),
        "user": "fleet@shop-prod.iam.gserviceaccount.com",
        "insertTime": "2026-01-01T00:00:00.000-08:00",
        "startTime": "2026-01-01T00:00:00.000-08:00",
    }
    for scope in ("region", "zone"):
        if scope in path:
            view[scope] = link(place)
    return cloud.begin(f"compute/{place}/operations/{name}", view, then, fault)


def _idle(cloud: Cloud, target: str) -> None:
    """Refused while the resource is being made, changed or deleted."""
    if cloud.working(link(target)):
        raise Refused(400, f"The resource '{target}' is not ready", reason="resourceNotReady")


def insert(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder, _parameter = _COLLECTIONS[collection]
    item = copy.deepcopy(body)
    name = str(item.get("name", ""))
    if not re.fullmatch(_NAME, name):
        raise Refused(400, f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '{_NAME}'")
    target = f"{_place(path)}/{folder}/{name}"
    key = f"compute/{target}"
    if key in cloud.resources or any(o.view["operationType"] == "insert" for o in cloud.working(link(target))):
        raise Refused(409, f"The resource '{target}' already exists")
    if item.get("region") and str(item["region"]).rsplit("/", 1)[-1] != path.get("region"):
        raise Refused(400, f"Invalid value for field 'resource.region': '{item['region']}'. It is not the request's.")
    check(cloud, collection, path["project"], item, key)
    item |= {
        "kind": f"compute#{folder.removesuffix('es') if folder == 'addresses' else folder.rstrip('s')}",
        "id": str(4000000000000000000 + next(cloud.count)),
        "selfLink": link(target),
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
    }
    if "region" in path:
        item["region"] = link(_place(path))
    fill(cloud, collection, item)

    def done() -> None:
        if fault is None:
            cloud.resources[key] = item
            if collection == "subnetworks":
                _list_in_network(cloud, item["network"], item["selfLink"])

    return _operation(cloud, path, "insert", target, done, fault)


def _list_in_network(cloud: Cloud, network: str, subnet: str, *, gone: bool = False) -> None:
    found = cloud.resources.get("compute/" + network.removeprefix(link("")))
    if found is not None:
        others = [one for one in found.get("subnetworks") or [] if one != subnet]
        found["subnetworks"] = others if gone else [*others, subnet]
        if not found["subnetworks"]:
            del found["subnetworks"]


def _key(collection: str, path: Json) -> str:
    folder, parameter = _COLLECTIONS[collection]
    return f"compute/{_place(path)}/{folder}/{path[parameter]}"


def _get(cloud: Cloud, key: str) -> Json:
    if key not in cloud.resources:
        raise _missing(key.partition("/")[2])
    return cloud.get(key)


def get(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _get(cloud, _key(collection, path))


def change(
    whole: bool, collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None
) -> Json:
    """PATCH merges messages and replaces lists; PUT (``whole``) replaces all that the caller may set."""
    key = _key(collection, path)
    old = _get(cloud, key)
    target = key.partition("/")[2]
    _idle(cloud, target)
    for fixed in ("name", "network", "region"):
        if body.get(fixed) and str(body[fixed]).rsplit("/", 1)[-1] != str(old.get(fixed)).rsplit("/", 1)[-1]:
            raise Refused(400, f"Invalid value for field 'resource.{fixed}': '{body[fixed]}'. It cannot be changed.")
    kept = {k: old[k] for k in _LASTING if k in old}
    changed = {**copy.deepcopy(body), **kept} if whole else _merged(old, body)
    changed["network"] = old.get("network")
    if changed["network"] is None:
        changed.pop("network")
    check(cloud, collection, path["project"], changed, key)
    if collection == "subnetworks":
        _check_subnet(cloud, key, old, body)
        changed["fingerprint"] = f"{next(cloud.count):08x}"
    if whole:
        fill(cloud, collection, changed)

    def done() -> None:
        if fault is None:
            cloud.resources[key] = changed

    return _operation(cloud, path, "update" if whole else "patch", target, done, fault)


_LASTING = ("kind", "id", "name", "selfLink", "selfLinkWithId", "creationTimestamp", "region", "address", "status")


def _merged(old: Json, new: Json) -> Json:
    out = copy.deepcopy(old)
    for key, value in new.items():
        out[key] = _merged(out[key], value) if isinstance(out.get(key), dict) and isinstance(value, dict) else value
    return copy.deepcopy(out)


def _check_subnet(cloud: Cloud, key: str, old: Json, body: Json) -> None:
    if body.get("fingerprint") != old["fingerprint"]:
        raise Refused(412, "Invalid fingerprint.", reason="conditionNotMet")
    if "ipCidrRange" in body and body["ipCidrRange"] != old["ipCidrRange"]:
        raise Refused(400, "Invalid value for field 'resource.ipCidrRange'. Use expandIpCidrRange.")
    if old.get("ipv6AccessType") and body.get("ipv6AccessType", old["ipv6AccessType"]) != old["ipv6AccessType"]:
        raise Refused(400, "Invalid value for field 'resource.ipv6AccessType'. It cannot be changed.")
    if "secondaryIpRanges" not in body:
        return
    kept = {(r["rangeName"], r["ipCidrRange"]) for r in body["secondaryIpRanges"]}
    for there in old.get("secondaryIpRanges") or []:
        user = range_user_of(cloud, key, there["rangeName"])
        if user and (there["rangeName"], there["ipCidrRange"]) not in kept:
            raise _used("subnetwork", f"{key.partition('/')[2]}/secondaryIpRanges/{there['rangeName']}", user)


def _used(kind: str, target: str, user: str) -> Refused:
    return Refused(
        400,
        f"The {kind} resource '{target}' is already being used by '{user}'",
        reason="resourceInUseByAnotherResource",
    )


def delete(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _key(collection, path)
    found = _get(cloud, key)
    target = key.partition("/")[2]
    _idle(cloud, target)
    user = user_of(cloud, collection, key, found)
    if user:
        raise _used(str(found.get("kind", "")).partition("#")[2] or collection.rstrip("s"), target, user)

    def done() -> None:
        if fault is None:
            cloud.resources.pop(key, None)
            if collection == "subnetworks":
                _list_in_network(cloud, found["network"], str(found.get("selfLink")), gone=True)

    return _operation(cloud, path, "delete", target, done, fault)


def listed(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder = _COLLECTIONS[collection][0]
    items = [v for _k, v in cloud.under(f"compute/{_place(path)}/{folder}/*")]
    page, more = cloud.paged(_filtered(items, params), params, "maxResults")
    # A list with nothing in it has no items at all.
    return {"kind": f"compute#{collection.rstrip('s')}List", **({"items": page} if page else {}), **more}


def aggregated(collection: str, cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    folder = _COLLECTIONS[collection][0]
    if cloud.unreachable and not params.get("returnPartialSuccess"):
        raise Refused(503, f"Unable to reach {sorted(cloud.unreachable)[0]}.", reason="backendError")
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
    for region in REGIONS:
        groups.setdefault(f"regions/{region}", {"warning": _nothing_in(f"regions/{region}")})
    return {"kind": f"compute#{collection.rstrip('s')}AggregatedList", "items": groups, **more}


def _nothing_in(scope: str) -> Json:
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope '{scope}' on this page.",
        "data": [{"key": "scope", "value": scope}],
    }


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


def effective_firewalls(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    """The VPC's own rules, and the policies that a test has put above and beside them."""
    target = "projects/" + str(params.get("network")).partition("projects/")[2]
    _get(cloud, f"compute/{target}")
    if _place(path).partition("/regions/")[0] != target.partition("/global/")[0]:
        raise Refused(400, f"Invalid value for field 'network': '{params.get('network')}'. It is another project's.")
    rules = [v for _k, v in cloud.under(f"compute/projects/{path['project']}/global/firewalls/*")]
    mine = [rule for rule in rules if str(rule.get("network")).endswith(target)]
    policies = copy.deepcopy(cloud.firewall_policies.get(target) or [])
    return {**({"firewalls": mine} if mine else {}), **({"firewallPolicys": policies} if policies else {})}


def get_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"compute/{_place(path)}/operations/{path['operation']}")
    if found is None:
        raise _missing(f"{_place(path)}/operations/{path['operation']}")
    return cloud.see(found)


HANDLERS: dict[str, t.Callable[..., Json]] = {}
_VERBS: dict[str, t.Callable[..., Json]] = {
    "insert": insert,
    "get": get,
    "list": listed,
    "aggregatedList": aggregated,
    "patch": functools.partial(change, False),
    "update": functools.partial(change, True),
    "delete": delete,
}
_KNOWN = {m.id for s in services() if s.name == "compute" for m in s.methods}
for _collection in _COLLECTIONS:
    for _verb, _handler in _VERBS.items():
        if f"compute.{_collection}.{_verb}" in _KNOWN:
            HANDLERS[f"compute.{_collection}.{_verb}"] = functools.partial(_handler, _collection)
HANDLERS["compute.regionNetworkFirewallPolicies.getEffectiveFirewalls"] = effective_firewalls
for _scope in ("global", "region", "zone"):
    HANDLERS[f"compute.{_scope}Operations.get"] = get_operation
    HANDLERS[f"compute.{_scope}Operations.wait"] = get_operation
