# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names for a cluster's DNS where there is no cluster yet: files are rendered, or check mode only planned it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_dns import (
    Served,
    await_names,
    serve_names,
)

RECORDS = {"web.shop.svc.clusterset.local": ["10.1.2.3"]}


async def serve(connection: Connection, records: dict[str, list[str]]) -> Served:
    async with Kube.connect(connection, cluster="west", absent_ok=True) as kube:
        served = await serve_names(kube, "prod", records)
        assert await await_names(kube, served, timeout=60) == ""
        return served


def test_files_of_objects_name_what_is_left_out() -> None:
    with recording_as(Recording()) as record:
        assert asyncio.run(serve(Connection(), {})) == Served()
        assert not record.left_out
        assert asyncio.run(serve(Connection(), RECORDS)) == Served()
    (left,) = list(record.left_out.values())
    assert (left.cluster, left.object) == ("west", "Corefile of kube-system")
    assert "mesh.fleet.services" in left.instead


def test_a_cluster_that_is_not_there_yet_changes_nothing(tmp_path: Path) -> None:
    nowhere = Connection(kubeconfig=str(tmp_path / "none"), context="west")
    assert asyncio.run(serve(nowhere, RECORDS)) == Served()
