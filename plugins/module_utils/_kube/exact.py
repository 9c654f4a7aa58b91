# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write or delete an object only as it was read: of two that write it at once, one is refused."""

from __future__ import annotations

import typing as t

from .errors import ApiError
from .reading import Reader

__all__ = ["delete_exactly", "replace_exactly"]

Object: t.TypeAlias = "dict[str, t.Any]"


async def replace_exactly(kube: Reader, wanted: Object, found: t.Mapping[str, t.Any] | None) -> bool:
    """Create ``wanted``, or write it in the place of ``found``.

    Args:
        kube: the cluster.
        wanted: the whole object.
        found: the object as it was read; None where there was none.

    Returns:
        False when somebody else has written, created or removed it since.

    Raises:
        ApiError: the server refuses it, or does not answer.
    """
    path, obj = await _path(kube, wanted)
    if found is None:
        return await _sent(kube, "POST", path.rpartition("/")[0], wanted, obj)
    version = {"resourceVersion": found["metadata"]["resourceVersion"], "uid": found["metadata"]["uid"]}
    body = {**wanted, "metadata": {**wanted["metadata"], **version}}
    return await _sent(kube, "PUT", path, body, obj)


async def delete_exactly(kube: Reader, found: t.Mapping[str, t.Any]) -> bool:
    """Delete ``found``; False when somebody else has written or removed it since it was read."""
    path, obj = await _path(kube, found)
    metadata = found["metadata"]
    condition = {"preconditions": {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}}
    return await _sent(kube, "DELETE", path, condition, obj)


async def _path(kube: Reader, obj: t.Mapping[str, t.Any]) -> tuple[str, str]:
    metadata = obj["metadata"]
    where = f"{obj['kind']} {metadata['namespace']}/{metadata['name']}"
    resource = await kube.resource(obj["apiVersion"], obj["kind"], obj=where)
    return resource.path(metadata["namespace"], metadata["name"]), where


async def _sent(kube: Reader, method: str, path: str, body: Object, obj: str) -> bool:
    try:
        answer = await kube.transport.request(method, path, body=body, obj=obj, action="write", secret=True)
    except ApiError as error:
        if error.status == 409 or (error.status == 404 and error.proven and method != "POST"):
            return False
        raise
    if not isinstance(answer, dict) or answer.get("kind") not in (obj.partition(" ")[0], "Status"):
        raise kube.strange(answer, obj, "write")
    return True
