# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""google.cloud's modules use the stand-in as Google: by HTTPS_PROXY and a test CA, and not without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from .standin.server import StandIn

Json = dict[str, t.Any]
VPC = {"project": "shop-prod", "name": "mesh", "auto_create_subnetworks": False}


class Module:
    """Runs one module of google.cloud by itself."""

    def __init__(self, root: Path, standin: StandIn) -> None:
        self.root, self.standin = root, standin
        self.environment = standin.environment

    def __call__(self, module: str, /, **arguments: t.Any) -> Json:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GCP_", "GOOGLE_"))}
        env = {
            **clean,
            **self.environment,
            "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        }
        command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", f"google.cloud.{module}"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-a", json.dumps(arguments)]
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False, timeout=900)
        data = json.loads(done.stdout[done.stdout.index("{\n") :])
        return t.cast("Json", data["plays"][0]["tasks"][0]["hosts"]["localhost"])


@pytest.fixture
def module(root: Path, google_cloud: StandIn) -> Module:
    google_cloud.cloud.duration = 0.01
    google_cloud.answers_at_the_end = False
    return Module(root, google_cloud)


def test_it_makes_finds_and_removes_through_the_proxy(module: Module, google_cloud: StandIn) -> None:
    assert module("gcp_compute_network", **VPC)["changed"]
    assert list(google_cloud.cloud.resources) == ["compute/projects/shop-prod/global/networks/mesh"]
    assert not module("gcp_compute_network", **VPC)["changed"]
    assert module("gcp_compute_network", **VPC, state="absent")["changed"]
    assert google_cloud.cloud.resources == {}
    assert {entry["proxied"] for entry in google_cloud.cloud.log} == {True}
    assert {entry["host"] for entry in google_cloud.cloud.log} <= {"compute.googleapis.com", "www.googleapis.com"}
    assert all("google-ansible" in entry["agent"].lower() for entry in google_cloud.cloud.log if entry["method"])


def test_without_the_test_ca_no_server_is_trusted(module: Module, google_cloud: StandIn) -> None:
    module.environment = {k: v for k, v in module.environment.items() if k != "REQUESTS_CA_BUNDLE"}
    said = module("gcp_compute_network", **VPC)
    assert said["failed"]
    assert "SSLError" in said["msg"]
    assert google_cloud.cloud.log == []


def test_a_refusal_of_the_stand_in_is_reported(module: Module, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("compute.networks.get")
    assert "Required 'compute.networks.get' permission" in module("gcp_compute_network", **VPC)["msg"]


def test_a_failed_operation_is_reported_and_a_rerun_completes(module: Module, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("compute.networks.insert", 0, "no room for another VPC")
    said = module("gcp_compute_network", **VPC)
    assert said["failed"]
    assert "no room for another VPC" in said["msg"]
    assert google_cloud.cloud.resources == {}
    assert module("gcp_compute_network", **VPC)["changed"]
