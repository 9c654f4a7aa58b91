# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two runs at once on one cluster: the second waits for the first, and says for whom."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import os
import re
import signal
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube import lease
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.tls import server_context
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.one_run import only_run

from . import control_plane
from .forward_proxy import gate
from .loop import in_loop
from .manifests import config_map, namespace_of
from .plays import Ran, run_plays

Connect = t.Callable[..., Kube]
ELSEWHERE = lease.Holder("bob@ci-2", "another machine", 12, "7")


@pytest.fixture(scope="module", autouse=True)
def free(plane: control_plane.ControlPlane) -> None:
    """What holds the Lease for a run ends a moment after it: runs of the tests before have let go.

    The Lease itself stays, without a holder.
    """

    def unheld(live: t.Any) -> tuple[bool, str]:
        holder = ((live or {}).get("spec") or {}).get("holderIdentity")
        return not holder, f"it is held by {holder}"

    async def wait() -> None:
        admin = Connection(kubeconfig=str(plane.kubeconfig), context="admin")
        async with Kube.connect(admin, cluster="west") as kube:
            where = ("coordination.k8s.io/v1", "Lease", lease.NAME, lease.NAMESPACE)
            await kube.wait(*where, until=unheld, timeout=60)

    asyncio.run(wait())


@pytest.fixture
def fleet(plane: control_plane.ControlPlane) -> dict[str, t.Any]:
    where = {"cluster_kubeconfig": str(plane.kubeconfig), "cluster_context": "admin", "cluster_region": "us-west1"}
    return {
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "hosts": {"west": {"cluster_provider": "kubeconfig", **where}},
    }


def play(where: Path, fleet: t.Mapping[str, t.Any], *tasks: dict[str, t.Any], before: t.Sequence[str] = ()) -> Ran:
    where.mkdir(exist_ok=True)
    named = [{"name": f"Task {number}", **task} for number, task in enumerate(tasks)]
    play = {"hosts": "mesh_clusters", "gather_facts": False, "tasks": named}
    return run_plays(where, fleet, play, environment={"XDG_STATE_HOME": str(where / "state")}, before=before)


@in_loop
async def test_one_holder_at_a_time(connect: Connect) -> None:
    async with connect() as kube:
        mine = lease.this_run()
        assert await lease.take(kube, mine) is None
        assert await lease.take(kube, mine) is None
        other = await lease.take(kube, ELSEWHERE)
        assert other is not None
        assert other.who == mine.who
        await lease.drop(kube, ELSEWHERE)
        assert await lease.take(kube, ELSEWHERE)
        await lease.drop(kube, mine)
        assert await lease.take(kube, ELSEWHERE) is None
        assert await lease.take(kube, mine)
        await lease.drop(kube, ELSEWHERE)
        assert await kube.get("coordination.k8s.io/v1", "Lease", lease.NAME, lease.NAMESPACE) is None


@in_loop
async def test_of_two_that_find_it_free_one_gets_it(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect() as kube:
        holders = [ELSEWHERE._replace(machine=f"machine-{number}") for number in range(8)]
        written = lease._written
        tried: list[str] = []

        async def slowly(*args: t.Any) -> bool:
            tried.append(args[1])
            return await written(*args)

        monkeypatch.setattr(lease, "_written", slowly)
        found = await asyncio.gather(*(lease.take(kube, holder) for holder in holders))
        assert len([holder for holder in found if holder is None]) == 1
        assert len(tried) > 1
        await lease.drop(kube, next(h for h, other in zip(holders, found, strict=True) if other is None))


@in_loop
async def test_a_run_that_does_not_end_is_named(connect: Connect, plane: control_plane.ControlPlane) -> None:
    said: list[str] = []
    cluster = _cluster(plane)
    async with connect() as kube:
        assert await lease.take(kube, ELSEWHERE) is None
        with pytest.raises(FleetError) as failed:
            async with only_run([cluster], said.append, wait=0):
                pytest.fail("the block ran beside the other run")
        assert failed.value.cluster == "west"
        assert failed.value.seen.startswith("bob@ci-2 is at work since 20")
        await lease.drop(kube, ELSEWHERE)
        async with only_run([cluster], said.append, drop=True) as warnings:
            assert warnings == []
            assert await lease.take(kube, ELSEWHERE)
        assert await lease.take(kube, ELSEWHERE) is None
        await lease.drop(kube, ELSEWHERE)


@in_loop
async def test_it_is_renewed_as_long_as_the_block_runs(
    connect: Connect, plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.2)
    async with connect() as kube:

        async def renewed() -> str:
            found = await kube.get("coordination.k8s.io/v1", "Lease", lease.NAME, lease.NAMESPACE)
            assert found
            return str(found["spec"]["renewTime"])

        async with only_run([_cluster(plane)], print, drop=True):
            first, deadline = await renewed(), time.monotonic() + 30
            while await renewed() == first:
                assert time.monotonic() < deadline
                _keep_the_loop_waiting()


def _made(plane: control_plane.ControlPlane, namespace: str, *what: str) -> datetime.datetime:
    shown = plane.kubectl("get", "--namespace", namespace, *what, "-o", "jsonpath={.metadata.creationTimestamp}")
    return datetime.datetime.fromisoformat(shown.replace("Z", "+00:00"))


def _has_entry(plane: control_plane.ControlPlane, namespace: str) -> bool:
    """Whether the Service is there, in this namespace: other tests have such on the same API server."""
    form = "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
    found = plane.kubectl("get", "services", "-A", "-o", form)
    return f"{namespace}/entry" in found.split()


def test_the_second_run_waits_for_the_first(
    tmp_path: Path, fleet: dict[str, t.Any], namespace: str, plane: control_plane.ControlPlane
) -> None:
    """The first applies a Service that never gets an address, and waits for it."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "entry", "namespace": namespace}}
    service["spec"] = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    slow = {"mesh.fleet.objects": {"objects": [namespace_of(namespace), service], "wait": True, "wait_timeout": 30}}
    quick = {"mesh.fleet.objects": {"objects": [config_map(namespace)]}}
    gone = {"mesh.fleet.objects": {"objects": [config_map(namespace)], "state": "absent"}}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(play, tmp_path / "first", fleet, slow)
        deadline = time.monotonic() + 60
        while not _has_entry(plane, namespace):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = play(tmp_path / "second", fleet, quick)
        first.result()
    assert second.code == 0, second.output
    # It wrote after the first had waited for as long as it does.
    made = [_made(plane, namespace, *what) for what in (("service", "entry"), ("configmap", "settings"))]
    assert (made[1] - made[0]).total_seconds() >= 29  # of 30, for the times are whole seconds
    assert re.search(rf"west: {re.escape(lease.this_run().who)} \(\w+\.ya?ml\) is at work since 20", second.output)
    assert "waiting until it is done" in second.output
    # Its process has ended on this machine: nobody waits for it.
    assert "is at work" not in play(tmp_path / "second", fleet, gone).output
    assert lease.NAME not in plane.kubectl("get", "leases", "--namespace", lease.NAMESPACE)


def test_an_account_without_leases_is_told(
    tmp_path: Path, fleet: dict[str, t.Any], namespace: str, plane: control_plane.ControlPlane
) -> None:
    plane.kubectl("create", "namespace", namespace)
    plane.kubectl("create", "serviceaccount", "narrow", "--namespace", namespace)
    plane.kubectl("create", "clusterrole", namespace, "--verb=get,list,patch,create", "--resource=configmaps")
    account = f"{namespace}:narrow"
    plane.kubectl(
        "create", "clusterrolebinding", namespace, f"--clusterrole={namespace}", f"--serviceaccount={account}"
    )
    token = plane.kubectl("create", "token", "narrow", "--namespace", namespace).strip()
    narrow = {"cluster_api_url": plane.server, "cluster_api_token": token, "cluster_api_ca": plane.ca_pem}
    hosts = {"west": {"cluster_provider": "kubeconfig", "cluster_region": "us-west1", **narrow}}
    done = play(
        tmp_path, {**fleet, "hosts": hosts}, {"mesh.fleet.objects": {"objects": [config_map(namespace, size="1")]}}
    )
    assert done.code == 0, done.output
    assert f"the account may not write Lease {lease.NAMESPACE}/{lease.NAME}" in " ".join(done.output.split())


@in_loop
async def test_leases_forbidden_before_the_server_are_told(plane: control_plane.ControlPlane) -> None:
    def way(_method: str, path: str) -> tuple[int, str, str] | None:
        return (403, "text/html", "<html>Blocked</html>") if "/leases" in path else None

    async with gate(plane.server, server_context(plane.ca_pem.encode()), way) as url:
        there = Connection(server=url, token=control_plane.ADMIN_TOKEN)
        cluster = _cluster(plane).with_connection(lambda: there)
        async with only_run([cluster], print) as warnings:
            pass
    assert [warning.partition(": the account")[0] for warning in warnings] == [
        "west: a second run on this cluster is not noticed"
    ]


@in_loop
async def test_who_is_silent_is_waited_for_no_longer(
    connect: Connect, plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed with all that belongs to it, on a machine whose clock is as wrong as may be."""
    monkeypatch.setattr(lease, "SECONDS", 2)
    said: list[str] = []
    async with connect() as kube:
        monkeypatch.setattr(kube.transport, "server_time", lambda: _now() + datetime.timedelta(seconds=50))
        assert await lease.take(kube, ELSEWHERE) is None
        began = time.monotonic()
        async with only_run([_cluster(plane)], said.append, drop=True):
            assert time.monotonic() - began >= 2
        assert len(said) == 1 and "bob@ci-2 is at work" in said[0]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _holder(plane: control_plane.ControlPlane) -> str:
    found = ("get", "leases", lease.NAME, "--namespace", lease.NAMESPACE, "--ignore-not-found")
    return plane.kubectl(*found, "-o", "jsonpath={.spec.holderIdentity}")


def _renewed(plane: control_plane.ControlPlane) -> str:
    found = ("get", "leases", lease.NAME, "--namespace", lease.NAMESPACE, "--ignore-not-found")
    return plane.kubectl(*found, "-o", "jsonpath={.spec.renewTime}")


def _until(what: str, is_so: t.Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_run_holds_its_clusters_until_its_end(
    tmp_path: Path, fleet: dict[str, t.Any], namespace: str, plane: control_plane.ControlPlane
) -> None:
    """Also while a task that is not ours works, and for tasks of other hosts that have not begun."""
    where = fleet["hosts"]["west"]
    names = ("east", "north", "west")
    fleet = {**fleet, "hosts": dict.fromkeys(names, where)}
    goes_on = tmp_path / "goes-on"
    apply = {"mesh.fleet.objects": {"objects": [namespace_of(namespace)]}, "when": "inventory_hostname == 'east'"}
    waits = {"ansible.builtin.wait_for": {"path": str(goes_on)}, "run_once": True}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(play, tmp_path / "run", fleet, apply, waits)
        _until("it began", lambda: _holder(plane) != "")
        first = _renewed(plane)
        _until("it is renewed between tasks", lambda: _renewed(plane) != first)
        (folder,) = tmp_path.rglob("mesh_fleet_run")
        # The play's other clusters were taken with the first, in one order.
        assert {path.name: path.read_text() for path in folder.glob("cluster-*")} == {
            f"cluster-{name}": "held" for name in names
        }
        goes_on.touch()
        done = run.result()
    assert done.code == 0, done.output
    _until("it is released at its end", lambda: _holder(plane) == "", lease.RENEW_SECONDS)


@pytest.mark.parametrize("at_work", [False, True], ids=["between tasks", "while a task is at work"])
def test_a_run_that_is_killed_holds_nothing(
    tmp_path: Path, fleet: dict[str, t.Any], namespace: str, plane: control_plane.ControlPlane, at_work: bool
) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "entry", "namespace": namespace}}
    service["spec"] = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    objects = [namespace_of(namespace), *([service] if at_work else [])]
    apply = {"mesh.fleet.objects": {"objects": objects, "wait": at_work, "wait_timeout": 12}}
    waits = {"ansible.builtin.wait_for": {"path": str(tmp_path / "never"), "timeout": 600}}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(play, tmp_path / "run", fleet, apply, waits)
        _until("it began", lambda: _holder(plane) != "")
        _until("its objects are there", lambda: namespace in plane.kubectl("get", "namespaces"))
        if at_work:
            _until("its task waits", lambda: _has_entry(plane, namespace))
        number = int(lease.Holder.read(_holder(plane)).pid)
        os.kill(number, signal.SIGKILL)
        killed = time.monotonic()
        assert run.result().code == -signal.SIGKILL
        (tmp_path / "never").touch()  # Ansible's process of that task is still there
        if at_work:
            _until("it is renewed for the task", lambda: time.monotonic() - killed > 6 or _holder(plane) == "")
            assert _holder(plane), "the task still writes"
        _until("it is released", lambda: _holder(plane) == "", 30)


@pytest.mark.parametrize("at_work", [False, True], ids=["between tasks", "while a task is at work"])
def test_a_run_that_is_ended_by_ctrl_c_holds_nothing(
    tmp_path: Path, fleet: dict[str, t.Any], namespace: str, plane: control_plane.ControlPlane, at_work: bool
) -> None:
    """A terminal sends SIGINT to the run and its tasks; the keeper hears nothing of it, and sees the run end."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "entry", "namespace": namespace}}
    service["spec"] = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    objects = [namespace_of(namespace), *([service] if at_work else [])]
    apply = {"mesh.fleet.objects": {"objects": objects, "wait": at_work, "wait_timeout": 300}}
    begun = tmp_path / "begun"
    waits = {"ansible.builtin.command": {"argv": ["sh", "-c", f"touch '{begun}'; exec sleep 300"]}}
    # A shell has what it starts in the background ignore the signal, tests too: a run at a terminal does not.
    terminal = ("setsid", "env", "--default-signal=INT")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(play, tmp_path / "run", fleet, apply, waits, before=terminal)
        _until("it began", lambda: _holder(plane) != "")
        if at_work:
            _until("its task waits", lambda: _has_entry(plane, namespace))
        else:
            # While Ansible forks a task, Python drops what a signal's handler raises (os.register_at_fork).
            _until("a task that holds nothing is at work", begun.exists)
        os.killpg(int(lease.Holder.read(_holder(plane)).pid), signal.SIGINT)
        assert "interrupted" in run.result(60).output
    _until("it is released", lambda: _holder(plane) == "", 30)


def _keep_the_loop_waiting() -> None:
    """As Helm does, which the task starts and waits for."""
    time.sleep(0.3)


def _cluster(plane: control_plane.ControlPlane) -> Cluster:
    host = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(plane.kubeconfig), "cluster_context": "admin"}
    return read_fleet({"west": host}, environment()).clusters["west"]
