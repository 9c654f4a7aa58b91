# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Envoy says of its files and of the clusters behind it."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_admin import (
    as_loaded,
    health_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    CLUSTERS,
    EnvoyDoor,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import Gateway

DOOR = FrontDoor("front-door", (Route("web", "shop"), Route("pay", "shop", path="/pay")))
GATEWAYS = {"web.shop": (Gateway("west", ("10.0.0.1",), region="eu"),), "pay.shop": ()}


def test_a_file_is_loaded_when_envoy_says_its_version() -> None:
    files = render(DOOR, EnvoyDoor(GATEWAYS, regions={"eu": ("10.9.0.0/16",)}))
    texts = {"cluster_manager.cds.version_text": files[CLUSTERS]["version_info"]}
    texts["http.http-any.rds.http-any.version_text"] = files["routes-http-any.yaml"]["version_info"]
    texts["listener_manager.lds.version_text"] = "another"
    stats = {"stats": [{"name": name, "value": value} for name, value in texts.items()]}
    left = as_loaded(files, stats)
    assert left == ["listeners.yaml", "routes-http-region-eu.yaml"]
    assert as_loaded({CLUSTERS: files[CLUSTERS]}, stats) == []


def host(cluster: str, **status: t.Any) -> dict[str, t.Any]:
    return {"locality": {"zone": cluster}, "health_status": {"eds_health_status": "HEALTHY", **status}}


def test_health_is_told_by_cluster() -> None:
    statuses = [
        host("west"),
        host("east", failed_active_health_check=True, failed_active_hc_timeout=True),
        host("coast", failed_active_health_check=True, pending_active_hc=True),
    ]
    page = {
        "cluster_statuses": [
            {"name": "web.shop|any", "host_statuses": statuses},
            {"name": "web.shop|eu", "host_statuses": [host("east")]},
        ]
    }
    found = health_of(DOOR, page)
    assert found["web.shop"].healthy == ("west",)
    assert found["web.shop"].unhealthy["east"] == "its health check gets no answer in time"
    assert found["web.shop"].unhealthy["coast"] == "its first health check goes on"
    assert found["pay.shop"].healthy == ()
