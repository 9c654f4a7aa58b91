# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The output of a run for people: one line for each stage, complete errors, a recap with the next step."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
type: stdout
short_description: One line for each stage
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Each play is a stage. When a stage ends, one line is printed. It has the stage's name, the line of each host or of
    the fleet, and the duration.
  - The name of a stage is that of its play, with a small first letter.
  - A stage of which no task ran, because of C(--tags), C(--skip-tags) or C(--start-at-task), is said to be skipped.
    Nothing is printed of a stage whose tasks do not apply, such as one for Google's clusters without such clusters.
  - The line of a host is C(stage_line) of its last result that has one. If the task ran once, it is the fleet's line.
  - The message of a failed task is printed at once, complete and as it was written, without a dump of the result.
  - The recap has a line for each host. A failed task that ran once also ends the run of the other hosts. Their lines
    name that task.
  - The recap begins with what hosts went on without (C(missing) of a result), with its cause and the next step.
  - If the playbook handles a failure (C(rescue), C(ignore_errors)), only the beginning of its message is printed.
    Nothing is printed if the C(rescue) begins with P(ansible.builtin.fail#module), whose message replaces it.
  - While nothing else is printed, a line a minute says which task is at work, where, for how long, and for what it
    waits if that takes ten seconds. Lines reach a pipe or a file at once. A terminal shows such a wait in place,
    after ten seconds, and gives the line back to whatever is printed next.
  - With C(-v) every task and result is printed too, as P(ansible.builtin.default#callback) prints them.
requirements:
  - set as C(stdout_callback) in the configuration
options:
  progress_seconds:
    description:
      - Seconds of silence after which a line says what the run is at work on. V(0) says nothing.
    type: float
    default: 60
    version_added: 0.2.0
    ini:
      - section: callback_stages
        key: progress_seconds
    env:
      - name: MESH_FLEET_PROGRESS_SECONDS
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import gc
import os
import sys
import textwrap
import time
import typing as t

from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude

from ansible_collections.mesh.fleet.plugins.module_utils.printable import printable, printable_data
from ansible_collections.mesh.fleet.plugins.module_utils.waits import FOLDER as WAITS
from ansible_collections.mesh.fleet.plugins.module_utils.waits import human_time, read_by_a_callback
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.progress import Progress, write_lines_at_once
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.stage_text import (
    failure_text,
    is_advised,
    missing_lines,
    recap_lines,
    stage_lines,
    stage_name,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.status_line import StatusLine, changes_in_place
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.verbose import (
    VerboseCallback,
    is_reported_by_rescue,
    is_rescued,
)

NAME_WIDTH = 14
"""Column where the parts of a stage start."""
NOBODY = ["all:!all"]
"""The hosts of a play that has nothing to do, as in playbooks/clusters_named.yml."""
NARROW = 96
WIDE = 140
"""The duration ends at the terminal's right edge, within these two; output to a file is NARROW."""
HANDLED_LENGTH = 160
"""Characters that are printed of a failure which the playbook handles."""
SILENCE = 60.0
"""Default of the option progress_seconds."""
_VALIDATION = "ansible.builtin.validate_argument_spec"
"""Ansible puts it before a role's tasks. It always runs, also if the tags leave nothing of the role."""
_SET_FACT = ("ansible.builtin.set_fact", "ansible.legacy.set_fact", "set_fact")
# From -vvv on the traceback and origin of an error are printed.
DEBUG_VERBOSITY = 3


def _status_line() -> StatusLine | None:
    """The status of the terminal, if this is one: both streams give way to it. Display looks them up as it prints."""
    stream: object = sys.stdout
    if isinstance(stream, StatusLine):
        return stream
    if not changes_in_place(stream):
        return None
    line = StatusLine(stream)
    sys.stdout = t.cast(t.Any, line)
    if changes_in_place(sys.stderr):
        sys.stderr = t.cast(t.Any, StatusLine(sys.stderr, line))
    return line


class CallbackModule(VerboseCallback):
    """Prints stage lines, errors and the recap; with ``-v`` the default callback prints everything else."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "mesh.fleet.stages"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._stage = ""
        self._stage_began = 0.0
        self._fleet_line = ""
        self._host_lines: dict[str, str] = {}
        self._hosts: list[str] = []
        self._ran = False
        self._nothing_to_do = False
        self._stage_changed = 0
        self._stage_failed = False
        self._shown: dict[str, str] = {}
        self._items_shown: set[tuple[str, str]] = set()
        self._failed: dict[str, tuple[str, str]] = {}
        self._missing: dict[str, dict[str, str]] = {}
        self._advised: set[str] = set()
        self._stopped: dict[str, tuple[str, str]] = {}
        self._stops_all = ""
        self._stopper = ""
        self._progress: Progress | None = None

    # The stages.

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        write_lines_at_once()
        waits = os.path.join(str(C.DEFAULT_LOCAL_TMP), WAITS)
        read_by_a_callback(waits)
        self._progress = Progress(self._say, self._seconds_of_silence(), waits, _status_line())
        self._progress.start()
        if self._loud:
            super().v2_playbook_on_start(playbook)
        elif context.CLIARGS.get("check"):
            self._say("check mode: nothing will be touched", C.COLOR_HIGHLIGHT)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        # Each task is a fork of this process. In none of them is what is here by now looked through for garbage, which
        # would copy its memory as well.
        gc.freeze()
        self._end_stage()
        if self._loud:
            super().v2_playbook_on_play_start(play)
        self._play = play
        self._stage = stage_name(play.get_name())
        self._stage_began = time.monotonic()
        self._fleet_line = ""
        self._host_lines = {}
        self._hosts = []
        self._ran = False
        # A play without tasks is no stage of which something could be skipped.
        self._nothing_to_do = not (play.get_tasks() or play.get_roles())
        self._stage_changed = 0
        self._stage_failed = False
        self._stops_all = ""
        self._shown = {}
        self._items_shown = set()

    def _end_stage(self) -> None:
        """Print the line of the stage that has ended, unless nothing of it applied."""
        if not self._ran:
            if self._stage and not self._nothing_to_do:
                self._say(f"{self._stage:<{NAME_WIDTH}} skipped", C.COLOR_SKIP)
            return
        self._ran = False
        self._note_stopped()
        parts = [self._fleet_line] if self._fleet_line else []
        parts += [self._host_lines[host] for host in self._hosts if host in self._host_lines]
        if not parts:
            done = f"{self._stage_changed} changed" if self._stage_changed else "ok"
            parts = ["failed" if self._stage_failed else done]
        width = min(max(NARROW, self._display.columns), WIDE)
        duration = human_time(time.monotonic() - self._stage_began)
        color = C.COLOR_ERROR if self._stage_failed else C.COLOR_CHANGED if self._stage_changed else C.COLOR_OK
        for line in stage_lines(self._stage, parts, duration, name_width=NAME_WIDTH, width=width):
            self._say(line, color)

    def _note_stopped(self) -> None:
        """Note hosts that were stopped though none of their tasks failed: Ansible counts no failure for them."""
        if not self._stops_all:
            return
        for host in getattr(self._play, "_removed_hosts", ()):
            if host not in self._failed and host != self._stopper:
                self._stopped.setdefault(host, (self._stage, self._stops_all))

    def _keep_line(self, result: t.Any) -> None:
        """Keep the line that this result gives its stage."""
        # None is work of the stage: tasks of an include have results of their own; a play may ask whether it applies.
        if result.task.action in _SET_FACT:
            self._nothing_to_do = True
        elif result.task.action != _VALIDATION and not isinstance(result.task, TaskInclude):
            self._ran = True
        host = result.host.get_name()
        if result.is_changed():
            self._stage_changed += 1
        for cluster, text in (result.result.get("missing") or {}).items():
            self._missing.setdefault(str(cluster), {})[self._stage] = printable(str(text))
        line = printable(str(result.result.get("stage_line") or "").strip())
        if not line:
            return
        if result.task.run_once or host in C.LOCALHOST:
            self._fleet_line = line
        else:
            self._host_lines[host] = line if line.split()[0].rstrip(":") == host else f"{host} {line}"

    # The tasks.

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        if self._progress:
            self._progress.task(self._stage, task.get_name().split(" : ")[-1], once=bool(task.run_once))
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        if self._progress:
            self._progress.begun(host.get_name())
        # Hosts are started in the order of the inventory; their results come in any order.
        if host.get_name() not in self._hosts:
            self._hosts.append(host.get_name())
        if self._loud:
            super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._note_end(result)
        self._keep_line(result)
        if self._loud:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings(result.result)
        # Tasks such as `debug` exist to be read.
        if self._run_is_verbose(result) and not result.task.loop:
            self._clean_results(result.result, result.task.action)
            self._say(self._plain(result.result))

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._note_end(result)
        self._ran = True
        handled = ignore_errors or is_rescued(result.task)
        if not handled:
            self._fail(result)
        if not ignore_errors:
            self._note_stopper(result)
        if self._loud:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._handle_warnings(result.result)
        if (result.host.get_name(), result.task._uuid) not in self._items_shown:
            self._show_failure(result, result.result, handled)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._note_end(result)
        self._ran = True
        if not result.task.ignore_unreachable:
            self._fail(result)
            self._note_stopper(result)
        if self._loud:
            super().v2_runner_on_unreachable(result)
            return
        self._handle_warnings(result.result)
        self._show_failure(result, result.result, bool(result.task.ignore_unreachable), "cannot be reached: ")

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_item_on_ok(result)
            return
        self._handle_warnings(result.result)
        if self._run_is_verbose(result):
            self._clean_results(result.result, result.task.action)
            self._say(self._plain(result.result))

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_item_on_failed(result)
            return
        self._handle_warnings(result.result)
        self._items_shown.add((result.host.get_name(), result.task._uuid))
        handled = bool(result.task.ignore_errors) or is_rescued(result.task)
        self._show_failure(result, result.result, handled, f"(item={self._get_item_label(result.result)}) ")

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._note_end(result)
        if result.task.action != _VALIDATION:
            self._nothing_to_do = True
        if self._loud:
            super().v2_runner_on_skipped(result)
        else:
            self._handle_warnings(result.result)

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_retry(self, result: t.Any) -> None:
        if self._loud:
            super().v2_runner_retry(result)
            return
        tries = result.result["attempts"], result.result["retries"]
        name = f"{self.host_label(result)}: {result.task_name}"
        self._say(f"  {name}: not yet, try {tries[0]} of {tries[1]}", C.COLOR_DEBUG)

    def v2_on_file_diff(self, result: t.Any) -> None:
        if self._loud:
            super().v2_on_file_diff(result)
            return
        found = result.result.get("results") if result.task.loop else None
        for part in found if isinstance(found, list) else [result.result]:
            if isinstance(part, dict) and part.get("diff") and part.get("changed"):
                text = self._get_diff(printable_data(part["diff"]))
                if text:
                    self._say(text.rstrip("\n") + "\n")

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._nothing_to_do = True
        if self._loud:
            super().v2_playbook_on_no_hosts_matched()
        elif list(self._play.hosts) != NOBODY:
            self._say(f"{self._stage:<{NAME_WIDTH}} no hosts matched", C.COLOR_SKIP)

    # The end.

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        if self._progress:
            self._progress.stop()
        self._end_stage()
        if self._loud:
            super().v2_playbook_on_stats(stats)
        counts = {host: stats.summarize(host) for host in sorted({*stats.processed, *self._stopped})}
        check = bool(context.CLIARGS.get("check"))
        self._say("")
        for text in missing_lines(self._missing):
            self._say(text, C.COLOR_WARN)
        for line, state in recap_lines(
            counts, self._failed, self._stopped, missing=self._missing, advised=self._advised, check=check
        ):
            self._say(line, {"ok": C.COLOR_OK, "changed": C.COLOR_CHANGED, "failed": C.COLOR_ERROR}[state])
        if not self._loud and stats.custom and self.get_option("show_custom_stats"):
            for name, values in sorted(stats.custom.items()):
                self._say(f"{'custom stats' if name == '_run' else name}: {self._dump_results(values)}")
        note = "check mode: nothing was touched · " if check else ""
        self._say(f"{note}{human_time(time.monotonic() - self._began)} in all", C.COLOR_HIGHLIGHT if check else None)
        # The next playbook of the same command ends no stage of this one.
        self._stage = ""

    # Helpers.

    def _say(self, text: str, color: str | None = None) -> None:
        self._display.display(text, color=color)
        if self._progress:
            self._progress.heard()

    def _seconds_of_silence(self) -> float:
        try:
            return float(self.get_option("progress_seconds"))
        except KeyError:
            # ansible-runner's callback extends this one, with the options of Ansible's default one.
            return SILENCE

    def _note_end(self, result: t.Any) -> None:
        if self._progress:
            self._progress.done(result.host.get_name())
            if self._loud:
                self._progress.heard()

    def _plain(self, result: dict[str, t.Any]) -> str:
        message = result.get("msg")
        return printable(message if isinstance(message, str) else self._dump_results(result, indent=2))

    def _fail(self, result: t.Any) -> None:
        self._stage_failed = True
        host = result.host.get_name()
        self._failed[host] = (self._stage, str(result.task_name))
        if is_advised(str(result.result.get("msg") or "")):
            self._advised.add(host)

    def _note_stopper(self, result: t.Any) -> None:
        """Note a failure that ends the run of all hosts; a ``rescue`` helps only the host whose task failed."""
        if result.task.run_once or result.task.any_errors_fatal or self._play.max_fail_percentage is not None:
            self._stopper = result.host.get_name()
            self._stops_all = f"{result.task_name} failed on {self._stopper}"

    def _show_failure(self, result: t.Any, data: dict[str, t.Any], handled: bool, prefix: str = "") -> None:
        """Print the whole message at once. If another host of the stage has the same message, print a reference to it.

        If the playbook handles the failure, print the beginning; if its ``rescue`` reports it, print nothing.
        """
        if handled and is_reported_by_rescue(result.task):
            return
        host = self.host_label(result)
        # Whatever module failed: what it says may come from a cluster.
        text = failure_text(
            printable_data(data),
            host=result.host.get_name(),
            prefix=prefix,
            task=str(result.task_name),
            path=str(result.task.get_path() or ""),
        )
        if handled:
            text = textwrap.shorten(text.splitlines()[0], HANDLED_LENGTH, placeholder=" …")
        color = C.COLOR_WARN if handled else C.COLOR_ERROR
        tail = "  and goes on: the playbook handles this" if handled else ""
        first = self._shown.setdefault(text, host)
        if first != host:
            self._say(f"{self._stage}: {host}: as on {first}", color)
            return
        for number, line in enumerate(text.splitlines()):
            first_of_all = number == 0 and not line.startswith(f"{self._stage}:")
            self._say(f"{self._stage}: {line}" if first_of_all else line, color)
        if tail:
            self._say(tail, color)
        if self._display.verbosity >= DEBUG_VERBOSITY:
            self._handle_exception(data)
