# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which stages may be sliced, and whether a job is a slice.

AWX gives slice i of n the hosts ``[i-1::n]`` of the inventory, sorted by name; the other clusters and their variables
are not there (https://ansible.readthedocs.io/projects/awx/en/latest/userguide/job_slices.html). A stage that knows the
fleet from the inventory would take them for gone.
"""

from __future__ import annotations

import typing as t

__all__ = ["STAGES", "Stage", "may_be_sliced", "refusal", "sliced_job"]


class Stage(t.NamedTuple):
    """What a stage needs of the other clusters."""

    sliced: bool
    """Whether a slice may run it."""
    reason: str


STAGES: t.Mapping[str, Stage] = {
    "preflight": Stage(False, "it compares the clusters of the whole inventory with each other"),
    "artifacts": Stage(True, "it fills a folder of the machine that runs it, and asks no other cluster"),
    "kind_cluster": Stage(False, "clusters share a machine's networks, and one that is not named is an orphan"),
    "gke_cluster": Stage(False, "clusters share VPC, firewall and NAT, which follow from all of them"),
    "gke_fleet": Stage(False, "memberships, grants and features of a Google fleet follow from all its clusters"),
    "trust": Stage(False, "all clusters get their intermediate CA from one root, and two slices could make two"),
    "control_plane": Stage(True, "it works on one cluster at a time; a remote is in one slice with its primary"),
    "peering": Stage(False, "it gives each cluster what reads the others, and removes what reads clusters that left"),
    "gateways": Stage(False, "which gateways a cluster needs follows from the networks of the others"),
    "apps": Stage(False, "which stubs a cluster gets follows from the apps of the others"),
    "services": Stage(False, "exports of one service in several clusters are compared with each other"),
    "traffic": Stage(False, "a policy's objects follow from other clusters, and addresses are reserved for all"),
    "federation": Stage(False, "a bundle names what the whole fleet exports, and its addresses are reserved for all"),
    "ingress": Stage(False, "which services a cluster reaches follows from the others"),
    "front_door": Stage(False, "its objects are in one cluster and spread calls over the others"),
    "verify": Stage(False, "it calls from each cluster to each other one"),
    "report": Stage(False, "its page shows the whole fleet"),
    "render": Stage(False, "its files follow from the whole inventory"),
    "demo": Stage(False, "its scenes call between clusters"),
}
"""By role, which is also the name of a tag and mostly of an action."""

_ACTIONS = {
    "kind_network": "kind_cluster",
    "gke_network": "gke_cluster",
    "gke_nat": "gke_cluster",
    "gke_preflight": "preflight",
    "gke_access": "gke_fleet",
    "gke_membership": "gke_fleet",
    "gke_fleet_feature": "gke_fleet",
    "managed_mesh": "gke_fleet",
}
"""Actions that are a part of another stage."""
_PLAYBOOKS = {
    "clusters": ("artifacts", "kind_cluster", "gke_cluster"),
    "artifacts_removal": ("artifacts",),
    "site": tuple(STAGES),
    "teardown": tuple(STAGES),
}
"""Playbooks that are not one stage."""


def may_be_sliced(playbook: str) -> bool:
    """Whether a job template of this playbook may have slices.

    Args:
        playbook: its name, without ``.yml``. One that is not known may not.
    """
    stages = _PLAYBOOKS.get(playbook, (playbook,))
    return all(name in STAGES and STAGES[name].sliced for name in stages)


def sliced_job(variables: t.Mapping[str, t.Any]) -> str:
    """The name of the job template whose slice this run is, or "".

    AWX tells a job no number of its slice. It runs slices as jobs of a workflow job that it names like their job
    template, and gives both names to the job as extra variables (``awx_meta_vars`` and ``create_unified_job`` in
    ``awx/main/models``).

    Args:
        variables: of a task.
    """
    for prefix in ("awx", "tower"):
        template = variables.get(f"{prefix}_job_template_name")
        if template and template == variables.get(f"{prefix}_workflow_job_name"):
            return str(template)
    return ""


def refusal(action: str) -> str:
    """Why a slice may not run this action, or "".

    Args:
        action: its name, with or without the collection's. Those that are a part of no stage may run.
    """
    name = action.rpartition(".")[2]
    stage = STAGES.get(_ACTIONS.get(name, name))
    return "" if stage is None or stage.sliced else stage.reason
