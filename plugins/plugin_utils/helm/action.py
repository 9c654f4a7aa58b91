# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a cluster's Helm releases to their wanted state: plan in this process, start Helm only for a change."""

from __future__ import annotations

import asyncio
import datetime
import functools
import os
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.charts import Chart, read_chart
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.drift import find_drift, put_right
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.errors import explain
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.lost import lost_objects
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.releases import (
    INSTALL,
    REMOVE,
    UNCHANGED,
    Plan,
    Record,
    newest,
    not_arrived,
    plan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.rendered import KUBE_VERSION, record_release
from ansible_collections.mesh.fleet.plugins.module_utils._kube.masking import scrub
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils._kube.webhooks import (
    BETWEEN_TRIES,
    WEBHOOK_SECONDS,
    webhook_is_silent,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    EASTWEST,
    INGRESS,
    NOT_YET,
    Release,
    recorded_release,
    release_owner,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.release_owners import (
    LEAVE,
    REFUSE,
    decide,
    whose,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.changes import change_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.program import (
    as_json,
    install_or_upgrade,
    template,
    uninstall,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import brought_later, helm_binary

__all__ = ["HelmAction"]

PENDING_GRACE = 30.0
"""Seconds after which an unfinished Helm operation counts as interrupted: ours never wait within Helm."""


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
        shared: t.Mapping[str, t.Sequence[str]] | None = None,
    ) -> list[Change]:
        """Bring releases to their wanted state, in their order.

        Args:
            kube: a client of the cluster.
            present: False uninstalls them, in reverse order.
            helm: path of Helm; "" finds it.
            seconds: for one operation of Helm.
            fleet: whose releases they are: one that something else made, or another fleet, is changed only with
                consent. None where another record says whose they are.
            shared: by the name of a release that several fleets use, who else uses it.
            kept: gets a text for each release that is not uninstalled because it is not this fleet's.

        Raises:
            FleetError: a release is not this fleet's, or Helm failed.
        """
        if kube.record is not None:
            shown = functools.partial(self._recorded, kube.record, cluster, helm=helm, seconds=seconds)
            return [await shown(release, task_vars=task_vars) for release in wanted] if present else []
        stored: dict[str, list[dict[str, t.Any]]] = {}
        for namespace in dict.fromkeys(release.namespace for release in wanted):
            stored[namespace] = await _stored(kube, namespace)
        changes = []
        for release in wanted if present else reversed(wanted):
            record = newest(stored[release.namespace], release.name)
            chart = self._chart(release, task_vars) if present and not release.repo else None
            todo = plan(record, release.values, chart, release.version, present)
            if todo.changes and record is not None and fleet:
                owner, users = release_owner(record.values), (shared or {}).get(release.name)
                verdict = decide(owner, fleet.name, present=present, users=users, take_over=cluster.take_over)
                if verdict == LEAVE and present:
                    changes.append(change_of(cluster, release, Plan(UNCHANGED, "", record), chart))
                    continue
                if verdict == LEAVE:
                    if kept is not None:
                        kept.append(f"release {release.namespace}/{release.name}, {whose(owner, users or ())}")
                    continue
                if verdict == REFUSE:
                    raise FleetError(
                        "this release is not ours",
                        cluster=cluster.name,
                        obj=f"release {release.namespace}/{release.name}",
                        seen=f"revision {record.revision}, {record.status}, {whose(owner)}",
                        means="something else, or another fleet, installed Istio here",
                        next_step="choose another mesh_revision, or take it over: run once with mesh_take_over: true",
                    )
            change = change_of(cluster, release, todo, chart)
            changes.append(change)
            if not present and record is None and fleet is not None and not (shared or {}).get(release.name):
                lost = await _lost(kube, release, fleet)
                changes += await kube.remove(lost, dry_run=self.check_mode, diff=self.diff_mode)
            latest = record
            deadline = time.monotonic() + WEBHOOK_SECONDS
            while todo.changes and not self.check_mode:
                try:
                    latest = await self._carry_out(kube, cluster, release, todo, task_vars, helm=helm, seconds=seconds)
                    break
                except FleetError as error:
                    if not webhook_is_silent(error.seen) or time.monotonic() >= deadline:
                        raise
                await asyncio.sleep(BETWEEN_TRIES)
                # Helm left a record of what it could not finish: what is left to do is decided by that.
                left = await _stored(kube, release.namespace)
                todo = plan(newest(left, release.name), release.values, chart, release.version, present)
            if present and record is not None and not (todo.changes and self.check_mode):
                changes += await self._mended(kube, latest or record, strict=fleet is not None)
        return changes

    async def _recorded(
        self,
        record: Recording,
        cluster: Cluster,
        release: Release,
        task_vars: dict[str, t.Any],
        *,
        helm: str,
        seconds: float,
    ) -> Change:
        """Record the objects of a release; one whose values are not known yet is named."""
        obj = f"release {release.namespace}/{release.name}"
        chart = None if release.repo else read_chart(release.chart)
        if NOT_YET in as_json(release.values):
            why = f"it needs the address of the east-west gateway of {cluster.primary}, which only that cluster knows"
            instead = f"set control_plane_primary_address for {cluster.name} once it is known, and render again"
            record.leave_out(cluster.name, obj, why, instead)
        else:
            version = str(plain(self._templar.template(task_vars.get("render_kube_version"))) or KUBE_VERSION)
            program = self._program(task_vars, helm)
            shown = recorded_release(release, cluster.platform or provider_of(cluster).platform)
            done = await template(cluster.name, program, shown, kube_version=version, seconds=seconds)
            if done.code:
                raise explain(done.err or done.out, cluster.name, obj, "render")
            record_release(record, cluster.name, release.name, release.namespace, done.out)
        return change_of(cluster, release, Plan(INSTALL), chart)

    def _program(self, task_vars: t.Mapping[str, t.Any], helm: str) -> str:
        known = {**task_vars, "artifacts_parts": plain(self._templar.template(task_vars.get("artifacts_parts")))}
        return helm_binary(helm, known, self.artifacts_folder(task_vars))

    def _chart(self, release: Release, task_vars: t.Mapping[str, t.Any]) -> Chart | None:
        """The chart on this machine; None for one in a repository, and in check mode for one that a run brings."""
        if self.check_mode and brought_later(release.chart, task_vars, self.artifacts_folder(task_vars)):
            self.warn(
                f"the charts are not on this machine yet, and a run brings them ({os.path.dirname(release.chart)}). "
                "Check mode tells what is missing in clusters and which values would change. What is unknown until "
                "then: whether releases that are there have other charts"
            )
            return None
        return read_chart(release.chart)

    async def _mended(self, kube: Kube, record: Record, *, strict: bool) -> list[Change]:
        """Put right what of a release's objects is not as its record says, which Helm itself does not look at."""
        found = await find_drift(kube, record, strict=strict)
        for drift in found if not self.check_mode else ():
            await put_right(kube, record, drift, strict=strict)
        return [drift.change(kube.cluster) for drift in found]

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
    ) -> Record | None:
        """Let Helm do what is planned; the record that it left."""
        program = self._program(task_vars, helm)
        if todo.interrupted and todo.record is not None:
            await _forget(kube, cluster, release, todo.record)
        if todo.action == REMOVE:
            done = await uninstall(kube, program, release, seconds=seconds)
        else:
            done = await install_or_upgrade(kube, program, release, seconds=seconds)
        self._display.vvv(scrub(f"{release.name}: {done.out}{done.err}"), host=cluster.name)
        if done.code:
            obj = f"release {release.namespace}/{release.name}"
            raise explain(done.err or done.out, cluster.name, obj, todo.action)
        found = newest(await _stored(kube, release.namespace), release.name)
        why = not_arrived(
            None if todo.interrupted else todo.record,
            found,
            release.values,
            release.version,
            todo.action != REMOVE,
        )
        if why:
            raise FleetError(
                "Helm said that it was done, and its record says otherwise",
                cluster=cluster.name,
                obj=f"release {release.namespace}/{release.name}",
                seen=why,
                means="somebody else changed this release in the same moment, or this Helm does not keep the values "
                "that it is given",
                next_step=f"look at helm history {release.name} --namespace {release.namespace}, and run again",
            )
        return found


async def _stored(kube: Kube, namespace: str) -> list[dict[str, t.Any]]:
    """Helm's records in a namespace, of revisions that none has replaced."""
    return await kube.list("v1", "Secret", namespace=namespace, labels="owner=helm,status!=superseded")


async def _lost(kube: Kube, release: Release, fleet: Fleet) -> list[dict[str, t.Any]]:
    """This fleet's objects of a release that has no record any more, so that Helm cannot uninstall it.

    Those of a gateway carry the fleet's label. Istio's other charts know none: the control plane's namespace does.
    """
    found = await lost_objects(kube, release.name, release.namespace)
    space = await kube.get("v1", "Namespace", release.namespace) if found else None
    if release.name not in (EASTWEST, INGRESS) and has_our_labels(space, fleet.name):
        return found
    return [obj for obj in found if has_our_labels(obj, fleet.name)]


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
