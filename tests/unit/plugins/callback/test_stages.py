# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person sees of a run, seen by running ansible-playbook on small plays."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

INVENTORY = "\n".join(
    f'{host} ansible_connection=local ansible_python_interpreter="{sys.executable}"' for host in ("west", "east")
)
# An action that answers as ours do: what it is given is its result.
ANSWER = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        return {**super().run(tmp, task_vars), **self._task.args["result"]}
"""
FROZEN = ANSWER.replace("from ansible", "import gc\n\nfrom ansible", 1).replace(
    '**self._task.args["result"]', '"stage_line": "frozen" if gc.get_freeze_count() > 10_000 else "looked through"'
)
RunPlays = t.Callable[..., tuple[int, str]]


@pytest.fixture
def run(root: Path, tmp_path: Path) -> RunPlays:
    (tmp_path / "hosts").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins" / "answer.py").write_text(ANSWER, encoding="utf-8")

    def run_plays(plays: str, *arguments: str) -> tuple[int, str]:
        """Exit code and output, with times made equal and trailing blanks left out."""
        (tmp_path / "plays.yml").write_text(plays, encoding="utf-8")
        done = subprocess.run(
            ["ansible-playbook", "-i", str(tmp_path / "hosts"), str(tmp_path / "plays.yml"), *arguments],
            cwd=root,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "COLUMNS": "80"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        text = same_times(done.stdout).replace(str(tmp_path), "<here>")
        return done.returncode, "\n".join(line.rstrip() for line in text.splitlines())

    return run_plays


TIME = r"(\d+\.\d s|\d+ s|\d+ min|\d+ h \d+ min)"


def same_times(text: str) -> str:
    """Each time is 0.1 s, at the end of the same column: on a busy machine a play may take minutes."""

    def stage_line(found: re.Match[str]) -> str:
        assert len(found[0]) == 96, found[0]
        return f"{found[1]:<89}  0.1 s"

    text = re.sub(rf"^(\S.*?) {{2,}}{TIME}$", stage_line, text, flags=re.MULTILINE)
    return re.sub(rf"\b{TIME} in all$", "0.1 s in all", text, flags=re.MULTILINE)


def play(name: str, *tasks: str) -> str:
    body = "".join(f"    - {task}\n" for task in tasks)
    return f"- name: {name}\n  hosts: all\n  gather_facts: false\n  tasks:\n{body}"


def stage(name: str, said: str) -> str:
    """A stage line as it stands at a width of 96."""
    return f"{f'{name:<14} {said}':<89}  0.1 s"


def test_each_stage_has_one_line_with_those_of_its_hosts(run: RunPlays) -> None:
    code, text = run(
        play(
            "clusters",
            "answer: {result: {changed: false, stage_line: '{{ inventory_hostname }} starting'}}",
            "answer: {result: {changed: true, stage_line: '{{ inventory_hostname }} ready'}}",
            "answer: {result: {changed: false}}",
        )
        + play("control_plane", "answer: {result: {changed: false, stage_line: 1.31.1}}")
    )
    assert code == 0
    assert text.splitlines() == [
        stage("clusters", "west ready · east ready"),
        stage("control_plane", "west 1.31.1 · east 1.31.1"),
        "",
        "east  ok (1 changed)",
        "west  ok (1 changed)",
        "0.1 s in all",
    ]


def test_the_line_of_a_task_that_ran_once_is_the_fleets(run: RunPlays) -> None:
    _code, text = run(
        play("peering", "{answer: {result: {changed: false, stage_line: '2 edges · all synced'}}, run_once: true}")
    )
    assert text.splitlines()[0] == stage("peering", "2 edges · all synced")


def test_a_stage_without_a_line_shows_whether_it_changed(run: RunPlays) -> None:
    _code, text = run(
        play("quiet", "answer: {result: {changed: false}}") + play("busy", "answer: {result: {changed: true}}")
    )
    assert text.splitlines()[:2] == [stage("quiet", "ok"), stage("busy", "2 changed")]


def test_what_hosts_went_on_without_ends_in_the_recap(run: RunPlays) -> None:
    text_of_both = r"no edge to south\n  seen   refused"
    result = f'{{changed: false, missing: {{west: "{text_of_both}", east: "{text_of_both}"}}}}'
    code, text = run(
        play("peering", f"{{answer: {{result: {result}}}, run_once: true}}")
        + play("gateways", "answer: {result: {changed: true}}")
    )
    assert code == 0
    assert text.splitlines()[2:] == [
        "",
        "not whole since peering: west, east",
        "  no edge to south",
        "    seen   refused",
        "east  not whole (1 changed)",
        "west  not whole (1 changed)",
        "0.1 s in all",
    ]


def test_a_failure_is_shown_whole_and_the_recap_has_a_limit(run: RunPlays) -> None:
    message = r"west Pod a/b: not ready\n  seen   CrashLoopBackOff\n  next   read its log"
    result = f'{{failed: true, msg: "{message}", problems: {{west: [{{what: x}}]}}}}'
    code, text = run(
        play("apps", f"{{name: Wait, answer: {{result: {result}}}, when: inventory_hostname == 'west'}}")
        + play("verify", "answer: {result: {changed: false, stage_line: fine}}")
    )
    assert code == 2
    assert text.splitlines() == [
        "apps: west Pod a/b: not ready",
        "  seen   CrashLoopBackOff",
        "  next   read its log",
        stage("apps", "failed"),
        stage("verify", "east fine"),
        "",
        "east  ok",
        "west  failed in apps: Wait",
        "run again with --limit west",
        "0.1 s in all",
    ]


ONCE = "{name: Look, answer: {result: {failed: true, msg: 'no'}}, run_once: true}"


def test_a_failure_of_a_task_run_once_names_whom_it_stopped(run: RunPlays) -> None:
    code, text = run(
        play("clusters", "answer: {result: {changed: true}}")
        + play("peering", ONCE, "answer: {result: {changed: true}}")
        + play("verify", "answer: {result: {changed: false, stage_line: fine}}")
    )
    assert code == 2
    assert text.splitlines()[-4:] == [
        "east  stopped in peering: Look failed on west (1 changed)",
        "west  failed in peering: Look (1 changed)",
        "run again with --limit east,west",
        "0.1 s in all",
    ]
    assert "fine" not in text


def test_hosts_on_which_nothing_had_run_yet_are_in_the_recap_too(run: RunPlays) -> None:
    _code, text = run(play("preflight", ONCE))
    assert "east  stopped in preflight: Look failed on west" in text.splitlines()


def test_a_host_that_had_failed_before_is_not_called_stopped(run: RunPlays) -> None:
    _code, text = run(
        play("apps", "{name: Wait, answer: {result: {failed: true, msg: no}}, when: inventory_hostname == 'east'}")
        + play("verify", ONCE)
    )
    assert text.splitlines()[-4:-2] == ["east  failed in apps: Wait", "west  failed in verify: Look"]


def test_any_errors_fatal_stops_all(run: RunPlays) -> None:
    fatal = play("apps", "{name: Wait, answer: {result: {failed: true, msg: no}}, when: inventory_hostname == 'east'}")
    _code, text = run(fatal.replace("  gather_facts", "  any_errors_fatal: true\n  gather_facts"))
    assert "west  stopped in apps: Wait failed on east" in text.splitlines()


def test_a_rescue_helps_only_the_host_whose_task_failed(run: RunPlays) -> None:
    _code, text = run(
        play("try", f"{{block: [{ONCE}], rescue: [{{answer: {{result: {{changed: false}}}}}}]}}")
        + play("then", "answer: {result: {changed: false, stage_line: here}}")
    )
    assert stage("then", "west here") in text, "this is Ansible's doing"
    assert text.splitlines()[-4:-2] == ["east  stopped in try: Look failed on west", "west  ok (1 rescued)"]


def test_an_ignored_failure_stops_nobody(run: RunPlays) -> None:
    _code, text = run(
        play("try", ONCE.replace("run_once", "ignore_errors: true, run_once"), "answer: {result: {changed: true}}")
    )
    assert text.splitlines()[-3:-1] == ["east  ok (1 changed)", "west  ok (1 changed, 1 failed and ignored)"]


def test_the_same_message_of_two_hosts_is_printed_once(run: RunPlays) -> None:
    result = "{failed: true, msg: 'preflight: 1 problem', problems: {'': [{what: x}]}}"
    _code, text = run(play("preflight", f"answer: {{result: {result}}}"))
    shown = text.splitlines()
    assert [line for line in shown if "1 problem" in line] == ["preflight: 1 problem"]
    assert any(re.fullmatch(r"preflight: (west|east): as on (west|east)", line) for line in shown)


def test_a_failed_module_shows_output_and_place_but_no_traceback(run: RunPlays) -> None:
    code, text = run(
        play(
            "ask",
            "{name: Ask, ansible.builtin.command: {cmd: ls /nothing/here}, changed_when: false, run_once: true}",
        )
    )
    assert code == 2
    assert re.search("ask: west: .*non-zero return code", text)  # more words around it since ansible-core 2.21
    assert "  stderr ls: cannot access '/nothing/here': No such file or directory" in text
    assert "  task   Ask (<here>/plays.yml:5)" in text
    assert "Traceback" not in text
    assert '"cmd"' not in text


def test_a_failed_item_of_a_loop_is_named_once(run: RunPlays) -> None:
    _code, text = run(
        play(
            "loop",
            "{name: Each, answer: {result: {failed: '{{ item == 2 }}', msg: 'no {{ item }}'}},"
            " loop: [1, 2], run_once: true}",
        )
    )
    assert sum("no 2" in line for line in text.splitlines()) == 1
    assert "loop: west: (item=2) no 2" in text
    assert "One or more items failed" not in text


def test_a_rescued_failure_is_cut_and_its_rescue_is_whole(run: RunPlays) -> None:
    raw, told = "{'error': " + "no answer " * 40 + "}", "what it means is the last of these many words " * 5 + "END"
    for when in ("{when: true}", "{}"):
        code, text = run(
            play(
                "try",
                f'{{block: [{{ansible.builtin.fail: {{msg: "{raw}"}}}}],'
                f" rescue: [{{ansible.builtin.fail: {{msg: {told}}}, {when[1:-1]}}}]}}",
            )
        )
        assert code != 0
        assert "END" in text
        # Where the rescue tells the failure in any case, it is told once.
        assert (
            (1 < text.count("no answer") < 40) if when != "{}" else "no answer" not in text
        )  # 40 for each of two hosts


def test_a_rescued_failure_is_named_and_its_host_goes_on(run: RunPlays) -> None:
    code, text = run(
        play(
            "try",
            "{block: [{ansible.builtin.fail: {msg: it broke}}],"
            " rescue: [{answer: {result: {changed: false, stage_line: mended}}}]}",
        )
    )
    assert code == 0
    assert "  and goes on: the playbook handles this" in text
    assert stage("try", "west mended · east mended") in text
    assert "west  ok (1 rescued)" in text
    assert "run again" not in text


def test_an_unreachable_host_is_named(run: RunPlays) -> None:
    code, text = run(play("reach", "answer: {result: {unreachable: true, msg: no route}}"))
    assert code == 4
    assert "reach: west: cannot be reached: no route" in text
    assert "west  unreachable in reach: answer" in text


def test_what_no_log_hides_stays_hidden_when_it_fails(run: RunPlays) -> None:
    _code, text = run(play("hide", "{answer: {result: {failed: true, msg: hunter2}}, no_log: true}"))
    assert "hunter2" not in text
    assert "no_log" in text


def test_warnings_and_debug_messages_are_kept(run: RunPlays) -> None:
    _code, text = run(
        play(
            "tell",
            "{ansible.builtin.debug: {msg: read me}, run_once: true}",
            "{answer: {result: {changed: false, warnings: [mind the gap]}}, run_once: true}",
        )
    )
    assert "read me" in text
    assert "mind the gap" in text


def test_check_mode_is_named_and_the_diff_is_readable(run: RunPlays) -> None:
    headers = "before_header: west ConfigMap x, after_header: west ConfigMap x (changed)"
    diff = f'[{{before: "a: 1\\n", after: "a: 2\\n", {headers}}}]'
    _code, text = run(
        play("mesh", f"{{answer: {{result: {{changed: true, diff: {diff}}}}}, when: inventory_hostname == 'west'}}"),
        "--check",
        "--diff",
    )
    assert text.splitlines()[0] == "check mode: nothing will be touched"
    assert "--- before: west ConfigMap x\n+++ after: west ConfigMap x (changed)\n@@ -1 +1 @@\n-a: 1\n+a: 2" in text
    assert "west  ok (1 would change)" in text
    assert "check mode: nothing was touched · 0.1 s in all" in text


def test_verbose_shows_tasks_and_results_and_the_stage_line(run: RunPlays) -> None:
    _code, text = run(play("loud", "{name: Say, answer: {result: {changed: false, stage_line: here}}}"), "-v")
    assert "TASK [Say]" in text
    assert "ok: [west] => " in text
    assert stage("loud", "west here · east here") in text
    assert "PLAY RECAP" in text


def test_a_fleet_of_fifty_is_wrapped_between_two_clusters() -> None:
    from ansible_collections.mesh.fleet.plugins.plugin_utils.callback.stage_text import stage_lines

    said = [f"cluster-{number:02d} ready" for number in range(50)]
    lines = stage_lines("clusters", said, "6 min")
    assert all(len(line) <= 96 for line in lines)
    assert lines[-1].endswith("6 min")
    assert " · ".join(line[15:].removesuffix("6 min").strip() for line in lines) == " · ".join(said)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119.0, "119 s"),
        (119.6, "2 min"),
        (372, "6 min"),
        (3900, "1 h 5 min"),
    ],
)
def test_times_are_human(seconds: float, said: str) -> None:
    from ansible_collections.mesh.fleet.plugins.module_utils.waits import human_time

    assert human_time(seconds) == said


@pytest.mark.parametrize("key", ["msg", "stage_line", "missing", "diff"])
def test_text_of_a_cluster_reaches_no_terminal_as_it_is(run: RunPlays, key: str) -> None:
    hostile = r"no\e]52;c;cm0=\a\u202e"
    results = {
        "msg": f'{{failed: true, msg: "{hostile}"}}',
        "stage_line": f'{{changed: false, stage_line: "{hostile}"}}',
        "missing": f'{{changed: false, missing: {{west: "{hostile}"}}}}',
        "diff": f'{{changed: true, diff: {{before: "{hostile}", after: ""}}}}',
    }
    _code, text = run(play("odd", f"answer: {{result: {results[key]}}}"), "--diff")
    assert r"no\x1b]52;c;cm0=\x07\u202e" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_pipe_gets_each_line_at_once_and_signs_of_work(run: RunPlays, root: Path, tmp_path: Path) -> None:
    """The second task ends when what the first ones said has arrived."""
    go = tmp_path / "go"
    (tmp_path / "plays.yml").write_text(
        play("first", "answer: {result: {changed: false, stage_line: done}}")
        + play("second", f"{{name: Wait, ansible.builtin.wait_for: {{path: {go}, timeout: 30}}, run_once: true}}"),
        encoding="utf-8",
    )
    with subprocess.Popen(
        ["ansible-playbook", "-i", str(tmp_path / "hosts"), str(tmp_path / "plays.yml")],
        cwd=root,
        env={**os.environ, "PYTHONUNBUFFERED": "", "ANSIBLE_NOCOLOR": "1", "MESH_FLEET_PROGRESS_SECONDS": "2"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as ran:
        assert ran.stdout
        lines = []
        for line in ran.stdout:
            lines.append(line)
            if "second: Wait: at work for" in line:
                go.touch()
    assert ran.returncode == 0, lines
    assert any(line.startswith("first ") for line in lines)


def test_a_stage_that_finds_it_does_not_apply_prints_nothing(run: RunPlays) -> None:
    asks = "{ansible.builtin.set_fact: {applies: false}, run_once: true}"
    plays = play("front_door", asks, "{answer: {result: {changed: false}}, when: applies}")
    assert run(plays)[1].splitlines() == ["", "east  ok", "west  ok", "0.1 s in all"]
    asked = plays + play("apps", asks.replace("false", "true"), "{answer: {result: {changed: false}}, when: applies}")
    assert run(asked)[1].splitlines()[0] == stage("apps", "ok")


def test_a_stage_without_hosts_is_named_unless_it_wants_none(run: RunPlays) -> None:
    other = play("Other", "answer: {result: {changed: false}}").replace("hosts: all", "hosts: all:!west:!east")
    mine = play("Mine", "answer: {result: {changed: false}}").replace("hosts: all", "hosts: \"{{ 'all:!all' }}\"")
    assert run(mine + other) == (0, "other          no hosts matched\n\n0.1 s in all")


def test_no_task_looks_for_garbage_in_what_was_there_before(run: RunPlays, tmp_path: Path) -> None:
    (tmp_path / "action_plugins" / "frozen.py").write_text(FROZEN, encoding="utf-8")
    assert run(play("first", "frozen: {}"))[1].splitlines()[0] == stage("first", "west frozen · east frozen")


def test_of_two_playbooks_each_ends_its_own_stages(run: RunPlays, tmp_path: Path) -> None:
    _code, text = run(play("first", "answer: {result: {changed: false}}"), str(tmp_path / "plays.yml"))
    recap = [stage("first", "ok"), "", "east  ok", "west  ok", "0.1 s in all"]
    assert text.splitlines() == recap * 2


def test_a_stage_left_out_by_tags_is_said_to_be_skipped(run: RunPlays) -> None:
    result = "answer: {result: {changed: false}}"
    code, text = run(
        play("first", f"{{{result}, tags: [one]}}")
        + play("second", f"{{{result}, tags: [two]}}", f"{{{result}, when: false, tags: [one]}}")
        + play("third", f"{{{result}, when: false}}"),
        "--skip-tags",
        "one",
    )
    assert code == 0
    assert text.splitlines()[:3] == ["first          skipped", stage("second", "ok"), ""]


# As ansible-runner's does: its own options, the class of the callback that the environment names.
EXTENDED = (
    """
DOCUMENTATION = """
    + "'''"
    + """
name: extended
type: stdout
short_description: As ansible-runner's
description: As ansible-runner's.
extends_documentation_fragment: [default_callback]
"""
    + "'''"
    + """
from ansible.plugins.loader import callback_loader


class CallbackModule(callback_loader.get("mesh.fleet.stages").__class__):
    CALLBACK_NAME = "extended"
"""
)


def test_a_callback_that_extends_it_prints_the_same(
    run: RunPlays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "callback_plugins").mkdir()
    (tmp_path / "callback_plugins" / "extended.py").write_text(EXTENDED, encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(tmp_path / "callback_plugins"))
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "extended")
    code, text = run(play("quiet", "answer: {result: {changed: false}}"))
    assert code == 0
    assert text.splitlines() == [stage("quiet", "ok"), "", "east  ok", "west  ok", "0.1 s in all"]


def test_who_is_gone_for_good_is_not_to_be_run_again(run: RunPlays) -> None:
    gone = r"west: it does not answer\n  means  if it is gone for good, nothing is left to do on it"
    fail = 'ansible.builtin.fail: {msg: \'{{ {"west": gone, "east": "east is busy"}[inventory_hostname] }}\'}'
    code, text = run(play("peering", fail).replace("  tasks:", f'  vars: {{gone: "{gone}"}}\n  tasks:'))
    assert code == 2
    assert text.splitlines()[-4:-1] == [
        "east  failed in peering: ansible.builtin.fail",
        "west  failed in peering: ansible.builtin.fail",
        "run again with --limit east",
    ]


def test_a_slice_that_is_refused_is_not_to_be_run_with_a_limit(run: RunPlays) -> None:
    code, text = run(play("peering", "ansible.builtin.fail: {msg: peering must not run in a slice}"))
    assert code == 2
    assert "--limit" not in text
