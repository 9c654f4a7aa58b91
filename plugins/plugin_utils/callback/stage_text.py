# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of the ``stages`` callback: pure functions over results."""

from __future__ import annotations

import typing as t

__all__ = ["failure_text", "is_advised", "missing_lines", "recap_lines", "stage_lines", "stage_name"]

SEPARATOR = " · "
_OUTPUT_LINES = 20
"""Lines of a command's output that a failure shows. The end of the output names the cause more often than its start."""


def stage_name(play: str) -> str:
    """The name of a stage: that of its play, with a small first letter. ansible-lint requires a capital there."""
    name = play.strip() or "play"
    # An acronym keeps its capitals.
    return name if name[1:2].isupper() else name[0].lower() + name[1:]


def stage_lines(
    name: str, parts: t.Sequence[str], duration: str, *, name_width: int = 14, width: int = 96
) -> list[str]:
    """The lines of one stage: its name, its parts, and the duration at the right of the last line.

    Args:
        name: the stage.
        parts: the line of the fleet, or one of each host; joined by ``SEPARATOR``, wrapped only between two parts.
        duration: as text.
        name_width: column where the parts start; a longer name moves its own line only.
        width: column where the duration ends.
    """
    room = width - name_width - 1 - len(duration) - 2
    rows: list[str] = []
    for part in (line for text in parts for line in text.splitlines()):
        if rows and len(rows[-1]) + len(SEPARATOR) + len(part) <= room:
            rows[-1] += SEPARATOR + part
        else:
            rows.append(part)
    rows = rows or [""]
    lines = [f"{name if number == 0 else '':<{name_width}} {row}".rstrip() for number, row in enumerate(rows)]
    lines[-1] = f"{lines[-1]:<{width - len(duration) - 2}}  {duration}"
    return lines


def failure_text(data: t.Mapping[str, t.Any], *, host: str, prefix: str = "", task: str = "", path: str = "") -> str:
    """The message of a failed result, for a person.

    A result of ours has ``problems``, and its message is complete. Any other message is followed by the end of the
    task's output and by the name of the task.

    Args:
        data: the result.
        host: its host; it begins the text unless the message names it already.
        prefix: stands before the message.
        task: name of the task.
        path: where the task is, as ``file:line``.
    """
    if "censored" in data and not data.get("msg"):
        message = "failed; its result is hidden because no_log is set"
    else:
        message = str(data.get("msg") or data.get("reason") or "failed without a message").strip()
    lines = message.splitlines() or ["failed"]
    # A message of ours names its cluster.
    ours = "problems" in data
    named = lines[0].split(":")[0].split()[:1] == [host] or ours
    lines[0] = prefix + lines[0] if named else f"{host}: {prefix}{lines[0]}"
    if ours:
        return "\n".join(lines)
    for key in ("module_stderr", "stderr", "module_stdout", "stdout"):
        label = key.removeprefix("module_")
        output = str(data.get(key) or "").strip()
        if output and output not in message:
            shown = output.splitlines()[-_OUTPUT_LINES:]
            lines += [f"  {label if number == 0 else '':<6} {line}" for number, line in enumerate(shown)]
    if task:
        lines.append(f"  task   {task}" + (f" ({path})" if path else ""))
    return "\n".join(lines)


def recap_lines(
    counts: t.Mapping[str, t.Mapping[str, int]],
    failed: t.Mapping[str, tuple[str, str]],
    stopped: t.Mapping[str, tuple[str, str]] | None = None,
    *,
    missing: t.Container[str] = (),
    advised: t.Container[str] = (),
    check: bool = False,
) -> list[tuple[str, str]]:
    """One line for each host and, if some failed, the ``--limit`` to run again with.

    Args:
        counts: Ansible's summary per host (``changed``, ``failures``, ``unreachable``, ``rescued``).
        failed: per failed host ``(stage, task)``.
        stopped: per host on which nothing failed, but whose run was stopped: ``(stage, why)``.
        missing: hosts that went on without something.
        advised: failed hosts whose message says itself when to run again, and when not.
        check: whether this was a check run.

    Returns:
        Pairs ``(line, state)``; a state is ``ok``, ``changed`` or ``failed``.
    """
    width = max((len(host) for host in counts), default=0)
    lines: list[tuple[str, str]] = []
    again = []
    for host, count in counts.items():
        changed = count.get("changed", 0)
        notes = [f"{changed} would change" if check else f"{changed} changed"] if changed else []
        if count.get("rescued"):
            notes.append(f"{count['rescued']} rescued")
        if count.get("ignored"):
            notes.append(f"{count['ignored']} failed and ignored")
        tail = f" ({', '.join(notes)})" if notes else ""
        if count.get("failures") or count.get("unreachable"):
            stage, task = failed.get(host, ("", ""))
            verdict = "failed" if count.get("failures") else "unreachable"
            where = f" in {stage}: {task}" if stage else ""
            lines.append((f"{host:<{width}}  {verdict}{where}{tail}", "failed"))
            again += [] if host in advised else [host]
        elif stopped and host in stopped:
            stage, why = stopped[host]
            lines.append((f"{host:<{width}}  stopped in {stage}: {why}{tail}", "failed"))
            again.append(host)
        elif host in missing:
            lines.append((f"{host:<{width}}  not whole{tail}", "failed"))
        else:
            lines.append((f"{host:<{width}}  ok{tail}", "changed" if changed else "ok"))
    if again:
        lines.append((f"run again with --limit {','.join(again)}", "failed"))
    return lines


def is_advised(message: str) -> bool:
    """Whether a message says itself when to run again for its host, and when nothing is left to do for it.

    A job that is a slice is refused whatever its limit.
    """
    return "nothing is left to" in message or "must not run in a slice" in message


def missing_lines(missing: t.Mapping[str, t.Mapping[str, str]]) -> list[str]:
    """What hosts went on without: each text once, under the stage and the names of its hosts.

    Args:
        missing: by host and stage, the texts, one or more lines each.
    """
    hosts_of: dict[tuple[str, str], list[str]] = {}
    for host, stages in missing.items():
        for stage, text in stages.items():
            hosts_of.setdefault((stage, text), []).append(host)
    lines = []
    for (stage, text), hosts in hosts_of.items():
        lines += [f"not whole since {stage}: {', '.join(hosts)}", *(f"  {line}" for line in text.splitlines())]
    return lines
