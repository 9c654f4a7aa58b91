# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A provider that this collection does not have: all that a further one takes is a file like this, and ``register``."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.values import label
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import CLUSTER, Variable
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.base import Provider, Values


class Further(Provider):
    """Its clusters are at an address that follows from their names."""

    name: t.ClassVar[str] = "test"
    description: t.ClassVar[str] = "made by a test"
    role: t.ClassVar[str] = "test_cluster"
    prefix: t.ClassVar[str] = "test_"
    variables: t.ClassVar[tuple[Variable, ...]] = (
        Variable("test_tier", CLUSTER, "Tier of the cluster.", default="front", form=label),
        Variable("test_account", CLUSTER, "Account of the cluster.", environment="TEST_ACCOUNT"),
    )
    of_roles: t.ClassVar[frozenset[str]] = frozenset({"test_cluster_delete"})
    platform: t.ClassVar[str] = "test-cloud"

    def connection(self, host: str, variables: Values, directory: str) -> Connection:
        return Connection(server=f"https://{host}.test.example")

    def check_cluster(self, host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
        missing = Problem(host, "test_account", "", "is missing", "set it, or TEST_ACCOUNT")
        return [] if variables.get("test_account") else [missing]
