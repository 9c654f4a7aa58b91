# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which objects of the inventory's apps each cluster must hold, stubs and namespaces included."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from ..istio.ownership import CREATED, owner_labels
from ..peering.graph import may_call
from .sample import NAMESPACE, PROGRAM, VERSION, exposure, name_of, sample_objects

__all__ = [
    "APP",
    "PART",
    "STUB",
    "WORKLOADS",
    "App",
    "ClusterPlan",
    "SampleOptions",
    "Workload",
    "namespace_object",
    "our_labels",
    "plan_cluster",
    "pods_without_sidecar",
]

Manifest = dict[str, t.Any]

PART = "apps"
STUB = "mesh.fleet/stub"
"""Label of a Service without pods, which makes a name resolve where the callers' pods are."""
APP = "mesh.fleet/app"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")

# Cluster-scoped kinds that an app may have. An object of a CRD says so by metadata.namespace: "".
_CLUSTER_KINDS = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CSIDriver",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)


@dataclasses.dataclass(frozen=True)
class App:
    """One app of the fleet.

    ``manifests`` are its objects in the cluster that is planned. In other clusters the Services among them, and
    ``services``, get stubs.
    """

    name: str
    namespace: str
    clusters: tuple[str, ...]
    inject: bool = True
    manifests: tuple[Manifest, ...] = ()
    files: tuple[str, ...] = ()
    template: str = ""
    chart: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    services: tuple[Manifest, ...] = ()
    stub_in: tuple[str, ...] | str = "callers"
    wait: bool = True
    wait_timeout: int = 300
    """Seconds."""

    def stubs(self, fleet: Fleet) -> tuple[str, ...]:
        """Clusters that get stubs of its Services: those that ``stub_in`` names and that do not run it."""
        if self.stub_in == "none" or not self.clusters:
            return ()
        named: t.Iterable[str] = fleet.clusters if isinstance(self.stub_in, str) else self.stub_in
        if self.stub_in == "callers":
            named = [c for c in fleet.clusters if any(may_call(fleet, c, callee) for callee in self.clusters)]
        return tuple(c for c in named if c not in self.clusters)


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """How the inventory describes the sample pair."""

    where: t.Mapping[str, t.Mapping[str, tuple[str, ...]]]
    """By role, and by version of it, the clusters that run it."""
    image: str
    program: t.Mapping[str, str]
    namespace: str = NAMESPACE
    replicas: int = 1
    target: str = ""
    """The host that callers call where a message names none; "" for the producer's plain name."""
    expose: bool = True
    hosts: tuple[str, ...] = ()
    """Names under which an ingress gateway serves the page; none publish nothing."""
    wait_timeout: int = 180
    """Seconds."""


@dataclasses.dataclass(frozen=True)
class Workload:
    """A workload that a run waits for; ``timeout`` in seconds."""

    app: str
    manifest: Manifest
    inject: bool
    timeout: int


@dataclasses.dataclass(frozen=True)
class ClusterPlan:
    """What one cluster must hold."""

    objects: list[Manifest]
    """Without namespaces: only the cluster can say whether we created them."""
    namespaces: dict[str, bool]
    """By name, whether its pods get a sidecar."""
    workloads: list[Workload]
    running: list[str]
    """Names of the apps that run here."""
    stubs: list[str]
    """``namespace/name`` of the stub Services."""


def our_labels(fleet: str, app: str = "") -> dict[str, str]:
    """The labels of what a fleet's apps have; with ``app`` those of one app."""
    found = owner_labels(PART, fleet)
    return {**found, APP: app} if app else found


def namespace_object(fleet: Fleet, cluster: Cluster, name: str, *, inject: bool, created: bool) -> Manifest:
    injection = control_plane_of(fleet, cluster).injection_label if inject else {}
    metadata: Manifest = {"name": name, "labels": {**our_labels(fleet.name), **injection}}
    if created:
        metadata["annotations"] = {CREATED: "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def plan_cluster(fleet: Fleet, name: str, apps: t.Sequence[App], sample: SampleOptions | None = None) -> ClusterPlan:
    """Everything that cluster ``name`` must hold.

    Raises:
        FleetError: two apps have the same object, or want the same namespace with and without sidecars.
    """
    cluster = fleet.clusters[name]
    plan = ClusterPlan([], {}, [], [], [])
    owners: dict[tuple[str, str, str, str], tuple[str, Manifest]] = {}
    exposed = False
    for app in [*apps, *_pair(cluster, sample)]:
        here = name in app.clusters
        objects = [_owned(m, app, fleet.name) for m in app.manifests] if here else []
        if here:
            plan.running.append(app.name)
        elif name in app.stubs(fleet):
            objects = [_stub(m, app, fleet.name) for m in (*app.manifests, *app.services) if _is_service(m)]
            plan.stubs.extend(f"{m['metadata']['namespace']}/{m['metadata']['name']}" for m in objects)
        if here or objects:
            _add_namespace(plan.namespaces, app, fleet, cluster)
            exposed = exposed or app.name == name_of("caller")
        for manifest in objects:
            key = _key(manifest)
            if key not in owners:
                owners[key] = (app.name, manifest)
                plan.objects.append(manifest)
            elif owners[key][1] != manifest or owners[key][0] == app.name:
                raise FleetError(
                    f'apps "{owners[key][0]}" and "{app.name}" both have it',
                    cluster=name,
                    obj=f"{key[1]} {key[2]}/{key[3]}",
                    next_step="remove it from one of them, or give it another name there",
                )
        if here and app.wait:
            plan.workloads.extend(
                Workload(app.name, m, app.inject, app.wait_timeout) for m in objects if m["kind"] in WORKLOADS
            )
    # The gateway of a remote is configured by its primary, so these objects must be there.
    if sample is not None and sample.expose and sample.hosts and exposed and cluster.role == ROLE_PRIMARY:
        caller = App(name=name_of("caller"), namespace=sample.namespace, clusters=(name,))
        gateway = exposure(control_plane_of(fleet, cluster).istio_api(), namespace=sample.namespace, hosts=sample.hosts)
        plan.objects.extend(_owned(m, caller, fleet.name) for m in gateway)
    return plan


def pods_without_sidecar(pods: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Names of the pods that should have a sidecar and have none.

    Pods that opt out, have finished, use the host's network or are being deleted need none.
    """
    found = []
    for pod in pods:
        meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        phase = (pod.get("status") or {}).get("phase")
        inject = {**annotations_of(pod), **labels_of(pod)}.get("sidecar.istio.io/inject")
        if meta.get("deletionTimestamp") or phase in ("Succeeded", "Failed"):
            continue
        if str(inject).lower() == "false" or spec.get("hostNetwork"):
            continue
        containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        if not any(c.get("name") == "istio-proxy" for c in containers):
            found.append(str(meta.get("name")))
    return found


def _pair(cluster: Cluster, sample: SampleOptions | None) -> list[App]:
    """The sample pair as apps."""
    if sample is None:
        return []
    return [
        App(
            name=name_of(role),
            namespace=sample.namespace,
            clusters=tuple(dict.fromkeys(name for clusters in versions.values() for name in clusters)),
            manifests=tuple(_of_versions(cluster, sample, role, versions)),
            wait_timeout=sample.wait_timeout,
        )
        for role, versions in sample.where.items()
    ]


def _of_versions(
    cluster: Cluster, sample: SampleOptions, role: str, versions: t.Mapping[str, tuple[str, ...]]
) -> list[Manifest]:
    """The objects of one role in a cluster: a Deployment for each version that runs there, the others once."""
    here = [version for version, clusters in versions.items() if cluster.name in clusters]
    found: list[Manifest] = []
    for version in here or [VERSION]:
        objects = sample_objects(
            cluster,
            role,
            sample.program,
            image=sample.image,
            namespace=sample.namespace,
            replicas=sample.replicas,
            version=version,
            target=sample.target,
        )
        found += [one for one in objects if one not in found]
    return found


def _is_service(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) == ("v1", "Service")


def _owned(manifest: Manifest, app: App, fleet: str) -> Manifest:
    out = copy.deepcopy(dict(manifest))
    meta = out["metadata"] = dict(out["metadata"])
    # Caller and producer share one ConfigMap with the program, so it has the label of neither.
    shared = out["kind"] == "ConfigMap" and meta["name"] == PROGRAM
    meta["labels"] = {**labels_of(manifest), **our_labels(fleet, "" if shared else app.name)}
    if out["kind"] in _CLUSTER_KINDS or meta.get("namespace") == "":
        meta.pop("namespace", None)
    else:
        meta.setdefault("namespace", app.namespace)
    return out


def _stub(service: Manifest, app: App, fleet: str) -> Manifest:
    """A Service of the same name, ports and selector, which is never exposed outside its cluster."""
    spec = service.get("spec") or {}
    ports = [{k: v for k, v in port.items() if k != "nodePort"} for port in spec.get("ports") or []]
    kept = {key: copy.deepcopy(spec[key]) for key in ("selector", "sessionAffinity") if key in spec}
    if spec.get("clusterIP") == "None":
        kept["clusterIP"] = "None"
    meta = service["metadata"]
    return _owned(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": meta["name"],
                "namespace": meta.get("namespace") or app.namespace,
                "labels": {**labels_of(service), STUB: "true"},
            },
            "spec": {**kept, "ports": ports},
        },
        app,
        fleet,
    )


def _add_namespace(namespaces: dict[str, bool], app: App, fleet: Fleet, cluster: Cluster) -> None:
    if app.namespace == control_plane_of(fleet, cluster).namespace:
        return  # the control plane's namespace is labelled by its own role
    if namespaces.setdefault(app.namespace, app.inject) != app.inject:
        raise FleetError(
            "one app needs sidecars in this namespace, another must have none",
            cluster=cluster.name,
            obj=f"Namespace {app.namespace}",
            seen=f'inject of app "{app.name}" is {str(app.inject).lower()}',
            next_step="put them into separate namespaces, or opt single pods out by sidecar.istio.io/inject",
        )


def _key(manifest: Manifest) -> tuple[str, str, str, str]:
    meta = manifest["metadata"]
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    return group, str(manifest["kind"]), str(meta.get("namespace") or ""), str(meta["name"])
