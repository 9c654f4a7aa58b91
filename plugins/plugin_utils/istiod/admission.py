# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a cluster's PodSecurity accepts the pods of a mesh: dry runs ask, before anything is written."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.pods import (
    agent_pod,
    sidecar_pod,
    system_pod,
    violates_pod_security,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of

__all__ = ["check_admission"]

ENFORCE = "pod-security.kubernetes.io/enforce"
_STAND_IN = "default"
"""What the API server enforces where no label says so, it enforces here too: nobody can ask about a namespace that
does not exist yet."""

Pod = dict[str, t.Any]


async def check_admission(
    kube: Reader,
    cluster: Cluster,
    *,
    cni: bool,
    system: t.Collection[str],
    injected: t.Collection[str],
    agent: str = "",
) -> None:
    """Ask by dry runs whether pods of a mesh would be refused.

    What is no refusal of PodSecurity is no answer here: quotas and other policies judge more than such a pod has.

    Args:
        cni: whether Istio's CNI agent sets up the network of pods with a sidecar.
        system: namespaces of istiod and gateways.
        injected: namespaces of pods with a sidecar.
        agent: namespace in which the CNI agent is going to be installed; "" for none.

    Raises:
        FleetError: PodSecurity refuses some, with the next step.
    """
    if kube.absent:
        return
    asked = [(name, "istiod and gateways", system_pod(name, cni=cni)) for name in system]
    asked += [(name, "pods with a sidecar", sidecar_pod(cluster, name, cni=cni)) for name in injected]
    if agent:
        asked.append((agent, "Istio's CNI agent", agent_pod(agent)))
    answers = await asyncio.gather(*(_refusal(kube, name, pod) for name, _what, pod in asked))
    refused = [(name, what, said) for (name, what, _pod), said in zip(asked, answers, strict=True) if said]
    if not refused:
        return
    name, what, said = refused[0]
    raise FleetError(
        f"its PodSecurity refuses {what}",
        cluster=cluster.name,
        obj=", ".join(f"Namespace {one}" for one in dict.fromkeys(name for name, _what, _said in refused)),
        seen=said,
        means="Istio's CNI agent needs the nodes' files"
        if what.startswith("Istio's")
        else "without Istio's CNI agent a privileged init container sets up each pod's network"
        if not cni
        else "these pods ask for no more than level restricted allows, and more is demanded here",
        next_step=f"set mesh_cni: true, or label the namespace {ENFORCE}=privileged"
        if not cni
        else f"label the namespace {ENFORCE}=privileged"
        + (", or set control_plane_cni_namespace to one that has this label" if name == agent else ""),
    )


async def _refusal(kube: Reader, namespace: str, pod: Pod) -> str:
    """What PodSecurity has against a pod, or ""."""
    where = namespace
    if await kube.get("v1", "Namespace", namespace) is None:
        where = _STAND_IN
        if ENFORCE in labels_of(await kube.get("v1", "Namespace", where)):
            return ""
        pod = {**pod, "metadata": {**pod["metadata"], "namespace": where}}
    try:
        await kube.transport.request(
            "POST",
            f"/api/v1/namespaces/{where}/pods",
            params={"dryRun": "All"},
            body=pod,
            obj=f"a pod of {where}",
            action="create",
        )
    except ApiError as error:
        said = f"{error.what}: {error.seen}" if error.seen else error.what
        return said if violates_pod_security(said) else ""
    return ""
