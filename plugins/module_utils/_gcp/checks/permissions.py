# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which permissions a run needs in a project: derived from the requests that it would make. Pure functions."""

from __future__ import annotations

import typing as t

from ..access.bindings import Binding
from ..clusters.differences import Difference
from ..network.shared_vpc_requirements import permissions_for

__all__ = ["ACT_AS", "of_account", "of_bindings", "of_changes", "of_clusters", "of_fleet", "of_network", "role_for"]

ACT_AS = "iam.serviceAccounts.actAs"
"""On the nodes' service account, for who makes nodes."""
_KINDS = (
    "clusterRoleBindings",
    "clusterRoles",
    "configMaps",
    "customResourceDefinitions",
    "deployments",
    "mutatingWebhookConfigurations",
    "namespaces",
    "secrets",
    "serviceAccounts",
    "services",
)
"""Kinds that a control plane consists of: IAM alone decides who may make them in a cluster that is new."""
_ROLES: tuple[tuple[str, str], ...] = (
    ("compute.firewalls.", "roles/compute.securityAdmin"),
    ("compute.networks.updatePolicy", "roles/compute.securityAdmin"),
    ("compute.", "roles/compute.networkAdmin"),
    ("container.", "roles/container.admin"),
    ("gkehub.", "roles/gkehub.admin"),
    ("iam.serviceAccounts.create", "roles/iam.serviceAccountCreator"),
    ("iam.", "roles/iam.serviceAccountUser"),
    ("resourcemanager.", "roles/resourcemanager.projectIamAdmin"),
    ("serviceusage.", "roles/serviceusage.serviceUsageAdmin"),
)
"""Roles by the beginnings of the permissions that they hold (https://cloud.google.com/iam/docs/roles-permissions)."""


def of_clusters(*, istiod: bool, looked_at: bool) -> list[str]:
    """For making clusters; with an istiod of ours also what comes into them.

    Args:
        istiod: whether one of them has an istiod of ours.
        looked_at: whether one of them is looked at once it is there, for what Google takes only then.
    """
    found = ["container.clusters.create", "container.operations.get"]
    found += ["container.clusters.get"] if looked_at else []
    return found + ([f"container.{kind}.create" for kind in _KINDS] if istiod else [])


def of_changes(differences: t.Iterable[Difference]) -> list[str]:
    """For changing a cluster: every method but the deletion needs the same permission."""
    return ["container.clusters.update", "container.operations.get"] if any(d.step for d in differences) else []


def of_network(kinds: t.Iterable[str]) -> list[str]:
    """For making and changing parts of a network, of the kinds that shared_vpc_requirements.py knows."""
    return permissions_for(kinds)


def of_fleet(methods: t.Collection[str]) -> list[str]:
    """For registering clusters, and for features of their Google fleet.

    Args:
        methods: by which features come to be as wanted: "create", "patch", "" for those that are.
    """
    found = ["gkehub.memberships.create", "gkehub.memberships.list", "gkehub.operations.get"]
    found += ["gkehub.features.create"] if "create" in methods else []
    found += ["gkehub.features.update"] if "patch" in methods else []
    # One that was made or changed is looked at until it is active.
    return found + (["gkehub.features.get"] if {"create", "patch"} & set(methods) else [])


def of_bindings(missing: t.Iterable[Binding]) -> list[str]:
    """For granting roles."""
    policy = ["resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"]
    return policy if list(missing) else []


def of_account(*, made: bool, granted: bool) -> list[str]:
    """For the service account of a fleet's nodes.

    Args:
        made: whether it is made. Who makes nodes with it then has to be allowed to in the whole project: nobody can
            give a permission for what is not there.
        granted: whether it gets its role.
    """
    found = ["iam.serviceAccounts.get", "resourcemanager.projects.getIamPolicy"]
    found += ["iam.serviceAccounts.create", ACT_AS] if made else []
    return found + (["resourcemanager.projects.setIamPolicy"] if granted else [])


def role_for(permission: str) -> str:
    """A predefined role that holds the permission."""
    return next(role for beginning, role in _ROLES if permission.startswith(beginning))
