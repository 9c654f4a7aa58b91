# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's controller of multi-cluster ingress, as the stand-in plays it, on the API servers of a test."""

from __future__ import annotations

import contextlib
import functools
import threading
import typing as t

from tests.gcp.standin.controllers.behind import Behind, Unreachable
from tests.gcp.standin.controllers.ingress import FEATURE, MANAGER, Ingress
from tests.gcp.standin.controllers.view import FleetView, Member
from tests.gcp.standin.server import StandIn

from . import control_plane

__all__ = ["PROJECT", "IngressController"]

PROJECT = "shop-prod"
_MEMBERS = f"projects/{PROJECT}/locations/us-west1/memberships"


class IngressController(threading.Thread):
    """Google's controller, as the stand-in plays it; ``west`` is the config cluster."""

    def __init__(self, planes: t.Mapping[str, control_plane.ControlPlane], standin: StandIn) -> None:
        super().__init__(daemon=True)
        self.standin, self.ended = standin, threading.Event()
        self.silent = threading.Event()
        """While set, nothing is done."""
        self.members = {
            name: Member(
                f"{_MEMBERS}/{name}", "1", PROJECT, "us-west1-a", name, "default", PROJECT, str(plane.kubeconfig)
            )
            for name, plane in planes.items()
        }
        self.ingress = Ingress(standin.cloud, functools.cache(lambda path: Behind(path, MANAGER)), again=1)

    def view(self) -> FleetView:
        with self.standin.cloud.lock:
            found = self.standin.cloud.under(f"compute/projects/{PROJECT}/global/addresses/*")
            addresses = {key.partition("/")[2]: address for key, address in found}
        feature = {"spec": {FEATURE: {"configMembership": f"{_MEMBERS}/west"}}}
        robot = "serviceAccount:service-1@gcp-sa-multiclusteringress.iam.gserviceaccount.com"
        granted = frozenset({(PROJECT, "roles/container.admin", robot)})
        members = tuple(self.members.values())
        return FleetView(PROJECT, "1", members, {FEATURE: feature}, granted, addresses, frozenset())

    def run(self) -> None:
        while not self.ended.wait(0.1):
            if not self.silent.is_set():
                with contextlib.suppress(Unreachable):  # it was removed in this moment, or the API server is busy
                    self.ingress.reconcile(self.view())
