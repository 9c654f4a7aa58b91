# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with policies, given what was read of the clusters: services, ports, pods, namespaces.

A cluster that was not read may hold anything. So nothing is said of what must be somewhere while one was not read.
"""

from __future__ import annotations

import typing as t

from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from .lint import Findings
from .paths import Paths
from .policy import EVERYWHERE, Policy, Subset
from .reading import place_of
from .seen import Seen, SeenService
from .targets import is_apart

__all__ = ["lint_seen"]


def lint_seen(fleet: Fleet, policies: t.Sequence[Policy], seen: Seen) -> Findings:
    """All findings about policies that depend on what clusters hold, in the order of the policies."""
    found = Findings()
    paths = Paths(fleet)
    for policy in policies:
        one = _Policy(paths, policy, seen)
        found += one.host()
        found.problems += [*one.ports(), *one.namespaces(), *one.entry()]
        found.warnings += one.subsets()
    return found


class _Policy:
    """One policy, and what clusters hold of its service."""

    def __init__(self, paths: Paths, policy: Policy, seen: Seen) -> None:
        self._paths = paths
        self._policy = policy
        self._seen = seen
        self._services: dict[str, SeenService] = {}
        for name, cluster in seen.items():
            service = cluster.service(policy.name, policy.namespace)
            if service:
                self._services[name] = service
        self._all_read = set(paths.fleet.clusters) <= set(seen)
        self._callers = list(paths.fleet.clusters) if policy.callers is None else list(policy.callers)
        self._pods_read = self._all_read and all(cluster.pods is not None for cluster in seen.values())

    def _problem(self, field: str, value: t.Any, message: str, hint: str) -> Problem:
        return place_of(self._policy, field).problem(value, message, hint)

    def _serving(self, subset: Subset = EVERYWHERE) -> list[str]:
        """The clusters that have pods of a subset of the service."""
        wanted = set(subset.labels)
        return [
            name
            for name, service in self._services.items()
            if subset.cluster in ("", name)
            and any(wanted <= set(pod.labels) for pod in self._seen[name].pods_of(service))
        ]

    def host(self) -> Findings:
        """A service that no cluster has, or that has no pods that its callers reach."""
        found, policy = Findings(), self._policy
        if not self._services:
            if self._all_read:
                hint = (
                    f"is the app there? Else correct the name: a Service {policy.name} in namespace {policy.namespace}"
                )
                found.problems.append(self._problem("service", policy.service, "is served by no cluster", hint))
            return found
        if not self._pods_read or not all(service.selector for service in self._services.values()):
            return found
        serving = self._serving()
        if not serving:
            hint = "calls fail until its pods are there"
            found.warnings.append(self._problem("service", policy.service, "has no pods in any cluster", hint))
            return found
        reasons = {caller: [self._paths.why_not(caller, one) for one in serving] for caller in self._callers}
        for caller, why in reasons.items():
            if all(why):
                message = f"has no pods that callers in {caller} reach: {why[0]}"
                hint = f"mesh_peers of {caller}, or leave it out of from"
                found.problems.append(self._problem("service", policy.service, message, hint))
        return found

    def ports(self) -> list[Problem]:
        """Rules that only HTTP has, for a service none of whose ports is known to speak it."""
        policy = self._policy
        if not (policy.rules.routed or policy.routes or is_apart(policy, self._paths)):
            return []
        for cluster, service in self._services.items():
            if any(port.is_http for port in service.ports):
                continue
            field = next(
                (key for key in ("split", "timeout", "retries", "fault", "mirror") if getattr(policy.rules, key)),
                "routes" if policy.routes else "from",
            )
            silent = [port.number for port in service.ports if not port.spoken]
            message = f"needs HTTP, and no port of the Service in {cluster} is known to speak it"
            hint = "a port with appProtocol: http"
            if silent:
                message += f": port {silent[0]} has neither a name that says so nor appProtocol"
                hint = f"name port {silent[0]} http, or begin its name with http-; or set appProtocol: http"
            return [self._problem(field, None, message, hint)]
        return []

    def subsets(self) -> list[Problem]:
        """Parts of the calls that no pod would get."""
        problems: list[Problem] = []
        if not self._pods_read or not self._serving():
            return problems
        for prefix, rules, said in self._policy.all_rules():
            named = [(f"split[{n}]", share.subset) for n, share in enumerate(rules.split) if share.weight]
            named += [("mirror", rules.mirror.subset)] if rules.mirror else []
            for field, subset in named:
                if said is not None and field.partition("[")[0] not in said:
                    continue
                if not self._serving(subset):
                    where = f" in {subset.cluster}" if subset.cluster else ""
                    labels = ", ".join(f"{key}={value}" for key, value in subset.labels) or "of the service"
                    message = f"names pods that are not there{where}: {labels}"
                    hint = "these calls fail until such pods are ready"
                    problems.append(self._problem(prefix + field, None, message, hint))
        return problems

    def namespaces(self) -> list[Problem]:
        """Clusters without the namespace that the objects belong into."""
        policy = self._policy
        without = [] if policy.is_global else [caller for caller in self._callers if caller not in self._services]
        # A global name is in every cluster.
        everywhere = self._paths.served if policy.is_global or policy.also_global else ()
        places = dict.fromkeys((*(self._paths.read_in(caller) for caller in self._callers), *without, *everywhere))
        missing = [
            name
            for name in places
            if (read := self._seen.get(name))
            and read.namespaces is not None
            and policy.namespace not in read.namespaces
        ]
        if not missing:
            return []
        message = f"needs namespace {policy.namespace} in {', '.join(missing)}, where its objects go"
        return [self._problem("service", policy.service, message, f"kubectl create namespace {policy.namespace}")]

    def entry(self) -> list[Problem]:
        """What a global name cannot be made of."""
        policy = self._policy
        if not (policy.is_global or policy.also_global) or not self._services:
            return []
        cluster, service = next(iter(self._services.items()))
        if not service.selector:
            message = f"cannot be global: the Service in {cluster} selects no pods"
            return [self._problem("service", policy.service, message, "a Service with a selector")]
        ports = [port for port in service.ports if port.protocol == "TCP"]
        if not ports:
            message = f"cannot be global: the Service in {cluster} has no TCP port"
            return [self._problem("service", policy.service, message, "a TCP port")]
        named = [port for port in ports if isinstance(port.target, str)]
        if named:
            message = f"cannot be global: port {named[0].number} of the Service in {cluster} leads to a port by name"
            return [self._problem("service", policy.service, message, f"targetPort by number, not {named[0].target}")]
        return []
