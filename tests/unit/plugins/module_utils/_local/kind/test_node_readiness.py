# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node is settled when what is reported of it is newer than its start."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.node_readiness import (
    default_namespaces_exist,
    settled,
    started_at,
)

SINCE = datetime.datetime(2026, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)
BEFORE, AFTER = "2026-05-01T11:59:59Z", "2026-05-01T12:00:00Z"


def node(ready: str = "True", beat: str = AFTER) -> dict[str, t.Any]:
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": beat, "message": "no network yet"}
    return {"kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": [condition]}}


def pod(state: dict[str, t.Any], phase: str = "Running", space: str = "ns", **more: t.Any) -> dict[str, t.Any]:
    status = {"phase": phase, "containerStatuses": [{"state": state, **more}]}
    return {"kind": "Pod", "metadata": {"name": "p", "namespace": space}, "status": status}


def lease(name: str, renewed: str = "2026-05-01T12:00:01.123456Z", space: str = "kube-system") -> dict[str, t.Any]:
    return {"kind": "Lease", "metadata": {"name": name, "namespace": space}, "spec": {"renewTime": renewed}}


LEADERS = [lease("kube-controller-manager"), lease("kube-scheduler")]


@pytest.mark.parametrize(
    ("objects", "seen"),
    [
        ([node(), pod({"running": {"startedAt": AFTER}})], ""),
        ([node(), pod({"running": {"startedAt": BEFORE}}, "Succeeded")], ""),
        ([node(), pod({"waiting": {"reason": "CrashLoopBackOff"}})], ""),
        ([node(), pod({}, "Pending")], ""),
        ([node(), pod({"running": {"startedAt": BEFORE}})], "pod ns/p has not started again"),
        ([node(beat=BEFORE)], "node n has not reported since it was started"),
        ([node(ready="False")], "node n is not Ready: no network yet"),
        ([{"kind": "Node", "metadata": {"name": "n"}}], "node n is not Ready: it has not reported yet"),
        ([], "no node is registered"),
    ],
)
def test_settled(objects: list[dict[str, t.Any]], seen: str) -> None:
    assert settled([*objects, *LEADERS], SINCE) == (not seen, seen or "settled")


@pytest.mark.parametrize(
    "leaders",
    [
        LEADERS[1:],
        [lease("kube-controller-manager", "2026-05-01T11:59:59.999999Z"), LEADERS[1]],
        [lease("kube-controller-manager", space="mine"), LEADERS[1]],
    ],
    ids=["none", "from before", "of somebody else"],
)
def test_controllers_that_do_not_work_yet_are_awaited(leaders: list[dict[str, t.Any]]) -> None:
    """Until then a Deployment counts pods as ready that are gone."""
    seen = "kube-controller-manager has not been at work since the node was started"
    assert settled([node(), *leaders], SINCE) == (False, seen)


@pytest.mark.parametrize(
    ("state", "last", "seen"),
    [
        ({"running": {"startedAt": AFTER}}, {}, ""),
        ({"waiting": {}}, {"terminated": {"startedAt": AFTER}}, ""),
        ({"running": {"startedAt": BEFORE}}, {}, " "),
        ({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}, {}, ": CrashLoopBackOff back-off 40s"),
        ({"terminated": {"startedAt": BEFORE, "reason": "Unknown"}}, {}, ": Unknown"),
    ],
)
def test_the_clusters_own_pods_have_to_start(state: dict[str, t.Any], last: dict[str, t.Any], seen: str) -> None:
    found = settled([node(), pod(state, space="kube-system", lastState=last), *LEADERS], SINCE)
    assert found == (not seen, f"pod kube-system/p has not started again{seen.strip(' ')}" if seen else "settled")


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        (["ServiceAccount a default <none>", "ConfigMap a kube-root-ca.crt <none>"], ""),
        (["ServiceAccount a default <none>"], "namespace a has no ConfigMap kube-root-ca.crt yet"),
        (["ConfigMap a kube-root-ca.crt <none>"], "namespace a has no ServiceAccount default yet"),
        (["ServiceAccount b default <none>"], "namespace a has no ServiceAccount default yet"),
    ],
)
def test_default_namespaces_exist(rows: list[str], seen: str) -> None:
    table = "\n".join(["Namespace <none> a Active", "Namespace <none> going Terminating", *rows])
    assert default_namespaces_exist(table) == (not seen, seen or "all there")


def test_a_cluster_without_namespaces_has_no_defaults() -> None:
    assert default_namespaces_exist("") == (False, "there is no namespace yet")


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T12:00:00.982452764Z",
        "2026-05-01T14:00:00.1+02:00",
        "2026-05-01 12:00:00.98 +0000 UTC",
        "2026-05-01T12:00:00Z",
    ],
)
def test_engines_spell_time_differently(text: str) -> None:
    assert started_at({"State": {"StartedAt": text}}) == SINCE


def test_a_container_that_never_started_sets_no_bound() -> None:
    assert started_at({}).year == 1970
