# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role front_door by ansible-playbook: two real API servers that know Google's kinds, a stand-in for the addresses."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import API
from tests import hostile
from tests.gcp.standin.server import StandIn

from . import control_plane
from .ingress_controller import PROJECT, IngressController

ROOT = Path(__file__).resolve().parent.parent.parent
CRDS = yaml.safe_load((ROOT / "tests/gcp/crds.yml").read_text(encoding="utf-8"))["items"]
ADDRESS = f"compute/projects/{PROJECT}/global/addresses/shop"
HOSTS = ("west", "north")
ROUTES = [{"host": "shop.example", "service": "web.shop"}]


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, control_plane.ControlPlane]]:
    started = {name: control_plane.start(tmp_path_factory.mktemp(name)) for name in HOSTS}
    for name in HOSTS:
        asyncio.run(prepare(started[name]))
    yield started
    for plane in started.values():
        plane.stop()


def admin(plane: control_plane.ControlPlane) -> Kube:
    return Kube.connect(Connection(kubeconfig=str(plane.kubeconfig), context="admin"), cluster="west")


async def prepare(plane: control_plane.ControlPlane) -> None:
    web = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    async with admin(plane) as kube:
        await kube.apply(CRDS)
        await kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}])
        await kube.apply(
            [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": web}],
            manager="somebody-else",
        )


async def ingresses(plane: control_plane.ControlPlane) -> list[str]:
    async with admin(plane) as kube:
        return [str(i["metadata"]["name"]) for i in await kube.list(API, "MultiClusterIngress")]


async def vips(plane: control_plane.ControlPlane) -> list[str]:
    async with admin(plane) as kube:
        return [str(i["status"]["VIP"]) for i in await kube.list(API, "MultiClusterIngress")]


class Playbook:
    def __init__(
        self, folder: Path, planes: t.Mapping[str, control_plane.ControlPlane], google: IngressController
    ) -> None:
        self.folder, self.google, self.standin = folder, google, google.standin
        self.variables: dict[str, t.Any] = {}
        self.hosts = {
            name: {
                "cluster_region": "us-west1",
                "cluster_zone": "us-west1-a",
                "cluster_api_url": plane.server,
                "cluster_api_token": control_plane.ADMIN_TOKEN,
                "cluster_api_ca": plane.ca_pem,
            }
            for name, plane in planes.items()
        }

    def __call__(self, *arguments: str, tasks_from: str = "main", **variables: t.Any) -> tuple[int, str]:
        shared = {
            "fleet_name": "shop",
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "gke_config_cluster": "west",
            "front_door_address": "shop",
            "front_door_timeout": 180,
            "ansible_python_interpreter": sys.executable,
        }
        group = {"vars": {**shared, **variables}, "hosts": self.hosts}
        (self.folder / "fleet.yml").write_text(yaml.safe_dump({"mesh_clusters": group}))
        role = {"name": "mesh.fleet.front_door", "tasks_from": tasks_from}
        play = {"hosts": "mesh_clusters", "gather_facts": False}
        tasks = [{"name": "Front door", "ansible.builtin.include_role": role}]
        (self.folder / "play.yml").write_text(yaml.safe_dump([{"name": "Front door", **play, "tasks": tasks}]))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GCP_", "GOOGLE_"))}
        theirs = hostile.environment(self.folder, self.folder / "cache")
        shell = hostile.with_own(theirs, self.standin.environment)
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.folder / "fleet.yml"), str(self.folder / "play.yml"), *arguments],
            cwd=ROOT,
            env={**clean, **shell, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
            umask=hostile.UMASK,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert hostile.readable_by_others(shell["XDG_STATE_HOME"]) == []
        return done.returncode, said


@pytest.fixture
def playbook(planes: dict[str, control_plane.ControlPlane], tmp_path: Path) -> t.Iterator[Playbook]:
    with StandIn(tmp_path / "standin", duration=0.01) as standin:
        google = IngressController(planes, standin)
        google.start()
        yield Playbook(tmp_path, planes, google)
        google.ended.set()
        google.join(20)


def changed(said: str) -> int:
    return sum(int(line.split("changed=")[1].split()[0]) for line in said.splitlines() if "changed=" in line)


def test_a_front_door_is_made_kept_limited_and_removed(
    playbook: Playbook, planes: dict[str, control_plane.ControlPlane]
) -> None:
    resources = playbook.standin.cloud.resources
    code, said = playbook("--check", front_door_routes=ROUTES)
    assert code == 0, said
    assert changed(said) == 1
    assert ADDRESS not in resources
    playbook.google.silent.set()
    code, said = playbook(front_door_routes=ROUTES, front_door_timeout=1)
    assert code != 0
    assert "waiting for Google to give the front door its address" in said
    assert "no address after 1 s" in said
    playbook.google.silent.clear()
    code, said = playbook(front_door_routes=ROUTES)
    assert code == 0, said
    assert asyncio.run(ingresses(planes["west"])) == ["front-door"]
    playbook.standin.cloud.log.clear()
    code, said = playbook(front_door_routes=ROUTES)
    assert (code, changed(said)) == (0, 0), said
    assert playbook.standin.cloud.log == []  # the ingress names its own address

    # Without its config cluster in the run it stays; the address is released only with the variable.
    code, said = playbook("--limit", "north", tasks_from="absent", front_door_routes=ROUTES)
    assert (code, changed(said)) == (0, 0), said
    assert asyncio.run(ingresses(planes["west"])) == ["front-door"]
    code, said = playbook(tasks_from="absent", front_door_routes=ROUTES)
    assert code == 0, said
    assert asyncio.run(ingresses(planes["west"])) == []
    assert ADDRESS in resources
    code, said = playbook(tasks_from="absent", front_door_release_address=True)
    assert code == 0, said
    assert ADDRESS not in resources
    code, said = playbook(tasks_from="absent", front_door_release_address=True)
    assert (code, changed(said)) == (0, 0), said


def test_one_that_cannot_be_read_stops_no_other(
    playbook: Playbook, planes: dict[str, control_plane.ControlPlane]
) -> None:
    code, said = playbook(front_door_routes=ROUTES)
    assert code == 0, said
    north, new = dict(playbook.hosts["north"]), [*ROUTES, {"host": "new.example", "service": "web.shop"}]
    playbook.hosts["north"] |= {"cluster_api_url": "https://127.0.0.1:1"}
    warning = "north: the front door changes nothing there, and it goes on to lead there for shop.example, new.example"
    for check in (True, False):
        code, said = playbook(*["--check"] * check, front_door_routes=new)
        assert (code, changed(said)) == (0, 1), said
        assert f"{warning}: the API server is not reachable" in " ".join(said.split())
    # One that refuses the account fails alone; outside of the run it fails nothing.
    playbook.hosts["north"] = {**north, "cluster_api_token": "of-nobody"}
    for limit, fails in (("west", False), ("all", True)):
        code, said = playbook("--limit", limit, front_door_routes=new)
        assert ((code != 0), changed(said)) == (fails, 0), said
        assert warning in " ".join(said.split())
        recap = {line.split()[0]: line for line in said.splitlines() if " failed=" in line}
        assert [name for name, line in recap.items() if "failed=0" not in line] == (["north"] if fails else [])
    playbook.hosts["north"] = north
    west = dict(playbook.hosts["west"])
    playbook.hosts["west"] |= {"cluster_api_url": "https://127.0.0.1:1"}
    for tasks in ("main", "absent"):
        code, said = playbook(tasks_from=tasks, front_door_routes=new)
        assert code != 0 and "west: the API server is not reachable" in said, said
        assert "west is the front door's config cluster: without it, nothing" in " ".join(said.split())
    playbook.hosts["west"] = west
    assert asyncio.run(ingresses(planes["west"])) == ["front-door"]
    code, said = playbook(tasks_from="absent")
    assert code == 0, said


def test_a_refusal_is_reported_until_it_is_corrected(playbook: Playbook) -> None:
    code, said = playbook(front_door_routes=ROUTES)
    assert code == 0, said
    refused = {"front_door_routes": ROUTES, "front_door_certificates": ["lost"]}
    for seconds in (20, 2):  # the second run changes nothing, and finds the refusal
        code, said = playbook(**refused, front_door_timeout=seconds)
        assert code != 0, seconds
        assert "west MultiClusterIngress shop/front-door: Google refuses the front door's configuration" in said
        assert "SYNC: error translating shop/front-door: googleapi: Error 404" in said
        assert "'sslCertificates/lost' was not found" in said
        assert "correct front_door_certificates" in said
    code, said = playbook("--check", **refused)
    assert code == 0, said
    assert "Google refuses it: SYNC: error translating" in said
    code, said = playbook(front_door_routes=ROUTES)
    assert (code, changed(said)) == (0, 1), said
    code, said = playbook(tasks_from="absent")
    assert code == 0, said


def test_a_cluster_that_is_no_member_is_reported(
    playbook: Playbook, planes: dict[str, control_plane.ControlPlane]
) -> None:
    lost = playbook.google.members.pop("north")
    routes = [{**ROUTES[0], "clusters": ["west", "north"]}]
    code, said = playbook(front_door_routes=routes, front_door_timeout=20)
    assert code != 0
    assert "west MultiClusterService shop/web: Google refuses the front door's configuration" in said
    assert "cluster us-west1-a/north is not a member of the fleet" in said
    assert "run the gke_fleet stage for it" in said
    playbook.google.members["north"] = lost
    code, said = playbook(tasks_from="absent")
    assert code == 0, said


def test_a_front_door_moves_to_another_address(
    playbook: Playbook, planes: dict[str, control_plane.ControlPlane]
) -> None:
    code, said = playbook(front_door_routes=ROUTES)
    assert code == 0, said
    code, said = playbook(front_door_routes=ROUTES, front_door_address="shop-2")
    assert code == 0, said
    resources = playbook.standin.cloud.resources
    other = resources[ADDRESS + "-2"]
    assert (resources[ADDRESS]["status"], other["status"]) == ("RESERVED", "IN_USE")
    assert asyncio.run(vips(planes["west"])) == [other["address"]]
    code, said = playbook(tasks_from="absent")
    assert code == 0, said


def test_what_google_does_not_release_is_reported(
    playbook: Playbook, planes: dict[str, control_plane.ControlPlane]
) -> None:
    code, said = playbook(front_door_routes=ROUTES)
    assert code == 0, said
    playbook.google.silent.set()
    code, said = playbook(tasks_from="absent", front_door_timeout=2)
    assert code != 0
    assert "Google has not released it after 2 s" in said
    assert "held by finalizers mci.finalizer.networking.gke.io" in said
    assert "check that the feature is on with this config cluster" in said
    playbook.google.silent.clear()
    code, said = playbook(tasks_from="absent")
    assert code == 0, said
    assert asyncio.run(ingresses(planes["west"])) == []


def test_nothing_is_reserved_for_a_wrong_front_door(playbook: Playbook) -> None:
    for routes, words in (
        ([{"service": "nobody.shop"}], "not in north, west"),
        ([{"service": "web.shop", "port": 81}], "has no port 81"),
        ([{"service": "web.shop", "clusters": ["wst"]}, {"service": "web", "path": "/x"}], "2 problems"),
    ):
        code, said = playbook(front_door_routes=routes)
        assert code != 0
        assert words in said
        assert ADDRESS not in playbook.standin.cloud.resources


def test_an_address_that_serves_something_else_is_refused(playbook: Playbook) -> None:
    resources = playbook.standin.cloud.resources
    for field, words in (
        ({"users": ["https://www.googleapis.com/compute/v1/projects/p/global/forwardingRules/blog"]}, "in use by blog"),
        ({"addressType": "INTERNAL"}, "an internal address"),
    ):
        resources[ADDRESS] = {"name": "shop", "address": "203.0.113.7", "addressType": "EXTERNAL", **field}
        code, said = playbook(front_door_routes=ROUTES)
        assert code != 0
        assert words in said
        assert "set front_door_address to another name" in said


def test_https_without_a_reserved_address_is_refused(playbook: Playbook) -> None:
    code, said = playbook(front_door_routes=ROUTES, front_door_certificates=["shop"], front_door_address="")
    assert code != 0
    assert "front_door_certificates needs front_door_address" in said


def test_a_config_cluster_that_is_gone_needs_no_removal(playbook: Playbook) -> None:
    for host in playbook.hosts.values():
        for name in ("cluster_api_url", "cluster_api_token", "cluster_api_ca"):
            del host[name]
    code, said = playbook(tasks_from="absent", front_door_address="")
    assert (code, changed(said)) == (0, 0), said
    code, said = playbook(front_door_routes=ROUTES)
    assert code != 0
    assert "Google has no such cluster" in said
