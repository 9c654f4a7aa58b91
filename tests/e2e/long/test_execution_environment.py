# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rollout as jobs of AWX: in the execution environment, in pods that have nothing but what the stream brings.

The tests run in their order: the mesh is made, slices of it are changed by two workers at once, and it is removed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import typing as t

import pytest

from .. import execution_environment
from ..awx_jobs import Ended, Job, sliced
from ..container_group import ContainerGroup
from ..local_fleet import Fleet
from ..mesh import Objects, differences, objects
from ..waiting import until_equal

KUBECONFIG = "{{ lookup('ansible.builtin.env', 'K8S_AUTH_KUBECONFIG') }}"
HOSTS = {
    name: {"cluster_kubeconfig": KUBECONFIG, "cluster_context": name, "cluster_region": region}
    for name, region in (("west", "us-west1"), ("east", "europe-north1"))
}


@pytest.fixture(scope="module")
def image() -> str:
    if why_not := execution_environment.can_build():
        pytest.skip(why_not)
    return execution_environment.image()


@pytest.fixture(scope="module")
def before(image: str, fleet: Fleet) -> Objects:
    fleet.make("flat")
    return objects(fleet)


@pytest.fixture(scope="module")
def workers(
    before: Objects, image: str, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[ContainerGroup]:
    group = ContainerGroup(fleet, "west", image, tmp_path_factory.mktemp("jobs"))
    yield group
    group.close()


@pytest.fixture(scope="module")
def site(fleet: Fleet, before: Objects) -> Job:
    variables = {
        "fleet_name": "awx",
        "mesh_id": "awx",
        "mesh_trust_domain": "awx.mesh",
        "mesh_network": "flat",
        "mesh_state_cluster": "west",
        "cluster_provider": "kubeconfig",
        **fleet.brought("/runner/project/charts"),
    }
    return Job("site", HOSTS, variables, fleet.kubeconfig({"west": "west", "east": "east"}))


def ended_well(ended: Ended) -> Ended:
    assert ended.status == "successful", ended.said
    return ended


def test_nothing_of_this_machine_is_in_the_image(image: str, fleet: Fleet) -> None:
    made = json.loads(podman(fleet, "image", "inspect", image))[0]["Config"]
    given = {name for name in (entry.partition("=")[0] for entry in made["Env"]) if name != "PIP_BREAK_SYSTEM_PACKAGES"}
    assert not [name for name in given if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")]
    # pip's configuration was mounted over it.
    assert podman(fleet, "run", "--rm", "--network=none", "--entrypoint=cat", image, "/etc/pip.conf") == ""


def podman(fleet: Fleet, *arguments: str) -> str:
    return subprocess.run(["podman", *arguments], env=fleet.env, capture_output=True, text=True, check=True).stdout


def test_site_runs_in_a_pod(workers: ContainerGroup, site: Job) -> None:
    (ended,) = map(ended_well, workers.run(site))
    for caller, callee in (("west", "east"), ("east", "west")):
        assert re.search(rf"{caller} → {callee} +probe-{callee} +200 .*direct", ended.said), ended.said
    assert set(ended.changed) == set(HOSTS)
    assert all(ended.changed.values()), ended.changed


def test_a_later_job_finds_the_root_on_its_empty_disk(workers: ContainerGroup, site: Job) -> None:
    (ended,) = map(ended_well, workers.run(dataclasses.replace(site, playbook="trust")))
    assert "state found in Secret mesh-fleet/awx-state in west" in ended.said
    assert not any(ended.changed.values()), ended.changed


def test_two_workers_each_do_a_slice(workers: ContainerGroup, site: Job) -> None:
    values = {**site.variables["gateways_values"], "podAnnotations": {"mesh.fleet.test/run": "sliced"}}
    changing = dataclasses.replace(
        site, variables={**site.variables, "gateways_values": values}, cmdline="--tags control_plane,gateways"
    )
    jobs = [dataclasses.replace(changing, hosts=sliced(HOSTS, number, 2)) for number in (1, 2)]
    first, second = map(ended_well, workers.run(*jobs))
    assert (first.changed, second.changed) == ({"east": 1}, {"west": 1})


def test_the_mesh_goes_by_a_job(workers: ContainerGroup, site: Job, fleet: Fleet, before: Objects) -> None:
    removing = {**site.variables, "trust_remove_root": True}
    ended_well(*workers.run(dataclasses.replace(site, playbook="teardown", variables=removing)))
    workers.close()
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")
