# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask a cluster by dry runs whether it would take the pods of a mesh, before anything is written."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    EASTWEST,
    INGRESS,
    cni_enabled,
    eastwest_wanted,
    ingress_wanted,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.admission import (
    ENFORCE,
    QUOTA_IS_FULL,
    Pods,
    Trial,
    cause_of,
    refused,
    runs_already,
    trials,
    without_resources,
    without_secrets,
)
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import Agent

__all__ = ["POD_OPTIONS", "check_admission", "said_of_pods"]

_STAND_IN = "default"
"""What the API server enforces where no label says so, it enforces here too: nobody can ask about a namespace that
does not exist yet."""

POD_OPTIONS: dict[str, dict[str, t.Any]] = {
    "cni_values": {"type": "dict", "default": {}},
    "cni_namespace": {"type": "str", "default": "kube-system"},
    "sample_namespace": {"type": "str", "default": "istio-apps"},
    "sample": {"type": "dict", "default": {}},
    "gateways_eastwest": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "gateways_ingress": {"type": "raw", "default": True},
    "gateways_values": {"type": "dict", "default": {}},
    "gateways_eastwest_values": {"type": "dict", "default": {}},
    "gateways_ingress_values": {"type": "dict", "default": {}},
    "gateways_namespace": {"type": "str", "default": ""},
}
"""Options of an action that say of the pods of a run what :func:`said_of_pods` reads."""


def said_of_pods(
    args: t.Mapping[str, t.Any], fleet: Fleet, cluster: Cluster, *istiod_values: t.Mapping[str, t.Any]
) -> Pods:
    """What an action's options say of the pods of a cluster. Raises FleetError for an option that cannot be."""
    gateways = {}
    if eastwest_wanted(fleet, cluster, args["gateways_eastwest"]):
        gateways[EASTWEST] = (args["gateways_values"], args["gateways_eastwest_values"])
    if ingress_wanted(cluster, args["gateways_ingress"]):
        gateways[INGRESS] = (args["gateways_values"], args["gateways_ingress_values"])
    where = args["sample"].values()
    sample = any(one == "all" or (isinstance(one, (list, tuple)) and cluster.name in one) for one in where)
    return Pods(
        istiod_values,
        gateways,
        args["gateways_namespace"],
        args["sample_namespace"] if sample else "",
        args["cni_values"],
    )


async def check_admission(
    kube: Reader, fleet: Fleet, cluster: Cluster, agent: Agent, said: Pods, *, secrets: bool = False
) -> list[str]:
    """Ask by dry runs whether the cluster refuses pods of a run: by PodSecurity, a LimitRange, a ResourceQuota.

    Other refusals are no answer here: other policies judge more than such a pod has.

    Args:
        secrets: whether to look for the Secrets for images too, which costs a request for each in each namespace.

    Returns:
        Warnings: Secrets for images that are missing.
    Raises:
        FleetError: some are refused, with the next step.
    """
    if kube.absent:
        return []
    asked = trials(fleet, cluster, said, agent_namespace=agent.namespace if agent.wanted else "")
    answers = await asyncio.gather(*(_refusal(kube, trial) for trial in asked))
    found = [(trial, answer) for trial, answer in zip(asked, answers, strict=True) if answer]
    if found:
        raise refused(cluster, found, cni=cni_enabled(cluster, said.istiod_values))
    if not secrets:
        return []
    return without_secrets(
        cluster, await _missing_secrets(kube, cluster, dict.fromkeys(one.namespace for one in asked))
    )


async def _missing_secrets(kube: Reader, cluster: Cluster, spaces: t.Iterable[str]) -> list[tuple[str, str]]:
    places = [(space, name) for space in spaces for name in cluster.pods.pull_secrets]
    there = await asyncio.gather(*(_has_secret(kube, space, name) for space, name in places))
    return [place for place, found in zip(places, there, strict=True) if not found]


async def _has_secret(kube: Reader, space: str, name: str) -> bool:
    try:
        return await kube.get("v1", "Secret", name, space) is not None
    except ApiError:
        return True  # what this account may not read it cannot miss


async def _refusal(kube: Reader, trial: Trial) -> str:
    """What a namespace's rules have against a pod, or ""."""
    where, pod = trial.namespace, trial.pod
    stand_in = await kube.get("v1", "Namespace", where) is None
    if stand_in:
        where = _STAND_IN
        if ENFORCE in labels_of(await kube.get("v1", "Namespace", where)):
            return ""
        pod = without_resources(pod)
        pod["metadata"] = {**pod["metadata"], "namespace": where}
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
        cause = cause_of(said, stand_in=stand_in)
        if cause == QUOTA_IS_FULL:
            running = [
                *await kube.list("apps/v1", "Deployment", where),
                *await kube.list("apps/v1", "DaemonSet", where),
            ]
            cause = "" if runs_already(running) else cause
        return said if cause else ""
    return ""
