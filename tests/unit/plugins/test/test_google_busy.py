# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test google_busy."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.test.google_busy import google_busy


def test_a_result_is_busy_after_an_error_that_passes() -> None:
    message = "Invalid JSON response with error: <title>Error {} (Server Error)!!1"
    assert google_busy({"failed": True, "msg": message.format(503)})
    assert not google_busy({"failed": True, "msg": message.format(404)})


def test_the_test_accepts_results_only() -> None:
    with pytest.raises(AnsibleTypeError, match="the result of a task"):
        google_busy("no result")
