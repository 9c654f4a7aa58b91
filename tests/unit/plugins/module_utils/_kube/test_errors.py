# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What failed on the way to an API server: the object is named where the request may have been heard."""

from __future__ import annotations

import aiohttp
import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import from_transport


@pytest.mark.parametrize(
    ("error", "obj"),
    [
        (aiohttp.ConnectionTimeoutError("connect"), ""),
        (TimeoutError(), ""),
        (aiohttp.SocketTimeoutError("read"), "Secret shop/web"),
        (aiohttp.ServerDisconnectedError(), "Secret shop/web"),
    ],
)
def test_who_may_have_been_heard_names_the_object(error: Exception, obj: str) -> None:
    found = from_transport(
        error, server="https://10.0.0.1", cluster="west", obj="Secret shop/web", action="apply", timeout=10
    )
    assert (found.obj, found.status) == (obj, 0) and found.next_step
    assert ("in 10 s" in found.seen) == (isinstance(error, TimeoutError) and not obj)
