# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The walk-through as text: what was done, what was expected, what was measured."""

from __future__ import annotations

import typing as t

from .cast import STABLE, TRIAL, Cast
from .objects import NAMESPACE
from .scenes import Scene, Verdict, scene_of
from .words import WIDTH, block, listed, yaml_of

__all__ = ["ending", "opening", "plan", "scene_begin", "scene_end", "start_lines", "summary"]


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


def summary(verdicts: t.Sequence[Verdict], is_kept: bool) -> str:
    """The outcome in one line."""
    good = sum(verdict.ok for verdict in verdicts)
    return f"{good} of {len(verdicts)} as expected · {'a namespace stays' if is_kept else 'nothing is left'}"


def ending(verdicts: t.Sequence[Verdict], kept: t.Mapping[str, t.Sequence[str]], failed: bool) -> list[str]:
    """The last lines: whether all came as expected, and whether something is left; ``failed``: that is not known."""
    left = [f"in {name}: {', '.join(found)}" for name, found in kept.items()]
    good = sum(verdict.ok for verdict in verdicts)
    lines = ["  " + "═" * (WIDTH - 4), f"  {good} of {len(verdicts)} measured as expected"]
    if left:
        return [*lines, f"  {NAMESPACE} stays, because others put something there: {'; '.join(left)}"]
    return [
        *lines,
        *([] if failed else [f"  nothing is left of it: policies, pods and namespace {NAMESPACE} are gone"]),
    ]
