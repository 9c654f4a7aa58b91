# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a probe does not run, from Kubernetes' own words."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.probe_causes import probe_cause


@pytest.mark.parametrize(
    ("seen", "means", "step"),
    [
        (
            'pods "probe-6d" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "PodSecurity refuses",
            "pod-security.kubernetes.io/enforce",
        ),
        (
            'pods "probe-6d" is forbidden: exceeded quota: small, requested: cpu=110m, used: cpu=0, limited: cpu=50m',
            "ResourceQuota",
            "raise the quota",
        ),
        (
            'pods "probe-6d" is forbidden: [minimum cpu usage per Container is 50m, but request is 5m]',
            "LimitRange",
            "global.proxy.resources",
        ),
        (
            "pod probe-6d finds no node: 0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: db}.",
            "no node takes the pod",
            "tolerations of mesh_pods",
        ),
        ("pod probe-6d finds no node: 0/1 nodes are available: 1 Insufficient cpu.", "nodes are full", "add a node"),
        (
            'container istio-proxy: PodInitializing: MountVolume: configmap "istio-ca-root-cert" not found',
            "no ConfigMap istio-ca-root-cert",
            "discoverySelectors",
        ),
        (
            'its log ends: transport: Error while dialing: dial tcp 10.96.7.7:15012: i/o timeout"',
            "does not reach its istiod at port 15012",
            "NetworkPolicy",
        ),
        ("container probe: ImagePullBackOff: Back-off pulling image", "cannot pull", "nodes of west can pull"),
        ('admission webhook "policy.example" denied the request: no', "a policy", "allow what the message names"),
        ("spec.selector: Invalid value: field is immutable", "cannot become ours", "delete it"),
    ],
)
def test_a_probe_that_does_not_run_has_its_cause(seen: str, means: str, step: str) -> None:
    found = probe_cause("west", seen)
    assert means in found[0]
    assert step in found[1]
    assert "reachable" not in "".join(found)


def test_an_unknown_cause_is_not_guessed() -> None:
    assert probe_cause("west", "something else") == ("", "")


def test_capitals_and_lines_do_not_matter() -> None:
    assert "ResourceQuota" in probe_cause("west", "EXCEEDED QUOTA")[0]
    assert "a policy" in probe_cause("west", "Admission webhook x\nof somebody denied it")[0]
