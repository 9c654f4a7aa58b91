# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a cluster comes from, and what depends on it. Documentation: provider.yml."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of_host


def provider(variables: t.Any) -> dict[str, t.Any]:
    """See provider.yml."""
    if not isinstance(variables, t.Mapping):
        raise AnsibleTypeError("provider needs the variables of a host, such as hostvars[inventory_hostname]")
    found = provider_of_host(variables)
    names = ("name", "role", "fleet_role", "local", "multicluster", "front_door")
    return {name: getattr(found, name) for name in names}


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"provider": provider}
