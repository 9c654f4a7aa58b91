# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rendered files on a real API server: kubectl applies them, and they are what the stages apply."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from tests.rendered import compare

from . import control_plane
from .nodes import everything
from .plays import Ran, role_play, run_plays
from .test_mesh_roles import CHARTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
UNREADABLE = "{{ lookup('ansible.builtin.file', '/nowhere/token') }}"
"""A credential that only a run on clusters needs."""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: own\nversion: 1.2.3\n",
    "crds/widgets.yaml": yaml.safe_dump(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Cluster",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
    ),
    "templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata:
  name: odd
data:
  date: "2026-11-27"
  time: "12:30"
  number: "1234e56"
  word: "y"
  yes: "on"
---
apiVersion: v1
kind: Secret
metadata:
  name: kept-away
stringData:
  word: {{ .Values.word }}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata:
  name: own
value: 7
---
apiVersion: batch/v1
kind: Job
metadata:
  name: before
  annotations:
    helm.sh/hook: post-delete
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: hook
""",
}


@pytest.fixture
def fleet(api: control_plane.ControlPlane, tmp_path: Path) -> dict[str, t.Any]:
    """West, which serves the remote far, with apps of each kind; only west is there."""
    for name, text in CHART.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    helm = str(control_plane.program("helm"))
    return {
        "vars": {
            "fleet_name": "render",
            "mesh_id": "shop",
            "mesh_network": "per_cluster",
            "cluster_provider": "kubeconfig",
            "cluster_region": "here",
            "control_plane_charts": CHARTS,
            "control_plane_helm": helm,
            "control_plane_replicas": 1,
            "trust_vault_password_create": True,
            "apps_restart_unsidecared": False,
            "gateways_namespace": "edge",
            "mesh_traffic": [
                {"service": "web.web", "timeout": "2s", "split": [{"weight": 100, "labels": {"version": "v1"}}]},
                {"service": "elsewhere.web", "timeout": "3s"},
            ],
            "gateways_ingress_values": {"service": {"externalIPs": ["198.51.100.7"]}},
            "front_door_routes": [{"host": "shop.example", "service": "web.web"}],
            "front_door_certificates": ["shop-tls"],
            "apps_list": [
                {
                    "name": "beside",
                    "namespace": "edge",
                    "clusters": ["west"],
                    "manifests": [config_map("beside", "edge")],
                },
                {
                    "name": "own",
                    "namespace": "shop",
                    "clusters": ["west"],
                    "chart": {"ref": "own", "values": {"word": "hush"}},
                },
                {"name": "web", "namespace": "web", "clusters": ["west"], "manifests": web()},
                {
                    "name": "sealed",
                    "namespace": "shop",
                    "clusters": ["west"],
                    "manifests": [
                        {
                            "apiVersion": "v1",
                            "kind": "Secret",
                            "metadata": {"name": "password"},
                            "stringData": {"word": "hush"},
                        }
                    ],
                },
            ],
        },
        "hosts": {
            "west": {"cluster_kubeconfig": str(api.kubeconfig), "cluster_context": "admin"},
            "far": {
                "mesh_role": "remote",
                "mesh_primary": "west",
                "cluster_api_url": "https://far.example",
                "cluster_api_token": UNREADABLE,
                "cluster_api_ca": UNREADABLE,
            },
        },
    }


def web() -> list[dict[str, t.Any]]:
    labels = {"app": "web", "version": "v1"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    ports = [{"name": "http", "port": 80}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": ports},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": labels}, "template": pod},
        },
    ]


def config_map(name: str, namespace: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"a": "b"},
    }


def render(tmp_path: Path, fleet: dict[str, t.Any], *arguments: str) -> Ran:
    return run_plays(
        tmp_path,
        fleet,
        ROOT / "playbooks" / "render.yml",
        *arguments,
        environment={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"},
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("nodes")
def test_files_are_applied_by_kubectl_and_adopted(
    api: control_plane.ControlPlane, fleet: dict[str, t.Any], tmp_path: Path
) -> None:
    before = everything(api)
    ran = render(tmp_path, fleet)
    assert ran.code == 0, ran.output
    assert everything(api) == before
    folder = tmp_path / "rendered"
    first = digests(folder)
    again = render(tmp_path, fleet)
    assert again.code == 0, again.output
    assert "nothing changed" in again.output
    assert digests(folder) == first

    # Nothing secret is in a file, and each object that is left out is named, with what to do.
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    assert "hush" not in text
    assert "aHVza" not in text
    page = (folder / "west" / "README.md").read_text(encoding="utf-8")
    for obj in ("istio-system/cacerts", "shop/password", "shop/kept-away"):
        assert f"Secret {obj}: it holds a secret. Instead: " in page
    assert "Job before of release shop/own: it is a hook (post-delete)" in page
    assert "certificate shop-tls of front door front-door: it holds a secret. Instead: write tls.crt and" in page
    assert "198.51.100.7" in (folder / "front_door_render" / "clusters.yaml").read_text(encoding="utf-8")
    door = (folder / "west" / "90-front_door.yaml").read_text(encoding="utf-8")
    kinds = ["Service", "Gateway", "Gateway", "VirtualService", "VirtualService"]
    assert re.findall("^kind: (.*)", door, flags=re.MULTILINE) == kinds, "the gateway of far is configured here"
    page = (folder / "far" / "README.md").read_text(encoding="utf-8")
    assert "release istio-system/istiod: it needs the address of the east-west gateway of west" in page

    # By the commands of docs/gitops.md, each file at the first try; then again, without a change.
    (commands,) = [block for block in BLOCKS if "kubectl" in block]
    config = yaml.safe_load(api.kubeconfig.read_text(encoding="utf-8"))
    config["contexts"].append({"name": "west", "context": {"cluster": "test", "user": "token"}})
    own = api.kubeconfig.with_name("west.yaml")
    own.write_text(yaml.safe_dump(config), encoding="utf-8")
    path_of = f"{control_plane.bin_dir()}:{os.environ['PATH']}"
    define, *steps = re.split(r"(?<=^}\n)|^ansible-playbook -i inventories/local (.*)\n", commands, flags=re.MULTILINE)
    alone = {**fleet, "hosts": {"west": fleet["hosts"]["west"]}}
    for step in filter(None, steps):
        if step.startswith("playbooks/"):
            istiod = api.kubectl("get", "deployments", "-A", "-o", "name")
            assert ("deployment.apps/istiod" in istiod) is (step != "playbooks/trust.yml"), "the CA comes first"
            played = run_plays(tmp_path, alone, ROOT / step)
            assert played.code == 0, played.output
            continue
        done = subprocess.run(
            ["sh", "-ec", define + step],
            cwd=tmp_path,
            env={**os.environ, "KUBECONFIG": str(own), "PATH": path_of},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "cacerts" in api.kubectl("get", "secrets", "-n", "istio-system", "-o", "name")
    for path in sorted((folder / "west").glob("*.yaml")):
        assert "configured" not in api.kubectl("apply", "--server-side", "--dry-run=server", "-f", str(path))

    # The stages take over what is there, and apply the same.
    for role in ("trust", "control_plane", "gateways", "apps", "traffic"):
        done = run_plays(tmp_path, fleet, role_play(role), "--limit", "west")
        assert done.code == 0, done.output
    asyncio.run(compared(api, folder / "west"))


async def compared(api: control_plane.ControlPlane, folder: Path) -> None:
    async with Kube.connect(Connection(kubeconfig=str(api.kubeconfig), context="admin"), cluster="west") as kube:
        left_out = ("istio-system/cacerts", "shop/password", "shop/kept-away")
        await compare(kube, folder, {f"Secret {name}" for name in left_out})
