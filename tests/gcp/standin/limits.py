# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What limits a project: quotas, machine types, service accounts, versions, policies of its organisation."""

from __future__ import annotations

import copy
import re
import typing as t

from .cloud import Cloud, Fault
from .errors import Refused, permission_missing
from .places import REGIONS, is_zone, region_of

__all__ = ["HANDLERS", "check_nodes", "default_account", "quotas", "violated"]

Json = dict[str, t.Any]
_CPUS = {
    "e2-medium": 2,
    "e2-standard-2": 2,
    "e2-standard-4": 4,
    "n2-standard-4": 4,
    "c3-standard-4": 4,
    "e2-standard-8": 8,
}
"""Machine types, with their vCPUs; every zone has all of them but those of ``cloud.no_machines``."""
_LIMITS = {
    "CPUS": 2400.0,
    "N2_CPUS": 2400.0,
    "C3_CPUS": 500.0,
    "PREEMPTIBLE_CPUS": 0.0,
    "SSD_TOTAL_GB": 81920.0,
    "DISKS_TOTAL_GB": 102400.0,
    "IN_USE_ADDRESSES": 575.0,
    "STATIC_ADDRESSES": 175.0,
}
_CHANNELS = {
    "RAPID": "1.36.3-gke.1480000",
    "REGULAR": "1.35.2-gke.1000",
    "STABLE": "1.34.5-gke.1200",
    "EXTENDED": "1.32.9-gke.1",
}
_DISKS = {"pd-standard": "DISKS_TOTAL_GB", "pd-balanced": "SSD_TOTAL_GB", "pd-ssd": "SSD_TOTAL_GB"}
SHIELDED, ADDRESSES = "constraints/compute.requireShieldedVm", "constraints/compute.vmExternalIpAccess"


def default_account(cloud: Cloud, project: str) -> str:
    return f"{cloud.number(project)}-compute@developer.gserviceaccount.com"


def quotas(cloud: Cloud, project: str, region: str) -> list[Json]:
    """The quotas of a region, or "" for the project's own."""
    metrics = {"CPUS_ALL_REGIONS": 5000.0, "NETWORKS": 50.0} if not region else _LIMITS
    found = []
    for metric, limit in metrics.items():
        most, used = cloud.quotas.get((project, region, metric), (limit, 0.0))
        found.append({"metric": metric, "limit": most, "usage": used})
    return found


def regions(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = [{"kind": "compute#region", "name": r, "quotas": quotas(cloud, path["project"], r)} for r in REGIONS]
    page, more = cloud.paged(found, params, "maxResults")
    return {"kind": "compute#regionList", "items": page, **more}


def machine_types(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    names = re.findall(r'\(name = "([^"]+)"\)', str(params.get("filter") or ""))
    if not names:
        raise Refused(501, f"the stand-in does not know the filter {params.get('filter')}")
    groups: Json = {}
    for zone in (f"{region}-{letter}" for region in REGIONS for letter in "abc"):
        having = [n for n in names if n in _CPUS and (zone, n) not in cloud.no_machines]
        nothing = {
            "code": "NO_RESULTS_ON_PAGE",
            "message": f"There are no results for scope 'zones/{zone}' on this page.",
        }
        types = [{"kind": "compute#machineType", "name": n, "guestCpus": _CPUS[n], "zone": zone} for n in having]
        groups[f"zones/{zone}"] = {"machineTypes": types} if types else {"warning": nothing}
    return {"kind": "compute#machineTypeAggregatedList", "items": groups}


def _account(cloud: Cloud, path: Json) -> Json:
    email, project = path["serviceAccountsId"], path["projectsId"]
    # Google's own accounts are there; those of a project are what somebody made.
    theirs = not email.endswith(".iam.gserviceaccount.com")
    here = project in ("-", email.partition("@")[2].partition(".")[0]) or theirs
    if not here or cloud.accounts.get(email, {} if theirs else None) is None:
        # https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/get
        if project == "-":
            raise permission_missing("iam", "iam.serviceAccounts.get", f"projects/-/serviceAccounts/{email}")
        raise Refused(404, f"Unknown service account: {email}")
    found = cloud.accounts.get(email) or {}
    return {"name": f"projects/{project}/serviceAccounts/{email}", "email": email, **found}


def account_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _account(cloud, path)


def account_permissions(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    email = path["serviceAccountsId"]
    _account(cloud, path)
    gone = {f.permission for f in cloud.faults if f.permission and f.times != 0 and f.path in ("", email)}
    held = [p for p in body.get("permissions") or [] if p not in gone]
    return {"permissions": held} if held else {}


def effective_policy(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    constraint = str(body.get("constraint") or "")
    found = cloud.org_policies.get((path["projectsId"], constraint))
    if found is None:
        # Where nobody set one, the constraint's default is in force.
        boolean = constraint == SHIELDED
        found = {"booleanPolicy": {}} if boolean else {"listPolicy": {"allValues": "ALLOW"}}
    return {"constraint": constraint, **copy.deepcopy(found)}


def server_config(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    channels = {**_CHANNELS, **cloud.channels}
    listed = [{"channel": name, "defaultVersion": v, "validVersions": [v]} for name, v in channels.items()]
    versions = sorted(channels.values(), reverse=True)
    return {"channels": listed, "validMasterVersions": versions, "defaultClusterVersion": channels["REGULAR"]}


def check_nodes(cloud: Cloud, project: str, place: str, pools: t.Iterable[Json]) -> None:
    """Refused where GKE makes no such nodes: what it looks at before it begins."""
    wanted: dict[str, float] = {}
    for pool in pools:
        config = pool.get("config") or {}
        email = str(config.get("serviceAccount") or "default")
        email = default_account(cloud, project) if email == "default" else email
        known = cloud.accounts.get(email, {})
        if known is None or known.get("disabled"):
            # https://github.com/gruntwork-io/terraform-google-gke/pull/56
            raise Refused(400, f'Service account "{email}" does not exist.')
        machine = str(config.get("machineType") or "e2-medium")
        zones = pool.get("locations") or ([place] if is_zone(place) else [f"{place}-{letter}" for letter in "abc"])
        for zone in zones:
            if (zone, machine) in cloud.no_machines:
                raise Refused(400, f'Machine type with name "{machine}" does not exist in zone "{zone}".')
        count = int(pool.get("initialNodeCount") or 0) * len(zones)
        metric = _DISKS.get(str(config.get("diskType") or "pd-balanced"), "")
        wanted[metric] = wanted.get(metric, 0.0) + count * float(config.get("diskSizeGb") or 100)
        wanted["CPUS"] = wanted.get("CPUS", 0.0) + count * _CPUS.get(machine, 4)
    for metric, amount in wanted.items():
        most, used = cloud.quotas.get((project, region_of(place), metric), (_LIMITS.get(metric, 1e9), 0.0))
        if amount > most - used:
            # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/1795
            raise Refused(
                403,
                f'Insufficient regional quota to satisfy request: resource "{metric}": request requires '
                f"'{amount}' and is short '{amount - most + used}'. project has a quota of '{most}' with "
                f"'{most - used}' available. View and manage quotas at "
                f"https://console.cloud.google.com/iam-admin/quotas?usage=USED&project={project}.",
            )


def violated(cloud: Cloud, project: str, cluster: Json) -> str:
    """What Compute Engine says of nodes that a policy forbids: GKE sees it when the nodes are made; "" for nothing."""
    private = (cluster.get("networkConfig") or {}).get("defaultEnablePrivateNodes")
    shielded = (cloud.org_policies.get((project, SHIELDED), {}).get("booleanPolicy") or {}).get("enforced")
    closed = (cloud.org_policies.get((project, ADDRESSES), {}).get("listPolicy") or {}).get("allValues") == "DENY"
    for pool in cluster.get("nodePools") or []:
        secure = ((pool.get("config") or {}).get("shieldedInstanceConfig") or {}).get("enableSecureBoot")
        name = f"gke-{cluster['name']}-{pool['name']}-06948ca8-1xpd"
        # https://github.com/hashicorp-education/learn-terraform-provision-gke-cluster/issues/8
        broken = (
            "Secure Boot is not enabled in the 'shielded_instance_config' field." if shielded and not secure else ""
        )
        constraint = SHIELDED if broken else ""
        if closed and not private and not broken:
            broken, constraint = f"Add instance {name} to the constraint to use external IP with it.", ADDRESSES
        if broken:
            return (
                "Not all instances running in IGM after 32.252902304s. Expected 1, running 0, transitioning 1. Current "
                f"errors: [CONDITION_NOT_MET]: Instance '{name}' creation failed: Constraint {constraint} violated for "
                f"project projects/{project}. {broken}"
            )
    return ""


HANDLERS: dict[str, t.Callable[..., Json]] = {
    "compute.regions.list": regions,
    "compute.machineTypes.aggregatedList": machine_types,
    "iam.projects.serviceAccounts.get": account_get,
    "iam.projects.serviceAccounts.testIamPermissions": account_permissions,
    "cloudresourcemanager.projects.getEffectiveOrgPolicy": effective_policy,
    "container.projects.locations.getServerConfig": server_config,
}
