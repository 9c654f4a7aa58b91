# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the firewall of a VPC does to connections: pure functions.

Order and meaning of rules: https://cloud.google.com/firewall/docs/firewall-policies-rule-eval-order.

The first rule that fits decides; ``goto_next`` passes a connection on to the next layer. Layers are policies of the
organisation and of its folders, then Google's own, then the rules of the VPC and the policies of the network, whichever
of the two the VPC has first. Of rules of a VPC with one priority, those that deny come first.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

__all__ = [
    "ALLOW",
    "DENY",
    "EGRESS",
    "EVERYWHERE",
    "GOOGLES",
    "INGRESS",
    "NEXT",
    "Denial",
    "Flow",
    "Rule",
    "denials",
    "layers_of",
]

Json = t.Mapping[str, t.Any]
Range = tuple[int, int]
"""First and last address, of one family: IPv6 addresses come after all those of IPv4."""

ALLOW, DENY, NEXT = "allow", "deny", "goto_next"
INGRESS, EGRESS = "INGRESS", "EGRESS"
EVERYWHERE, EVERYWHERE_IPV6 = "0.0.0.0/0", "::/0"
_TCP = ("tcp", "6", "all")
_LAST_PORT = 65535
_POLICIES_FIRST = "BEFORE_CLASSIC_FIREWALL"
_UNKNOWN_ADDRESSES = ("SecureTags", "AddressGroups", "Fqdns", "RegionCodes", "ThreatIntelligences")
"""What a policy's rule may say of one end, whose addresses nobody tells us."""


@dataclasses.dataclass(frozen=True)
class Flow:
    """TCP connections that a mesh needs, as the machine sees them whose firewall is asked."""

    what: str
    direction: str
    source: str
    """A range of addresses, of the same family as ``destination``."""
    destination: str
    port: int | None = None
    """None for any: a rule about some ports then decides nothing."""
    network: str = ""
    """Path of the VPC: ``projects/<project>/global/networks/<name>``."""
    tags: frozenset[str] = frozenset()
    """Network tags of the machine."""
    account: str = ""
    """Its service account; "" for not known."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of any kind, of one direction."""

    name: str
    """For a person: ``firewall rule corp-deny``, ``rule 100 of firewall policy corp``."""
    policy: str
    """The policy's name and its kind; "" for a rule of a VPC."""
    priority: int
    action: str
    direction: str
    sources: tuple[Range, ...]
    destinations: tuple[Range, ...]
    ports: tuple[Range, ...]
    """Of TCP."""
    networks: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    """Fields that decide whether it is about a connection, and that nobody here can judge."""
    only_unknown: bool = False
    """Whether it has no addresses besides those."""


GOOGLES = Rule(
    name="a rule of GKE's",
    policy="",
    priority=1000,
    action=ALLOW,
    direction=INGRESS,
    sources=((0, 2**32 - 1),),
    destinations=((0, 2**32 - 1),),
    ports=((0, _LAST_PORT),),
)
"""What GKE lets in for Services and load balancers, once there are some, with the priority that it gives such rules
(https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules)."""


@dataclasses.dataclass(frozen=True)
class Denial:
    """A rule that stops connections of a flow. ``sure`` is False where it depends on what is not known here."""

    rule: Rule
    sure: bool
    whole: bool
    """Whether it stops all connections of the flow."""
    unknown: tuple[str, ...] = ()
    """Fields of rules that nobody here can judge, and by which it may be otherwise."""


class _Box(t.NamedTuple):
    """Connections from a range to a range. ``doubt`` names what may have let them through already."""

    source: Range
    destination: Range
    doubt: tuple[str, ...] = ()


def denials(flow: Flow, layers: t.Iterable[t.Sequence[Rule]]) -> list[Denial]:
    """The rules that stop connections of a flow, in order; what no rule is about is let through.

    That is so of outgoing connections. Incoming ones need a rule that lets them in: that is ours to make, and Google's.
    """
    found: list[Denial] = []
    everything = [_Box(_range(flow.source), _range(flow.destination))]
    boxes = everything
    for layer in layers:
        passed: list[_Box] = []
        for rule in layer:
            if not boxes:
                break
            if not _is_about(rule, flow):
                continue
            unknown = _not_known(rule, flow)
            hit, rest = ([], boxes) if rule.only_unknown else _split(boxes, rule)
            if unknown or rule.only_unknown:
                # It may be about these connections, or about none.
                touched = boxes if rule.only_unknown else hit
                if touched and rule.action == DENY:
                    found.append(Denial(rule, False, _size(touched) == _size(everything), unknown))
                elif touched:
                    boxes = [*(box for box in rest if box not in touched), *_doubtful(touched, unknown)]
                continue
            if not hit:
                continue
            if rule.action == DENY:
                doubt = tuple(dict.fromkeys(name for box in hit for name in box.doubt))
                sure = not all(box.doubt for box in hit)
                found.append(Denial(rule, sure, _size(hit) == _size(everything), () if sure else doubt))
            elif rule.action == NEXT:
                passed += hit
            boxes = rest
        boxes = [*boxes, *passed]
    return found


def _size(boxes: t.Iterable[_Box]) -> int:
    return sum((b.source[1] - b.source[0] + 1) * (b.destination[1] - b.destination[0] + 1) for b in boxes)


def _doubtful(boxes: t.Iterable[_Box], unknown: tuple[str, ...]) -> list[_Box]:
    return [box._replace(doubt=tuple(dict.fromkeys([*box.doubt, *unknown]))) for box in boxes]


def _is_about(rule: Rule, flow: Flow) -> bool:
    """Whether a rule may be about the machine, its direction and the port."""
    if rule.direction != flow.direction or (rule.networks and flow.network not in rule.networks):
        return False
    if rule.tags and not rule.tags & flow.tags:
        return False
    if rule.accounts and flow.account and flow.account not in rule.accounts:
        return False
    wanted = (flow.port, flow.port) if flow.port is not None else (1, _LAST_PORT)
    return any(first <= wanted[0] and wanted[1] <= last for first, last in rule.ports)


def _not_known(rule: Rule, flow: Flow) -> tuple[str, ...]:
    accounts = ("targetServiceAccounts",) if rule.accounts and not flow.account else ()
    return (*rule.unknown, *accounts)


def _split(boxes: t.Iterable[_Box], rule: Rule) -> tuple[list[_Box], list[_Box]]:
    """The connections that a rule's addresses are about, and the others."""
    hit: list[_Box] = []
    rest = list(boxes)
    for source in rule.sources:
        for destination in rule.destinations:
            left: list[_Box] = []
            for box in rest:
                mine, others = _cut(box, source, destination)
                hit += mine
                left += others
            rest = left
    return hit, rest


def _cut(box: _Box, source: Range, destination: Range) -> tuple[list[_Box], list[_Box]]:
    both, sources = _overlap(box.source, source)
    if both is None:
        return [], [box]
    inner, destinations = _overlap(box.destination, destination)
    if inner is None:
        return [], [box]
    others = [box._replace(source=one) for one in sources]
    return [box._replace(source=both, destination=inner)], [
        *others,
        *(box._replace(source=both, destination=one) for one in destinations),
    ]


def _overlap(one: Range, other: Range) -> tuple[Range | None, list[Range]]:
    """What two ranges share, and what is left of the first."""
    first, last = max(one[0], other[0]), min(one[1], other[1])
    if first > last:
        return None, [one]
    left = [(one[0], first - 1)] if one[0] < first else []
    right = [(last + 1, one[1])] if last < one[1] else []
    return (first, last), [*left, *right]


# -- what Google answers ------------------------------------------------------------------------


def layers_of(answer: Json, order: str, firewalls: t.Iterable[Json], more: t.Iterable[Rule] = ()) -> list[list[Rule]]:
    """The rules that decide in one region of a VPC, layer by layer.

    Args:
        answer: of compute.regionNetworkFirewallPolicies.getEffectiveFirewalls.
        order: networkFirewallPolicyEnforcementOrder of the VPC.
        firewalls: the VPC's rules, as Compute Engine has them; the answer's own are not read.
        more: further ones of the VPC.
    """
    policies: dict[str, list[tuple[int, list[Rule]]]] = {}
    for policy in answer.get("firewallPolicys") or []:
        rules = sorted((_of_policy(policy, rule) for rule in policy.get("rules") or []), key=lambda r: r.priority)
        policies.setdefault(str(policy.get("type")), []).append((int(policy.get("priority") or 0), rules))
    first = [
        rules for kind in ("HIERARCHY", "SYSTEM_GLOBAL", "SYSTEM_REGIONAL") for _p, rules in policies.get(kind, [])
    ]
    later = [
        rules
        for kind in ("NETWORK", "NETWORK_REGIONAL")
        for _priority, rules in sorted(policies.get(kind, []), key=lambda one: one[0])
    ]
    own = [*more, *(rule for found in firewalls if not found.get("disabled") for rule in _of_vpc(found))]
    own.sort(key=lambda rule: (rule.priority, rule.action != DENY))
    return [*first, *later, own] if order == _POLICIES_FIRST else [*first, own, *later]


_KINDS = {
    "HIERARCHY": "of the organisation or a folder",
    "NETWORK": "of the VPC",
    "NETWORK_REGIONAL": "of the VPC's region",
}


def _of_policy(policy: Json, rule: Json) -> Rule:
    name = str(policy.get("displayName") or policy.get("name") or "without a name")
    match = rule.get("match") or {}
    direction = str(rule.get("direction") or INGRESS)
    near, far = ("dest", "src") if direction == INGRESS else ("src", "dest")
    unknown = [f"{far}{what}" for what in _UNKNOWN_ADDRESSES if match.get(f"{far}{what}")]
    ranges = match.get(f"{far}IpRanges") or []
    # Conditions beside the addresses, and machines by tags of the resource manager.
    limits = [
        f"{end}{what}"
        for end in ("src", "dest")
        for what in ("NetworkType", "NetworkContext", "Networks")
        if match.get(f"{end}{what}") not in (None, [], "UNSPECIFIED")
    ]
    limits += [what for what in ("targetSecureTags", "targetForwardingRules") if rule.get(what)]
    action = str(rule.get("action"))
    other_target = rule.get("targetType") == "INTERNAL_MANAGED_LB"
    number = int(rule.get("priority") or 0)
    far_ranges = _ranges(ranges, otherwise=() if unknown else _ANY)
    near_ranges = _ranges(match.get(f"{near}IpRanges") or [], otherwise=_ANY)
    # Addresses that nobody tells us come beside those that the rule names: what it surely is about stays certain.
    return Rule(
        name=f"rule {number} of firewall policy {name}",
        policy=f"{policy.get('name') or name}, {_KINDS.get(str(policy.get('type')), 'of Google')}",
        priority=number,
        # Inspected by Google, which lets through what it finds harmless.
        action=action if action in (DENY, NEXT) else ALLOW,
        direction=direction,
        sources=far_ranges if direction == INGRESS else near_ranges,
        destinations=near_ranges if direction == INGRESS else far_ranges,
        ports=() if rule.get("disabled") or other_target else _ports(match.get("layer4Configs") or [], "ipProtocol"),
        networks=tuple(_path(one) for one in rule.get("targetResources") or []),
        accounts=frozenset(map(str, rule.get("targetServiceAccounts") or [])),
        unknown=(*limits, *(unknown if not ranges else ())),
        only_unknown=bool(unknown) and not ranges,
    )


def _of_vpc(found: Json) -> list[Rule]:
    """The rules of one resource: what it allows, or what it denies."""
    direction = str(found.get("direction") or INGRESS)
    named = [field for field in ("sourceTags", "sourceServiceAccounts") if found.get(field)]
    sources, destinations = found.get("sourceRanges") or [], found.get("destinationRanges") or []
    ingress = direction == INGRESS
    return [
        Rule(
            name=f"firewall rule {found.get('name')}",
            policy="",
            priority=int(found.get("priority", 1000)),
            action=action,
            direction=direction,
            sources=_ranges(sources, otherwise=() if ingress and named else _FAR if ingress else _ANY),
            destinations=_ranges(destinations, otherwise=_ANY if ingress else _FAR),
            ports=_ports(found.get(field) or [], "IPProtocol"),
            tags=frozenset(map(str, found.get("targetTags") or [])),
            accounts=frozenset(map(str, found.get("targetServiceAccounts") or [])),
            unknown=tuple(named) if ingress and not sources else (),
            only_unknown=bool(ingress and named and not sources),
        )
        for action, field in ((ALLOW, "allowed"), (DENY, "denied"))
        if found.get(field)
    ]


def _path(link: str) -> str:
    return "projects/" + str(link).partition("projects/")[2]


def _ports(configs: t.Iterable[Json], protocol: str) -> tuple[Range, ...]:
    found: list[Range] = []
    for one in configs:
        if str(one.get(protocol)).lower() not in _TCP:
            continue
        for text in one.get("ports") or [f"0-{_LAST_PORT}"]:
            first, _dash, last = str(text).partition("-")
            found.append((int(first), int(last or first)))
    return tuple(found)


def _ranges(texts: t.Sequence[str], *, otherwise: tuple[Range, ...]) -> tuple[Range, ...]:
    """``otherwise``: what no ranges mean."""
    return tuple(_range(text) for text in texts) if texts else otherwise


def _range(text: str) -> Range:
    net = ipaddress.ip_network(text, strict=False)
    before = 0 if net.version == 4 else 2**32
    return before + int(net.network_address), before + int(net.broadcast_address)


_FAR = (_range(EVERYWHERE),)
"""A rule of a VPC that names no other end means IPv4 alone (https://cloud.google.com/firewall/docs/firewalls)."""
_ANY = (*_FAR, _range(EVERYWHERE_IPV6))
"""Both families: what a rule without ranges means elsewhere.

At the near end it is about all addresses of its targets, IPv6 ones too
(https://cloud.google.com/firewall/docs/firewalls#targets_and_ips_ingress). Of the far end of a policy's rule Google
names no default: its own rules about everything are two, one for each family
(https://cloud.google.com/firewall/docs/pre-defined-rules). A rule that has no ranges there names something else, such
as a kind of network, and that is not of one family.
"""
