# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would stop a run in a project, from what the run would make there and what Google says: pure functions."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..._model.istio.kubernetes_versions import unsupported
from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from .facts import Facts, Wishes
from .nodes import NodeGroup
from .permissions import ACT_AS, role_for
from .policies import forbidden
from .quotas import cpus_of, demands, over_quota

__all__ = ["Findings", "ProjectPlan", "judge", "wishes_of"]

_LEAST_CPUS = 4
"""Google's own mesh wants nodes of 4 vCPUs or more (https://cloud.google.com/service-mesh/docs/prerequisites)."""


@dataclasses.dataclass
class ProjectPlan:
    """What a run would do in one project, its clusters', its networks' or the Google fleet's."""

    project: str
    enable_apis: bool = False
    """Whether the run may switch APIs on."""
    apis: list[str] = dataclasses.field(default_factory=list)
    permissions: list[str] = dataclasses.field(default_factory=list)
    groups: list[NodeGroup] = dataclasses.field(default_factory=list)
    autopilot: dict[str, str] = dataclasses.field(default_factory=dict)
    """By host of a new Autopilot cluster, the service account of the nodes that come on demand; "" for the default."""
    new: list[ClusterSpec] = dataclasses.field(default_factory=list)
    """Clusters to be made."""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    """By host of a new cluster, the version of Kubernetes that the inventory asks for, where it does."""
    made: set[str] = dataclasses.field(default_factory=set)
    """Service accounts of nodes that the run makes: nobody else has to."""
    istio: dict[str, str] = dataclasses.field(default_factory=dict)
    """By host of a new cluster with an istiod of ours, the version of Istio."""

    @property
    def idle(self) -> bool:
        """Whether the run makes and changes nothing there."""
        return not (self.apis or self.permissions or self.groups or self.new)


@dataclasses.dataclass
class Findings:
    """What stops the run, and what a person should know."""

    problems: list[FleetError] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def wishes_of(plan: ProjectPlan) -> Wishes:
    """What to ask Google for a plan."""
    permissions = list(dict.fromkeys(plan.permissions))
    return Wishes(
        apis=list(dict.fromkeys(plan.apis)),
        # Asked for whether or not it will be needed: that is known with the same answers.
        permissions=[*permissions, _ENABLE] if permissions and plan.enable_apis else permissions,
        machines={g.machine for g in plan.groups if "custom-" not in g.machine},
        accounts=dict.fromkeys(
            account
            for account in (*(g.account for g in plan.groups), *plan.autopilot.values())
            if account not in plan.made
        ),
        places=dict.fromkeys(w.member.location for w in plan.new),
        nodes=bool(plan.groups or plan.new),
    )


_ENABLE = "serviceusage.services.enable"


def judge(plan: ProjectPlan, facts: Facts, account: str) -> Findings:
    """All of it together. ``account``: who we are to Google, in words."""
    found = Findings(problems=list(facts.refused))
    off = [api for api in dict.fromkeys(plan.apis) if facts.apis is not None and api not in facts.apis.on]
    if off and not plan.enable_apis:
        found.problems.append(_apis_off(plan.project, off))
    found.problems += _permissions(plan, facts, account, enabling=bool(off) and plan.enable_apis)
    found.problems += _accounts(plan, facts)
    found.problems += _machines(plan, facts, found.warnings)
    known = {name: cpus for zone in (facts.machines or {}).values() for name, cpus in zone.items()}
    over = over_quota(plan.project, demands(plan.groups, known, facts.quotas), facts.quotas)
    found.problems += over
    if not over:
        later = over_quota(plan.project, demands(plan.groups, known, facts.quotas, most=True), facts.quotas)
        found.warnings += [f"{e.obj}: {e.what} for all nodes that autoscaling may add: {e.seen}" for e in later]
    found.problems += forbidden(plan.project, facts.policies, plan.groups, {w.host: w.region for w in plan.new})
    found.problems += _versions(plan, facts)
    small = collections.defaultdict(list)
    for group in plan.groups:
        cpus = cpus_of(group.machine, known)
        if 0 < cpus < _LEAST_CPUS:
            small[group.machine, cpus].append(group.host)
    found.warnings += [
        f"{', '.join(dict.fromkeys(hosts))}: nodes of type {machine} have {cpus} vCPUs; a mesh wants {_LEAST_CPUS} or "
        "more (gke_machine_type)"
        for (machine, cpus), hosts in small.items()
    ]
    if facts.unknown and not off:
        found.warnings.append(f"project {plan.project}: not known to these credentials: {', '.join(facts.unknown)}")
    return found


def _apis_off(project: str, off: t.Sequence[str]) -> FleetError:
    return FleetError(
        f"API {off[0]} is disabled" if len(off) == 1 else f"{len(off)} APIs are disabled",
        obj=f"project {project}",
        seen=", ".join(off),
        next_step=f"set gke_enable_apis: true, or run `gcloud services enable {' '.join(off)} --project {project}`",
    )


def _permissions(plan: ProjectPlan, facts: Facts, account: str, *, enabling: bool) -> list[FleetError]:
    if facts.held is None:
        return []
    needed = [*dict.fromkeys(plan.permissions), *([_ENABLE] if enabling else [])]
    missing = [permission for permission in needed if permission not in facts.held]
    if not missing:
        return []
    roles = list(dict.fromkeys(role_for(permission) for permission in missing))
    commands = "; ".join(
        f"`gcloud projects add-iam-policy-binding {plan.project} --member=MEMBER --role={role}`" for role in roles
    )
    return [
        FleetError(
            f"{len(missing)} permission{'' if len(missing) == 1 else 's'} that this run uses "
            f"{'is' if len(missing) == 1 else 'are'} missing",
            obj=f"project {plan.project}",
            seen=", ".join(missing),
            means=f"{account} has no role there that holds them",
            next_step=f"have an administrator of the project run {commands}",
        )
    ]


def _accounts(plan: ProjectPlan, facts: Facts) -> list[FleetError]:
    found = []
    hosts: dict[str, list[str]] = {}
    for group in plan.groups:
        hosts.setdefault(group.account or facts.default_account, []).append(group.host)
    for host, email in plan.autopilot.items():
        hosts.setdefault(email or facts.default_account, []).append(host)
    for email, account in facts.accounts.items():
        named = list(dict.fromkeys(hosts.get(email, ())))
        cluster = named[0] if len(named) == 1 else ""
        about = {"cluster": cluster, "obj": f"service account {email}"}
        if not account.exists:
            hint = f"`gcloud iam service-accounts undelete` brings one back that was deleted; or {_OTHER_ACCOUNT}"
            found.append(FleetError("the nodes' service account does not exist", next_step=hint, **about))
        elif account.disabled:
            hint = f"run `gcloud iam service-accounts enable {email}`, or {_OTHER_ACCOUNT}"
            found.append(FleetError("the nodes' service account is disabled", next_step=hint, **about))
        if account.usable is False:
            hint = f"run `gcloud iam service-accounts add-iam-policy-binding {email} --member=MEMBER "
            hint += "--role=roles/iam.serviceAccountUser`"
            found.append(
                FleetError("these credentials may not make nodes with it", seen=ACT_AS, next_step=hint, **about)
            )
    return found


_OTHER_ACCOUNT = "name another one (gke_node_service_account)"


def _machines(plan: ProjectPlan, facts: Facts, warnings: list[str]) -> list[FleetError]:
    """Machine types that a zone does not have."""
    if facts.machines is None:
        return []
    found = []
    for group in plan.groups:
        if "custom-" in group.machine or "compute.googleapis.com" not in (facts.apis.on if facts.apis else ()):
            continue
        having = {zone for zone, types in facts.machines.items() if group.machine in types}
        here = sorted(zone for zone in having if zone.rpartition("-")[0] == group.region)
        lacking = [zone for zone in group.zones if zone not in having]
        if lacking or not here:
            found.append(
                FleetError(
                    f"machine type {group.machine} is not to be had",
                    cluster=group.host,
                    obj=f"project {plan.project}",
                    seen=f"not in {', '.join(lacking) or group.region}; in {', '.join(here) or 'no zone there'}",
                    next_step="choose another gke_machine_type, or gke_node_locations that have it",
                )
            )
        elif not group.zones and len(here) < _ZONES:
            warnings.append(
                f"{group.host}: machine type {group.machine} is in {', '.join(here)} alone, and Google puts nodes of a "
                "regional cluster into three zones of its choice"
            )
    return found


_ZONES = 3


_WORDS = ("", "-", "latest")
"""Of Google's aliases for a version (container.v1: Cluster.initialClusterVersion), those that do not say which."""


def _versions(plan: ProjectPlan, facts: Facts) -> list[FleetError]:
    found = []
    for w in plan.new:
        channels = facts.versions.get(w.member.location, {})
        asked = plan.versions.get(w.host, "")
        version = channels.get(w.channel, "") if asked in _WORDS else asked
        why = unsupported(plan.istio.get(w.host, ""), version) if version else ""
        if not why:
            continue
        fitting = [name.lower() for name, one in channels.items() if not unsupported(plan.istio[w.host], one)]
        choose = f"set gke_release_channel: {' or '.join(fitting)}, or another mesh_istio_version"
        hint = choose if fitting else "choose another mesh_istio_version"
        found.append(
            FleetError(
                f"Kubernetes {version} is not supported by the mesh",
                cluster=w.host,
                obj=f"release channel {w.channel.lower()}",
                seen=why,
                next_step=hint,
            )
        )
    return found
