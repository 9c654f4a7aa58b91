# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an object of AWX is as an entry of a list says. Documentation: awx_as_wanted.yml."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.comparing import is_as_wanted


def awx_as_wanted(wanted: t.Any, found: t.Any, more: t.Any) -> bool:
    """See awx_as_wanted.yml."""
    if not isinstance(wanted, t.Mapping) or not isinstance(found, t.Sequence) or not isinstance(more, t.Mapping):
        raise AnsibleTypeError("awx_as_wanted needs an entry of a list, a list of objects, and a dictionary of answers")
    return is_as_wanted(wanted, next((one for one in found if one["name"] == wanted["name"]), None), more)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., bool]]:
        return {"awx_as_wanted": awx_as_wanted}
