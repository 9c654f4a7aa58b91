# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that the istiod of another one serves: their inventories, and who serves them."""

from __future__ import annotations

import json
import pathlib

import yaml

from .local_fleet import Fleet


def inventory(folder: pathlib.Path, **primary_of: str) -> tuple[str, str]:
    """An inventory with Istio's CNI agent, and these remotes with their primaries."""
    path = folder / f"{'-'.join(f'{remote}-of-{primary}' for remote, primary in primary_of.items())}.yml"
    hosts = {remote: {"mesh_role": "remote", "mesh_primary": primary} for remote, primary in primary_of.items()}
    if "north" in hosts:
        hosts["north"] |= {"cluster_region": "europe-north1", "cluster_zone": "europe-north1-b"}
    path.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": hosts, "vars": {"mesh_cni": True}}}))
    return "-i", str(path)


def address_of(fleet: Fleet, primary: str) -> str:
    gateway = ("-n", "istio-system", "get", "service", "istio-eastwestgateway")
    return fleet.kubectl(primary, *gateway, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")


def served_by(fleet: Fleet, remote: str) -> tuple[str, set[str]]:
    """Who serves a remote: the primary that its namespace names, and the addresses of its Service istiod.

    The webhooks of the remote call that Service.
    """
    space = json.loads(fleet.kubectl(remote, "get", "namespace", "istio-system", "-o", "json"))
    slices = ("-n", "istio-system", "get", "endpointslices", "-l", "kubernetes.io/service-name=istiod", "-o", "json")
    found = json.loads(fleet.kubectl(remote, *slices))["items"]
    addresses = {one for each in found for end in each["endpoints"] for one in end["addresses"]}
    hooks = ("get", "mutatingwebhookconfiguration", "istio-sidecar-injector", "-o", "json")
    called = {hook["clientConfig"]["service"]["name"] for hook in json.loads(fleet.kubectl(remote, *hooks))["webhooks"]}
    assert called == {"istiod"}
    return space["metadata"]["annotations"]["topology.istio.io/controlPlaneClusters"], addresses


def joins(fleet: Fleet, remote: str, primary: str) -> None:
    """A new pod of the remote gets its sidecar, certificate and configuration of that primary."""
    space = ("-n", "mesh-verify")
    fleet.kubectl(remote, *space, "rollout", "restart", "deployment/probe")
    fleet.kubectl(remote, *space, "rollout", "status", "deployment/probe", "--timeout=300s")
    newest = ("get", "pods", "-l", "app=probe", "--sort-by=.metadata.creationTimestamp")
    pod = fleet.kubectl(remote, *space, *newest, "-o", "jsonpath={.items[-1:].metadata.name}")
    assert pod in fleet.istioctl(primary, "proxy-status")
