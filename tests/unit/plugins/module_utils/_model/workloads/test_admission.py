# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods a cluster is asked about, and what its refusals mean. The words are a real API server's."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.admission import (
    Pods,
    Trial,
    cause_of,
    refused,
    runs_already,
    trials,
    without_resources,
    without_secrets,
)

STRICT = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities'
DEMANDS = 'pods "x" is forbidden: failed quota: small: must specify limits.cpu for: app'
FULL = 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'
MOST = 'pods "x" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi'
LEAST = 'pods "x" is forbidden: minimum cpu usage per Container is 50m, but request is 5m'
RATIO = 'pods "x" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 20.000000'
BELOW = (
    'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "256Mi": '
    "must be less than or equal to memory limit of 128Mi"
)
INGRESS, EASTWEST = "istio-ingressgateway", "istio-eastwestgateway"
BY_DEFAULT = Pods(gateways={INGRESS: ()}, sample_namespace="istio-apps")


def fleet(**variables: t.Any) -> Fleet:
    return read_fleet({"west": {"cluster_provider": "kubeconfig", **variables}, "east": {}})


def asked(it: Fleet, said: Pods = BY_DEFAULT, agent: str = "") -> dict[tuple[str, str], list[t.Any]]:
    """By namespace and what, the resources of the pod's containers."""
    found = trials(it, it.clusters["west"], said, agent_namespace=agent)
    return {(one.namespace, one.what): [c.get("resources") for c in one.pod["spec"]["containers"]] for one in found}


PROXY = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}}
ISTIOD = {"requests": {"cpu": "500m", "memory": "2048Mi"}}


def test_every_pod_of_a_run_is_asked_about_as_it_will_be() -> None:
    assert asked(fleet()) == {
        ("istio-system", "istiod"): [ISTIOD],
        ("istio-system", "the ingress gateway"): [PROXY],
        ("mesh-verify", "pods with a sidecar"): [{"requests": {"cpu": "5m", "memory": "32Mi"}}, PROXY],
        ("istio-apps", "pods with a sidecar"): [{"requests": {"cpu": "10m", "memory": "256Mi"}}, PROXY],
    }
    small = {"limits": {"cpu": "100m"}}
    said = Pods(
        [{"global": {"proxy": {"resources": small}}, "pilot": {"resources": small}}, {"resources": {"requests": None}}],
        {INGRESS: [{"resources": {"limits": {"memory": "64Mi"}}}, {"resources": small}], EASTWEST: [{}]},
        "edge",
        "shop",
    )
    proxy = {**PROXY, "limits": {"cpu": "100m", "memory": "1024Mi"}}
    assert asked(fleet(mesh_pods={"resources": small}), said, "agents") == {
        ("istio-system", "istiod"): [small],
        ("edge", "the ingress gateway"): [{**PROXY, "limits": {"cpu": "100m", "memory": "64Mi"}}],
        ("edge", "the east-west gateway"): [PROXY],
        ("mesh-verify", "pods with a sidecar"): [{"requests": {"memory": "32Mi"}, **small}, proxy],
        ("shop", "pods with a sidecar"): [{"requests": {"memory": "256Mi"}, **small}, proxy],
        ("agents", "Istio's CNI agent"): [{"requests": {"cpu": "100m", "memory": "100Mi"}}],
    }
    own = Pods(cni_values={"resources": {"requests": {"cpu": "10m", "memory": None}}})
    assert asked(fleet(), own, "agents")["agents", "Istio's CNI agent"] == [{"requests": {"cpu": "10m"}}]


def test_what_values_set_to_null_is_not_asked_for() -> None:
    """Helm takes it away of what the chart says; an API server reads a limit of null as 0."""
    uncapped = {"limits": {"cpu": None}}
    rest = {"limits": {"memory": "1024Mi"}, "requests": PROXY["requests"]}
    said = Pods(
        [{"global": {"proxy": {"resources": uncapped}}, "resources": None}], {INGRESS: [{"resources": uncapped}]}
    )
    found = asked(fleet(), said)
    assert found["istio-system", "istiod"] == [{}]
    assert found["istio-system", "the ingress gateway"] == [rest]
    assert found["mesh-verify", "pods with a sidecar"][1] == rest
    said = Pods(
        [{"pilot": {"resources": {"requests": None, "limits": {"cpu": "1"}}}}], {INGRESS: [{"resources": None}]}
    )
    found = asked(fleet(), said)
    assert found["istio-system", "istiod"] == [{"limits": {"cpu": "1"}}]
    assert found["istio-system", "the ingress gateway"] == [{}]


def test_what_is_not_wanted_is_not_asked_about() -> None:
    assert [what for _space, what in asked(fleet(), Pods())] == ["istiod", "pods with a sidecar"]
    assert ("mesh-verify", "pods with a sidecar") in asked(fleet(), Pods())


def test_a_remote_has_no_istiod() -> None:
    remote = fleet(mesh_role="remote", mesh_primary="east")
    assert ("istio-system", "istiod") not in asked(remote)
    assert ("istio-system", "the ingress gateway") in asked(remote)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (STRICT, "PodSecurity"),
        (DEMANDS, "ResourceQuota"),
        (FULL, "ResourceQuota that is used up"),
        (MOST, "LimitRange"),
        (LEAST, "LimitRange"),
        (RATIO, "LimitRange"),
        (BELOW, "API server"),
        ('pods "x" is forbidden: User "me" cannot create resource "pods"', ""),
        ('admission webhook "policy" denied the request: no label team', ""),
    ],
)
def test_the_cause_is_read_off_the_refusal(said: str, cause: str) -> None:
    assert cause_of(said) == cause
    # Of another namespace, which stands in for one that is not there yet, its own limits say nothing.
    assert cause_of(said, stand_in=True) == (cause if cause == "PodSecurity" else "")


def test_in_another_namespace_no_limits_are_asked_about() -> None:
    (pod, *_rest) = [one.pod for one in trials(fleet(), fleet().clusters["west"], BY_DEFAULT) if "sidecar" in one.what]
    bare = without_resources(pod)
    assert all("resources" not in c for kind in ("containers", "initContainers") for c in bare["spec"][kind])
    assert [c["name"] for c in bare["spec"]["containers"]] == ["app", "istio-proxy"]
    assert "resources" in pod["spec"]["containers"][0], "the pod itself stays as it is"


def test_a_quota_that_a_standing_mesh_uses_up_is_no_cause() -> None:
    ours = {"metadata": {"labels": {"mesh.fleet/fleet": "shop"}}}
    istiod = {"metadata": {"labels": {"install.operator.istio.io/owning-resource": "mesh.fleet"}}}
    other = {"metadata": {"labels": {"install.operator.istio.io/owning-resource": "unknown"}}}
    assert [runs_already([one]) for one in (ours, istiod, other)] == [True, True, False]
    assert not runs_already([])


def said_about(what: str, said: str, cni: bool = True, agent: str = "agents") -> tuple[str, str, str, str]:
    it = fleet()
    found = [
        (one, said) for one in trials(it, it.clusters["west"], BY_DEFAULT, agent_namespace=agent) if what == one.what
    ]
    error = refused(it.clusters["west"], found, cni=cni)
    assert (error.cluster, error.seen) == ("west", said)
    return error.what, error.obj, error.means, error.next_step


@pytest.mark.parametrize(
    ("said", "rule", "means"),
    [
        (BELOW, "API server", "a request is above its limit"),
        (MOST, "LimitRange", "is outside of the LimitRange"),
        (DEMANDS, "ResourceQuota", "counts what its containers do not name"),
        (FULL, "ResourceQuota", "less is left of the quota"),
    ],
)
def test_limits_are_named_with_the_variable_that_meets_them(said: str, rule: str, means: str) -> None:
    what, obj, why, step = said_about("pods with a sidecar", said)
    assert what.startswith(f"its {rule}") and what.endswith("refuses pods with a sidecar")
    assert obj == "Namespace mesh-verify, Namespace istio-apps"
    assert means in why
    assert "set mesh_pods: {resources:" in step and "global.proxy.resources" in step
    rule = "LimitRange" if rule == "API server" else rule
    assert step.endswith(f"or change the {rule}")
    assert said_about("istiod", said)[3].startswith("set resources in control_plane_istiod_values")
    assert said_about("the ingress gateway", said)[3].startswith("set resources in gateways_values or gateways_ingress")
    assert said_about("Istio's CNI agent", said)[3].startswith("set resources in control_plane_cni_values, or")


def test_a_refusal_by_pod_security_has_its_own_next_step() -> None:
    label = "label the namespace pod-security.kubernetes.io/enforce=privileged"
    assert said_about("istiod", STRICT, cni=False)[2:] == (
        "without Istio's CNI agent a privileged init container sets up each pod's network",
        f"set mesh_cni: true, or {label}",
    )
    assert said_about("istiod", STRICT)[2:] == (
        "these pods ask for no more than level restricted allows, and more is demanded here",
        label,
    )
    assert said_about("Istio's CNI agent", STRICT)[2:] == (
        "Istio's CNI agent needs the nodes' files",
        f"{label}, or set control_plane_cni_namespace to one that has this label",
    )


def test_what_another_rule_refuses_is_not_named_with_it() -> None:
    west = fleet().clusters["west"]
    found = [(Trial("a", "istiod", {}), DEMANDS), (Trial("b", "gateways", {}), STRICT), (Trial("c", "x", {}), DEMANDS)]
    assert refused(west, found, cni=True).obj == "Namespace a, Namespace c"


def test_secrets_for_images_that_are_missing_are_told_once_each() -> None:
    west = fleet().clusters["west"]
    assert without_secrets(west, []) == []
    first, second = without_secrets(west, [("a", "pull"), ("b", "pull"), ("a", "other")])
    assert first.startswith("west: no Secret pull in namespace a, b, which image_pull_secrets of mesh_pods names")
    assert second.startswith("west: no Secret other in namespace a, which")


WARDEN = (
    'admission webhook "warden-validating.common-webhooks.networking.gke.io" denied the request: GKE Warden rejected '
    'the request because it violates one or more constraints. Violations details: {"[denied by '
    "autogke-default-linux-capabilities]\":[\"linux capability 'NET_ADMIN' on container 'istio-init' not allowed\"]}"
)


def test_autopilots_refusal_names_its_own_switch() -> None:
    assert cause_of(WARDEN) == cause_of(WARDEN, stand_in=True) == "GKE Warden"
    trial = Trial("istio-apps", "pods with a sidecar", {}, "")
    error = refused(fleet().clusters["west"], [(trial, WARDEN)], cni=False)
    assert error.what == "its GKE Warden refuses pods with a sidecar"
    assert "--workload-policies=allow-net-admin" in error.next_step
    assert "mesh_cni" not in error.next_step
    error = refused(fleet().clusters["west"], [(trial, WARDEN.replace("NET_ADMIN", "BPF"))], cni=False)
    assert error.next_step == "see what it names"
