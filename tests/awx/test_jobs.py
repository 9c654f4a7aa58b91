# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every job template's playbook, as AWX starts it, on a real API server, with every question of its survey answered.

In check mode: that it starts, reads what AWX hands over and reaches the cluster is what this is about. The job's
environment leads elsewhere (``tests/hostile.py``), as credentials of others that are given to the same job do.
"""

from __future__ import annotations

import concurrent.futures
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from tests import awx_data, hostile
from tests.api import control_plane

from . import jobs
from .conftest import ROOT

HOSTS = {"fra": {"cluster_context": "admin", "cluster_region": "eu-central-1"}}
FLEET = {
    "fleet_name": "shop",
    "mesh_id": "shop",
    "cluster_provider": "kubeconfig",
    # AWX keeps it as it is written, and the credential's file is the job's.
    "cluster_kubeconfig": "{{ lookup('ansible.builtin.env', 'MESH_FLEET_KUBECONFIG') }}",
}


def job(fra: control_plane.ControlPlane, where: Path, playbook: str, *options: str, **variables: t.Any) -> jobs.Job:
    where.mkdir()
    strangers = hostile.environment(where, artifacts_dir().parents[1])
    del strangers["ANSIBLE_INVENTORY"]  # ansible-runner names the job's own
    environment = {**strangers, "MESH_FLEET_KUBECONFIG": str(fra.kubeconfig)}
    script = jobs.inventory(HOSTS, FLEET)
    folder = jobs.folder(where / "job", ROOT / "collections", script, environment)
    password = where / "password"
    password.touch(0o600)
    password.write_text("of a test")
    given = {**jobs.answers(playbook), "trust_vault_password_file": str(password), **variables}
    return jobs.run(folder, f"{playbook}.yml", given, *options)


@pytest.fixture(scope="module")
def ran(fra: control_plane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, jobs.Job]:
    """A job of each job template, in check mode and with a limit; several at a time, as AWX would."""
    where = tmp_path_factory.mktemp("jobs")

    def one(playbook: str) -> jobs.Job:
        own = {awx_data.CONFIRMED: "shop"} if playbook == "teardown" else {}
        return job(fra, where / playbook, playbook, "--check", "-l fra", **own)

    names = awx_data.playbooks()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


@pytest.mark.parametrize("playbook", awx_data.playbooks())
def test_a_job_of_each_template_runs(playbook: str, ran: dict[str, jobs.Job]) -> None:
    done = ran[playbook]
    assert done.code == 0, done.output
    hosts = {event["event_data"]["host"] for event in done.events if event["event"] == "runner_on_ok"}
    assert hosts == {"fra"}
    # The events say the same as the lines on a terminal.
    if playbook not in ("clusters", "gke_fleet", "services", "front_door"):
        assert any(done.lines().values()), done.output


def test_teardown_of_a_fleet_that_was_not_named_removes_nothing(
    fra: control_plane.ControlPlane, tmp_path: Path
) -> None:
    done = job(fra, tmp_path / "job", "teardown", "-l fra", **{awx_data.CONFIRMED: "other"})
    assert done.code
    assert "this inventory is that of the fleet shop, and other was named: nothing was removed" in done.output
    tasks = {event["event_data"]["task"] for event in done.events if event["event"].startswith("runner_on")}
    assert "Take the cluster out of the peering graph" not in tasks
