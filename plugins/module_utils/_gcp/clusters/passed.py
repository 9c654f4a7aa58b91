# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Any further field of Google's Cluster and NodePool: compared with its discovery document, then a field as others.

The document says which there are, of which type, what only Google writes, and which call changes them.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._model.inventory.fleet import Fleet
from ..._model.inventory.nearest import Nearest
from ..._model.inventory.problems import Problem
from ..._model.providers.google.clusters import ClusterSpec
from ..._model.providers.google.field import Field, Said, Wire
from ..._model.providers.google.fields import BY_HAND, CLUSTER_FIELDS, POOL_FIELDS
from ..._model.providers.google.node_pools import PASSED
from ...errors import FleetError
from ..api.methods import document

__all__ = ["check", "fields_of", "with_passed"]

Json = t.Mapping[str, t.Any]
CLUSTER, POOL = "Cluster", "NodePool"
_UPDATE, _POOL_UPDATE = "ClusterUpdate", "UpdateNodePoolRequest"
_OUTPUT = re.compile(r"\W*output[ -]?only", re.IGNORECASE)
_INPUT = re.compile(r"\W*input[ -]?only", re.IGNORECASE)
_VERSIONS: t.Mapping[str, str] = {CLUSTER: "initialClusterVersion", POOL: "version"}
"""What may be an alias ("latest", "1.34"), for which Google keeps the version that it chose, and later upgrades."""

_OURS: t.Mapping[str, t.Mapping[str, str]] = {
    CLUSTER: {
        **{row.path: row.name for row in BY_HAND if row.path and not row.path.startswith("nodePools.")},
        **{field.path: f"gke_{field.name}" for field in CLUSTER_FIELDS},
        "name": "gke_name",
        "location": "cluster_region, cluster_zone",
        "zone": "cluster_zone",
        "nodePools": "gke_node_pools",
        "nodeConfig": "gke_node_pools",
        "initialNodeCount": "gke_node_count",
        "networkPolicy": "gke_network_policy",
        "clusterIpv4Cidr": "cluster_pod_cidr",
        "privateClusterConfig": "gke_private_nodes, gke_control_plane_cidr, gke_endpoint",
        "masterAuthorizedNetworksConfig": "gke_authorized_networks",
        "description": "",
        "workloadIdentityConfig": "",
        "labelFingerprint": "",
        "etag": "",
        "ipAllocationPolicy.useIpAliases": "",
    },
    POOL: {
        **{row.path.removeprefix("nodePools."): row.name for row in BY_HAND if row.path.startswith("nodePools.")},
        **{field.path: f"{field.name} of a pool" for field in POOL_FIELDS},
        "name": "gke_node_pools",
        "autoscaling": "gke_node_count_max, gke_node_total_max",
        "networkConfig.enablePrivateNodes": "gke_private_nodes",
        "config.oauthScopes": "",
        "config.workloadMetadataConfig": "",
    },
}
"""Fields that have a variable; "" for those that the collection decides."""

_AUTO_PROVISIONED: t.Mapping[str, Field] = {
    field.path: field for field in CLUSTER_FIELDS if not field.standard and not field.path.startswith("autopilot.")
}
"""Fields of nodes that Google makes by itself. Of standard clusters their variables mean our pools."""
_TAGS, _PROVISIONS = "nodePoolAutoConfig.networkTags.tags", "autoscaling.enableNodeAutoprovisioning"

_CALLS: t.Mapping[str, str] = {
    "autoscaling": "desiredClusterAutoscaling",
    "autopilot.clusterPolicyConfig": "desiredAutopilotClusterPolicyConfig",
    "autopilot.privilegedAdmissionConfig": "desiredPrivilegedAdmissionConfig",
    "enableK8sBetaApis": "desiredK8sBetaApis",
    "gkeAutoUpgradeConfig": "gkeAutoUpgradeConfig",
    "nodePoolAutoConfig.linuxNodeConfig": "desiredNodePoolAutoConfigLinuxNodeConfig",
    "nodePoolAutoConfig.nodeKubeletConfig": "desiredNodePoolAutoConfigKubeletConfig",
    "nodePoolDefaults.nodeConfigDefaults.gcfsConfig": "desiredGcfsConfig",
    "nodePoolDefaults.nodeConfigDefaults.loggingConfig": "desiredNodePoolLoggingConfig",
}
"""Members of ClusterUpdate whose name does not follow from the field's."""
_GENTLE = frozenset(
    {
        "consolidationDelay",
        "maintenancePolicy",
        "nodeDrainConfig",
        "queuedProvisioning",
        "resourceLabels",
        "taintConfig",
    }
)
"""Changes of a pool for which Google replaces no node."""
_HARMLESS = (
    "addonsConfig.cloudRunConfig",
    "addonsConfig.configConnectorConfig",
    "addonsConfig.gcePersistentDiskCsiDriverConfig",
    "addonsConfig.gcpFilestoreCsiDriverConfig",
    "addonsConfig.gcsFuseCsiDriverConfig",
    "addonsConfig.horizontalPodAutoscaling",
    "addonsConfig.httpLoadBalancing",
    "addonsConfig.kubernetesDashboard",
    "addonsConfig.rayOperatorConfig",
    "addonsConfig.statefulHaConfig",
    "anonymousAuthenticationConfig",
    "autopilot",
    "autoscaling",
    "binaryAuthorization",
    "controlPlaneEgress",
    "costManagementConfig",
    "enableK8sBetaApis",
    "fleet",
    "gkeAutoUpgradeConfig",
    "identityServiceConfig",
    "loggingConfig",
    "loggingService",
    "maintenancePolicy",
    "monitoringConfig",
    "monitoringService",
    "networkConfig.defaultEnablePrivateNodes",
    "networkConfig.enableCiliumClusterwideNetworkPolicy",
    "networkConfig.enableFqdnNetworkPolicy",
    "networkConfig.gatewayApiConfig",
    "networkConfig.serviceExternalIpsConfig",
    "nodePoolAutoConfig.networkTags",
    "nodePoolAutoConfig.resourceManagerTags",
    "notificationConfig",
    "parentProductConfig",
    "podAutoscaling",
    "rbacBindingConfig",
    "releaseChannel",
    "resourceUsageExportConfig",
    "rollbackSafeUpgrade",
    "secretManagerConfig",
    "secretSyncConfig",
    "securityPostureConfig",
    "verticalPodAutoscaling",
)
"""Fields of a standard cluster that are the control plane's own, pods that GKE adds, what counts for nodes to come, or
tags, which Compute Engine sets on VMs that run. Of any other nobody has said that nodes stay: image streaming, for
one, replaces them (https://cloud.google.com/kubernetes-engine/docs/how-to/image-streaming)."""


class Fault(t.NamedTuple):
    """A field that cannot be passed on, by its path, and why."""

    path: str
    message: str
    hint: str


@dataclasses.dataclass
class _Reader:
    """Walks what was said along the document: leaves, and faults."""

    message: str
    autopilot: bool = False
    faults: list[Fault] = dataclasses.field(default_factory=list)
    leaves: list[tuple[str, t.Any]] = dataclasses.field(default_factory=list)
    once_made: set[str] = dataclasses.field(default_factory=set)
    """Paths of leaves that count for a new cluster or pool alone."""

    @property
    def schemas(self) -> Json:
        found: Json = document("container")["schemas"]
        return found

    def walk(self, value: Json, name: str, path: str = "") -> None:
        properties: Json = self.schemas[name].get("properties") or {}
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            wanted = properties.get(str(key))
            if wanted is None:
                guess = Nearest(list(properties)).find(str(key))
                hint = f"did you mean {guess}?" if guess else f"see Google's {name}"
                self.faults.append(Fault(here, f"is no field of Google's {name}", hint))
            elif wanted.get("readOnly") or _OUTPUT.match(str(wanted.get("description") or "")):
                self.faults.append(Fault(here, "is written by Google alone", "leave it out"))
            elif here in _OURS[self.message] and (self.autopilot or here not in _AUTO_PROVISIONED):
                variable = _OURS[self.message][here]
                hint = f"use {variable}" if variable else "leave it out: the collection decides it"
                self.faults.append(Fault(here, "has a variable" if variable else "is not free", hint))
            else:
                if here == _VERSIONS[self.message] or _INPUT.match(str(wanted.get("description") or "")):
                    self.once_made.add(here)
                self._value(wanted, inner, here)

    def _value(self, wanted: Json, value: t.Any, path: str) -> None:
        reference = wanted.get("$ref")
        if reference and isinstance(value, t.Mapping) and value and self.schemas[reference].get("properties"):
            self.walk(value, reference, path)
            return
        fault = self._wrong(wanted, value)
        if fault:
            self.faults.append(Fault(path, *fault))
        else:
            self.leaves.append((path, value))

    def _wrong(self, wanted: Json, value: t.Any) -> tuple[str, str] | None:
        """What is wrong with a value, and what would be right."""
        reference = wanted.get("$ref")
        if reference or wanted.get("type") == "object":
            if not isinstance(value, t.Mapping):
                return "is no dictionary", f"fields of Google's {reference}" if reference else "keys and values"
            return self._inner(reference, value) if reference else None
        kind, form = str(wanted.get("type")), str(wanted.get("format") or "")
        if kind == "array":
            if not isinstance(value, list):
                return "is no list", "a list"
            return next(filter(None, (self._wrong(wanted["items"], one) for one in value)), None)
        if "enum" in wanted:
            known = [word for word in wanted["enum"] if not word.endswith("UNSPECIFIED")]
            return None if value in wanted["enum"] else (f"is {value!r}", f"one of: {', '.join(known)}")
        if kind == "boolean":
            return None if isinstance(value, bool) else (f"is {value!r}", "true or false")
        if kind == "integer" or form in ("int64", "uint64"):
            whole = not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value))
            return None if whole else (f"is {value!r}", "a whole number")
        if kind == "number":
            right = isinstance(value, (int, float)) and not isinstance(value, bool)
            return None if right else (f"is {value!r}", "a number")
        return None if isinstance(value, str) else (f"is {value!r}, not text", "put it in quotes")

    def _inner(self, reference: str, value: Json) -> tuple[str, str] | None:
        """The first fault of a message within a list."""
        inner = _Reader(self.message, self.autopilot)
        inner.walk(value, reference, "[]")
        if not inner.faults:
            return None
        path, message, hint = inner.faults[0]
        return f"has {path.removeprefix('[].')}, which {message}", hint


def fields_of(passed: Json, message: str, *, autopilot: bool = False) -> tuple[list[Said], list[Fault]]:
    """What was said as fields, and what cannot be.

    Args:
        passed: as the inventory has it.
        message: CLUSTER or POOL.
        autopilot: the cluster's mode.
    """
    reader = _Reader(message, autopilot)
    reader.walk(passed, message)
    name = "cluster_fields" if message == CLUSTER else "pool_fields"
    fields = [(_field(f"{name}.{path}", path, message, autopilot=autopilot), value) for path, value in reader.leaves]
    said = [Said(field, value if field.wire is _RAW else field.wire.parse(value)) for field, value in fields]
    return [
        dataclasses.replace(one, field=dataclasses.replace(one.field, once_made=True))
        if one.field.path in reader.once_made
        else one
        for one in said
    ], reader.faults


def _field(name: str, path: str, message: str, *, autopilot: bool = False) -> Field:
    known = _AUTO_PROVISIONED.get(path) if message == CLUSTER else None
    if known is not None and known.call:
        return dataclasses.replace(known, name=name)
    call, sent = _cluster_call(path) if message == CLUSTER else _pool_call(path)
    member = call.rpartition(" ")[2]
    if message == POOL:
        recreates = bool(call) and member not in _GENTLE and not call.startswith("nodePools.set")
    else:
        # Nodes of Autopilot are Google's, which replaces them gently by itself.
        recreates = bool(call) and not autopilot and not is_harmless(path)
    whole = "" if sent == path else sent
    return Field(name, path, "", "", _RAW, call, message=whole, recreates=recreates)


def is_harmless(path: str) -> bool:
    """Whether Google replaces no node for a change of this field of a standard cluster."""
    return any(path == known or path.startswith(f"{known}.") for known in _HARMLESS)


def _plain(value: t.Any) -> t.Any:
    """A value in one form: Google leaves out what is false, and has numbers as text here and there."""
    if isinstance(value, t.Mapping):
        return {key: _plain(one) for key, one in value.items()} or None
    if isinstance(value, list):
        return [_plain(one) for one in value] or None
    if value in (None, "", 0, "0") or value is False:
        return None
    return value if isinstance(value, bool) else str(value)


_RAW = Wire("dict", lambda value: value, lambda value: value, _plain, partly=True)


def _cluster_call(path: str) -> tuple[str, str]:
    """The call that changes a field of a cluster, and the part of the cluster that it sends."""
    first, *rest = path.split(".")
    if first == "addonsConfig" and rest:
        return f"update desiredAddonsConfig.{rest[0]}", f"addonsConfig.{rest[0]}"
    schemas = document("container")["schemas"]
    members = schemas[_UPDATE]["properties"]
    parts, schema = path.split("."), schemas[CLUSTER]
    for number, part in enumerate(parts):
        prefix = ".".join(parts[: number + 1])
        here = (schema.get("properties") or {}).get(part) or {}
        member = _CALLS.get(prefix) or f"desired{part[0].upper()}{part[1:]}"
        if member in members and members[member].get("$ref") == here.get("$ref"):
            return f"update {member}", prefix
        schema = schemas.get(here.get("$ref") or "") or {}
    return "", path


def _pool_call(path: str) -> tuple[str, str]:
    """The same of a field of a pool."""
    if path.startswith("management."):
        return "nodePools.setManagement", "management"
    inner = path.removeprefix("config.")
    member = inner.split(".")[0]
    sent = f"{path.removesuffix(inner)}{member}"
    members = document("container")["schemas"][_POOL_UPDATE]["properties"]
    return (f"nodePools.update {member}", sent) if member in members else ("", path)


def with_passed(wanted: ClusterSpec) -> ClusterSpec:
    """The cluster with what is passed on as fields of it and its pools; FleetError for what cannot be."""
    said, faults = fields_of(wanted.passed, CLUSTER, autopilot=wanted.autopilot)
    if not wanted.autopilot:
        said = _tagged(said, wanted.tag)
    pools = []
    for pool in wanted.pools:
        more, wrong = fields_of(pool.passed, POOL)
        faults += wrong
        pools.append(dataclasses.replace(pool, fields=(*pool.fields, *more), passed={}))
    if faults:
        raise FleetError(
            f"{faults[0].path} {faults[0].message}",
            cluster=wanted.host,
            seen="; ".join(f"{fault.path} {fault.message}" for fault in faults[1:]),
            next_step=faults[0].hint,
        )
    return dataclasses.replace(wanted, fields=(*wanted.fields, *said), pools=tuple(pools), passed={})


def _tagged(said: t.Sequence[Said], tag: str) -> list[Said]:
    """The fields; nodes that Google makes by itself have the fleet's tag too, which its firewall rules ask for."""
    tags = [one for one in said if one.field.path == _TAGS]
    if not tags and not any(one.field.path == _PROVISIONS and one.value is True for one in said):
        return [*said]
    value = sorted({tag, *(name for one in tags for name in one.value)})
    field = _field(f"cluster_fields.{_TAGS}", _TAGS, CLUSTER)
    return [*(one for one in said if one.field.path != _TAGS), Said(field, value)]


def check(fleet: Fleet) -> list[Problem]:
    """What GKE clusters of the inventory pass on and cannot, each by its variable."""
    problems = []
    for host, cluster in fleet.clusters.items():
        if cluster.provider != "gke":
            continue
        v = cluster.variables
        given: list[tuple[str, t.Any, str]] = [
            ("gke_cluster_fields", v.get("gke_cluster_fields"), CLUSTER),
            ("gke_pool_fields", v.get("gke_pool_fields"), POOL),
        ]
        for number, pool in enumerate(v.get("gke_node_pools") or []):
            given.append((f"gke_node_pools[{number}].{PASSED}", pool.get(PASSED), POOL))
        for name, passed, message in given:
            for fault in fields_of(passed or {}, message, autopilot=v.get("gke_mode") == "autopilot")[1]:
                problems.append(Problem(host, f"{name}.{fault.path}", "", fault.message, fault.hint))
    return problems
