# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies as objects of clusters: a pure function of fleet, policies, and what was read of the clusters.

What goes where:

- A VirtualService and a DestinationRule for callers go to the cluster whose control plane configures them: a remote's
  to its primary. Where the callers of one control plane have different policies, routes go by the caller's cluster,
  and each policy has subsets of its own, which hold its rules for connections.
- A gateway to another network knows subsets too: a call names its subset, and the gateway has a way for each that it
  knows. So a DestinationRule with the same subsets goes to the clusters whose gateways the calls may pass. A gateway
  chooses among the pods of its whole network, so there it prefers the same pods as the callers do.
- A Service goes to a caller's own cluster, whose DNS must know the name.

An object that several clusters need alike is made once, and shared: do not change what this returns.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..inventory.fleet import Fleet
from ..istio.ownership import owner_labels
from .addresses import for_cluster
from .istio_words import http_routes, traffic_policy
from .paths import Paths
from .policy import NOTHING, Failover, Policy, Rules, Subset
from .seen import TRAFFIC, Port, Seen, SeenService
from .targets import Target, is_apart, names_of, prefers, target_of, targets_of

__all__ = ["POLICY_ANNOTATION", "Generator", "objects_of"]

Object = dict[str, t.Any]
_Passing = tuple[tuple[int, tuple[Target, ...]], ...]

POLICY_ANNOTATION = "mesh.fleet/policy"
"""Says for which policies an object is."""


class Generator:
    """Makes the objects of policies, cluster by cluster.

    Args:
        fleet: the fleet.
        policies: policies without problems.
        seen: what was read of the clusters. Services and ServiceEntries are made of it, and only then.
        addresses: by global name its addresses; others get one of Istio's own.
        ipv6: the clusters whose control plane serves IPv6: others get no such address.
    """

    def __init__(
        self,
        fleet: Fleet,
        policies: t.Iterable[Policy],
        seen: Seen | None = None,
        addresses: t.Mapping[str, t.Sequence[str]] | None = None,
        ipv6: t.Collection[str] = (),
    ) -> None:
        paths = Paths(fleet)
        by_host: dict[str, list[Policy]] = {}
        for policy in policies:
            for named in policy.by_name():
                by_host.setdefault(named.host, []).append(named)
        self._paths = paths
        self._seen = seen or {}
        self._hosts = [
            _Host(paths, owned, self._seen, (addresses or {}).get(host, ()), ipv6) for host, owned in by_host.items()
        ]
        self._by_host = dict(zip(by_host, self._hosts, strict=True))

    def subset_name(self, policy: Policy, subset: Subset, route: int = 0) -> str:
        """The name of the subset to which calls for some pods go; "" where they go to the service itself.

        Args:
            policy: one of those that the generator was made with.
            subset: the pods.
            route: the number of the policy's route, from 1; 0 for the calls that no route fits.
        """
        return self._by_host[policy.host].subset_name(policy.by_name()[0], subset, route)

    def objects(self, cluster: str) -> list[Object]:
        """The objects of a cluster, in the order of the policies."""
        found: list[Object] = []
        for host in self._hosts:
            if cluster in self._paths.served:
                found += host.istio_objects(cluster)
            if cluster in self._seen:
                found += host.service(cluster)
        return found


def objects_of(
    fleet: Fleet,
    policies: t.Iterable[Policy],
    seen: Seen | None = None,
    addresses: t.Mapping[str, t.Sequence[str]] | None = None,
    ipv6: t.Collection[str] = (),
) -> dict[str, list[Object]]:
    """The objects of each cluster of a fleet; see :class:`Generator`."""
    generator = Generator(fleet, policies, seen, addresses, ipv6)
    return {cluster: generator.objects(cluster) for cluster in fleet.clusters}


class _Host:
    """All policies of one host name."""

    def __init__(
        self,
        paths: Paths,
        policies: t.Sequence[Policy],
        seen: Seen,
        addresses: t.Sequence[str],
        ipv6: t.Collection[str],
    ) -> None:
        self._paths = paths
        self._policies = policies
        self._first = policies[0]
        self._seen = seen
        self._addresses = addresses
        self._ipv6 = ipv6
        self._callers = [None if policy.callers is None else frozenset(policy.callers) for policy in policies]
        self._apart = [is_apart(policy, paths) for policy in policies]
        self._targets = [targets_of(policy, apart) for policy, apart in zip(policies, self._apart, strict=True)]
        self._names = names_of(target for targets in self._targets for target in targets)
        self._model = _model_service(self._first, seen)
        # An order of clusters or regions depends on where the callers are, and on whom they may call.
        self._orders = [_orders(policy) for policy in policies]
        self._through: dict[frozenset[str], _Passing] = {}
        self._passings: dict[_Passing, int] = {}
        self._made: dict[t.Any, list[Object]] = {}

    def istio_objects(self, cluster: str) -> list[Object]:
        """What a cluster's control plane must read."""
        served = self._paths.served[cluster]
        mine: list[tuple[int, tuple[str, ...]]] = []
        for number, callers in enumerate(self._callers):
            own = served if callers is None else tuple(caller for caller in served if caller in callers)
            if own:
                mine.append((number, own))
        passing: _Passing = ()
        if self._may_have_pods(cluster, served):
            passing = self._passing(frozenset(self._paths.fleet.clusters[one].network for one in served))
        if not mine and not passing and not self._first.is_global:
            return []
        orders = tuple(self._order_key(number, served) for number, _targets in passing)
        same = self._passings.setdefault(passing, len(self._passings)) if passing else -1
        alike = self._callers_key(mine, served)
        key = (alike, same, orders, self._paths.istio_api(cluster), cluster in self._ipv6)
        if key not in self._made:
            self._made[key] = self._make(cluster, served, mine, passing)
        return self._made[key]

    def _may_have_pods(self, cluster: str, served: tuple[str, ...]) -> bool:
        """Whether gateways of these clusters get calls: not where the one that holds the objects has no namespace.

        The gateways of a cluster get calls to its own pods. A remote may have the namespace, and its primary not.
        """
        read = self._seen.get(cluster)
        return read is None or read.namespaces is None or len(served) > 1 or self._first.namespace in read.namespaces

    def _passing(self, networks: frozenset[str]) -> _Passing:
        """The policies whose calls may pass gateways on these networks, and their targets that do."""
        if networks not in self._through:
            self._through[networks] = tuple(
                (
                    number,
                    tuple(
                        target
                        for target in self._targets[number]
                        if any(self._paths.crosses(callers, network, target.subset.cluster) for network in networks)
                    ),
                )
                for number, callers in enumerate(self._callers)
                if any(self._paths.crosses(callers, network) for network in networks)
            )
        return self._through[networks]

    def _callers_key(self, mine: t.Sequence[tuple[int, tuple[str, ...]]], served: tuple[str, ...]) -> t.Hashable:
        """What is the same for all clusters that need the same objects for their callers."""
        if len(mine) != 1 or mine[0][1] != served:
            return tuple(mine)
        number, own = mine[0]
        return number, self._order_key(number, own)

    def _order_key(self, number: int, callers: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(self._paths.order_number(failover, callers) for failover in self._orders[number])

    def _make(
        self, cluster: str, served: tuple[str, ...], mine: list[tuple[int, tuple[str, ...]]], passing: _Passing
    ) -> list[Object]:
        callers = [number for number, _own in mine]
        found: list[Object] = []
        if self._first.is_global and self._model:
            # In every cluster, whoever the policies are for: one name, one address.
            entry = self._entry(self._model, cluster in self._ipv6)
            found.append(self._object(cluster, "ServiceEntry", entry, range(len(self._policies))))
        rule = self._rule(served, mine, passing)
        if rule:
            concerned = {*callers, *(number for number, targets in passing if targets)}
            found.append(self._object(cluster, "DestinationRule", {"host": self._first.host, **rule}, concerned))
        routes = self._routes(served, mine)
        if routes:
            spec = {"hosts": [self._first.host], "http": routes}
            found.append(self._object(cluster, "VirtualService", spec, callers))
        return found

    def _rule(
        self, served: tuple[str, ...], mine: t.Sequence[tuple[int, tuple[str, ...]]], passing: _Passing
    ) -> Object:
        """The traffic policy and subsets of the DestinationRule; empty where nothing needs one."""
        subsets: dict[Target, Object] = {}
        whole: Object = {}
        for number, own in mine:
            policy = self._policies[number]
            if not self._apart[number]:
                whole = self._traffic(policy.rules, own)
            for target in self._targets[number]:
                subsets[target] = self._traffic(self._rules_of(number, target), own) if target.caller else {}
        for number, targets in passing:
            for target in targets:
                if target not in subsets:
                    rules = _of_gateways(self._rules_of(number, target))
                    subsets[target] = self._traffic(rules, served) if target.caller else {}
        rule: Object = {"trafficPolicy": whole} if whole else {}
        if subsets:
            rule["subsets"] = [
                {
                    "name": self._names[target],
                    **({"labels": target.labels} if target.labels else {}),
                    **({"trafficPolicy": traffic} if traffic else {}),
                }
                for target, traffic in sorted(subsets.items(), key=lambda item: self._names[item[0]])
            ]
        return rule

    def _rules_of(self, number: int, target: Target) -> Rules:
        policy = self._policies[number]
        return policy.routes[target.route - 1].rules if target.route else policy.rules

    def _traffic(self, rules: Rules, own: tuple[str, ...]) -> Object:
        # What Istio cannot say is a problem that lint names, and is never applied.
        order = self._paths.order(rules.failover, own) if rules.failover and rules.is_ordered else None
        return traffic_policy(rules, order or {"enabled": True})

    def _routes(self, served: tuple[str, ...], mine: t.Sequence[tuple[int, tuple[str, ...]]]) -> list[Object]:
        """The routes of the VirtualService; none where nothing needs one."""
        found: list[Object] = []
        covered: set[str] = set()
        for number, own in mine:
            policy = self._policies[number]
            needed = policy.rules.routed or policy.routes or any(t.caller for t in self._targets[number])
            if needed:
                covered |= set(own)
                found += http_routes(policy, () if own == served else own, functools.partial(self._destination, number))
        if found and not covered.issuperset(served):
            found.append({"name": "others", "route": [{"destination": {"host": self._first.host}}]})
        return found

    def subset_name(self, policy: Policy, subset: Subset, route: int) -> str:
        """See :meth:`Generator.subset_name`."""
        return self._name(self._policies.index(policy), route, subset)

    def _name(self, number: int, route: int, subset: Subset) -> str:
        return self._names.get(target_of(self._policies[number], route, subset, self._apart[number]), "")

    def _destination(self, number: int, route: int, subset: Subset) -> Object:
        name = self._name(number, route, subset)
        return {"host": self._first.host, **({"subset": name} if name else {})}

    def _entry(self, service: SeenService, ipv6: bool) -> Object:
        """The ServiceEntry of a global name: the pods of its Service, in all clusters."""
        addresses = for_cluster(self._addresses, ipv6)
        return {
            "hosts": [self._first.host],
            **({"addresses": addresses} if addresses else {}),
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [_entry_port(port) for port in service.ports if port.protocol == "TCP"],
            "workloadSelector": {"labels": dict(service.selector)},
        }

    def service(self, cluster: str) -> list[Object]:
        """The Service that makes the name resolve for callers in a cluster that was read and has none."""
        first = self._first
        if first.is_global or not self._model or self._seen[cluster].service(first.name, first.namespace):
            return []
        concerned = [
            policy
            for policy, callers in zip(self._policies, self._callers, strict=True)
            if (callers is None or cluster in callers) and not policy.says_nothing
        ]
        if not concerned:
            return []
        ports = [
            {
                "port": port.number,
                "protocol": port.protocol,
                **({"name": port.name} if port.name else {}),
                **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
                **({"targetPort": port.target} if port.target else {}),
            }
            for port in self._model.ports
        ]
        selector = {"selector": dict(self._model.selector)} if self._model.selector else {}
        headless = {"clusterIP": "None"} if self._model.headless else {}
        metadata = self._metadata(first.name, concerned)
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {**headless, **selector, "ports": ports},
            }
        ]

    def _object(self, cluster: str, kind: str, spec: Object, numbers: t.Iterable[int]) -> Object:
        name = f"{self._first.name}.global-traffic" if self._first.is_global else f"{self._first.name}-traffic"
        return {
            "apiVersion": self._paths.istio_api(cluster),
            "kind": kind,
            "metadata": self._metadata(name, [self._policies[number] for number in sorted(numbers)]),
            "spec": spec,
        }

    def _metadata(self, name: str, policies: t.Sequence[Policy]) -> Object:
        return {
            "name": name,
            "namespace": self._first.namespace,
            "labels": owner_labels(TRAFFIC, self._paths.fleet.name),
            "annotations": {POLICY_ANNOTATION: "; ".join(policy.said for policy in policies)},
        }


def _orders(policy: Policy) -> tuple[Failover, ...]:
    """The orders of clusters or regions that a policy names."""
    named = (rules.failover for _at, rules, _said in policy.all_rules() if rules.is_ordered)
    return tuple(dict.fromkeys(failover for failover in named if failover))


def _of_gateways(rules: Rules) -> Rules:
    """What holds at a gateway too: which pods are preferred. Limits and affinity are each caller's own."""
    if not prefers(rules):
        return NOTHING
    breaker = None
    if rules.breaker and rules.ejects:
        breaker = dataclasses.replace(rules.breaker, connections=None, pending=None, requests=None)
    return Rules(breaker=breaker, retries=rules.retries, failover=rules.failover, localities=rules.localities)


def _model_service(policy: Policy, seen: Seen) -> SeenService | None:
    """The Service of a policy as the first cluster that has it has it; None where none is known."""
    for cluster in seen.values():
        found = cluster.service(policy.name, policy.namespace)
        if found:
            return found
    return None


def _entry_port(port: Port) -> Object:
    spoken = port.spoken.upper() or "TCP"
    name = port.name or f"{spoken.lower()}-{port.number}"
    target = {"targetPort": port.target} if isinstance(port.target, int) and port.target not in (0, port.number) else {}
    return {"number": port.number, "name": name, "protocol": spoken, **target}
