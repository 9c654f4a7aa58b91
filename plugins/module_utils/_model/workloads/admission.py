# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods of a run a cluster is asked about by dry runs, and what a refusal means."""

from __future__ import annotations

import re
import typing as t

from ...errors import FleetError
from ...metadata import labels_of
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.helm_values import EASTWEST, INGRESS, cni_enabled, merged
from ..istio.ownership import FLEET_LABEL, MANAGER
from . import probe, sample
from .pods import agent_pod, sidecar_pod, system_pod

__all__ = [
    "ENFORCE",
    "QUOTA_IS_FULL",
    "Pods",
    "Trial",
    "cause_of",
    "refused",
    "runs_already",
    "trials",
    "without_resources",
    "without_secrets",
]

Manifest = dict[str, t.Any]
Values = t.Mapping[str, t.Any]

ENFORCE = "pod-security.kubernetes.io/enforce"
_OWNER = "install.operator.istio.io/owning-resource"
"""The charts' label with the value ``ownerName``."""

POD_SECURITY = "PodSecurity"
WARDEN = "GKE Warden"
"""Autopilot's own admission."""
LIMIT_RANGE = "LimitRange"
REQUESTS = "API server"
"""A request is above its limit; one of the two may be the chart's, or a LimitRange's."""
QUOTA = "ResourceQuota"
QUOTA_IS_FULL = "ResourceQuota that is used up"
_CAUSES = (
    (POD_SECURITY, re.compile(r"violates PodSecurity")),
    (WARDEN, re.compile(r"GKE Warden (rejected|constraints)|denied by autogke-")),
    (LIMIT_RANGE, re.compile(r"(maximum|minimum) \S+ usage per |max limit to request ratio per ")),
    (REQUESTS, re.compile(r"resources\S*: Invalid value: .* must be less than or equal to ")),
    (QUOTA, re.compile(r"failed quota: ")),
    (QUOTA_IS_FULL, re.compile(r"exceeded quota: ")),
)

_ISTIOD: Values = {"requests": {"cpu": "500m", "memory": "2048Mi"}}
_PROXY: Values = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}}
"""What the charts say of a sidecar, and of a gateway, where values do not."""
_AGENT: Values = {"requests": {"cpu": "100m", "memory": "100Mi"}}

AGENT = "Istio's CNI agent"
_SIDECARS = (
    "set mesh_pods: {resources: {requests: …, limits: …}}, and for the sidecars global.proxy.resources in "
    "control_plane_values"
)


class Trial(t.NamedTuple):
    """A pod that a cluster is asked about."""

    namespace: str
    what: str
    pod: Manifest
    resources: str = ""
    """How its requests and limits are changed."""


_GATEWAYS = {
    EASTWEST: ("the east-west gateway", "set resources in gateways_values or gateways_eastwest_values"),
    INGRESS: ("the ingress gateway", "set resources in gateways_values or gateways_ingress_values"),
}
"""What each gateway is called, and how its requests and limits are changed."""


class Pods(t.NamedTuple):
    """What of the roles' variables decides about pods."""

    istiod_values: t.Sequence[Values] = ()
    """The user's values of istiod, in the order in which they are merged."""
    gateways: t.Mapping[str, t.Sequence[Values]] = {}
    """Of each gateway that is wanted, the user's values in the order in which they are merged."""
    gateways_namespace: str = ""
    """"" is the default."""
    sample_namespace: str = ""
    """"" where no sample is wanted."""
    cni_values: Values = {}


def trials(fleet: Fleet, cluster: Cluster, said: Pods, *, agent_namespace: str = "") -> list[Trial]:
    """The pods of a run in a cluster with a control plane of ours.

    Args:
        agent_namespace: where Istio's CNI agent is going to be installed; "" for none.
    """
    cni = cni_enabled(cluster, said.istiod_values)
    plane, values = control_plane_of(fleet, cluster), merged(*said.istiod_values)
    proxy = _resources(_PROXY, (values.get("global") or {}).get("proxy"))
    istiod = _resources(_ISTIOD, values.get("pilot"), values)
    found = []
    if plane.has_istiod:
        pod = system_pod(fleet.namespace, istiod, cni=cni)
        found.append(Trial(fleet.namespace, "istiod", pod, "set resources in control_plane_istiod_values"))
    space = plane.gateways_namespace(said.gateways_namespace)
    for name, layers in said.gateways.items():
        what, means = _GATEWAYS[name]
        pod = system_pod(space, _resources(_PROXY, merged(*layers)), cni=cni)
        found.append(Trial(space, what, pod, means))
    for space, requests in ((probe.NAMESPACE, probe.REQUESTS), (said.sample_namespace, sample.REQUESTS)):
        if not space:
            continue
        pod = sidecar_pod(cluster, space, requests, proxy, cni=cni)
        found.append(Trial(space, "pods with a sidecar", pod, _SIDECARS))
    if agent_namespace:
        pod = agent_pod(agent_namespace, _resources(_AGENT, said.cni_values))
        found.append(Trial(agent_namespace, AGENT, pod, "set resources in control_plane_cni_values"))
    return found


def _resources(chart: Values, *given: Values | None) -> Manifest:
    """Resources as Helm renders them: what values set to null, it takes away of what the chart says."""
    layers = [{"resources": one["resources"]} for one in given if one and "resources" in one]
    return _without_nulls(merged({"resources": chart}, *layers)).get("resources") or {}


def _without_nulls(values: Values) -> Manifest:
    return {
        name: _without_nulls(value) if isinstance(value, t.Mapping) else value
        for name, value in values.items()
        if value is not None
    }


def without_resources(pod: Manifest) -> Manifest:
    """The pod as it is asked about in another namespace than its own, whose limits are not those of its own."""
    spec = pod["spec"]
    bare = {
        kind: [{name: value for name, value in one.items() if name != "resources"} for one in spec[kind]]
        for kind in ("containers", "initContainers")
        if kind in spec
    }
    return {**pod, "spec": {**spec, **bare}}


def cause_of(text: str, *, stand_in: bool = False) -> str:
    """By which of a namespace's rules an API server refuses a pod; "" for others, which judge more than such a pod has.

    Args:
        text: the refusal.
        stand_in: whether another namespace was asked, whose limits and quotas say nothing.
    """
    found = next((cause for cause, words in _CAUSES if words.search(text)), "")
    return "" if stand_in and found not in (POD_SECURITY, WARDEN) else found


def runs_already(workloads: t.Iterable[Values]) -> bool:
    """Whether some of a namespace are a mesh's: then it is theirs too that a quota is used up, and they may stay."""
    return any(FLEET_LABEL in labels_of(one) or labels_of(one).get(_OWNER) == MANAGER for one in workloads)


def without_secrets(cluster: Cluster, missing: t.Iterable[tuple[str, str]]) -> list[str]:
    """Warnings about Secrets for images that are missing; ``missing``: namespaces and names."""
    spaces: dict[str, list[str]] = {}
    for space, name in missing:
        spaces.setdefault(name, []).append(space)
    return [
        f"{cluster.name}: no Secret {name} in namespace {', '.join(found)}, which image_pull_secrets of mesh_pods "
        "names: images that need it are not pulled there; make it, and the namespace first where it does not exist yet"
        for name, found in spaces.items()
    ]


def refused(cluster: Cluster, found: t.Sequence[tuple[Trial, str]], *, cni: bool) -> FleetError:
    """What a run says when pods are refused.

    Args:
        found: what was refused, with the API server's words.
        cni: whether Istio's CNI agent sets up the network of pods with a sidecar.
    """
    trial, said = found[0]
    cause = cause_of(said)
    alike = dict.fromkeys(one.namespace for one, other in found if cause_of(other) == cause)
    error = FleetError(
        f"its {cause} refuses {trial.what}",
        cluster=cluster.name,
        obj=", ".join(f"Namespace {one}" for one in alike),
        seen=said,
    )
    if cause == POD_SECURITY:
        error.means = _why(trial, cni)
        error.next_step = f"label the namespace {ENFORCE}=privileged"
        if not cni:
            error.next_step = f"set mesh_cni: true, or {error.next_step}"
        elif trial.what == AGENT:
            error.next_step += ", or set control_plane_cni_namespace to one that has this label"
        return error
    if cause == WARDEN:
        # https://cloud.google.com/kubernetes-engine/docs/how-to/autopilot-security#service-mesh
        error.means = "Autopilot allows pods NET_ADMIN, which Istio's init container needs, only where it is told to"
        error.next_step = (
            "run the clusters stage, which allows it, or gcloud container clusters update "
            "--workload-policies=allow-net-admin"
        )
        if "NET_ADMIN" not in said:
            error.means, error.next_step = "Autopilot allows its pods less than this one asks for", "see what it names"
        return error
    error.means = {
        LIMIT_RANGE: "what its containers ask for, with what the LimitRange adds, is outside of the LimitRange",
        REQUESTS: "a request is above its limit: each is yours, the chart's, or what the namespace's LimitRange adds",
        QUOTA: "the quota counts what its containers do not name",
        QUOTA_IS_FULL: "less is left of the quota than it asks for",
    }[cause]
    kind = LIMIT_RANGE if cause in (LIMIT_RANGE, REQUESTS) else QUOTA
    error.next_step = f"{trial.resources}, or change the {kind}" if trial.resources else f"change the {kind}"
    return error


def _why(trial: Trial, cni: bool) -> str:
    if trial.what == AGENT:
        return "Istio's CNI agent needs the nodes' files"
    if not cni:
        return "without Istio's CNI agent a privileged init container sets up each pod's network"
    return "these pods ask for no more than level restricted allows, and more is demanded here"
