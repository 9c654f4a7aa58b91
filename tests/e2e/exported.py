# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exported services by real calls, on whatever mesh of west and east there is, with the shop of the traffic tests."""

from __future__ import annotations

import functools
import json
import pathlib
import re
import typing as t

import yaml

from .mesh import proof
from .playbooks import changed
from .traffic import OF_OTHERS, Traffic
from .waiting import until_equal

__all__ = ["check_confined", "check_dns", "check_exports"]

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "exported-services.md"

_BOTH = f"{OF_OTHERS}.shop"
"""A service that runs in both clusters, and of which no policy says anything."""
_WEST = "solo.shop"
"""A service that runs in west only."""
_PODS = "per-pod.shop"
"""A headless service of both clusters."""


def check_exports(traffic: Traffic, fleet_name: str, *, confined: bool) -> None:
    """Names of exported services are called, confined to clusters where the mesh can, proven by verify, and go.

    Args:
        traffic: with an open shop.
        fleet_name: whose verify is read.
        confined: whether each cluster has an istiod, so that a name can be kept from one of them.
    """
    shop = traffic.shop
    for service, clusters, more in (("solo", ("west",), {}), ("per-pod", ("west", "east"), {"clusterIP": "None"})):
        ports = [{"name": name, "port": port, "targetPort": 8080} for name, port in (("http", 8080), ("tcp-raw", 9090))]
        manifest = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service},
            "spec": {"selector": {"app": "reviews"}, "ports": ports, **more},
        }
        for cluster in clusters:
            shop.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(manifest))
    wanted = [{"service": _BOTH}, {"service": _PODS}, {"service": _WEST, "to": ["west"]}]
    _export(traffic, wanted)
    assert changed(_export(traffic, wanted)) == 0
    addresses = [shop.address(cluster, _name(_BOTH)) for cluster in ("west", "east")]
    assert addresses[0] == addresses[1]
    assert addresses[0].startswith("240.241."), addresses
    for cluster in ("west", "east"):
        for service in (_BOTH, _PODS):
            served = functools.partial(_served, traffic, cluster, service)
            until_equal(served, {"west", "east"}, f"the clusters that answer {service} from {cluster}")
    (one,) = shop.calls("west", _name(_WEST))
    assert one.identity.endswith("/ns/shop/sa/default"), one
    if confined:
        (none,) = shop.calls("east", _name(_WEST))
        assert none.status == 0 and "gaierror" in none.path, none
    _verify(traffic, wanted, fleet_name, confined=confined)
    _export(traffic, [{"service": _WEST}])
    until_equal(functools.partial(_served, traffic, "east", _WEST), {"west"}, f"the clusters that answer {_WEST}")
    # Its other port is plain TCP, for which the address alone says what is called.
    script = f"import urllib.request as u; print(u.urlopen('http://{_name(_WEST)}:9090/', timeout=20).read().decode())"
    said = json.loads(shop.kubectl("east", "exec", "deploy/caller", "--", "python3", "-c", script))
    assert said["cluster"] == "west"
    (gone,) = shop.calls("west", _name(_BOTH))
    assert gone.status == 0 and "gaierror" in gone.path, "what is not exported any more has no name"
    _export(traffic, [])
    for cluster in ("west", "east"):
        kinds = "serviceexports,serviceimports,serviceentries,virtualservices"
        left = shop.kubectl(cluster, "get", kinds, "-l", "mesh.fleet/part-of=services", "-o", "name")
        assert left == "", left
        for name in ("solo", "per-pod"):
            shop.kubectl(cluster, "delete", "service", name, "--ignore-not-found")


def _export(traffic: Traffic, exports: t.Sequence[dict[str, t.Any]]) -> str:
    said = traffic.run("services", "-e", json.dumps({"mesh_exports": list(exports)}))
    assert "Traceback" not in said
    return said


def _name(service: str) -> str:
    return f"{service}.svc.clusterset.local"


def _served(traffic: Traffic, cluster: str, service: str) -> set[str]:
    """The clusters whose pods answer."""
    return {one.cluster or one.path for one in traffic.shop.calls(cluster, _name(service), 40, at_once=8)}


def _verify(traffic: Traffic, exports: t.Sequence[dict[str, t.Any]], fleet_name: str, *, confined: bool) -> None:
    # Of the inventory's policies, which those of other tests have replaced, it is no test.
    traffic.run("verify", "-e", json.dumps({"mesh_exports": list(exports), "mesh_traffic": []}))
    made = [call for call in proof(fleet_name)["calls"] if "clusterset" in call["service"]]
    assert all(call["ok"] for call in made), made
    found = {(call["caller"], call["service"]): call for call in made}
    for cluster in ("west", "east"):
        call = found[cluster, _name(_BOTH)]
        assert call["path"] == "exported, mutual TLS" and call["callee"] in ("west", "east"), call
    assert found["west", _name(_WEST)]["callee"] == "west"
    if confined:
        assert found["east", _name(_WEST)]["expected"] is False


def shown() -> list[dict[str, t.Any]]:
    """The variables that docs/exported-services.md shows, block by block."""
    text = _PAGE.read_text(encoding="utf-8")
    return [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    ]


def check_confined(run: t.Callable[..., str], fleet_name: str) -> None:
    """By choice a service that is not exported is reached from its own cluster only; exported ones from everywhere.

    Args:
        run: runs a playbook of the fleet with more arguments; what it said.
        fleet_name: whose verify is read.
    """
    exported, confined, _dns = shown()
    assert confined == {**exported, "mesh_unexported_services": "own_cluster"}
    policies: dict[str, t.Any] = {"mesh_traffic": []}
    for stage in ("control_plane", "services", "verify"):
        run(stage, "-e", json.dumps({**confined, **policies}))
    found = proof(fleet_name)
    probes = [call for call in found["calls"] if call["service"].startswith("probe-")]
    between = [call for call in probes if call["caller"] != call["callee"]]
    assert {(call["caller"], call["callee"]) for call in between} == {("west", "east"), ("east", "west")}
    assert all(call["ok"] and not call["expected"] for call in between), between
    named = [call for call in found["calls"] if "clusterset" in call["service"]]
    assert {call["caller"] for call in named if call["ok"] and call["expected"]} == {"west", "east"}, named
    assert changed(run("services", "-e", json.dumps(confined))) == 0
    # The names are made known before istiod stops doing so, and nobody loses them in between.
    for stage in ("services", "control_plane", "verify"):
        run(stage, "-e", json.dumps({**exported, **policies}))
    back = [call for call in proof(fleet_name)["calls"] if call["service"].startswith("probe-")]
    assert all(call["ok"] and call["expected"] for call in back), back
    run("services", "-e", json.dumps({"mesh_exports": []}))


def check_dns(traffic: Traffic) -> None:
    """By choice pods without a sidecar call exported services of their own cluster, by its DNS, which forgets them."""
    shop, (_exported, _confined, dns) = traffic.shop, shown()
    wanted = {"mesh_exports": [{"service": _BOTH}, {"service": _WEST}], **dns}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "plain",
                    "image": traffic.fleet.facts["sample_image"],
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", "import time; time.sleep(3600)"],
                }
            ],
        },
    }
    for cluster in ("west", "east"):
        shop.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(pod))
    solo = {
        "metadata": {"name": "solo"},
        "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 8080}]},
    }
    shop.kubectl("west", "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Service", **solo}))
    traffic.run("services", "-e", json.dumps(wanted))
    assert changed(traffic.run("services", "-e", json.dumps(wanted))) == 0
    call = f"import urllib.request as u; print(u.urlopen('http://{_name(_BOTH)}:8080/', timeout=20).read().decode())"
    for cluster in ("west", "east"):
        shop.kubectl(cluster, "wait", "--for=condition=Ready", "pod/plain", "--timeout=120s")
        said = json.loads(shop.kubectl(cluster, "exec", "plain", "--", "python3", "-c", call))
        assert said["cluster"] == cluster, "the Service of its own cluster"
    known = f"import socket; print(socket.gethostbyname('{_name(_WEST)}'))"
    assert shop.kubectl("east", "exec", "plain", "--", "python3", "-c", known).startswith("240.241.")
    traffic.run("services", "-e", json.dumps({"mesh_exports": []}))
    for cluster in ("west", "east"):
        corefile = traffic.fleet.kubectl(cluster, "-n", "kube-system", "get", "configmap", "coredns", "-o", "yaml")
        assert "clusterset.local" not in corefile
        shop.kubectl(cluster, "delete", "pod", "plain", "--wait=false")
    shop.kubectl("west", "delete", "service", "solo")
