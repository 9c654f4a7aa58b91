# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run would do in each project, found out by reading, and what would stop it there.

A project in which nothing is to be made costs one request: the list of its clusters.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import threading
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import CLUSTER_APIS, api_states
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import (
    ACCOUNTS_API,
    MESH_API,
    POLICY_API,
    apis_for,
    bindings_for,
    missing_bindings,
    needs_number,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.node_account import RECORD, NodeAccount
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import project_number
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks import permissions
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.facts import read_facts
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.findings import (
    Findings,
    ProjectPlan,
    judge,
    wishes_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.membership import other_fleets
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.mesh_flows import targets_of
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.nodes import groups_of_cluster, groups_of_steps
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.differences import (
    Difference,
    body,
    compare,
    runs_as,
    says_more,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.passed import with_passed
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.resources import feature_plan
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.meanings import API_OFF, PERMISSION
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.global_range import subnets_in_range
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import needing_nat, plan_nat, ways_out
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.pod_ranges import PodRanges
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import TRUSTED, network_roles
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import (
    ExistingNetwork,
    NetworkPlan,
    plan_network,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import clusters_with_istiod
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.kubernetes_versions import unsupported
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    marker,
    our_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    INGRESS,
    Member,
    config_cluster,
    fleet_project,
    host_projects,
    members,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, UNCHANGED
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.client import list_by_region, read_network
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import Part, with_mesh_label
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.firewalls import Joining, find_denials

__all__ = ["Foresight"]

Json = dict[str, t.Any]
_NOT_COMPARED = ("gke_authorized_networks", "gke_endpoint")
"""What later stages complete: with the addresses of NATs, and with what stays for clusters that are not named."""


@dataclasses.dataclass
class _Project:
    """What is known of a project with clusters of the play."""

    part: Part
    live: dict[tuple[str, str], Json]
    new: list[ClusterSpec]
    changes: dict[str, list[Difference]]


class Foresight:
    """One look ahead over all projects of the play.

    Args:
        fleet: the fleet.
        parts: its projects that have clusters in the play.
        networks: the projects of those clusters' networks.
        front_door: whether multi-cluster ingress is in front of the clusters.
        enable_apis: whether the run may switch APIs on.
    """

    def __init__(
        self, fleet: Fleet, parts: t.Sequence[Part], networks: t.Sequence[Part], *, front_door: bool, enable_apis: bool
    ) -> None:
        self.fleet, self.parts, self.networks = fleet, parts, networks
        self.front_door, self.enable_apis = front_door, enable_apis
        self.features = needed_features(fleet, front_door=front_door)
        self.members = members(fleet)
        self.with_istiod = {c.name for c in clusters_with_istiod(fleet)}
        self.plans: dict[str, ProjectPlan] = {}
        self.clients: dict[str, Google] = {}
        self.found = Findings()
        self._numbers: dict[str, str] = {}
        self._pods = PodRanges(self.fleet)
        self._networks: dict[str, tuple[ExistingNetwork, NetworkPlan] | None] = {}
        """By project, what its VPCs have, and what the run makes there; None where that may not be read."""
        self._turn = threading.Lock()

    def look(self) -> tuple[Findings, dict[str, list[Json]]]:
        """All that would stop the run, and the clusters of each project that answered."""
        with concurrent.futures.ThreadPoolExecutor(len(self.parts)) as pool:
            projects = list(pool.map(self._read, self.parts))
        known = [p for p in projects if p is not None]
        for project in known:
            self._plan_clusters(project)
        new = {w.host for p in known for w in p.new}
        joining = self._joining(known)
        for part in self.networks:
            if any(w.host in new for w in part.play):
                self._plan_network(part, new)
            self._check_firewalls(part, joining)
        self._plan_fleet(known)
        self._check_fleets(known)
        self._check_versions(known)
        plans = [plan for plan in self.plans.values() if not plan.idle]
        if plans:
            with concurrent.futures.ThreadPoolExecutor(len(plans)) as pool:
                for found in pool.map(self._judged, plans):
                    self._add(found)
        return self.found, {p.part.project: list(p.live.values()) for p in known}

    @property
    def requests(self) -> int:
        """How many were sent."""
        counted = {id(google): google for google in [*self.clients.values(), *(part.google for part in self.parts)]}
        return sum(google.requests for google in counted.values())

    def _add(self, found: Findings) -> None:
        for problem in found.problems:
            # What stops every request is told once, not of each request.
            same = [p for p in self.found.problems if (p.what, p.cluster) == (problem.what, problem.cluster)]
            if not any(isinstance(p, GoogleError) or str(p) == str(problem) for p in same):
                self.found.problems.append(problem)
        self.found.warnings += found.warnings

    def _plan(self, project: str, google: Google) -> ProjectPlan:
        self.clients.setdefault(project, google)
        return self.plans.setdefault(project, ProjectPlan(project, self.enable_apis))

    def _read(self, part: Part) -> _Project | None:
        with contextlib.suppress(GoogleError):  # told with the permissions
            part = with_mesh_label(part, self._number)
        clusters = Clusters(part.google, our_labels(self.fleet), marker(self.fleet), timeout=0, dry_run=True)
        try:
            clusters.read()
        except GoogleError as error:
            if error.kind != API_OFF:
                # A permission is reported with the others that are missing.
                if error.kind != PERMISSION:
                    self._add(Findings(problems=[error]))
                plan = self._plan(part.project, part.google)
                plan.permissions += ["container.clusters.list"]
                plan.apis += CLUSTER_APIS
                return None
        return _Project(part, clusters.live, clusters.missing(part.play), {})

    def _number(self, project: str) -> str:
        """The number of a project; requested once."""
        with self._turn:
            if project not in self._numbers:
                google = self.parts[0].google
                if self.features and project == fleet_project(self.members):
                    # The fleet's stage asks for its APIs anyway; their answer has the number, too.
                    with contextlib.suppress(GoogleError):
                        api_states(google.of(project), self._fleet_apis(project))
                self._numbers[project] = project_number(google, project)
            return self._numbers[project]

    def _fleet_apis(self, project: str) -> list[str]:
        """APIs that the fleet's stage asks for."""
        projects = {member.project for member in self.members.values()}
        policies = [POLICY_API] if bindings_for(self.features, projects, project, "") else []
        return list(dict.fromkeys([*apis_for(self.features), *policies]))

    # -- what the run would do -----------------------------------------------------------------

    def _plan_clusters(self, project: _Project) -> None:
        description = marker(self.fleet)
        plan = self._plan(project.part.project, project.part.google)
        looked_at = False
        for bare in project.new:
            try:
                w = with_passed(bare)
            except FleetError as error:
                self._add(Findings(problems=[error]))
                continue
            looked_at = looked_at or says_more(w)
            request = body(w, description)
            plan.groups += groups_of_cluster(w, request)
            if w.autopilot:
                scaling = request["cluster"].get("autoscaling") or {}
                defaults = scaling.get("autoprovisioningNodePoolDefaults") or {}
                plan.autopilot[w.host] = str(defaults.get("serviceAccount") or "default").removeprefix("default")
            plan.versions[w.host] = str(request["cluster"].get("initialClusterVersion") or "")
            if w.host in self.with_istiod:
                plan.istio[w.host] = self.fleet.istio_version
        plan.new += project.new
        if project.new:
            istiod = any(w.host in self.with_istiod for w in project.new)
            plan.permissions += permissions.of_clusters(istiod=istiod, looked_at=looked_at)
        accounts = dict.fromkeys(w.account for w in project.new if w.account)
        for w in project.part.play:
            live = project.live.get((w.member.location, w.member.cluster))
            if live is None:
                continue
            try:
                w = with_passed(w)
                found = compare(w, live, adopted=live.get("description") != description)
            except FleetError:
                continue  # the clusters stage says what is wrong with it
            changes = [d for d in found if d.variable not in _NOT_COMPARED]
            plan.groups += groups_of_steps(w, live, changes)
            plan.permissions += permissions.of_changes(changes)
            # As the clusters stage decides it (Clusters.needs_account).
            if w.account and not runs_as(live, w.account):
                accounts[w.account] = None
        for email in accounts:
            self._plan_account(plan, project.part.google, email)
        if not plan.idle:
            plan.apis += CLUSTER_APIS

    def _plan_account(self, plan: ProjectPlan, google: Google, email: str) -> None:
        """The service account of the fleet's nodes: what it lacks, as the clusters stage sees it."""
        plan.apis += [ACCOUNTS_API, POLICY_API]
        grants = Grants(self.fleet.directory, RECORD)
        made = granted = True
        try:
            changes = NodeAccount(google, email, marker(self.fleet), grants, dry_run=True).present()
        except GoogleError as error:
            # Where the API is off, nothing is there yet. What may not be seen may be there.
            made = granted = error.kind == API_OFF
            if error.kind not in (API_OFF, PERMISSION):
                self._add(Findings(problems=[error]))
        except FleetError as error:
            self._add(Findings(problems=[error]))
            return
        else:
            made = any((c.kind, c.action) == ("ServiceAccount", CREATED) for c in changes)
            granted = made or any(c.action != UNCHANGED for c in changes)
        plan.made |= {email} if made else set()
        plan.permissions += permissions.of_account(made=made, granted=granted)

    def _plan_network(self, part: Part, new: t.Container[str]) -> None:
        google = self.clients.get(part.project, part.google)
        plan = self._plan(part.project, google)
        mine = [w for w in part.play if w.host in new]
        try:
            live = read_network(google)
            routers = list_by_region(google, "routers")
        except GoogleError as error:
            if error.kind == PERMISSION:
                # What is there is not known, and so not what is missing.
                plan.permissions += [f"compute.{kind}.list" for kind in ("networks", "subnetworks", "firewalls")]
                plan.permissions += ["compute.routers.list"]
                self._networks[part.project] = None
                return
            if error.kind != API_OFF:
                self._add(Findings(problems=[error]))
            live, routers = ExistingNetwork({}, {}, {}), {}
        network, failed = plan_network(
            part.everybody, {w.host for w in mine}, live, marker(self.fleet), load_balancers=self.front_door
        )
        self._networks[part.project] = (live, network)
        overlapping = {
            **subnets_in_range(self.fleet, part.everybody, live),
            **self._pods.add(part.everybody, live),
        }
        failed = {**{w.host: overlapping[w.host] for w in mine if w.host in overlapping}, **failed}
        self._add(Findings(problems=list(failed.values())))
        other = ways_out(self.fleet)
        needing = needing_nat(mine, other)
        places = {w.place: w for w in reversed(needing)}
        nat = plan_nat(places, (), routers, {}, marker(self.fleet), needing, other)
        self._add(Findings(problems=list(nat.unknown.values())))
        if not all(w.shared for w in mine):
            plan.permissions += permissions.of_network([*network.kinds, *nat.kinds])
        # On a Shared VPC the clusters stage says what its administrator is to make, where these credentials may not.
        plan.apis += CLUSTER_APIS

    def _joining(self, known: t.Sequence[_Project]) -> list[Joining]:
        """Clusters that are made, or that stand and are not members of the Google fleet yet."""
        found = []
        for p in known:
            for w in p.part.play:
                live = p.live.get((w.member.location, w.member.cluster))
                if live is not None and live.get("fleet"):
                    continue
                with contextlib.suppress(FleetError):  # told already, or by the clusters stage
                    found.append(Joining(w, targets_of(live or body(with_passed(w), marker(self.fleet))["cluster"])))
        return found

    def _check_firewalls(self, part: Part, joining: t.Sequence[Joining]) -> None:
        """Rules and policies of others in the VPCs of a project that would stop the mesh."""
        mine = [one for one in joining if one.spec.network_project == part.project]
        if not mine:
            return
        google = self.clients.get(part.project, part.google)
        if part.project not in self._networks:
            try:
                self._networks[part.project] = (read_network(google), NetworkPlan())
            except GoogleError:
                self._networks[part.project] = None  # the network's stage says why
        there = self._networks[part.project]
        if there is not None:
            everybody = [w for network in self.networks for w in network.everybody]
            self._add(
                find_denials(
                    google, self.fleet, everybody, mine, *there, istiods=self.with_istiod, front_door=self.front_door
                )
            )

    def _plan_fleet(self, known: t.Sequence[_Project]) -> None:
        project = fleet_project(self.members)
        joining = [
            self.members[w.host]
            for p in known
            for w in p.part.play
            if not (p.live.get((w.member.location, w.member.cluster)) or {}).get("fleet")
        ]
        if not joining:
            return
        google = self.clients.get(project) or known[0].part.google.of(project)
        plan = self._plan(project, google)
        features = self.features
        methods = self._feature_methods(google, plan, features, joining) if features else set()
        bindings = self._missing_bindings(google, features, project) if features else []
        plan.apis += [*apis_for(features), *([POLICY_API] if bindings else [])]
        for member in joining:
            if member.managed and member.project != project:
                client = self.clients.get(member.project) or google.of(member.project)
                self._plan(member.project, client).apis.append(MESH_API)
        plan.permissions += permissions.of_fleet(methods)
        for one, some in itertools.groupby(sorted(bindings, key=lambda b: b.project), key=lambda b: b.project):
            client = self.clients.get(one) or google.of(one)
            self._plan(one, client).permissions.extend(permissions.of_bindings(some))

    def _feature_methods(
        self, google: Google, plan: ProjectPlan, features: t.Sequence[str], joining: t.Sequence[Member]
    ) -> set[str]:
        """By which methods features come to be as wanted."""
        parent = f"projects/{google.project}/locations/global"
        on: dict[str, Json] = {}
        try:
            found = google.pages("gkehub", "projects.locations.features.list", "resources", parent=parent)
            on = {str(one.get("name")).rpartition("/")[2]: one for one in found}
        except GoogleError as error:
            if error.kind == PERMISSION:
                plan.permissions.append("gkehub.features.list")
                return set()
        managed = [member.name for member in joining if member.managed]
        methods = set()
        for feature in features:
            with contextlib.suppress(FleetError):  # the fleet's stage says what is wrong
                config = self.members[config_cluster(self.fleet, self.members)].name if feature == INGRESS else ""
                methods.add(
                    feature_plan(
                        feature,
                        on.get(feature),
                        fleet_name=self.fleet.name,
                        managed=managed,
                        config_membership=config,
                    ).method
                )
        return methods

    def _missing_bindings(self, google: Google, features: t.Sequence[str], project: str) -> list[t.Any]:
        projects = {member.project for member in self.members.values()}
        networks = {} if network_roles(self.fleet) == TRUSTED else host_projects(self.members.values())
        number = ""
        try:
            if needs_number(features, {*projects, *networks.values()}, project):
                number = project_number(google)
        except GoogleError:
            number = "0"  # then all count as missing
        missing = []
        for one, some in itertools.groupby(
            sorted(bindings_for(features, projects, project, number, networks)), key=lambda b: b.project
        ):
            wanted = list(some)
            options = {"options": {"requestedPolicyVersion": 3}}
            try:
                policy = google.call("cloudresourcemanager", "projects.getIamPolicy", resource=one, body=options)
            except GoogleError as error:
                if error.kind == PERMISSION:
                    client = self.clients.get(one) or google.of(one)
                    self._plan(one, client).permissions.append("resourcemanager.projects.getIamPolicy")
                    continue
                policy = {}
            missing += missing_bindings(policy, wanted)
        return missing

    # -- what does not fit ---------------------------------------------------------------------

    def _check_fleets(self, known: t.Sequence[_Project]) -> None:
        """Clusters that are members of another Google fleet."""
        project = fleet_project(self.members)
        pairs: list[tuple[Member, Json]] = []
        for p in known:
            for w in p.part.play:
                live = p.live.get((w.member.location, w.member.cluster))
                if live is not None and live.get("fleet"):
                    pairs.append((w.member, live))
        if pairs:
            number = functools.partial(self._number, project)
            self._add(Findings(problems=other_fleets(pairs, project, number)))

    def _check_versions(self, known: t.Sequence[_Project]) -> None:
        for p in known:
            for w in p.part.play:
                live = p.live.get((w.member.location, w.member.cluster)) or {}
                why = unsupported(self.fleet.istio_version, str(live.get("currentMasterVersion") or ""))
                if why and w.host in self.with_istiod:
                    version = live["currentMasterVersion"]
                    self.found.warnings.append(f"{w.host}: it has Kubernetes {version}, and {why}")

    def _judged(self, plan: ProjectPlan) -> Findings:
        google = self.clients[plan.project]
        return judge(plan, read_facts(google, wishes_of(plan)), google.account)
