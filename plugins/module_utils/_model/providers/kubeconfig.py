# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that exist already, reached by a kubeconfig or by an address with credentials."""

from __future__ import annotations

import typing as t

from ..inventory.cluster_variables import CONNECTION
from ..inventory.problems import Problem
from ..inventory.variable import Variable
from .base import Provider, Values, text

__all__ = ["Kubeconfig"]


class Kubeconfig(Provider):
    """This collection never makes or deletes them."""

    name: t.ClassVar[str] = "kubeconfig"
    front_door: t.ClassVar[str] = "files"
    description: t.ClassVar[str] = "it exists already"
    variables: t.ClassVar[tuple[Variable, ...]] = CONNECTION

    def check_cluster(self, host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
        """The cluster is reached in exactly one way, and nothing of it is missing."""
        problems = []
        url, kubeconfig = text(variables, "cluster_api_url"), text(variables, "cluster_kubeconfig")
        if url and kubeconfig:
            message = "is set, and cluster_api_url too: which one leads to the cluster?"
            problems.append(Problem(host, "cluster_kubeconfig", "", message, "keep one of them"))
        if not url and not kubeconfig:
            hint = "set it, or cluster_api_url with cluster_api_token and cluster_api_ca"
            problems.append(Problem(host, "cluster_kubeconfig", "", "is missing", hint))
        for name in ("cluster_api_token", "cluster_api_ca"):
            has = bool(text(variables, name))
            if url and not has:
                problems.append(Problem(host, name, "", "is missing beside cluster_api_url", f"set {name}"))
            elif has and not url and kubeconfig:
                problems.append(Problem(host, name, "", "belongs to cluster_api_url", "the kubeconfig holds its own"))
        if url and not kubeconfig and "cluster_context" in variables:
            problems.append(Problem(host, "cluster_context", "", "belongs to cluster_kubeconfig", "leave it out"))
        return problems
