# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of all action plugins: plain arguments in, one return shape out, no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.module_utils.printable import printable, printable_data
from ansible_collections.mesh.fleet.plugins.module_utils.results import failed_result
from ansible_collections.mesh.fleet.plugins.module_utils.waits import FOLDER as WAITS
from ansible_collections.mesh.fleet.plugins.module_utils.waits import shown as shown_waits
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain, read_later
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.one_run import hold, only_run
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import (
    folder_of_inventory,
    located,
    located_program,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.playbook_names import as_called, called
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.provider_edge import with_connections
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rare_collections import rare_collections
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import rendered_stage, rendering
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_lock import of_this_run
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_record import record
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.slices import insist_on_whole_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.strategy import insist_on_once
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import as_problem

__all__ = ["FleetAction"]

_DISPLAY = Display()


class FleetAction(ActionBase):
    """Validate arguments, run :meth:`execute`, turn a FleetError into a failed result.

    A subclass sets ``ARGUMENT_SPEC`` (Ansible's argument_spec) and defines ``execute``, which returns
    a result made by :func:`..module_utils.results.result`.
    """

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {}
    CHANGES_CLUSTERS: t.ClassVar[bool] = False
    """Whether it writes to API servers: then it waits until no other run is at work there."""
    PATHS: t.ClassVar[tuple[str, ...]] = ()
    """Options that may be a path, or something else: PEM, an address. Those of type ``path`` need not be named."""
    PROGRAMS: t.ClassVar[tuple[str, ...]] = ()
    """Options that are a path, or a bare name that is looked for elsewhere."""
    _known_hosts: tuple[str, dict[str, t.Mapping[str, t.Any]]] | None = None
    """The group that :meth:`fleet` read, and its hosts."""
    RECORDED: t.ClassVar[bool] = True
    """Whether the record of the run has its results; not that of the action which reads the record."""
    _directory = ""
    """The fleet's folder, once :meth:`fleet` has read it."""
    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args: dict[str, t.Any] = {}
        waited: list[dict[str, t.Any]] = []
        began, self._directory = time.monotonic(), ""
        self._known_hosts = None  # a task with retries runs again, and a token may be another one then
        try:
            insist_on_once(self._task, (task_vars or {}).get("ansible_play_hosts") or ())
            insist_on_whole_fleet(self._task, task_vars or {})
            _spec, args = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)
            task_vars = task_vars or {}
            args = self._located(plain(args), task_vars)
            with rare_collections(), rendering(task_vars), contextlib.ExitStack() as stack:
                # In this order: the first may start a process, and the second makes this one a process with threads.
                kept = stack.enter_context(self._held(args, task_vars))
                stack.enter_context(shown_waits(os.path.join(constants.DEFAULT_LOCAL_TMP, WAITS), waited, self.say))
                result.update(self._outcome(args, task_vars, kept))
            if rendered_stage(task_vars):
                result["changed"] = False  # the task that writes the files says what changed
                result.pop("diff", None)
        except FleetError as error:
            result.update(failed_result({error.cluster: error}, msg=str(error)))
        except AnsibleActionFail as error:
            result.update(failed=True, msg=str(error))
        except AnsibleError:
            raise  # of Ansible's own words, which it prints as they are
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of this cluster, without a traceback
            host = "" if self._task.run_once else str((task_vars or {}).get("inventory_hostname") or "")
            problem = as_problem(error, host)
            result.update(failed_result({problem.cluster: problem}, msg=str(problem)))
        if waited:
            result["waited"] = waited
        # Clusters wrote part of it, and any callback prints it.
        shown: dict[str, t.Any] = as_called(printable_data(result), called())
        # What only asks, or takes the mesh away, is no part of the fleet's last run. Preflight touches nothing.
        changes = self.RECORDED and self._directory and not self.check_mode and args.get("state") != "absent"
        stage = str(self._task.action).rpartition(".")[2] if changes else ""
        if changes and (stage != "preflight" or os.path.isdir(self._directory)):
            host = "" if self._task.run_once else str((task_vars or {}).get("inventory_hostname") or "")
            hidden = {"failed": shown.get("failed")}  # its user wants nothing of it written down
            record(self._directory, stage, host, time.monotonic() - began, hidden if self._task.no_log else shown)
        return shown

    def _outcome(self, args: dict[str, t.Any], task_vars: dict[str, t.Any], kept: set[str] | None) -> dict[str, t.Any]:
        outcome = self.execute(args, task_vars) if kept is None else self._alone(args, task_vars, kept)
        done: dict[str, t.Any] = asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome
        return done

    @contextlib.contextmanager
    def _held(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Iterator[set[str] | None]:
        """Hold the clusters of the play until the run ends; None where the task changes none.

        Yields:
            Those that are held so. The process that holds them is started here, where this one has no threads.
        """
        alone = self.CHANGES_CLUSTERS and not self.check_mode and args.get("state") != "checked"
        lock = of_this_run()
        if not alone or lock is None:
            yield set() if alone else None
            return
        play = [str(name) for name in task_vars["ansible_play_hosts"]]
        with lock.at_work():
            yield hold(lock, self._known_clusters(task_vars), play, self.say, _job(task_vars))

    def _known_clusters(self, task_vars: dict[str, t.Any]) -> t.Mapping[str, Cluster]:
        """Those of the fleet; none where there is no fleet: an action that needs one says what is wrong with it."""
        try:
            return self.fleet(task_vars).clusters
        except FleetError:
            return {}

    def _located(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """The arguments with absolute paths."""
        folder = self.folder(task_vars)
        typed = {name for name, option in self.ARGUMENT_SPEC.items() if option.get("type") == "path"}
        means = {**dict.fromkeys(typed.union(self.PATHS), located), **dict.fromkeys(self.PROGRAMS, located_program)}
        return {
            name: means[name](value, folder) if name in means and isinstance(value, str) else value
            for name, value in args.items()
        }

    def folder(self, task_vars: t.Mapping[str, t.Any]) -> str:
        """Where relative paths of this task begin."""
        return folder_of_inventory(task_vars, whole_fleet=bool(self._task.run_once))

    def artifacts_folder(self, task_vars: t.Mapping[str, t.Any]) -> pathlib.Path:
        """The folder of programs and charts, also where role ``artifacts`` has no part in the run."""
        given = str(plain(self._templar.template(task_vars.get("artifacts_directory"))) or "")
        folder = located(given, folder_of_inventory(task_vars, whole_fleet=True))
        return pathlib.Path(folder) if folder else artifacts_dir()

    async def _alone(self, args: dict[str, t.Any], task_vars: dict[str, t.Any], kept: set[str]) -> dict[str, t.Any]:
        """:meth:`execute` while no other run changes the clusters of this task."""
        host = args.get("cluster") or task_vars["inventory_hostname"]
        names = task_vars["ansible_play_hosts"] if self._task.run_once else [host]
        known = self._known_clusters(task_vars)
        clusters = [known[name] for name in map(str, names) if name in known]
        job, drop = _job(task_vars), args.get("state") == "absent"
        async with only_run(clusters, self.say, lock=of_this_run(), kept=kept, drop=drop, job=job) as warnings:
            outcome = self.execute(args, task_vars)
            done: dict[str, t.Any] = await outcome if asyncio.iscoroutine(outcome) else outcome
        return {**done, "warnings": [*done.get("warnings", ()), *warnings]} if warnings else done

    # Declared, not defined: a subclass defines it as a plain or as an ``async`` function.
    execute: t.Callable[[dict[str, t.Any], dict[str, t.Any]], t.Any]
    """Do the work with ``(args, task_vars)`` and return the result; raise FleetError if the task fails."""

    @property
    def check_mode(self) -> bool:
        """Whether nothing may be changed. A task that renders changes nothing either."""
        return bool(self._task.check_mode) or recording() is not None

    @staticmethod
    def patient(args: dict[str, t.Any], cluster: Cluster, *names: str) -> dict[str, t.Any]:
        """The options, those in seconds that ``names`` are longer where the cluster makes nodes for pods first."""
        times = provider_of(cluster).patience(cluster.variables)
        return {**args, **{name: args[name] * times for name in names}}

    def absent_ok(self, cluster: Cluster, args: t.Mapping[str, t.Any]) -> bool:
        """Whether the cluster may not exist: it is only planned, or the mesh is removed from one that was deleted."""
        deleted = args.get("state") == "absent" and not provider_of(cluster).exists(cluster.variables)
        return self.check_mode or deleted

    @property
    def diff_mode(self) -> bool:
        return bool(self._task.diff)

    def say(self, text: str) -> None:
        """Print one line of progress at once."""
        _DISPLAY.display(as_called(printable(text), called()))

    def warn(self, text: str) -> None:
        """Print a warning at once, before the task goes on; the same text is printed once."""
        _DISPLAY.warning(as_called(printable(text), called()))

    def _read_hosts(self, task_vars: dict[str, t.Any], group: str) -> dict[str, t.Mapping[str, t.Any]]:
        """Our variables of every cluster of the inventory, whatever ``--limit`` says; the same for the whole task."""
        if self._known_hosts is None or self._known_hosts[0] != group:
            hosts = task_vars["groups"].get(group, [])
            self._known_hosts = group, read_later(task_vars["hostvars"], hosts, self._templar)
        return self._known_hosts[1]

    def fleet(
        self, task_vars: dict[str, t.Any], group: str = "mesh_clusters", variables: t.Mapping[str, str] | None = None
    ) -> Fleet:
        """The fleet that the whole inventory describes, whatever ``--limit`` says.

        Templates are templated when somebody asks for their values, which raises FleetError if they cannot be read.

        Args:
            task_vars: the task's variables.
            group: the group of the clusters.
            variables: what replaces environment variables of the same names.

        Raises:
            FleetError: a variable cannot be read, or the variables do not describe a fleet.
        """
        hosts = self._read_hosts(task_vars, group)
        try:
            fleet = read_fleet(hosts, environment(variables, task_vars["hostvars"]))
            self._directory = fleet.directory
            return with_connections(fleet) if recording() is None else _unreachable(fleet)
        except (ValueError, TypeError, AttributeError) as error:
            advice = "run mesh.fleet.preflight: it lists every problem of the inventory"
            raise FleetError("the inventory does not describe a fleet", seen=str(error), next_step=advice) from error


def _job(task_vars: t.Mapping[str, t.Any]) -> str:
    """The number of AWX's job that this run is, or ""."""
    return str(task_vars.get("awx_job_id") or "")


def _unreachable(fleet: Fleet) -> Fleet:
    """The fleet without ways to its clusters: nobody asks a vault or a provider for credentials that nobody needs."""
    clusters = {name: cluster.with_connection(Connection) for name, cluster in fleet.clusters.items()}
    return dataclasses.replace(fleet, clusters=clusters)
