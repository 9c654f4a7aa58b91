# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that several tests of checks share, and the problems of an inventory as text."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check

PLACE = {"cluster_region": "us-west1"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OWN = {**PLACE, "cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/own"}
BY_URL = {
    **PLACE,
    "cluster_provider": "kubeconfig",
    "cluster_api_url": "https://192.0.2.1",
    "cluster_api_token": "sesame",
    "cluster_api_ca": PEM,
}
GKE = {**PLACE, "cluster_provider": "gke", "gke_project": "shop-prod"}


def problems_of(hosts: t.Mapping[str, t.Mapping[str, t.Any]], **more: t.Any) -> list[str]:
    """All problems: host, statement and hint. ``more`` are further arguments of ``check``."""
    return [f"{p.host or '(fleet)'} {p.statement} | {p.hint}" for p in check(hosts, **more)]


def problems_with(hosts: t.Mapping[str, t.Mapping[str, t.Any]], **shared: t.Any) -> list[str]:
    """All problems of hosts that have the variables ``shared`` too."""
    return problems_of({host: {**variables, **shared} for host, variables in hosts.items()})


def only_problem(host: str = "west", **variables: t.Any) -> str:
    """The only problem of a fleet of two whose other cluster, east, has none."""
    found = problems_of({"east": PLACE, host: {**PLACE, **variables}})
    assert len(found) == 1, found
    return found[0]
