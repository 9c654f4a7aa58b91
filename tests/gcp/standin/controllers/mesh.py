# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's managed mesh: a control plane for each member with automatic management, joined by ``asm-options``.

As Google documents it: the member's state is PROVISIONING until its control plane works, then ACTIVE with the
implementation TRAFFIC_DIRECTOR; clusters whose ConfigMap asm-options says ``multicluster_mode: connected`` see each
other's endpoints, all of them or none. Once management ends, what served goes; the namespace, the kinds and the
ConfigMaps stay for their user to remove.
"""

from __future__ import annotations

import base64
import threading
import typing as t

import yaml

from ..cloud import Cloud
from ..fleet import follow
from . import plane
from .authority import MeshCA
from .behind import Behind, Busy, Kind, Unreachable
from .kinds import CONFIG_MAP, DEPLOYMENT, REVISION, REVISION_CRDS, SECRET, define
from .view import FleetView, Member

__all__ = ["FEATURE", "Mesh"]

Json = dict[str, t.Any]
FEATURE = "servicemesh"
OPTIONS = "asm-options"
AUTOMATIC = "MANAGEMENT_AUTOMATIC"
_WEBHOOKS = Kind("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
_ACCOUNTS = Kind("v1", "ServiceAccount", "serviceaccounts")
_STAYS = ("CustomResourceDefinition", "Namespace", "ConfigMap")
_INJECTORS = ("istiod-asm-managed", "istio-revision-tag-default")
_TOKEN_SECONDS = 86400


class Managed:
    """What is known of one member's control plane."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.objects: list[Json] = []
        self.installed = threading.Event()
        self.problem = ""
        self.active = False
        self.worker: threading.Thread | None = None


class Mesh:
    """The controller of one world; ``cloud`` is where states are reported."""

    def __init__(self, cloud: Cloud, client: t.Callable[[str], Behind]) -> None:
        self.cloud, self.client = cloud, client
        self.tools = plane.Tools.find()
        self.authority = MeshCA()
        self.planes: dict[str, Managed] = {}
        """By membership."""

    def reconcile(self, fleet: FleetView) -> None:
        specs = (fleet.on(FEATURE) or {}).get("membershipSpecs") or {}
        wanted = {
            m.name: m
            for m in fleet.members
            if ((specs.get(m.name) or {}).get("mesh") or {}).get("management") == AUTOMATIC
        }
        ours = [name for name, it in self.planes.items() if name.split("/")[1] == fleet.project]
        for name in ours:
            if name not in wanted:
                self._stop(name)
        for name, member in wanted.items():
            managed = self.planes.setdefault(name, Managed(member))
            if managed.worker is None:
                managed.worker = threading.Thread(target=self._install, args=(managed, fleet.project), daemon=True)
                managed.worker.start()
        running = [self.planes[name] for name in wanted]
        for managed in running:
            self._look(managed)
        self._join([managed for managed in running if managed.active])
        self._report(fleet)

    # -- one control plane ---------------------------------------------------------------------

    def _install(self, managed: Managed, project: str) -> None:
        member = managed.member
        behind = self.client(member.kubeconfig)
        try:
            managed.objects = plane.objects(self.tools, member, project, self.authority)
            options = ["--server-side", "--force-conflicts", "--field-manager", behind.manager]
            self.tools.run(
                "kubectl",
                *("apply", "--kubeconfig", member.kubeconfig, *options, "-f", "-"),
                stdin=yaml.safe_dump_all(managed.objects),
            )
            if behind.get(CONFIG_MAP, OPTIONS, plane.NAMESPACE) is None:
                # It is its user's, so without Google's label.
                meta = {"name": OPTIONS, "namespace": plane.NAMESPACE}
                behind.create(CONFIG_MAP, {"metadata": meta, "data": {"ASM_OPTS": "CNI=on"}})
            managed.installed.set()
        except (plane.Failed, Unreachable, OSError) as error:
            managed.problem = str(error)
            managed.worker = None  # the next round tries again

    def _look(self, managed: Managed) -> None:
        """Whether it works by now: istiod serves, and its webhooks know its certificate.

        Once it does, it stays so: Google does not report a pod that misses a probe.
        """
        if not managed.installed.is_set():
            return
        behind = self.client(managed.member.kubeconfig)
        if not define(behind, REVISION_CRDS):
            return
        deployment = behind.get(DEPLOYMENT, "istiod-asm-managed", plane.NAMESPACE) or {}
        good = bool((deployment.get("status") or {}).get("readyReplicas"))
        for name in _INJECTORS:
            hooks = (behind.get(_WEBHOOKS, name) or {}).get("webhooks") or [{}]
            good &= all((hook.get("clientConfig") or {}).get("caBundle") for hook in hooks)
        good |= managed.active
        if good == managed.active and behind.get(REVISION, plane.REVISION_NAME, plane.NAMESPACE):
            return
        behind.apply(REVISION, plane.revision("regular"))
        status = {"status": {"conditions": plane.conditions(good)}}
        behind.merge(REVISION, plane.REVISION_NAME, plane.NAMESPACE, status, status=True)
        managed.active, managed.problem = good, ""

    def _stop(self, name: str) -> None:
        managed = self.planes[name]
        if managed.worker is not None and managed.worker.is_alive():
            raise Busy(f"the control plane of {managed.member.cluster} is still being made")
        behind = self.client(managed.member.kubeconfig)
        gone = [obj for obj in managed.objects if obj["kind"] not in _STAYS]
        self._leave(behind, set())
        self.tools.run(
            "kubectl",
            *("delete", "--kubeconfig", behind.path, "--ignore-not-found", "--wait=false", "-f", "-"),
            stdin=yaml.safe_dump_all(gone),
        )
        if behind.get(REVISION, plane.REVISION_NAME, plane.NAMESPACE):
            status = {"status": {"conditions": plane.conditions(False)}}
            behind.merge(REVISION, plane.REVISION_NAME, plane.NAMESPACE, status, status=True)
        del self.planes[name]

    # -- all of them ---------------------------------------------------------------------------

    def _join(self, active: t.Sequence[Managed]) -> None:
        """Remote secrets among the clusters that want to be connected; none for others."""
        joined = []
        for managed in active:
            options = self.client(managed.member.kubeconfig).get(CONFIG_MAP, OPTIONS, plane.NAMESPACE) or {}
            if (options.get("data") or {}).get("multicluster_mode") == "connected":
                joined.append(managed.member)
        for managed in active:
            member = managed.member
            others = [o for o in joined if o.name != member.name] if member in joined else []
            behind = self.client(member.kubeconfig)
            for other in others:
                name = _secret_name(other)
                if behind.get(SECRET, name, plane.NAMESPACE) is None:
                    behind.apply(SECRET, self._remote_secret(name, other))
            self._leave(behind, {_secret_name(o) for o in others})

    def _leave(self, behind: Behind, keep: set[str]) -> None:
        labels = ",".join(f"{k}={v}" for k, v in {**plane.OWNER, "istio/multiCluster": "true"}.items())
        for secret in behind.list(SECRET, plane.NAMESPACE, labels):
            if secret["metadata"]["name"] not in keep:
                behind.delete(SECRET, secret["metadata"]["name"], plane.NAMESPACE)

    def _remote_secret(self, name: str, other: Member) -> Json:
        """What lets a control plane read the cluster of ``other``."""
        path = _ACCOUNTS.path(plane.NAMESPACE, "istio-reader-service-account") + "/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        spec = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        answer = self.client(other.kubeconfig).request("POST", path, {**request, **spec})
        if answer is None:
            raise Unreachable(f"{other.cluster} has no istio-reader-service-account")
        with open(other.kubeconfig, encoding="utf-8") as handle:
            # The last one is for peers.
            cluster = yaml.safe_load(handle)["clusters"][-1]["cluster"]
        remote = plane.cluster_id(other)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": remote, "cluster": cluster}],
            "users": [{"name": remote, "user": {"token": answer["status"]["token"]}}],
            "contexts": [{"name": remote, "context": {"cluster": remote, "user": remote}}],
            "current-context": remote,
        }
        meta = {
            "name": name,
            "namespace": plane.NAMESPACE,
            "labels": {**plane.OWNER, "istio/multiCluster": "true"},
            "annotations": {"networking.istio.io/cluster": remote},
        }
        return {"metadata": meta, "data": {remote: base64.b64encode(yaml.safe_dump(config).encode()).decode()}}

    def _report(self, fleet: FleetView) -> None:
        states: dict[str, Json] = {}
        for name, managed in self.planes.items():
            details = {"code": "REVISION_READY", "details": f"Ready: {plane.REVISION_NAME}"}
            states[name] = {"state": "ACTIVE", "implementation": "TRAFFIC_DIRECTOR", "details": [details]}
            if not managed.active:
                details = {"code": "REVISION_PROVISIONING", "details": managed.problem or "Provisioning"}
                states[name] = {"state": "PROVISIONING", "details": [details]}
        with self.cloud.lock:
            if states == self.cloud.planes:
                return
            self.cloud.planes.clear()
            self.cloud.planes.update(states)
            item = self.cloud.resources.get(f"gkehub/projects/{fleet.project}/locations/global/features/{FEATURE}")
            if item is not None:
                follow(self.cloud, item)


def _secret_name(other: Member) -> str:
    return "istio-remote-secret-" + other.numbered.replace("/", "-")
