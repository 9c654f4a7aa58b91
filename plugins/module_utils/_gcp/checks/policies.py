# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies of the organisation, compared with the nodes of a run: pure functions.

Words and constraints: https://cloud.google.com/resource-manager/docs/organization-policy/org-policy-constraints.
"""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from .nodes import NodeGroup

__all__ = ["CONSTRAINTS", "allows_place", "forbidden"]

Json = t.Mapping[str, t.Any]
SHIELDED = "constraints/compute.requireShieldedVm"
ADDRESSES = "constraints/compute.vmExternalIpAccess"
ENCRYPTED = "constraints/gcp.restrictNonCmekServices"
PLACES = "constraints/gcp.resourceLocations"
CONSTRAINTS = (SHIELDED, ADDRESSES, ENCRYPTED, PLACES)
"""Those that a run compares with what it would make."""
_CONTINENTS: t.Mapping[str, tuple[str, ...]] = {
    "us": ("us-",),
    "europe": ("europe-",),
    "asia": ("asia-",),
    "australia": ("australia-",),
    "northamerica": ("northamerica-", "us-"),
    "southamerica": ("southamerica-",),
}
"""Value groups that hold every region with such a beginning, as far as their names say."""


def forbidden(
    project: str, policies: t.Mapping[str, Json], groups: t.Sequence[NodeGroup], regions: t.Mapping[str, str]
) -> list[FleetError]:
    """What the policies do not allow.

    Args:
        project: its id.
        policies: those that are in force, by constraint.
        groups: the nodes.
        regions: of new clusters, by host.
    """
    found = []
    if (policies.get(SHIELDED, {}).get("booleanPolicy") or {}).get("enforced"):
        bare = [g for g in groups if not g.secure_boot]
        found += _problem(project, SHIELDED, bare, "nodes without secure boot", "set gke_secure_boot: true")
    if _denies_all(policies.get(ADDRESSES, {})):
        public = [g for g in groups if g.public]
        found += _problem(project, ADDRESSES, public, "nodes with public addresses", "set gke_private_nodes: true")
    denied = set((policies.get(ENCRYPTED, {}).get("listPolicy") or {}).get("deniedValues") or [])
    if _denies_all(policies.get(ENCRYPTED, {})) or {"compute.googleapis.com", "container.googleapis.com"} & denied:
        plain = [g for g in groups if not g.disk_key]
        hint = "name Cloud KMS keys of the region (gke_disk_key, gke_database_key)"
        found += _problem(project, ENCRYPTED, plain, "disks without a key of one's own", hint)
    for host, region in regions.items():
        if allows_place(policies.get(PLACES, {}), region) is False:
            found.append(
                _error(project, PLACES, host, f"cluster_region {region}", "choose a cluster_region that it allows")
            )
    return found


def _problem(project: str, constraint: str, groups: t.Sequence[NodeGroup], seen: str, mend: str) -> list[FleetError]:
    return [_error(project, constraint, host, seen, mend) for host in dict.fromkeys(g.host for g in groups)]


def _error(project: str, constraint: str, host: str, seen: str, mend: str) -> FleetError:
    return FleetError(
        f"a policy of the organisation forbids it: {constraint.partition('/')[2]}",
        cluster=host,
        obj=f"project {project}",
        seen=seen,
        next_step=f"{mend}, or have an administrator of the organisation except the project",
    )


def _denies_all(policy: Json) -> bool:
    return (policy.get("listPolicy") or {}).get("allValues") == "DENY"


def allows_place(policy: Json, region: str) -> bool | None:
    """Whether resources may be in a region; None where the names of groups do not say."""
    rules = policy.get("listPolicy") or {}
    if rules.get("allValues") == "DENY":
        return False
    if any(_holds(value, region) for value in rules.get("deniedValues") or []):
        return False
    allowed = rules.get("allowedValues") or []
    if not allowed:
        return True
    answers = [_holds(value, region) for value in allowed]
    if any(answers):
        return True
    return None if None in answers else False


def _holds(value: str, region: str) -> bool | None:
    """Whether a value of the policy holds the region."""
    name = value.removeprefix("is:").removeprefix("in:")
    if name == region or name.rpartition("-")[0] == region:
        return True
    if not value.startswith("in:"):
        return False
    group = name.removesuffix("-locations")
    if group == region or region.startswith(_CONTINENTS.get(group, ("\n",))):
        return True
    known = group in _CONTINENTS or any(ch.isdigit() for ch in group)
    return False if known else None
