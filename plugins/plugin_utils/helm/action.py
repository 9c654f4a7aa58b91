# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a cluster's Helm releases to their wanted state: plan in this process, start Helm only for a change."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import read_chart
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.errors import explain
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import (
    INSTALL,
    REMOVE,
    Plan,
    Record,
    newest,
    plan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.webhooks import (
    BETWEEN_TRIES,
    WEBHOOK_SECONDS,
    webhook_is_silent,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import Release, release_owner
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.changes import change_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import helm_binary, helm_major

__all__ = ["HelmAction"]

PENDING_GRACE = 30.0
"""Seconds after which an unfinished Helm operation counts as interrupted: ours never wait within Helm."""
HISTORY = 3
"""Revisions that Helm keeps: each holds a whole chart."""


class HelmAction(FleetAction):
    """Base of the actions that install charts."""

    async def releases(
        self,
        kube: Kube,
        cluster: Cluster,
        wanted: t.Sequence[Release],
        task_vars: dict[str, t.Any],
        *,
        present: bool = True,
        helm: str = "",
        seconds: float = 180,
        fleet: Fleet | None = None,
        kept: list[str] | None = None,
    ) -> list[Change]:
        """Bring releases to their wanted state, in their order.

        Args:
            kube: a client of the cluster.
            present: False uninstalls them, in reverse order.
            helm: path of Helm; "" finds it.
            seconds: for one operation of Helm.
            fleet: whose releases they are: one that something else made, or another fleet, is changed only with
                consent. None where another record says whose they are.
            kept: gets a text for each release that is not uninstalled because it is not this fleet's.

        Raises:
            FleetError: a release is not this fleet's, or Helm failed.
        """
        stored: dict[str, list[dict[str, t.Any]]] = {}
        for namespace in dict.fromkeys(release.namespace for release in wanted):
            stored[namespace] = await kube.list(
                "v1", "Secret", namespace=namespace, labels="owner=helm,status!=superseded"
            )
        changes = []
        for release in wanted if present else reversed(wanted):
            record = newest(stored[release.namespace], release.name)
            chart = read_chart(release.chart) if present and not release.repo else None
            todo = plan(record, release.values, chart, release.version, present)
            if todo.changes and record is not None and fleet and not cluster.take_over:
                owner = release_owner(record.values)
                if not present and owner != fleet.name:
                    if kept is not None:
                        kept.append(f"release {release.namespace}/{release.name}, {_whose(owner)}")
                    continue
                if owner not in (fleet.name, ""):
                    raise FleetError(
                        "this release is not ours",
                        cluster=cluster.name,
                        obj=f"release {release.namespace}/{release.name}",
                        seen=f"revision {record.revision}, {record.status}, {_whose(owner)}",
                        means="something else, or another fleet, installed Istio here",
                        next_step="choose another mesh_revision, or take it over: run once with mesh_take_over: true",
                    )
            change = change_of(cluster, release, todo, chart)
            changes.append(change)
            deadline = time.monotonic() + WEBHOOK_SECONDS
            while todo.changes and not self.check_mode:
                try:
                    await self._carry_out(kube, cluster, release, todo, task_vars, helm=helm, seconds=seconds)
                    break
                except FleetError as error:
                    if not webhook_is_silent(error.seen) or time.monotonic() >= deadline:
                        raise
                await asyncio.sleep(BETWEEN_TRIES)
                # Helm left a record of what it could not finish: what is left to do is decided by that.
                left = await kube.list(
                    "v1", "Secret", namespace=release.namespace, labels="owner=helm,status!=superseded"
                )
                todo = plan(newest(left, release.name), release.values, chart, release.version, present)
        return changes

    async def _carry_out(
        self,
        kube: Kube,
        cluster: Cluster,
        release: Release,
        todo: Plan,
        task_vars: dict[str, t.Any],
        *,
        helm: str,
        seconds: float,
    ) -> None:
        if todo.interrupted and todo.record is not None:
            await _forget(kube, cluster, release, todo.record)
        program = helm_binary(helm, task_vars)
        arguments: dict[str, t.Any] = {
            "release_name": release.name,
            "release_namespace": release.namespace,
            "binary_path": program,
            "timeout": f"{int(seconds)}s",
        }
        if todo.action == REMOVE:
            arguments |= {"release_state": "absent", "wait_timeout": arguments.pop("timeout")}
        else:
            arguments |= {
                "release_state": "present",
                "chart_ref": release.chart,
                "release_values": release.values,
                "history_max": HISTORY,
                "create_namespace": False,
            }
            if helm_major(program) >= 4:
                # Helm 4's default, server-side apply, conflicts with whatever else writes a field of the chart, as
                # istiod does in its own webhooks.
                arguments["server_side"] = "false"
            if release.version:
                arguments["chart_version"] = release.version
            if release.repo:
                arguments["chart_repo_url"] = release.repo
            if todo.action != INSTALL:
                # kubernetes.core.helm compares versions and values only, and would skip a chart that changed
                # under the same version. It compares the content of values files instead where there are any.
                arguments["values_files"] = [os.devnull]
        with _kubeconfig(cluster.connection) as (path, context):
            # Not by its argument kubeconfig: kubernetes.core copies that file, and paths within it are relative to it.
            ours = {"KUBECONFIG": path, "K8S_AUTH_KUBECONFIG": "", "K8S_AUTH_CONTEXT": ""}
            self._task.environment = [*(self._task.environment or []), ours]
            done = self._execute_module(
                module_name="kubernetes.core.helm",
                module_args={**arguments, **({"context": context} if context else {})},
                # Interpreter discovery would find a Python without the libraries that this one has.
                task_vars={**task_vars, "ansible_python_interpreter": sys.executable},
            )
        if done.get("failed"):
            output = str(done.get("stderr") or done.get("module_stderr") or done.get("msg") or "")
            raise explain(output, cluster.name, f"release {release.namespace}/{release.name}", todo.action)


def _whose(owner: str | None) -> str:
    if owner is None:
        return "which this collection did not make"
    return f"of fleet {owner}" if owner else "which records no fleet (mesh_take_over: true removes it)"


async def _forget(kube: Kube, cluster: Cluster, release: Release, record: Record) -> None:
    """Remove the record of an interrupted operation; the next one adopts what it made.

    Objects carry the release's name, so Helm treats them as its own; the revision before, if there is
    one, still counts as deployed. A young operation may still run: it gets time to end.
    """
    now = datetime.datetime.now(datetime.UTC)
    age = (now - record.changed_at).total_seconds() if record.changed_at else PENDING_GRACE
    if age < PENDING_GRACE:
        try:
            left = PENDING_GRACE - max(age, 0.0)
            await kube.wait("v1", "Secret", record.secret, release.namespace, until=_settled, timeout=left)
            alive = True
        except FleetError:
            alive = False
        if alive:
            raise FleetError(
                "Helm was working on it",
                cluster=cluster.name,
                obj=f"release {release.namespace}/{release.name}",
                seen=f"revision {record.revision} was {record.status} and has just ended",
                means="somebody else changes this release at the same time",
                next_step="run again once they are done",
            )
    await kube.delete("v1", "Secret", record.secret, release.namespace)


def _settled(secret: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    if secret is None:
        return True, "gone"
    status = str(labels_of(secret).get("status"))
    return not status.startswith(("pending", "uninstalling")), status


@contextlib.contextmanager
def _kubeconfig(connection: Connection) -> t.Iterator[tuple[str, str]]:
    """Kubeconfig and context for Helm; a token goes through a file of mode 0600, removed at once."""
    connection = connection.resolved()
    if not connection.server:
        yield os.path.abspath(os.path.expanduser(connection.kubeconfig)), connection.context
        return
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fleet",
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "fleet"}}],
        "clusters": [{"name": "fleet", "cluster": _server(connection)}],
        "users": [{"name": "fleet", "user": {"token": connection.token}}],
    }
    descriptor, path = tempfile.mkstemp(prefix="mesh-fleet-", suffix=".kubeconfig")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(config, stream)
        yield path, "fleet"
    finally:
        os.unlink(path)


def _server(connection: Connection) -> dict[str, str]:
    out = {"server": connection.server}
    if connection.ca_pem:
        out["certificate-authority-data"] = base64.b64encode(connection.ca_pem.encode()).decode()
    return out
