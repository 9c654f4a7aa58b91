# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the status of ServiceExports and ServiceImports."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import FIELD_MANAGER
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import key_of

__all__ = ["write_status"]

Object = dict[str, t.Any]


async def write_status(
    kube: Kube,
    obj: t.Mapping[str, t.Any],
    status: Object | None,
    *,
    manager: str = FIELD_MANAGER,
    force: bool = True,
    dry_run: bool = False,
) -> Object:
    """Write what is ours of an object's status; fields of other managers stay, and all else of the object.

    Args:
        kube: its cluster.
        obj: the object, of which C(apiVersion), C(kind), name and namespace count.
        status: the status; None takes back what C(manager) wrote.
        manager: the field manager.
        force: whether fields of other managers that differ become ours; the API server refuses them otherwise.
        dry_run: let the server compute the answer and keep nothing.

    Returns:
        The object as it is then.
    """
    resource = await kube.resource(obj["apiVersion"], obj["kind"])
    space, name = key_of(obj)
    body: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    body["metadata"] = {"name": name, "namespace": space}
    if status is not None:
        body["status"] = status
    params = {"fieldManager": manager}
    if force:
        params["force"] = "true"
    if dry_run:
        params["dryRun"] = "All"
    answer: Object = await kube.transport.request(
        "PATCH",
        resource.path(space, name, "status"),
        params=params,
        body=body,
        content_type="application/apply-patch+yaml",
        obj=described(obj),
        action="report on",
    )
    return answer
