# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds the Lease of a cluster."""

from __future__ import annotations

import asyncio
import copy
import datetime
import getpass
import os
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube import lease as module
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.lease import (
    SECONDS,
    AtWork,
    Holder,
    Observed,
    drop,
    is_alive,
    release,
    take,
    this_run,
    who_works,
)

NOW = datetime.datetime(2026, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)
OURS = Holder("ann@laptop", "0123456789ab", 4711, "99")
OTHER = Holder("bob@ci-2", "ba9876543210", 12, "7")


def lease(holder: str, seconds_ago: float) -> dict[str, t.Any]:
    def stamp(seconds: float) -> str:
        return (NOW - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    spec = {"holderIdentity": holder, "leaseDurationSeconds": SECONDS}
    return {"spec": {**spec, "acquireTime": stamp(60), "renewTime": stamp(seconds_ago)}}


def test_another_run_is_named_with_since_when() -> None:
    found = who_works(lease(OTHER.identity, 3), OURS, NOW)
    assert found == AtWork("bob@ci-2", NOW - datetime.timedelta(seconds=60), 3)
    assert str(found) == "bob@ci-2 is at work since 2026-05-01 11:59:00 UTC"


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"spec": {"holderIdentity": ""}},
        lease(OURS.identity, 1),
        lease(OTHER.identity, SECONDS + 60),
        {"spec": {"holderIdentity": OTHER.identity, "renewTime": "soon"}},
        {"spec": {**lease(OTHER.identity, SECONDS + 60)["spec"], "leaseDurationSeconds": None}},
        {"spec": {**lease(OTHER.identity, 63)["spec"], "leaseDurationSeconds": 3}},
    ],
    ids=["empty", "nobody", "ours", "not renewed", "no time", "no length", "a shorter one"],
)
def test_what_is_free(found: dict[str, t.Any]) -> None:
    assert who_works(found, OURS, NOW) is None


def test_silence_is_counted_by_the_waiters_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the API server's clock says: it may be another server's than the one that the holder talked to."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for ago in (-30, 0, SECONDS + 59):
        observed = Observed()
        held = lease(OTHER.identity, ago)
        assert who_works(held, OURS, NOW, observed)
        clock[0] += SECONDS - 1
        assert who_works(held, OURS, NOW, observed)
        held["spec"]["renewTime"] = "2026-05-01T11:59:59.000000Z"
        assert who_works(held, OURS, NOW, observed), "it lives"
        clock[0] += SECONDS - 1
        found = who_works(held, OURS, NOW, observed)
        assert found is not None and found.heard >= SECONDS - 1
        clock[0] += 1
        assert who_works(held, OURS, NOW, observed) is None


def test_a_run_lives_as_long_as_its_process() -> None:
    here = this_run()
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert here.machine and is_alive(here)
    assert not is_alive(here._replace(pid=gone.pid))
    assert not is_alive(here._replace(pid=os.getpid(), started="1")), "its number was given again"
    assert is_alive(here._replace(pid=os.getpid(), started=""))
    assert is_alive(here._replace(pid=os.getpid(), started=module._started(os.getpid())))


def test_the_run_is_the_parent_of_a_task() -> None:
    assert this_run().pid == os.getppid()
    assert Holder.read(this_run().identity) == this_run()
    named = this_run("site.yml")
    assert Holder.read(named.identity) == named
    assert named.who == f"{this_run().who} (site.yml)"


def test_a_holder_in_another_form_is_shown_as_it_is() -> None:
    assert Holder.read("some/tool") == Holder("some/tool", "", 0, "")
    assert str(who_works(lease("some/tool", 0), OURS, NOW)).startswith("some/tool is at work")


def test_a_holder_may_have_a_longer_time_or_another_clock() -> None:
    longer = lease(OTHER.identity, SECONDS + 1)
    longer["spec"]["leaseDurationSeconds"] = 60
    assert who_works(longer, OURS, NOW)
    usual = lease(OTHER.identity, SECONDS - 1)
    usual["spec"]["leaseDurationSeconds"] = None
    assert who_works(usual, OURS, NOW)
    ahead = who_works(lease(OTHER.identity, -2), OURS, NOW)
    assert ahead is not None and ahead.heard == 0
    longer["spec"]["acquireTime"] = None
    assert str(who_works(longer, OURS, NOW)) == "bob@ci-2 is at work"


@pytest.mark.parametrize(
    ("identity", "holder"),
    [
        (OTHER.identity, OTHER),
        ("a/b@c/m/7/s", Holder("a/b@c", "m", 7, "s")),
        ("who/machine/no number/9", Holder("who/machine/no number/9", "", 0, "")),
        ("a/7/b", Holder("a/7/b", "", 0, "")),
    ],
)
def test_a_holder_is_read_as_it_was_written(identity: str, holder: Holder) -> None:
    assert Holder.read(identity) == holder


def test_a_process_of_somebody_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_alive(OTHER)


def test_a_run_has_a_name_where_the_system_gives_it_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_run().who == f"{getpass.getuser()}@{socket.gethostname()}"
    for error in (KeyError, OSError):

        def nobody(error: type[Exception] = error) -> str:
            raise error

        monkeypatch.setattr(getpass, "getuser", nobody)
        assert this_run().who == f"{os.getuid()}@{socket.gethostname()}"


def test_a_machine_is_known_by_its_boot_and_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, started = this_run().machine, this_run().started
    assert len(machine) == 12 and started.isdecimal()
    monkeypatch.setattr(os, "readlink", lambda _path: "pid:[1]")
    assert this_run().machine not in ("", machine), "a container counts by itself"

    def unreadable(_path: str) -> str:
        raise OSError

    monkeypatch.setattr(os, "readlink", unreadable)
    assert this_run().machine == ""
    assert module._started(2**22 + 1) == ""


def test_a_program_may_have_any_name(tmp_path: Path) -> None:
    program = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert module._started(process.pid).isdecimal()
        finally:
            process.kill()


class Server:
    """An API server with one Lease or none. What is written must be of the version that is there."""

    def __init__(self, lease: dict[str, t.Any] | None = None) -> None:
        self.lease = lease and {"metadata": {"name": "mesh-fleet", "resourceVersion": "1"}, **lease}
        self.sent: list[str] = []
        self.reads = 0
        self.rival: t.Callable[[], None] = lambda: None
        """What somebody else does between a read and a write."""
        self.refusal = 0

    @property
    def transport(self) -> Server:
        return self

    def server_time(self) -> datetime.datetime:
        return NOW

    async def get_path(self, path: str, *, obj: str) -> dict[str, t.Any] | None:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/default/leases/mesh-fleet"
        assert obj == "Lease default/mesh-fleet"
        self.reads += 1
        return copy.deepcopy(self.lease)

    async def request(
        self, method: str, path: str, *, body: dict[str, t.Any], obj: str, action: str
    ) -> dict[str, t.Any]:
        rival, self.rival = self.rival, lambda: None
        rival()
        self.sent.append(method)
        if self.refusal:
            raise ApiError("no", status=self.refusal)
        if method == "POST":
            assert path == "/apis/coordination.k8s.io/v1/namespaces/default/leases"
            if self.lease:
                raise ApiError("it exists", status=409)
            assert body["metadata"] == {"name": "mesh-fleet", "namespace": "default"}
            self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
            return {"kind": "Lease"}
        assert path == "/apis/coordination.k8s.io/v1/namespaces/default/leases/mesh-fleet"
        if not self.lease:
            raise ApiError("it is gone", status=404)
        there = self.lease["metadata"]["resourceVersion"]
        if method == "DELETE":
            if body != {"preconditions": {"resourceVersion": there}}:
                raise ApiError("it was changed", status=409)
            self.lease = None
            return {"kind": "Lease"}
        assert method == "PUT"
        if body["metadata"].get("resourceVersion") != there:
            raise ApiError("it was changed", status=409)
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(int(there) + 1)}}
        return {"kind": "Status" if method == "DELETE" else "Lease"}

    def take(self, ours: Holder = OURS) -> AtWork | None:
        return asyncio.run(take(t.cast(t.Any, self), ours))

    def release(self, ours: Holder = OURS) -> None:
        asyncio.run(release(t.cast(t.Any, self), ours))

    def drop(self, ours: Holder = OURS) -> None:
        asyncio.run(drop(t.cast(t.Any, self), ours))


STAMP = "2026-05-01T12:00:00.000000Z"


def test_the_first_run_makes_the_lease() -> None:
    server = Server()
    assert server.take() is None
    assert server.lease is not None
    assert (server.lease["apiVersion"], server.lease["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert server.lease["spec"] == {
        "holderIdentity": OURS.identity,
        "leaseDurationSeconds": SECONDS,
        "acquireTime": STAMP,
        "renewTime": STAMP,
    }
    assert (server.sent, server.reads) == (["POST"], 1)


def test_a_lease_of_another_run_is_not_touched() -> None:
    server = Server(lease(OTHER.identity, 3))
    found = server.take()
    assert found is not None and found.who == "bob@ci-2"
    server.drop()
    assert server.sent == []


def test_a_free_lease_is_taken_with_the_fields_of_others() -> None:
    server = Server(lease(OTHER.identity, SECONDS + 60))
    assert server.lease is not None
    server.lease["spec"]["leaseTransitions"] = 3
    server.lease["metadata"]["labels"] = {"team": "x"}
    assert server.take() is None
    assert server.lease["metadata"] == {"name": "mesh-fleet", "resourceVersion": "2", "labels": {"team": "x"}}
    assert server.lease["spec"] == {
        "leaseTransitions": 3,
        "holderIdentity": OURS.identity,
        "leaseDurationSeconds": SECONDS,
        "acquireTime": STAMP,
        "renewTime": STAMP,
    }


@pytest.mark.parametrize(("ago", "sent"), [(2, []), (2.5, ["PUT"]), (5, ["PUT"]), (SECONDS + 1, ["PUT"])])
def test_our_own_is_renewed_when_it_is_not_fresh(ago: float, sent: list[str]) -> None:
    server = Server(lease(OURS.identity, ago))
    assert server.take() is None
    assert server.sent == sent
    assert server.lease is not None
    assert server.lease["spec"]["acquireTime"] == "2026-05-01T11:59:00.000000Z", "since when it is at work"


def test_a_fresh_time_without_our_name_is_no_lease_of_ours() -> None:
    server = Server(lease("", 1))
    assert server.take() is None
    assert server.lease is not None and server.lease["spec"]["holderIdentity"] == OURS.identity
    bare = Server({"spec": {"holderIdentity": OURS.identity}})
    assert bare.take() is None and bare.lease is not None and bare.lease["spec"]["acquireTime"] == STAMP


@pytest.mark.parametrize("before", [None, lease("", 1)], ids=["none is there", "it is free"])
def test_of_two_runs_at_once_one_gets_it(before: dict[str, t.Any] | None) -> None:
    """Whoever wrote first: the other reads again, and sees who it is."""
    server = Server(before)
    theirs = {"metadata": {"name": "mesh-fleet", "resourceVersion": "9"}, **lease(OTHER.identity, 0)}
    server.rival = lambda: setattr(server, "lease", theirs)
    found = server.take()
    assert found is not None and found.who == "bob@ci-2"
    assert server.lease == theirs


def test_a_lease_that_goes_meanwhile_is_made_again() -> None:
    server = Server(lease("", 1))
    server.rival = lambda: setattr(server, "lease", None)
    assert server.take() is None
    assert server.sent == ["PUT", "POST"]


@pytest.mark.parametrize(("status", "found"), [(403, None), (404, None), (403, lease("", 1)), (500, lease("", 1))])
def test_a_server_that_takes_no_lease_is_an_error(status: int, found: dict[str, t.Any] | None) -> None:
    server = Server(found)
    server.refusal = status
    with pytest.raises(ApiError) as refused:
        server.take()
    assert refused.value.status == status and len(server.sent) == 1


def test_our_own_is_released_and_stays() -> None:
    server = Server(lease(OURS.identity, 1))
    assert server.lease is not None
    before = copy.deepcopy(server.lease)
    server.release()
    assert server.lease["spec"] == {**before["spec"], "holderIdentity": ""}
    assert server.take(OTHER) is None, "it is anybody's at once"
    server.release()
    assert server.lease["spec"]["holderIdentity"] == OTHER.identity
    nothing = Server(None)
    nothing.release()
    assert nothing.sent == []


def test_our_own_is_dropped() -> None:
    server = Server(lease(OURS.identity, 1))
    server.drop()
    assert (server.lease, server.sent) == (None, ["DELETE"])
    server.drop()
    assert server.sent == ["DELETE"]
    empty = Server({"spec": None})
    empty.drop()
    assert empty.sent == []
    # One that was changed since is another run's by now.
    taken = Server(lease(OURS.identity, 1))
    taken.rival = lambda: taken.lease["metadata"].update(resourceVersion="9") if taken.lease else None
    taken.drop()
    assert taken.lease is not None
    gone = Server(lease(OURS.identity, 1))
    gone.rival = lambda: setattr(gone, "lease", None)
    gone.drop()


@pytest.mark.parametrize("held", [None, lease("", 1), lease(OURS.identity, 30)])
def test_a_write_that_a_stranger_answers_holds_nothing(held: dict[str, t.Any] | None) -> None:
    class Strange(Server):
        async def request(self, *_: t.Any, **__: t.Any) -> dict[str, t.Any]:
            return {}

        def strange(self, _answer: t.Any, obj: str, action: str) -> ApiError:
            return ApiError(f"{action} failed: the answer is not an API server's", obj=obj)

    with pytest.raises(ApiError, match="not an API server's"):
        Strange(held).take()
