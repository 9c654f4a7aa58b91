# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host's task pays to know a fleet of a thousand clusters: with literals, templates and lookups.

Of lookups, the first task of a run evaluates them; the others read what it found.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "collections"))

from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import read_later

HOSTS = 1000
ROUNDS = 5
GROUP = "mesh_clusters"
NETWORKS = {
    "literal": "net",
    "template": "{{ place }}-net",
    "lookup": "{{ lookup('ansible.builtin.env', 'HOME') and 'net' }}",
}


def inventory(network: str) -> dict[str, t.Any]:
    hosts = {
        f"c{i}": {
            "cluster_region": f"region{i % 30}",
            "cluster_kubeconfig": f"~/.kube/c{i}",
            "cluster_pod_cidr": f"10.{i // 256}.{i % 256}.0/24",
        }
        for i in range(HOSTS)
    }
    common = {"cluster_provider": "kubeconfig", "mesh_id": "shop", "place": "here", "mesh_network": network}
    return {GROUP: {"vars": common, "hosts": hosts}}


def measure(network: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.json"
        path.write_text(json.dumps(inventory(network)))
        loader = DataLoader()
        manager = InventoryManager(loader, sources=[str(path)])
        hostvars = HostVars(manager, VariableManager(loader, manager), loader)
        names = [host.name for host in manager.groups[GROUP].get_hosts()]
        # Fills Ansible's own caches. Nothing of a run is kept yet.
        read_fleet(read_later(hostvars, names, Templar(loader=loader)), environment())
        shutil.rmtree(Path(constants.DEFAULT_LOCAL_TMP, "mesh.fleet"), ignore_errors=True)
        seconds = []
        for _round in range(1 + ROUNDS):
            began = time.process_time()
            read_fleet(read_later(hostvars, names, Templar(loader=loader)), environment())
            seconds.append(time.process_time() - began)
    return {
        "first_task_cpu_seconds": round(seconds[0], 3),
        "next_tasks_cpu_seconds": round(statistics.median(seconds[1:]), 3),
    }


if __name__ == "__main__":
    init_plugin_loader([])
    print(json.dumps({"hosts": HOSTS} | {kind: measure(network) for kind, network in NETWORKS.items()}))
