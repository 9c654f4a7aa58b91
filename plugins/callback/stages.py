# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person sees of a run: one line a stage, errors complete, a recap that says what to do next."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
type: stdout
short_description: One line a stage
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Prints one line for each play (a stage) as it ends, its name, what each host or the fleet has to say, and its time.
  - A stage is called as its play, the first letter small.
  - What a host says is C(stage_line) of the last result that had one; a task that ran once speaks for the fleet.
  - A failed task is shown at once and completely, the way its message was written, without a dump of the result.
  - The recap has a line for each host. A failed task that ran once ends the run for the other hosts too; they are named
    with the task that stopped them.
  - Of a failure that the playbook handles (C(rescue), C(ignore_errors)) the beginning is printed; nothing where the
    C(rescue) begins with P(ansible.builtin.fail#module), which tells it in other words.
  - At C(-v) and above every task and result is printed as by P(ansible.builtin.default#callback),
    and the stage lines with them.
requirements:
  - set as C(stdout_callback) in the configuration
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import textwrap
import time
import typing as t

from ansible import constants as C
from ansible import context

from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.stage_text import (
    failure_text,
    human_time,
    recap_lines,
    stage_lines,
    stage_name,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.verbose import VerboseCallback, is_rescued, is_retold

NAME_WIDTH = 14
"""Column of what a stage has to say."""
NARROW = 96
WIDE = 140
"""The time ends at the terminal's right edge, within these two; what is no terminal counts as narrow."""
HANDLED_LENGTH = 160
"""Of a failure that the playbook handles this many letters are shown."""
# Traceback and origin of an error belong to whoever asks for them.
DEBUG_VERBOSITY = 3


class CallbackModule(VerboseCallback):
    """Quiet below ``-v``; above it the default callback speaks, and this one adds the stage lines."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "mesh.fleet.stages"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._stage = ""
        self._stage_began = 0.0
        self._fleet_said = ""
        self._said: dict[str, str] = {}
        self._hosts: list[str] = []
        self._ran = False
        self._stage_changed = 0
        self._stage_failed = False
        self._shown: dict[str, str] = {}
        self._items_shown: set[tuple[str, str]] = set()
        self._failed: dict[str, tuple[str, str]] = {}
        self._stopped: dict[str, tuple[str, str]] = {}
        self._stops_all = ""
        self._stopper = ""

    # The stages.

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        if self._loud:
            super().v2_playbook_on_start(playbook)
        elif context.CLIARGS.get("check"):
            self._say("check mode: nothing will be touched", C.COLOR_HIGHLIGHT)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._end_stage()
        if self._loud:
            super().v2_playbook_on_play_start(play)
        self._play = play
        self._stage = stage_name(play.get_name())
        self._stage_began = time.monotonic()
        self._fleet_said = ""
        self._said = {}
        self._hosts = []
        self._ran = False
        self._stage_changed = 0
        self._stage_failed = False
        self._stops_all = ""
        self._shown = {}
        self._items_shown = set()

    def _end_stage(self) -> None:
        """Print the line of the stage that is over; a stage in which nothing ran leaves none."""
        if not self._ran:
            return
        self._ran = False
        self._note_stopped()
        said = [self._fleet_said] if self._fleet_said else []
        said += [self._said[host] for host in self._hosts if host in self._said]
        if not said:
            done = f"{self._stage_changed} changed" if self._stage_changed else "ok"
            said = ["failed" if self._stage_failed else done]
        width = min(max(NARROW, self._display.columns), WIDE)
        took = human_time(time.monotonic() - self._stage_began)
        color = C.COLOR_ERROR if self._stage_failed else C.COLOR_CHANGED if self._stage_changed else C.COLOR_OK
        for line in stage_lines(self._stage, said, took, name_width=NAME_WIDTH, width=width):
            self._say(line, color)

    def _note_stopped(self) -> None:
        """Whom the stage left behind though no task of theirs failed: Ansible counts nothing against them."""
        if not self._stops_all:
            return
        for host in getattr(self._play, "_removed_hosts", ()):
            if host not in self._failed and host != self._stopper:
                self._stopped.setdefault(host, (self._stage, self._stops_all))

    def _remember(self, result: t.Any) -> None:
        """Keep what this result has to say for its stage."""
        self._ran = True
        host = result.host.get_name()
        if result.is_changed():
            self._stage_changed += 1
        said = str(result.result.get("stage_line") or "").strip()
        if not said:
            return
        if result.task.run_once or host in C.LOCALHOST:
            self._fleet_said = said
        else:
            self._said[host] = said if said.split()[0].rstrip(":") == host else f"{host} {said}"

    # The tasks.

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        # Hosts are started in the inventory's order; they answer in any.
        if host.get_name() not in self._hosts:
            self._hosts.append(host.get_name())
        if self._loud:
            super().v2_runner_on_start(host, task)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._remember(result)
        if self._loud:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings(result.result)
        # `debug` and the like exist to be read.
        if self._run_is_verbose(result) and not result.task.loop:
            self._clean_results(result.result, result.task.action)
            self._say(self._plain(result.result))

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._ran = True
        handled = ignore_errors or is_rescued(result.task)
        if not handled:
            self._fail(result)
        if not ignore_errors:
            self._spread(result)
        if self._loud:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._handle_warnings(result.result)
        if (result.host.get_name(), result.task._uuid) not in self._items_shown:
            self._show_failure(result, result.result, handled)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._ran = True
        if not result.task.ignore_unreachable:
            self._fail(result)
            self._spread(result)
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
                text = self._get_diff(part["diff"])
                if text:
                    self._say(text.rstrip("\n") + "\n")

    def v2_playbook_on_no_hosts_matched(self) -> None:
        if self._loud:
            super().v2_playbook_on_no_hosts_matched()
        else:
            self._say(f"{self._stage:<{NAME_WIDTH}} no hosts matched", C.COLOR_SKIP)

    # The end.

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._end_stage()
        if self._loud:
            super().v2_playbook_on_stats(stats)
        counts = {host: stats.summarize(host) for host in sorted({*stats.processed, *self._stopped})}
        check = bool(context.CLIARGS.get("check"))
        self._say("")
        for line, state in recap_lines(counts, self._failed, self._stopped, check=check):
            self._say(line, {"ok": C.COLOR_OK, "changed": C.COLOR_CHANGED, "failed": C.COLOR_ERROR}[state])
        if not self._loud and stats.custom and self.get_option("show_custom_stats"):
            for name, values in sorted(stats.custom.items()):
                self._say(f"{'custom stats' if name == '_run' else name}: {self._dump_results(values)}")
        note = "check mode: nothing was touched · " if check else ""
        self._say(f"{note}{human_time(time.monotonic() - self._began)} in all", C.COLOR_HIGHLIGHT if check else None)

    # Helpers.

    def _say(self, text: str, color: str | None = None) -> None:
        self._display.display(text, color=color)

    def _plain(self, result: dict[str, t.Any]) -> str:
        message = result.get("msg")
        return message if isinstance(message, str) else self._dump_results(result, indent=2)

    def _fail(self, result: t.Any) -> None:
        self._stage_failed = True
        self._failed[result.host.get_name()] = (self._stage, str(result.task_name))

    def _spread(self, result: t.Any) -> None:
        """Remember a failure that ends the run for all; a ``rescue`` brings back only the host that it failed on."""
        if result.task.run_once or result.task.any_errors_fatal or self._play.max_fail_percentage is not None:
            self._stopper = result.host.get_name()
            self._stops_all = f"{result.task_name} failed on {self._stopper}"

    def _show_failure(self, result: t.Any, data: dict[str, t.Any], handled: bool, prefix: str = "") -> None:
        """The whole message, at once; the same words for another host only once in a stage.

        Of a failure that the playbook handles the beginning is enough, and nothing where a ``rescue`` tells it anew.
        """
        if handled and is_retold(result.task):
            return
        host = self.host_label(result)
        text = failure_text(
            data,
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
