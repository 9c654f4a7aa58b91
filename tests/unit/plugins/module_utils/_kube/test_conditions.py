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


def test_load_balancer_address() -> None:
    def service(*ingress: dict[str, str]) -> dict[str, t.Any]:
        return {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": list(ingress)}}}

    assert c.load_balancer_address(service({"ip": "10.0.0.1"})) == (True, "10.0.0.1")
    assert c.load_balancer_address(service({"hostname": "a.elb"})) == (True, "a.elb")
    assert c.addresses_of(service({"hostname": "a.elb"}, {"ip": "10.0.0.1"})) == ["10.0.0.1", "a.elb"]
    done, seen = c.load_balancer_address(service())
    assert not done
    assert seen.startswith("no address yet")
    assert "ClusterIP" in c.load_balancer_address({"spec": {"type": "ClusterIP"}})[1]


def test_crd_node_job() -> None:
    assert c.crd_established(with_conditions({"type": "Established", "status": "True"}))[0]
    in_use = {"type": "NamesAccepted", "status": "False", "message": "plural in use"}
    assert c.crd_established(with_conditions(in_use)) == (False, "its names are not accepted: plural in use")
    assert c.crd_established(with_conditions()) == (False, "not established yet")
    assert c.node_ready(with_conditions({"type": "Ready", "status": "True"})) == (True, "ready")
    assert "kubelet" in c.node_ready(with_conditions())[1]
    assert c.job_complete(with_conditions({"type": "Complete", "status": "True"}))[0]
    failed = {"type": "Failed", "status": "True", "message": "backoff limit"}
    assert c.job_complete(with_conditions(failed)) == (False, "failed: backoff limit")


def test_secret_has_keys() -> None:
    check = c.secret_has_keys("ca-cert.pem", "ca-key.pem")
    assert check(None) == (False, "it does not exist")
    assert check({"data": {"ca-cert.pem": "x", "ca-key.pem": ""}}) == (False, "no ca-key.pem in it")
    assert check({"data": {"ca-cert.pem": "x", "ca-key.pem": "y"}})[0]


def test_webhook_has_ca_bundle() -> None:
    hooks = [{"name": "a", "clientConfig": {"caBundle": "x"}}, {"name": "b", "clientConfig": {}}]
    assert c.webhook_has_ca_bundle({"webhooks": hooks}) == (False, "no caBundle in b")
    assert c.webhook_has_ca_bundle({"webhooks": hooks[:1]})[0]
    assert not c.webhook_has_ca_bundle({"webhooks": []})[0]


def test_gone_names_what_holds() -> None:
    assert c.gone(None) == (True, "gone")
    assert c.gone({"metadata": {}}) == (False, "it exists and is not being deleted")
    held = {"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}}
    assert c.gone(held) == (False, "being deleted, held by finalizers a/b")
    content = {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining"}
    namespace = {"metadata": {"deletionTimestamp": "t"}, "status": {"conditions": [content]}}
    assert c.gone(namespace) == (False, "being deleted; Some resources are remaining")


def test_ready_condition_by_kind() -> None:
    assert c.ready_condition({"kind": "Deployment"}) is c.deployment_ready
    assert c.ready_condition({"kind": "Service", "spec": {"type": "LoadBalancer"}}) is c.load_balancer_address
    assert c.ready_condition({"kind": "Service"}) is None
    assert c.ready_condition({"kind": "ConfigMap"}) is None
