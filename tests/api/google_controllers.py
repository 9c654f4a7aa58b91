# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's project whose clusters are API servers of a test: Google's controllers work in them."""

from __future__ import annotations

import functools
import time
import typing as t

from tests.gcp.standin.cloud import Cloud
from tests.gcp.standin.controllers.behind import Behind, Unreachable
from tests.gcp.standin.controllers.ingress import MANAGER, Ingress
from tests.gcp.standin.controllers.kinds import EXPORT, IMPORT, INGRESS, MULTI_SERVICE
from tests.gcp.standin.controllers.services import Services
from tests.gcp.standin.controllers.view import FleetView, look

from . import control_plane

__all__ = ["PROJECT", "World"]

PROJECT = "shop-prod"
NUMBER = "100000000000"
_SECONDS = 120.0
PLACES = {"west": ("us-west1-a", "us-west1"), "north": ("europe-north1", "europe-north1")}


class World:
    """Two members of one Google fleet, all features on, all roles granted.

    Args:
        planes: the API server behind each cluster, by its name in PLACES.
    """

    def __init__(self, planes: t.Mapping[str, control_plane.ControlPlane]) -> None:
        self.cloud = Cloud(kubeconfigs={name: str(plane.kubeconfig) for name, plane in planes.items()})
        self.cloud.numbers[PROJECT] = NUMBER
        for name, (place, _region) in PLACES.items():
            path = f"projects/{PROJECT}/locations/{place}/clusters/{name}"
            self.cloud.resources[f"container/{path}"] = {"name": name, "status": "RUNNING", "network": "default"}
            self.cloud.resources[f"gkehub/{self.membership(name)}"] = {
                "name": self.membership(name),
                "state": {"code": "READY"},
                "endpoint": {"gkeCluster": {"resourceLink": f"//container.googleapis.com/{path}"}},
            }
        for feature in ("multiclusterservicediscovery", "multiclusteringress"):
            self.switch(feature)
        self.grant("roles/compute.networkViewer", f"serviceAccount:{PROJECT}.svc.id.goog[gke-mcs/gke-mcs-importer]")
        robot = f"serviceAccount:service-{NUMBER}@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
        self.grant("roles/container.admin", robot)
        self.services = Services(functools.cache(lambda path: Behind(path, "gke-mcs-importer")))
        self.ingress = Ingress(self.cloud, functools.cache(lambda path: Behind(path, MANAGER)), again=0)

    @staticmethod
    def membership(name: str) -> str:
        return f"projects/{PROJECT}/locations/{PLACES[name][1]}/memberships/{name}"

    def switch(self, feature: str, *, on: bool = True) -> None:
        key = f"gkehub/projects/{PROJECT}/locations/global/features/{feature}"
        spec = {feature: {"configMembership": self.membership("west")}}
        if on:
            self.cloud.resources[key] = {"resourceState": {"state": "ACTIVE"}, "spec": spec}
        else:
            self.cloud.resources.pop(key, None)

    def grant(self, role: str, member: str) -> None:
        policy = self.cloud.policies.setdefault(PROJECT, {"bindings": []})
        policy["bindings"].append({"role": role, "members": [member]})

    def reserve(self, name: str, address: str) -> dict[str, t.Any]:
        """A global address; what Google says of it."""
        item = {"name": name, "address": address, "status": "RESERVED"}
        self.cloud.resources[f"compute/projects/{PROJECT}/global/addresses/{name}"] = item
        return item

    def turn(self) -> None:
        """One round of Google's controllers, and a second one for the effects of the first."""
        deadline, quiet = time.monotonic() + _SECONDS, 0
        while quiet < 2:
            try:
                for fleet in look(self.cloud):
                    self.services.reconcile(fleet)
                    self.ingress.reconcile(fleet)
                    self._served(fleet)
                quiet += 1
            except Unreachable:
                # Kinds that are new are served a moment later.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _served(self, fleet: FleetView) -> None:
        """Raise Unreachable while a kind of a feature is not served yet."""
        wanted = [(m.kubeconfig, kind) for m in fleet.members for kind in (EXPORT, IMPORT)]
        if fleet.on("multiclusterservicediscovery") is None:
            wanted = []
        if fleet.on("multiclusteringress") is not None:
            wanted += [(self.cloud.kubeconfigs["west"], kind) for kind in (INGRESS, MULTI_SERVICE)]
        for path, kind in wanted:
            if self.services.client(path).request("GET", kind.path()) is None:
                raise Unreachable(f"{kind.name} is not served yet")

    def close(self) -> None:
        for path in list(self.services.zones):
            self.services.zones.pop(path).close()
