# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The walk-through as text: what was done, what was expected, what was measured."""

from __future__ import annotations

import typing as t

from .cast import STABLE, TRIAL, Cast
from .objects import NAMESPACE
from .scenes import Scene, Verdict, scene_of
from .words import WIDTH, block, listed, yaml_of

__all__ = ["ending", "left", "opening", "plan", "removal", "scene_begin", "scene_end", "start_lines", "summary"]


def opening(fleet: str, cast: Cast) -> list[str]:
    """What is there to be seen."""
    return [
        "",
        f"  Calls between clusters: a walk-through on fleet {fleet}",
        "  " + "═" * (WIDTH - 4),
        "",
        *block("clusters", [f"{listed(cast.clusters)}, in a namespace of its own, {NAMESPACE}, which goes again"]),
        *block("callers", ["one in each cluster"]),
        *block("producers", [f"version {STABLE} in each cluster, {TRIAL} in {cast.trial} only"]),
        *block("to end it", ["Ctrl-C, once: it needs some seconds to remove everything"]),
    ]


def start_lines(verdict: Verdict) -> list[str]:
    """How calls are spread before there is a policy."""
    return ["", "  Without a policy: who answers", *_measured(verdict)]


def scene_begin(number: int, scene: Scene) -> list[str]:
    """A scene, as it is announced."""
    return [
        "",
        f"  {number}  {scene.title}",
        "  " + "─" * (WIDTH - 4),
        *block("policy", yaml_of(scene.policy)),
        *block("done", [scene.done]),
        *block("expected", [scene.expected]),
    ]


def scene_end(verdict: Verdict) -> list[str]:
    """What came of it."""
    return _measured(verdict)


def _measured(verdict: Verdict) -> list[str]:
    outcome = "✓ as expected" if verdict.ok else f"✗ not as expected: {verdict.because}"
    return [*block("measured", verdict.lines), *block("", [outcome])]


def plan(fleet: str, cast: Cast, scenes: t.Iterable[str]) -> list[str]:
    """What a run would play; the regions and zones of pods are not known before."""
    lines = opening(fleet, cast)
    for number, key in enumerate(scenes, 1):
        lines += scene_begin(number, scene_of(key, cast))
    return lines


def summary(verdicts: t.Sequence[Verdict], kept: t.Collection[str], unclear: t.Sequence[str] | None) -> str:
    """The outcome in one line; ``kept`` and ``unclear`` as :func:`left` has them."""
    good = sum(verdict.ok for verdict in verdicts)
    played = f"{good} of {len(verdicts)} as expected" if verdicts else "nothing was played"
    return f"{played} · {left(kept, unclear)}"


def left(kept: t.Collection[str], unclear: t.Sequence[str] | None) -> str:
    """What is left of a run, in a few words.

    Args:
        kept: clusters in which others put something into the namespace.
        unclear: those in which removing failed; None for a run that ended before it made anything.
    """
    if unclear is None:
        return "nothing was made"
    said = [f"the namespace stays in {listed(tuple(kept))}"] if kept else []
    said += [f"not all was removed in {listed(tuple(unclear))}"] if unclear else []
    return ", ".join(said) or "nothing is left"


def removal(
    clusters: t.Sequence[str], would: t.Collection[str], kept: t.Collection[str], unclear: t.Collection[str]
) -> str:
    """What came of removing what an earlier run left, in one line.

    Args:
        clusters: all that were asked.
        would: those in which check mode found something to remove.
        kept: clusters in which others put something into the namespace.
        unclear: those in which removing failed, or that do not answer.
    """
    free = [name for name in clusters if name not in (*would, *kept, *unclear)]
    said = [f"nothing of the walk-through in {len(free)} cluster{'' if len(free) == 1 else 's'}"] if free else []
    said += [f"to be removed in {listed(tuple(would))}"] if would else []
    said += [f"the namespace stays in {listed(tuple(kept))}"] if kept else []
    said += [f"not removed in {listed(tuple(unclear))}"] if unclear else []
    return " · ".join(said) or "no cluster to remove it from"


def ending(verdicts: t.Sequence[Verdict], kept: t.Mapping[str, t.Sequence[str]], failed: bool) -> list[str]:
    """The last lines: whether all came as expected, and whether something is left; ``failed``: that is not known."""
    stays = [f"in {name}: {', '.join(found)}" for name, found in kept.items()]
    good = sum(verdict.ok for verdict in verdicts)
    measured = f"{good} of {len(verdicts)} measured as expected" if verdicts else "nothing was measured"
    lines = ["  " + "═" * (WIDTH - 4), f"  {measured}"]
    if stays:
        return [*lines, f"  {NAMESPACE} stays, because others put something there: {'; '.join(stays)}"]
    return [
        *lines,
        *([] if failed else [f"  nothing is left of it: policies, pods and namespace {NAMESPACE} are gone"]),
    ]
