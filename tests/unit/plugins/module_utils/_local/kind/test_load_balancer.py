# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the load balancer of a local cluster may do, and when its pod is replaced."""

from __future__ import annotations

import pathlib

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.load_balancer import load_balancer_objects

PROGRAM = pathlib.Path(__file__).parents[6] / "roles/kind_cluster/files/load_balancer.py"


def test_it_may_do_what_it_needs_and_a_change_replaces_it() -> None:
    objects = {o["kind"]: o for o in load_balancer_objects(PROGRAM.read_text(), "base:1", "10.90.2.0/29", "prod")}
    rules = objects["ClusterRole"]["rules"]
    assert [(r["resources"], r["verbs"]) for r in rules] == [
        (["services"], ["list", "watch"]),
        (["services/status"], ["patch"]),
    ]
    template = objects["Deployment"]["spec"]["template"]
    assert template["spec"]["containers"][0]["securityContext"]["runAsNonRoot"]
    other = {o["kind"]: o for o in load_balancer_objects("changed", "base:1", "10.90.2.0/29", "prod")}
    assert other["Deployment"]["spec"]["template"]["metadata"] != template["metadata"]
    assert all(o["metadata"]["labels"]["mesh.fleet/fleet"] == "prod" for o in objects.values())
