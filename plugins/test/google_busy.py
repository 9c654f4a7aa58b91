# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a task of google.cloud failed by what passes by itself. Documentation: google_busy.yml."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.module_failure import is_temporary


def google_busy(result: t.Any) -> bool:
    """See google_busy.yml."""
    if not isinstance(result, t.Mapping):
        raise AnsibleTypeError("google_busy needs the result of a task")
    return is_temporary(result)


class TestModule:
    """Tests of this file."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"google_busy": google_busy}
