# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a failed task of google.cloud says, in words. Documentation: google_failure.yml."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.module_failure import module_failure


def google_failure(result: t.Any, what: str) -> str:
    """See google_failure.yml."""
    if not isinstance(result, t.Mapping):
        raise AnsibleTypeError("google_failure needs the result of a task")
    return str(module_failure(result, what))


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"google_failure": google_failure}
