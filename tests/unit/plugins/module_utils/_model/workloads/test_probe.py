# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probe of verify."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import COUNTED
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads import probe

FLEET = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})


def test_every_name_leads_to_one_cluster() -> None:
    objects = probe.probe_objects(FLEET, FLEET.clusters["west"], {"sample.py": ""}, image="x", created=True)
    services = {o["metadata"]["name"]: o["spec"]["selector"] for o in objects if o["kind"] == "Service"}
    assert services == {f"probe-{name}": {"app": "probe", "mesh.fleet/cluster": name} for name in ("west", "east")}
    (pods,) = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] == "Deployment"]
    assert [n for n, s in services.items() if s.items() <= pods.items()] == ["probe-west"]


def test_its_sidecar_counts_what_policies_are_measured_by() -> None:
    objects = probe.probe_objects(FLEET, FLEET.clusters["west"], {"sample.py": ""}, image="x", created=True)
    (notes,) = [o["spec"]["template"]["metadata"]["annotations"] for o in objects if o["kind"] == "Deployment"]
    assert notes["sidecar.istio.io/statsInclusionRegexps"] == COUNTED


def test_sidecars_of_probes_log_calls_where_istiod_is_ours() -> None:
    remote = {"cluster_provider": "kubeconfig", "mesh_role": "remote", "mesh_primary": "west"}
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig"}, "edge": remote})
    logging = probe.access_log(fleet, fleet.clusters["west"])
    assert logging and logging["metadata"]["namespace"] == "mesh-verify"
    assert logging["metadata"]["labels"] == probe.probe_labels(fleet)
    assert probe.access_log(fleet, fleet.clusters["edge"]) is None
