# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Compute Engine adds to a new resource, and what it asks of one beyond the schema."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .cloud import Cloud
from .errors import Refused

__all__ = ["check", "fill", "link", "user_of"]

Json = dict[str, t.Any]
_ANY_SOURCE = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
_TAG = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_LAST_PORT = 65535
_FORBIDDEN = tuple(
    ipaddress.IPv4Network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "199.36.153.4/30", "199.36.153.8/30", "224.0.0.0/4")
)
_ALL = "ALL_SUBNETWORKS_ALL_IP_RANGES"


def link(tail: str) -> str:
    """A resource's address."""
    return f"https://www.googleapis.com/compute/v1/{tail}"


def _invalid(field: str, value: t.Any, more: str = "") -> Refused:
    return Refused(400, f"Invalid value for field 'resource.{field}': '{value}'. {more}".strip())


# -- what is added -----------------------------------------------------------------------------


def fill(cloud: Cloud, collection: str, item: Json) -> None:
    """Add what Google sets where the caller said nothing."""
    if collection == "networks":
        item.setdefault("autoCreateSubnetworks", False)
        item.setdefault("mtu", 1460)
        item.setdefault("networkFirewallPolicyEnforcementOrder", "AFTER_CLASSIC_FIREWALL")
        item.setdefault("routingConfig", {}).setdefault("routingMode", "REGIONAL")
        item["selfLinkWithId"] = item["selfLink"].rpartition("/")[0] + "/" + item["id"]
    elif collection == "subnetworks":
        first = ipaddress.IPv4Network(item["ipCidrRange"]).network_address
        item |= {"gatewayAddress": str(first + 1), "fingerprint": f"{next(cloud.count):08x}"}
        item.setdefault("purpose", "PRIVATE")
        item.setdefault("stackType", "IPV4_ONLY")
        item.setdefault("privateIpGoogleAccess", False)
        item.setdefault("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS")
        item.setdefault("allowSubnetCidrRoutesOverlap", False)
    elif collection == "firewalls":
        item.setdefault("direction", "INGRESS")
        item.setdefault("priority", 1000)
        item.setdefault("disabled", False)
        item.setdefault("logConfig", {"enable": False})
        if item["direction"] == "INGRESS" and not any(item.get(name) for name in _ANY_SOURCE):
            item["sourceRanges"] = ["0.0.0.0/0"]
    elif collection == "routers":
        item.setdefault("encryptedInterconnectRouter", False)
        for nat in item.get("nats") or []:
            nat.setdefault("type", "PUBLIC")
            nat.setdefault("autoNetworkTier", "PREMIUM")
            nat.setdefault("endpointTypes", ["ENDPOINT_TYPE_VM"])
            nat.setdefault("enableEndpointIndependentMapping", False)
            nat.setdefault("enableDynamicPortAllocation", False)
    elif collection == "globalAddresses":
        item |= {"status": "RESERVED", "networkTier": "PREMIUM"}
        item.setdefault("addressType", "EXTERNAL")
        item.setdefault("ipVersion", "IPV4")
    if collection in ("addresses", "globalAddresses"):
        item["status"] = "RESERVED"
        held = {one.get("address") for _key, one in cloud.under("compute/projects/*/global/addresses/*")}
        if collection == "globalAddresses" and cloud.door and cloud.door not in held:
            item.setdefault("address", cloud.door)
        item.setdefault("address", str(ipaddress.IPv4Address("198.51.100.0") + next(cloud.count) % 250))


def _give_ipv6(cloud: Cloud, item: Json) -> None:
    """A subnet of both families gets its /64, also when it is changed; written with all zeros."""
    internal = item["ipv6AccessType"] == "INTERNAL"
    net = f"{'fd20:0:0' if internal else '2600:1900:4000'}:{next(cloud.count):x}:0:0:0:0/64"
    item.setdefault("internalIpv6Prefix" if internal else "externalIpv6Prefix", net)


# -- what is refused ---------------------------------------------------------------------------


def check(cloud: Cloud, collection: str, project: str, item: Json, key: str) -> None:
    """References and ranges; the network becomes its address."""
    network = item.get("network")
    if collection in ("subnetworks", "routers") and not network:
        raise Refused(400, "Required field 'resource.network' not specified", reason="required")
    if collection == "firewalls":
        network = network or "global/networks/default"
        if bool(item.get("allowed")) == bool(item.get("denied")):
            raise Refused(400, "Exactly one of 'resource.allowed' and 'resource.denied' must be specified")
        _check_firewall(item)
    if network:
        _check_network(cloud, project, item, str(network))
    if collection == "subnetworks":
        _check_ranges(cloud, project, item, key)
        _check_stack(cloud, item)
    if collection == "routers":
        _check_nat(cloud, project, item, key)


def _check_network(cloud: Cloud, project: str, item: Json, text: str) -> None:
    short = text.rsplit("/", 1)[-1]
    if "/" not in text:
        raise _invalid("network", text, "The URL is malformed.")
    target = f"projects/{project}/global/networks/{short}"
    if f"compute/{target}" not in cloud.resources and short != "default":
        if cloud.working(link(target)):
            raise Refused(400, f"The resource '{target}' is not ready", reason="resourceNotReady")
        raise Refused(404, f"The resource '{target}' was not found")
    item["network"] = link(target)


def _check_firewall(item: Json) -> None:
    for i, rule in enumerate(item.get("allowed") or item.get("denied") or []):
        protocol, ports = str(rule.get("IPProtocol", "")), rule.get("ports") or []
        if ports and protocol.lower() not in ("tcp", "udp", "sctp"):
            text = "Ports may only be specified on rules whose protocol is one of [TCP, UDP, SCTP]."
            raise _invalid(f"allowed[{i}].ports[0]", ports[0], text)
        for j, port in enumerate(ports):
            first, _dash, last = port.partition("-")
            if not re.fullmatch(r"\d+(-\d+)?", port) or not int(first) <= int(last or first) <= _LAST_PORT:
                raise _invalid(f"allowed[{i}].ports[{j}]", port, "Must be a port, or a range of ports.")
    six = {":" in str(cidr) for field in ("sourceRanges", "destinationRanges") for cidr in item.get(field) or []}
    if len(six) > 1:
        raise _invalid("sourceRanges", item.get("sourceRanges"), "IPv4 and IPv6 ranges cannot be in one rule.")
    named = [str(r.get("IPProtocol")).lower() for r in item.get("allowed") or item.get("denied") or []]
    if six == {True} and "icmp" in named:
        raise _invalid("allowed[0].IPProtocol", "icmp", "It is not of IPv6: use 58.")
    for field in ("targetTags", "sourceTags"):
        for i, tag in enumerate(item.get(field) or []):
            if not re.fullmatch(_TAG, tag):
                raise _invalid(f"{field}[{i}]", tag, f"Must be a match of regex '{_TAG}'")


def _check_stack(cloud: Cloud, item: Json) -> None:
    """compute.v1: Subnetwork.stackType, Subnetwork.ipv6AccessType, Network.enableUlaInternalIpv6."""
    if item.get("stackType") != "IPV4_IPV6":
        return
    access = item.get("ipv6AccessType")
    if not access:
        raise _invalid("ipv6AccessType", "", "It is required for a dual-stack subnetwork.")
    network = cloud.resources.get("compute/" + str(item["network"]).removeprefix(link(""))) or {}
    if access == "INTERNAL" and not network.get("enableUlaInternalIpv6"):
        raise _invalid("ipv6AccessType", access, "The network has no internal IPv6 range.")
    _give_ipv6(cloud, item)


def _check_ranges(cloud: Cloud, project: str, item: Json, key: str) -> None:
    if not item.get("ipCidrRange"):
        raise Refused(400, "Required field 'resource.ipCidrRange' not specified", reason="required")
    mine = [(where, _network(where, text)) for where, text in _ranges(item)]
    names = [r.get("rangeName") for r in item.get("secondaryIpRanges") or []]
    if len(set(names)) != len(names):
        raise _invalid("secondaryIpRanges", names, "Range names must be unique.")
    for index, (where, net) in enumerate(mine):
        if any(net.overlaps(other) for _w, other in mine[:index]):
            raise _invalid(where, net, "IP ranges of one subnetwork must not overlap.")
    for other, found in cloud.under(f"compute/projects/{project}/regions/*/subnetworks/*"):
        if other == key or found.get("network") != item.get("network"):
            continue
        for _where, text in _ranges(found):
            for where, net in mine:
                if net.overlaps(ipaddress.IPv4Network(text)):
                    region = str(found.get("region")).rsplit("/", 1)[-1]
                    raise _invalid(
                        where.partition("[")[0],
                        net,
                        f"Invalid IPCidrRange: {net} conflicts with existing subnetwork '{found['name']}' in region "
                        f"'{region}'.",
                    )


def _ranges(item: Json) -> list[tuple[str, str]]:
    second = enumerate(item.get("secondaryIpRanges") or [])
    return [
        ("ipCidrRange", item["ipCidrRange"]),
        *((f"secondaryIpRanges[{i}].ipCidrRange", str(r.get("ipCidrRange"))) for i, r in second),
    ]


def _network(where: str, text: str) -> ipaddress.IPv4Network:
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError:
        raise _invalid(where, text, "Must be a CIDR address range with no host bits set.") from None
    if not 4 <= found.prefixlen <= 29:
        raise _invalid(where, text, "The prefix length must be between 4 and 29.")
    if any(found.overlaps(other) for other in _FORBIDDEN):
        raise _invalid(where, text, "The range is reserved and cannot be used.")
    return found


def _check_nat(cloud: Cloud, project: str, item: Json, key: str) -> None:
    def everything(router: Json) -> bool:
        return any(
            str(nat.get("sourceSubnetworkIpRangesToNat")).startswith("ALL_") and nat.get("type", "PUBLIC") == "PUBLIC"
            for nat in router.get("nats") or []
        )

    def public(router: Json) -> bool:
        return any(nat.get("type", "PUBLIC") == "PUBLIC" for nat in router.get("nats") or [])

    region = key.split("/")[4]
    for nat in item.get("nats") or []:
        for field in ("name", "sourceSubnetworkIpRangesToNat"):
            if not nat.get(field):
                raise Refused(400, f"Required field 'resource.nats[0].{field}' not specified", reason="required")
        _check_nat_addresses(cloud, nat)
    for other, found in cloud.under(f"compute/projects/{project}/regions/{region}/routers/*"):
        # Beside a NAT for all subnets no other may stand (compute.v1: RouterNat.sourceSubnetworkIpRangesToNat).
        both = public(found) and public(item)
        if other != key and found["network"] == item["network"] and both and (everything(found) or everything(item)):
            raise _invalid(
                "nats[0].sourceSubnetworkIpRangesToNat",
                _ALL,
                f"Router '{found['name']}' in the same network and region has a NAT for all subnetworks already.",
            )


def _check_nat_addresses(cloud: Cloud, nat: Json) -> None:
    how, addresses = nat.get("natIpAllocateOption", "AUTO_ONLY"), nat.get("natIps") or []
    if (how == "MANUAL_ONLY") != bool(addresses):
        text = "natIps are given with MANUAL_ONLY, and only with it."
        raise _invalid("nats[0].natIpAllocateOption", how, text)
    for address in addresses:
        target = str(address).partition("projects/")[2]
        if f"compute/projects/{target}" not in cloud.resources:
            raise Refused(404, f"The resource 'projects/{target}' was not found")


# -- what is in use ----------------------------------------------------------------------------


def user_of(cloud: Cloud, collection: str, key: str, found: Json) -> str:
    """The first resource that needs this one; "" for none."""
    for other, item in sorted(cloud.resources.items()):
        if other.startswith("container/") and "/clusters/" in other:
            config = item.get("networkConfig") or {}
            used = str(config.get({"networks": "network", "subnetworks": "subnetwork"}.get(collection, "")) or "")
            if used and key == f"compute/{used}":
                return other.partition("/")[2]
        elif collection == "networks" and other.startswith("compute/") and item.get("network") == found["selfLink"]:
            return other.partition("/")[2]
        elif collection == "addresses" and "/routers/" in other:
            used = "".join(str(ip) for nat in item.get("nats") or [] for ip in nat.get("natIps") or [])
            if key.partition("/")[2] in used:
                return other.partition("/")[2]
    return ""


def range_user_of(cloud: Cloud, key: str, name: str) -> str:
    """The cluster that has its pods or services in the secondary range ``name`` of the subnet ``key``."""
    for other, item in sorted(cloud.resources.items()):
        policy = item.get("ipAllocationPolicy") or {}
        names = (policy.get("clusterSecondaryRangeName"), policy.get("servicesSecondaryRangeName"))
        if name in names and key == f"compute/{(item.get('networkConfig') or {}).get('subnetwork')}":
            return other.partition("/")[2]
    return ""
