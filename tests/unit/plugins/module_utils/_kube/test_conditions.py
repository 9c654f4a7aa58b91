# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each condition: done, not done, and what was seen."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube import conditions as c


def deployment(wanted: int | None, *, observed: int | None = 2, extra: t.Any = None, **status: int) -> dict[str, t.Any]:
    spec = {} if wanted is None else {"replicas": wanted}
    more = {} if observed is None else {"observedGeneration": observed}
    return {
        "kind": "Deployment",
        "metadata": {"generation": 2},
        "spec": spec,
        "status": {**more, **status, "conditions": extra or []},
    }


QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, (False, "it does not exist")),
        (
            deployment(1, observed=1, updatedReplicas=1, availableReplicas=1),
            (False, "its controller has not processed it yet"),
        ),
        (deployment(1, observed=None), (False, "its controller has not processed it yet")),
        (deployment(2, updatedReplicas=2, availableReplicas=1, replicas=2), (False, "1/2 ready")),
        (deployment(None, updatedReplicas=1, availableReplicas=1, replicas=1), (True, "1/1 ready")),
        (
            deployment(1, updatedReplicas=1, availableReplicas=2, replicas=2),
            (False, "1/1 ready, 1 of the old version still there"),
        ),
        (deployment(1, extra=[QUOTA]), (False, "0/1 ready: FailedCreate: exceeded quota")),
        (deployment(0), (True, "0/0 ready")),
        (deployment(1, updatedReplicas=1), (False, "0/1 ready")),
        (deployment(1, availableReplicas=1), (False, "0/1 ready")),
        (deployment(2, updatedReplicas=1, availableReplicas=2, replicas=2), (False, "1/2 ready")),
        (deployment(1, updatedReplicas=2, availableReplicas=2, replicas=2), (True, "2/1 ready")),
        (deployment(1, observed=3, updatedReplicas=1, availableReplicas=1, replicas=1), (True, "1/1 ready")),
        (deployment(1, extra=[{**QUOTA, "status": "False"}]), (False, "0/1 ready")),
        (deployment(1, extra=[{"type": "Progressing", "status": "True", "reason": "x"}]), (False, "0/1 ready")),
        ({"metadata": {}, "status": {"observedGeneration": 0}}, (False, "0/1 ready")),
        ({"metadata": {"generation": 1}}, (False, "its controller has not processed it yet")),
    ],
)
def test_deployment_ready(obj: t.Any, expected: tuple[bool, str]) -> None:
    assert c.deployment_ready(obj) == expected


def test_deployment_past_its_deadline() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    assert c.deployment_ready(deployment(1, extra=[late])) == (
        False,
        "0/1 ready: ProgressDeadlineExceeded: timed out",
    )


def test_daemonset_and_statefulset() -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}
    daemon = {"metadata": {"generation": 1}, "status": status}
    assert c.daemonset_ready(daemon) == (False, "1/2 ready")
    status["numberAvailable"] = 2
    assert c.daemonset_ready(daemon) == (True, "2/2 ready")
    stateful = {
        "metadata": {"generation": 1},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "updatedReplicas": 1, "readyReplicas": 2},
    }
    assert c.statefulset_ready(stateful) == (False, "1/2 ready")
    stateful["status"] = {"observedGeneration": 1, "updatedReplicas": 3, "readyReplicas": 1}
    assert c.statefulset_ready(stateful) == (False, "1/2 ready")
    stateful["status"] = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2}
    assert c.statefulset_ready(stateful) == (True, "2/2 ready")
    for half in ("updatedReplicas", "readyReplicas"):
        stateful["status"] = {"observedGeneration": 1, half: 1}
        assert c.statefulset_ready(stateful) == (False, "0/2 ready")
    status.update(updatedNumberScheduled=1, numberAvailable=3)
    assert c.daemonset_ready(daemon) == (False, "1/2 ready")
    status.update(updatedNumberScheduled=3)
    assert c.daemonset_ready(daemon) == (True, "3/2 ready")
    for half in ("updatedNumberScheduled", "numberAvailable"):
        daemon["status"] = {"observedGeneration": 1, "desiredNumberScheduled": 1, half: 1}
        assert c.daemonset_ready(daemon) == (False, "0/1 ready")
    daemon["status"] = {"observedGeneration": 1}
    assert c.daemonset_ready(daemon) == (True, "0/0 ready"), "no node wants it"
    assert c.daemonset_ready(None) == c.statefulset_ready(None) == (False, "it does not exist")


def with_conditions(*conditions: dict[str, str], **status: t.Any) -> dict[str, t.Any]:
    return {"metadata": {}, "status": {**status, "conditions": list(conditions)}}


def test_pod_ready() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    assert c.pod_ready(with_conditions(unscheduled)) == (False, "Pending: 0/1 nodes are available")
    unready = {"type": "Ready", "status": "False", "message": "containers with unready status: [main]"}
    assert c.pod_ready(with_conditions(unready, phase="Running"))[1].startswith("Running: containers")
    assert c.pod_ready(with_conditions({"type": "Ready", "status": "True"})) == (True, "ready")
    assert c.pod_ready(with_conditions(phase="Failed")) == (False, "Failed")
    scheduled = {"type": "PodScheduled", "status": "True", "message": "on a node"}
    assert c.pod_ready(with_conditions(scheduled, unready, phase="Running"))[1].startswith("Running: containers")
    assert c.pod_ready(with_conditions(unready, {**unscheduled, "message": "no room"})) == (False, "Pending: no room")
    assert c.pod_ready({}) == (False, "Pending") and c.pod_ready(None) == (False, "it does not exist")


def test_pods_that_end_do_not_count() -> None:
    ready = with_conditions({"type": "Ready", "status": "True"})
    ends = {**ready, "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    check = c.pods_ready(2)
    assert check([ready, ends, with_conditions()]) == (False, "1/2 pods ready")
    assert check([ready, ready]) == (True, "2/2 pods ready")
    assert check([ready, {**ready, "metadata": None}, ready]) == (True, "3/2 pods ready")
    assert c.pods_ready(0)([]) == (True, "0/0 pods ready")


def test_exists() -> None:
    assert c.exists({}) == (True, "it exists")
    assert c.exists(None) == (False, "it does not exist")


def test_load_balancer_address() -> None:
    def service(*ingress: dict[str, str]) -> dict[str, t.Any]:
        return {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": list(ingress)}}}

    assert c.load_balancer_address(service({"ip": "10.0.0.1"})) == (True, "10.0.0.1")
    assert c.load_balancer_address(service({"hostname": "a.elb"})) == (True, "a.elb")
    assert c.addresses_of(service({"hostname": "a.elb"}, {"ip": "10.0.0.1"})) == ["10.0.0.1", "a.elb"]
    done, seen = c.load_balancer_address(service())
    assert not done
    assert seen.startswith("no address yet")
    inside = (False, "it is of type ClusterIP, which gets no address")
    assert c.load_balancer_address({"spec": {"type": "ClusterIP"}}) == inside
    assert c.load_balancer_address(None) == (False, "it does not exist")
    assert c.addresses_of(None) == c.addresses_of({"status": None}) == c.addresses_of(service({"ip": ""})) == []


def test_crd_node_job() -> None:
    assert c.crd_established(with_conditions({"type": "Established", "status": "True"}))[0]
    in_use = {"type": "NamesAccepted", "status": "False", "message": "plural in use"}
    assert c.crd_established(with_conditions(in_use)) == (False, "its names are not accepted: plural in use")
    assert c.crd_established(with_conditions()) == (False, "not established yet")
    good = {"type": "NamesAccepted", "status": "True"}
    not_yet = with_conditions(good, {"type": "Established", "status": "False"})
    assert c.crd_established(not_yet) == (False, "not established yet")
    assert c.crd_established(with_conditions(good, {"type": "Established", "status": "True"})) == (True, "established")
    assert c.node_ready(with_conditions({"type": "Ready", "status": "True"})) == (True, "ready")
    assert c.node_ready(with_conditions()) == (False, "not ready: its kubelet has not reported")
    pressed = {"type": "Ready", "status": "False", "message": "no disk"}
    assert c.node_ready(with_conditions(pressed)) == (False, "not ready: no disk")
    assert c.job_complete(with_conditions({"type": "Complete", "status": "True"})) == (True, "complete")
    unfinished = [{"type": kind, "status": "False"} for kind in ("Complete", "Failed")]
    assert c.job_complete(with_conditions(*unfinished, active=2)) == (False, "2 pods active")
    assert c.job_complete({}) == (False, "0 pods active")
    failed = {"type": "Failed", "status": "True", "message": "backoff limit"}
    assert c.job_complete(with_conditions(failed)) == (False, "failed: backoff limit")


def test_secret_has_keys() -> None:
    check = c.secret_has_keys("ca-cert.pem", "ca-key.pem")
    assert check(None) == (False, "it does not exist")
    assert check({"data": {"ca-cert.pem": "x", "ca-key.pem": ""}}) == (False, "no ca-key.pem in it")
    assert check({"data": {"ca-cert.pem": "x", "ca-key.pem": "y"}}) == (True, "has ca-cert.pem, ca-key.pem")
    assert check({}) == (False, "no ca-cert.pem, ca-key.pem in it")


def test_webhook_has_ca_bundle() -> None:
    hooks = [{"name": "a", "clientConfig": {"caBundle": "x"}}, {"name": "b", "clientConfig": {}}]
    assert c.webhook_has_ca_bundle({"webhooks": hooks}) == (False, "no caBundle in b")
    assert c.webhook_has_ca_bundle({"webhooks": hooks[:1]}) == (True, "1 webhooks with a caBundle")
    assert c.webhook_has_ca_bundle({"webhooks": [{"name": "c"}]}) == (False, "no caBundle in c")
    assert not c.webhook_has_ca_bundle({"webhooks": []})[0]
    assert not c.webhook_has_ca_bundle({})[0]


def test_gone_names_what_holds() -> None:
    assert c.gone(None) == (True, "gone")
    assert c.gone({"metadata": {}}) == (False, "it exists and is not being deleted")
    held = {"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}}
    assert c.gone(held) == (False, "being deleted, held by finalizers a/b")
    content = {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining"}
    past = [{**content, "status": "False", "message": "no"}, {"type": "Ready", "status": "True", "message": "no"}, {}]
    namespace = {
        "metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"conditions": [*past, content]},
    }
    seen = "being deleted, held by finalizers a/b, kubernetes; Some resources are remaining"
    assert c.gone(namespace) == (False, seen)
    assert c.gone({"metadata": {"deletionTimestamp": "t"}}) == (False, "being deleted")
    assert c.gone({}) == (False, "it exists and is not being deleted")


def test_ready_condition_by_kind() -> None:
    assert c.ready_condition({"kind": "Deployment"}) is c.deployment_ready
    assert c.ready_condition({"kind": "Service", "spec": {"type": "LoadBalancer"}}) is c.load_balancer_address
    assert c.ready_condition({"kind": "Service"}) is None
    assert c.ready_condition({"kind": "Service", "spec": {"type": "ClusterIP"}}) is None
    assert c.ready_condition({"kind": "Theirs", "spec": {"type": "LoadBalancer"}}) is None
    assert c.ready_condition({"kind": "ConfigMap"}) is None
    others = {
        "CustomResourceDefinition": c.crd_established,
        "DaemonSet": c.daemonset_ready,
        "Job": c.job_complete,
        "Node": c.node_ready,
        "Pod": c.pod_ready,
        "StatefulSet": c.statefulset_ready,
    }
    assert {kind: c.ready_condition({"kind": kind}) for kind in others} == others
