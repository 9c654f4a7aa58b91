# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds the Lease of a cluster."""

from __future__ import annotations

import datetime
import os
import subprocess
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.lease import SECONDS, AtWork, Holder, this_run, who_works

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
        lease(OTHER.identity, SECONDS),
        {"spec": {"holderIdentity": OTHER.identity, "renewTime": "soon"}},
    ],
    ids=["empty", "nobody", "ours", "not renewed", "no time"],
)
def test_what_is_free(found: dict[str, t.Any]) -> None:
    assert who_works(found, OURS, NOW) is None


def test_an_ended_process_of_this_machine_holds_nothing() -> None:
    here = this_run()
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert here.machine
    assert who_works(lease(here._replace(pid=gone.pid).identity, 1), here, NOW) is None
    assert who_works(lease(here._replace(pid=os.getpid(), started="1").identity, 1), here, NOW) is None
    assert who_works(lease(here._replace(pid=gone.pid, machine="another").identity, 1), here, NOW)
    assert who_works(lease(here._replace(pid=os.getpid(), started="").identity, 1), here, NOW)


def test_the_run_is_the_parent_of_a_task() -> None:
    assert this_run().pid == os.getppid()
    assert Holder.read(this_run().identity) == this_run()


def test_a_holder_in_another_form_is_shown_as_it_is() -> None:
    assert Holder.read("some/tool") == Holder("some/tool", "", 0, "")
    assert str(who_works(lease("some/tool", 0), OURS, NOW)).startswith("some/tool is at work")
