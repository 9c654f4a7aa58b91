# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Preflight's data check over ten thousand clusters: reading their variables, and checking them."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "collections"))

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import table
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import summary
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import read_variables
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.role_specs import role_variables

HOSTS = 10_000
GROUP = "mesh_clusters"


def inventory(bad: bool) -> dict[str, t.Any]:
    """Existing clusters with ranges of their own; bad ones with four problems each."""
    hosts = {}
    for i in range(HOSTS):
        hosts[f"c{i}"] = {
            "cluster_region": f"region{i % 30}",
            "cluster_kubeconfig": f"~/.kube/c{i}",
            "cluster_pod_cidr": f"10.{i // 256}.{i % 256}.0/24",
        }
        if bad:
            hosts[f"c{i}"] |= {
                "mesh_role": "remote",
                "mesh_primary": f"d{i}x",
                f"mesh_x{i}": 1,
                "mesh_revision": f"r{i}",
                "cluster_pod_cidr": "10.0.0.0/16",
            }
    common = {
        "gateways_replicas": 2,
        "trust_lifetime": "365d",
        "apps_sample": {"caller": ["c1"]},
        "cluster_provider": "kubeconfig",
        "mesh_id": "shop",
        "mesh_network": "flat",
    }
    return {GROUP: {"vars": common, "hosts": hosts}}


def measure(bad: bool) -> dict[str, t.Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.json"
        path.write_text(json.dumps(inventory(bad)))
        loader = DataLoader()
        began = time.monotonic()
        manager = InventoryManager(loader, sources=[str(path)])
        hostvars = HostVars(manager, VariableManager(loader, manager), loader)
        names = [host.name for host in manager.groups[GROUP].get_hosts()]
        parsed, cpu = time.monotonic(), time.process_time()
        known = role_variables()
        hosts, unreadable = read_variables(hostvars, names, Templar(loader=loader), known.prefixes, known.unread)
        read = time.monotonic()
        problems = check(hosts, {GROUP: names}, environment(), known)
        text = table(problems) if problems else summary(read_fleet(hosts, environment()))
        done = time.monotonic()
    return {
        "hosts": HOSTS,
        "problems": len(problems) + len(unreadable),
        "printed": text.partition("\n")[0],
        "ansible_parses_inventory_seconds": round(parsed - began, 2),
        "read_variables_seconds": round(read - parsed, 2),
        "check_seconds": round(done - read, 2),
        "preflight_seconds": round(done - parsed, 2),
        "preflight_cpu_seconds": round(time.process_time() - cpu, 2),
    }


if __name__ == "__main__":
    init_plugin_loader([])
    print(json.dumps({"sound": measure(bad=False), "broken": measure(bad=True)}))
