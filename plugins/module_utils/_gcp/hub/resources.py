# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memberships and features as GKE Hub's API has them, and what to send for them. Nothing here sends a request."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._model.providers.google.members import DISCOVERY, INGRESS, SERVICEMESH, Member
from ...errors import FleetError

__all__ = [
    "FEATURES",
    "OWNER_LABEL",
    "FeaturePlan",
    "feature_plan",
    "in_project",
    "is_ours",
    "membership_body",
    "membership_of",
    "mesh_specs_without",
    "owner_labels",
    "projects_of",
    "same_member",
]

Json = dict[str, t.Any]

Number = t.Callable[[str], str]
FEATURES = (SERVICEMESH, DISCOVERY, INGRESS)
OWNER_LABEL = "mesh-fleet"
"""Label of what we made; its value is the fleet's name. Only what carries it is ever deleted."""
AUTOMATIC = "MANAGEMENT_AUTOMATIC"
_MEMBERSHIP = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/memberships/(?P<name>[^/]+)$")
_LINK = re.compile(
    r"projects/(?P<project>[^/]+)/(?:locations|zones|regions)/(?P<location>[^/]+)/clusters/(?P<name>[^/]+)$"
)


def owner_labels(fleet_name: str) -> dict[str, str]:
    return {OWNER_LABEL: fleet_name}


def is_ours(resource: t.Mapping[str, t.Any], fleet_name: str) -> bool:
    return bool((resource.get("labels") or {}).get(OWNER_LABEL) == fleet_name)


def same_member(left: str, right: str) -> bool:
    """Whether two names are of one membership: Google may name the project by its number."""
    one, other = _MEMBERSHIP.search(left), _MEMBERSHIP.search(right)
    return bool(one and other and one.groupdict() == other.groupdict())


def _same_cluster(link: str, member: Member, number_of: Number) -> bool:
    one, other = _LINK.search(link), _LINK.search(member.resource_link)
    if not (one and other and one["location"] == other["location"] and one["name"] == other["name"]):
        return False
    # A link may hold the project's number.
    return one["project"] == other["project"] or (
        one["project"].isdigit() and one["project"] == number_of(other["project"])
    )


def _link_of(membership: t.Mapping[str, t.Any]) -> str:
    return str(((membership.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink") or "")


def projects_of(live: t.Iterable[Json], leaving: t.Collection[str] = ()) -> tuple[set[str], bool]:
    """IDs of projects whose clusters are members, and whether there are members whose project ID is not known.

    Args:
        live: memberships.
        leaving: resource links of clusters that do not count.
    """
    found, unsure = set(), False
    for membership in live:
        link = _link_of(membership)
        if link in leaving:
            continue
        parts = _LINK.search(link)
        if parts is None or parts["project"].isdigit():
            unsure = True
        else:
            found.add(parts["project"])
    return found, unsure


def membership_body(member: Member, fleet_name: str) -> Json:
    """The body of memberships.create."""
    return {
        "endpoint": {"gkeCluster": {"resourceLink": member.resource_link}},
        "authority": {"issuer": member.issuer},
        "labels": owner_labels(fleet_name),
    }


def membership_of(live: t.Iterable[Json], member: Member, number_of: Number) -> Json | None:
    """The membership that this cluster has, with whatever name, also if somebody else made it.

    Args:
        live: all memberships of the fleet.
        member: the cluster.
        number_of: returns the number of a project; called only where a link holds one.

    Raises FleetError when another cluster has a membership of the wanted name.
    """
    other = None
    for membership in live:
        link = _link_of(membership)
        if _same_cluster(link, member, number_of):
            return membership
        if same_member(str(membership.get("name")), member.name):
            other = link
    if other is None:
        return None
    raise FleetError(
        "another cluster has a membership of this name",
        cluster=member.host,
        obj=f"membership {member.name}",
        seen=f"it is that of {other or 'a cluster outside of GKE'}",
        next_step="set gke_membership to another name for this cluster, or remove that membership",
    )


@dataclasses.dataclass(frozen=True)
class FeaturePlan:
    """What to send for a feature. ``method`` is "create", "patch", or "" when nothing has to change."""

    feature: str
    method: str
    body: Json = dataclasses.field(default_factory=dict)
    mask: str = ""
    before: Json = dataclasses.field(default_factory=dict)
    after: Json = dataclasses.field(default_factory=dict)


def feature_plan(
    feature: str,
    live: Json | None,
    *,
    fleet_name: str,
    managed: t.Sequence[str] = (),
    config_membership: str = "",
    move: bool = False,
) -> FeaturePlan:
    """What to send so that a feature is as wanted.

    Args:
        feature: one of FEATURES.
        live: as Google returns it, or None.
        fleet_name: ours, for the label.
        managed: memberships (names) whose control plane Google is to run. Others stay as they are.
        config_membership: for multiclusteringress.
        move: whether the config cluster of a feature that we made may be replaced.

    Raises FleetError where another config cluster may not be replaced: that interrupts traffic.
    """
    wanted: Json = {}
    mask = []
    before: Json = {}
    if feature == SERVICEMESH:
        specs = dict((live or {}).get("membershipSpecs") or {})
        before = {"membershipSpecs": specs}
        changed = _mesh_specs(specs, managed)
        if changed:
            wanted["membershipSpecs"] = changed
            mask.append("membershipSpecs")
    elif feature == INGRESS:
        now = str((((live or {}).get("spec") or {}).get("multiclusteringress") or {}).get("configMembership") or "")
        before = {"spec": {"multiclusteringress": {"configMembership": now}}} if now else {}
        if live and now and not same_member(now, config_membership):
            ours = is_ours(live, fleet_name)
            if not (ours and move):
                raise _config_elsewhere(now, ours)
            now = ""
        if not now:
            wanted["spec"] = {"multiclusteringress": {"configMembership": config_membership}}
            mask.append("spec")
    if live is None:
        body = {"labels": owner_labels(fleet_name), **wanted}
        return FeaturePlan(feature, "create", body, "", {}, body)
    if not mask:
        return FeaturePlan(feature, "", before=before, after=before)
    return FeaturePlan(feature, "patch", wanted, ",".join(mask), before, {**before, **wanted})


def _config_elsewhere(now: str, ours: bool) -> FleetError:
    return FleetError(
        "another cluster is the config cluster of multi-cluster ingress",
        obj=f"feature {INGRESS}",
        seen=now,
        means="a move interrupts every front door of the project for minutes"
        + ("" if ours else "; this inventory has not switched the feature on"),
        next_step="set gke_config_cluster to that cluster, or to the new one"
        if ours
        else "set gke_config_cluster to that cluster, or have its owner move it "
        "(gcloud container fleet ingress update)",
    )


def _mesh_specs(specs: t.Mapping[str, Json], managed: t.Sequence[str]) -> Json:
    """The specs to send: only of members that are not managed yet. Hub keeps those of others."""
    out: Json = {}
    for name in managed:
        spec = next((value for key, value in specs.items() if same_member(key, name)), None) or {}
        mesh = spec.get("mesh") or {}
        if mesh.get("management") != AUTOMATIC:
            # controlPlane is the field's deprecated predecessor, and is refused beside it.
            kept = {key: value for key, value in mesh.items() if key != "controlPlane"}
            out[name] = {**spec, "mesh": {**kept, "management": AUTOMATIC}}
    return out


def in_project(name: str, project: str) -> str:
    """A membership's name with the project's ID in place of its number."""
    found = _MEMBERSHIP.search(name)
    return (
        f"projects/{project}/locations/{found['location']}/memberships/{found['name']}" if found and project else name
    )


def mesh_specs_without(specs: t.Mapping[str, Json], leaving: t.Sequence[str]) -> Json:
    """The specs to send when members leave: an empty one removes a member's settings."""
    return {name: {} for name in leaving if any(spec and same_member(key, name) for key, spec in specs.items())}
