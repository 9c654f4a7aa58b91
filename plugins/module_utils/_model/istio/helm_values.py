# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster needs to be part of the mesh: Helm releases and the namespace, as plain data.

Everything is derived from the :class:`Fleet`; a user's own Helm values are merged last, so they win.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of, own_networks
from ..inventory.fleet import OPENSHIFT, ROLE_PRIMARY, Cluster, Fleet
from ..providers.registry import provider_of
from .ownership import CREATED, FLEET_LABEL, MANAGER, PART_OF, owner_labels

__all__ = [
    "BASE",
    "CNI",
    "EASTWEST",
    "INGRESS",
    "NOT_YET",
    "Release",
    "base_release",
    "cni_enabled",
    "cni_release",
    "eastwest_wanted",
    "gateway_release",
    "ingress_labels",
    "ingress_wanted",
    "istiod_name",
    "istiod_release",
    "merged",
    "mesh_config_name",
    "recorded_release",
    "release_owner",
    "remotes_of",
    "system_namespace",
    "webhook_name",
]

Values = dict[str, t.Any]

BASE = "istio-base"
"""The release with what all control planes of a cluster share: CRDs, the reader account, the default validator."""
CNI = "istio-cni"
"""The release of Istio's CNI agent. All control planes of a cluster share it: its DaemonSet has one name."""
EASTWEST = "istio-eastwestgateway"
INGRESS = "istio-ingressgateway"
_FLEET = "meshFleet"
_SECCOMP: Values = {"type": "RuntimeDefault"}
"""What PodSecurity's level restricted demands of every container."""


_GKE_PLUGINS = "/home/kubernetes/bin"
"""Where the nodes of GKE have CNI plugins."""
NOT_YET = "known-when-the-gateway-has-one"
"""Stands for a primary's address in the values of its remote, while its gateway is only planned."""


@dataclasses.dataclass(frozen=True)
class Release:
    """One Helm release as it should be."""

    name: str
    namespace: str
    chart: str
    """Folder, archive, or name within a repository, as Helm's own CHART argument."""
    values: Values = dataclasses.field(default_factory=dict)
    version: str = ""
    """Chart version for a chart from a repository; "" means the one in the folder."""
    repo: str = ""


def merged(*layers: t.Mapping[str, t.Any]) -> Values:
    """Merge Helm values: later wins, mappings are merged deeply, everything else (lists too) is replaced."""
    out: Values = {}
    for layer in layers:
        for key, value in layer.items():
            mine = out.get(key)
            if isinstance(mine, dict) and isinstance(value, t.Mapping):
                out[key] = merged(mine, value)
            else:
                out[key] = copy.deepcopy(dict(value) if isinstance(value, t.Mapping) else value)
    return out


def helm_revision(fleet: Fleet) -> str:
    """The charts write the default revision as ""."""
    return "" if fleet.revision == "default" else fleet.revision


def istiod_name(fleet: Fleet) -> str:
    """Name of istiod's release, Deployment and Service of the fleet's revision."""
    revision = helm_revision(fleet)
    return f"istiod-{revision}" if revision else "istiod"


def mesh_config_name(fleet: Fleet) -> str:
    """Name of the ConfigMap with the mesh configuration, as istiod's chart makes it and istiod looks for it."""
    revision = helm_revision(fleet)
    return f"istio-{revision}" if revision else "istio"


def webhook_name(fleet: Fleet) -> str:
    """Name of the injection webhook's configuration, as istiod's chart makes it."""
    revision = helm_revision(fleet)
    parts = ["istio-sidecar-injector", revision, "" if fleet.namespace == "istio-system" else fleet.namespace]
    return "-".join(part for part in parts if part)


def remotes_of(fleet: Fleet, primary: str) -> list[Cluster]:
    """The clusters without an istiod of their own that ``primary`` serves."""
    return [c for c in fleet.clusters.values() if c.role != ROLE_PRIMARY and c.primary == primary]


def system_namespace(fleet: Fleet, cluster: Cluster, *, created: bool) -> Values:
    """The namespace of the control plane.

    ``created``: whether it is ours, that is, it did not exist before. Every stage that needs the
    namespace applies this same object: with one field manager, two different ones would undo each
    other at every run.

    A remote's annotation names the primary that may configure it. istiod reads it once, with the cluster's
    remote secret, so the namespace is applied before that.
    """
    metadata: Values = {
        "name": fleet.namespace,
        "labels": {**owner_labels("control_plane", fleet.name), "topology.istio.io/network": cluster.network},
    }
    annotations: dict[str, str] = {}
    if created:
        annotations[CREATED] = "true"
    if cluster.role != ROLE_PRIMARY:
        annotations["topology.istio.io/controlPlaneClusters"] = cluster.primary
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def release_owner(values: t.Mapping[str, t.Any]) -> str | None:
    """The fleet that a release's recorded values name; None for a release that this collection did not make.

    "" where an earlier version made it, which recorded no fleet.
    """
    labels = values.get("labels") or {}
    if values.get("ownerName") != MANAGER and labels.get(PART_OF) != "gateways":
        return None
    return str(values.get(_FLEET) or labels.get(FLEET_LABEL) or "")


def _common(fleet: Fleet, cluster: Cluster, *, owned: bool = True) -> Values:
    """Values of every chart.

    ``ownerName`` is the charts' own label for who installed them; with the fleet's name, which the charts do not read,
    it marks our releases. Chart gateway knows neither and refuses what it does not know: labels mark its releases.
    """
    out: Values = {"ownerName": MANAGER, _FLEET: fleet.name} if owned else {}
    namespace = control_plane_of(fleet, cluster).namespace
    if namespace != "istio-system":
        out["global"] = {"istioNamespace": namespace}
    platform = cluster.platform or provider_of(cluster).platform
    if platform:
        out = merged(out, {"global": {"platform": platform}})
    return out


def base_release(fleet: Fleet, cluster: Cluster, chart: str, user: t.Mapping[str, t.Any] | None = None) -> Release:
    """CRDs, the reader account, and the validation webhook of the fleet's revision."""
    values = merged(_common(fleet, cluster), {"defaultRevision": fleet.revision})
    if cluster.role != ROLE_PRIMARY:
        values["profile"] = "remote"
    return Release(BASE, fleet.namespace, chart, merged(values, user or {}))


def cni_release(
    fleet: Fleet,
    cluster: Cluster,
    chart: str,
    *,
    namespace: str,
    hub: str = "",
    tag: str = "",
    user: t.Mapping[str, t.Any] | None = None,
) -> Release:
    """Istio's CNI agent: a DaemonSet that sets up the network of pods with a sidecar.

    Args:
        namespace: one that allows privileged pods, whatever the cluster's PodSecurity: ``kube-system`` mostly does.
        hub, tag: where Istio's images are; "" leaves the chart's own.
        user: the user's values.
    """
    images: Values = {name: value for name, value in (("hub", hub), ("tag", tag)) if value}
    if cluster.pods.pull_secrets:
        images["imagePullSecrets"] = list(cluster.pods.pull_secrets)
    values = merged(_common(fleet, cluster), {"global": images} if images else {})
    return Release(CNI, namespace, chart, merged(values, user or {}))


def recorded_release(release: Release, platform: str) -> Release:
    """A release as it is rendered without its cluster, with the same objects as there.

    By Kubernetes' version, of which ``helm template`` tells charts the number alone, Istio's CNI chart finds where
    GKE's nodes have their plugins.
    """
    if release.name != CNI or platform != "gke":
        return release
    return dataclasses.replace(release, values=merged({"cni": {"cniBinDir": _GKE_PLUGINS}}, release.values))


def cni_enabled(cluster: Cluster, user: t.Sequence[t.Mapping[str, t.Any]] = ()) -> bool:
    """Whether pods of a primary get no privileged init container, as the variables or istiod's values say.

    Args:
        user: the user's values of istiod, in the order in which they are merged.
    """
    values = merged(*user)
    for place in (values.get("pilot"), values):
        said = ((place or {}).get("cni") or {}).get("enabled")
        if said is not None:
            return bool(said)
    return cluster.cni or cluster.platform == OPENSHIFT


def istiod_release(
    fleet: Fleet,
    cluster: Cluster,
    chart: str,
    *,
    hub: str = "",
    tag: str = "",
    replicas: int = 0,
    dns_capture: bool = True,
    primary_address: str = "",
    serves_others: bool = False,
    federation: t.Mapping[str, t.Any] | None = None,
    exports_api: str = "",
    user: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> Release:
    """istiod of a primary, or what replaces it in a remote.

    Args:
        hub, tag: where Istio's images are; "" leaves the chart's own.
        replicas: fixed number of istiods, which also turns autoscaling off; 0 leaves the chart's own.
        dns_capture: let sidecars resolve names that the cluster's DNS does not know.
        primary_address: address of the primary's east-west gateway, for a remote.
        serves_others: whether it serves remotes that the inventory does not name.
        federation: what istiod needs to know of peers, see ``_model/federation/objects.py``.
        exports_api: the ``apiVersion`` of the ServiceExports and ServiceImports that a primary's istiod reads: what is
            not exported is then reached from its own cluster only. "" for none.
        user: the user's values, in the order in which they are merged.
    """
    values = merged(
        _common(fleet, cluster),
        {"global": {"network": cluster.network, "multiCluster": {"clusterName": cluster.name}}},
    )
    if helm_revision(fleet):
        values["revision"] = helm_revision(fleet)
    if cluster.role != ROLE_PRIMARY:
        values = merged(
            values,
            {
                "profile": "remote",
                "global": {"remotePilotAddress": primary_address},
                "istiodRemote": {"injectionPath": f"/inject/cluster/{cluster.name}/net/{cluster.network}"},
                # The primary reads the trust domain of a remote's pods from the remote's own mesh configuration,
                # which profile "remote" leaves out: without it proxies expect identities of cluster.local.
                "configMap": True,
                "meshConfig": {"trustDomain": fleet.trust_domain},
            },
        )
    else:
        values = merged(
            values,
            {"global": {"meshID": fleet.mesh_id}, "meshConfig": {"trustDomain": fleet.trust_domain}},
        )
        if hub:
            values["global"]["hub"] = hub
        if tag:
            values["global"]["tag"] = tag
        if dns_capture:
            values["meshConfig"]["defaultConfig"] = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}
        if remotes_of(fleet, cluster.name) or serves_others:
            values["global"]["externalIstiod"] = True
        if replicas:
            values = merged(values, {"autoscaleEnabled": False, "replicaCount": replicas})
        values = merged(values, _istiod_pods(cluster), federation or {}, _exports_values(exports_api))
    return Release(istiod_name(fleet), fleet.namespace, chart, merged(values, *user))


def _exports_values(api: str) -> Values:
    """Values by which istiod heeds ServiceExports and ServiceImports of an ``apiVersion``."""
    group, _slash, version = api.partition("/")
    if not group:
        return {}
    env = {"ENABLE_MCS_SERVICE_DISCOVERY": "true", "ENABLE_MCS_HOST": "true"}
    return {"pilot": {"env": {**env, "MCS_API_GROUP": group, "MCS_API_VERSION": version}}}


def _istiod_pods(cluster: Cluster) -> Values:
    """Values of istiod for its own pods, and for those that it injects."""
    spec = cluster.pods.spec()
    values: Values = {name: spec[name] for name in ("nodeSelector", "tolerations") if name in spec}
    if cluster.pods.pull_secrets:
        values["global"] = {"imagePullSecrets": list(cluster.pods.pull_secrets)}
    if not cluster.cni:
        return values
    restricted = {"global": {"proxy": {"seccompProfile": _SECCOMP}}, "seccompProfile": _SECCOMP}
    return merged(values, restricted, {"pilot": {"cni": {"enabled": True}}, "gateways": {"seccompProfile": _SECCOMP}})


def eastwest_wanted(fleet: Fleet, cluster: Cluster, choice: str = "auto") -> bool:
    """Whether a cluster gets an east-west gateway.

    Args:
        choice: ``auto``: when the fleet has more than one network or is federated, or the cluster serves remotes;
            ``always``; or ``never``, which still keeps the one that remotes are served through.

    A cluster has none, whatever is chosen, if its control plane cannot configure one.
    """
    if control_plane_of(fleet, cluster).no_eastwest:
        return False
    if choice == "always" or remotes_of(fleet, cluster.name):
        return True
    return choice != "never" and (fleet.federated or len(own_networks(fleet)) > 1)


def ingress_wanted(cluster: Cluster, choice: t.Any = True) -> bool:
    """Whether a cluster gets an ingress gateway; ``choice`` is true, false, or the list of those that get one."""
    if isinstance(choice, (list, tuple)):
        return cluster.name in choice
    if isinstance(choice, str):
        lowered = choice.lower()
        if lowered not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            raise FleetError(
                "gateways_ingress is neither a boolean nor a list of clusters",
                seen=choice,
                next_step="set it to true, false or a list of cluster names",
            )
        return lowered in ("true", "yes", "on", "1")
    return bool(choice)


def gateway_release(
    fleet: Fleet,
    cluster: Cluster,
    chart: str,
    name: str,
    *,
    namespace: str = "",
    replicas: int = 0,
    user: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> Release:
    """A gateway of the fleet's revision, or of Google's; ``name`` is :data:`EASTWEST` or :data:`INGRESS`."""
    plane = control_plane_of(fleet, cluster)
    values = merged(_common(fleet, cluster, owned=False), {"labels": owner_labels("gateways", fleet.name)})
    if plane.revision != "default":
        values["revision"] = plane.revision
    if name == EASTWEST:
        values["networkGateway"] = cluster.network
    if replicas:
        values = merged(values, {"autoscaling": {"enabled": False}, "replicaCount": replicas})
    values = merged(values, cluster.pods.spec())
    if cluster.cni:
        # The chart leaves its own out where there is one; without this sysctl the gateway cannot listen at port 80.
        ports = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
        values["securityContext"] = {"seccompProfile": dict(_SECCOMP), "sysctls": [ports]}
    return Release(name, namespace or plane.gateways_namespace(), chart, merged(values, *user))


def ingress_labels(fleet: Fleet, cluster: Cluster) -> dict[str, str]:
    """The labels of a cluster's ingress gateway that Gateways may select it by, without those of Istio's version.

    They are those that chart gateway gives its pods, and those that istiod adds for the place where they run.
    """
    revision = control_plane_of(fleet, cluster).revision
    return {
        **owner_labels("gateways", fleet.name),
        "istio": INGRESS.removeprefix("istio-"),
        "app": INGRESS,
        "app.kubernetes.io/name": INGRESS,
        "app.kubernetes.io/instance": INGRESS,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "istio",
        "istio.io/dataplane-mode": "none",
        "sidecar.istio.io/inject": "true",
        **({} if revision == "default" else {"istio.io/rev": revision}),
        "topology.istio.io/cluster": cluster.name,
        "topology.istio.io/network": cluster.network,
    }
