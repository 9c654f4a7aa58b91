# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One real API server for all tests here, and others for a module that wants its own."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection

from . import control_plane
from .gke_clusters import HOSTS
from .nodes import Nodes

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def direct(no_proxy: None, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """API servers are on loopback; what kubectl and Helm remember of one is not believed of another at its port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECACHEDIR", str(tmp_path_factory.mktemp("kubectl")))
        yield


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.ControlPlane]:
    """etcd and kube-apiserver, without nodes and controllers."""
    running = control_plane.start(tmp_path_factory.mktemp("control-plane"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def google_planes(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, control_plane.ControlPlane]]:
    """API servers of the two clusters of google_fleet.py."""
    started: dict[str, control_plane.ControlPlane] = {}
    try:
        for name in HOSTS:
            started[name] = control_plane.start(tmp_path_factory.mktemp(name))
        yield started
    finally:
        for plane in started.values():
            plane.stop()


@pytest.fixture(scope="module")
def new_plane(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.Start]:
    """Starts API servers by name, which end with the module."""
    made: list[control_plane.ControlPlane] = []

    def start(name: str, *flags: str) -> control_plane.ControlPlane:
        made.append(control_plane.start(tmp_path_factory.mktemp(name), *flags))
        return made[-1]

    yield start
    for plane in made:
        plane.stop()


@pytest.fixture(scope="module")
def api(new_plane: control_plane.Start) -> control_plane.ControlPlane:
    """An API server of the module's own, with controllers: what is left on it can be compared."""
    running = new_plane("api")
    running.start_controllers()
    return running


@pytest.fixture
def nodes(api: control_plane.ControlPlane) -> t.Iterator[Nodes]:
    """Deployments and gateways of ``api`` become ready."""
    thread = Nodes(api)
    thread.start()
    yield thread
    thread.ended.set()
    thread.join(20)


@pytest.fixture
def connect(plane: control_plane.ControlPlane) -> t.Callable[..., Kube]:
    """A client by context of the test kubeconfig; to be entered with ``async with``."""

    def make(context: str = "admin", **kwargs: t.Any) -> Kube:
        return Kube.connect(Connection(kubeconfig=str(plane.kubeconfig), context=context), cluster="west", **kwargs)

    return make


@pytest.fixture
def namespace() -> str:
    """A name that no other test uses; the test makes the namespace."""
    return f"test-{next(_NUMBERS)}"
