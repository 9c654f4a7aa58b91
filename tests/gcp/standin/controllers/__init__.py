# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's controllers inside clusters, for those of the stand-in's that have a real one behind them."""

from __future__ import annotations

import dataclasses
import functools
import sys
import threading
import traceback
import typing as t

from ..cloud import Cloud
from .behind import Behind, Busy, Unreachable
from .ingress import MANAGER, Ingress
from .mesh import Mesh
from .plane import Failed
from .services import Services
from .view import FleetView, look

__all__ = ["Controllers"]

_SECONDS = 0.5
"""Seconds between two rounds. Google's own take minutes; tests do not wait for that."""


class Controller(t.Protocol):
    """Brings the clusters of a fleet to what its features say; called again and again."""

    def reconcile(self, fleet: FleetView) -> None: ...


class Controllers:
    """All of them, each in a thread of its own. Use as a context manager.

    Args:
        cloud: the stand-in's world; ``kubeconfigs`` says which clusters are real.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.over = threading.Event()
        self.said: dict[str, str] = {}
        """The last error, by controller: each new one is reported once."""
        self.all: list[Controller] = [
            Services(functools.cache(lambda path: Behind(path, "gke-mcs-importer"))),
            Ingress(cloud, functools.cache(lambda path: Behind(path, MANAGER))),
            Mesh(cloud, functools.cache(lambda path: Behind(path, "Google-GKEHub-Controllers-Servicemesh"))),
        ]
        self.threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in self.all]

    def __enter__(self) -> Controllers:
        self.cloud.controlled = True
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=30)

    def _run(self, controller: Controller) -> None:
        name = type(controller).__name__
        seen: dict[str, FleetView] = {}
        while not self.over.wait(_SECONDS):
            fleets = {fleet.project: fleet for fleet in look(self.cloud)}
            # A fleet without features and members is listed no more, however long the last look took: it is left
            # until what was made for it is gone.
            for project in seen.keys() - fleets.keys():
                fleets[project] = dataclasses.replace(seen[project], members=(), features={})
            seen = dict(fleets)
            for fleet in fleets.values():
                try:
                    controller.reconcile(fleet)
                except Busy:
                    continue
                except (Unreachable, Failed, OSError) as error:
                    self._say(f"{name} {fleet.project}", str(error))
                except Exception:  # noqa: BLE001
                    # A defect of ours: it is shown, and the other controllers continue.
                    self._say(f"{name} {fleet.project}", traceback.format_exc())
                else:
                    self._say(f"{name} {fleet.project}", "")
                    if not fleet.members and not fleet.features:
                        del seen[fleet.project]

    def _say(self, who: str, what: str) -> None:
        if self.said.get(who, "") != what:
            self.said[who] = what
            print(f"{who}: {what or 'well again'}", file=sys.stderr, flush=True)
