# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text as colleagues read it."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES, Verdict, scene_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.text import (
    ending,
    left,
    plan,
    removal,
    scene_begin,
    scene_end,
    summary,
)

from ..fleets import TWO, fleet

GOOD = Verdict(True, ("west  10 of 10",), {})
BAD = Verdict(False, ("west  9 of 10",), {}, "west: 1 call otherwise")


def test_a_scene_says_policy_done_expected_and_measured() -> None:
    scene = scene_of("timeout", cast_of(fleet(TWO), list(TWO)))
    text = "\n".join([*scene_begin(1, scene), *scene_end(GOOD)])
    places = [text.index(word) for word in ("1  A slow", "policy", "timeout: 1s", "done", "expected", "measured", "✓")]
    assert places == sorted(places)
    assert "✗ not as expected: west: 1 call otherwise" in "\n".join(scene_end(BAD))


def test_the_plan_has_all_scenes_and_fits_a_screen() -> None:
    lines = plan("shop", cast_of(fleet(TWO), list(TWO)), SCENES)
    assert [line.split()[0] for line in lines if line[2:5].strip().isdigit()] == ["1", "2", "3", "4"]
    assert max(map(len, lines)) <= 120


def test_the_end_says_what_is_left() -> None:
    assert "nothing is left" in "\n".join(ending([GOOD], {}, False))
    assert "in west: Secret x" in "\n".join(ending([GOOD], {"west": ["Secret x"]}, False))
    assert "left" not in "\n".join(ending([GOOD, BAD], {}, True))
    assert "nothing was measured" in "\n".join(ending([], {}, True))
    assert summary([GOOD, BAD], [], []) == "1 of 2 as expected · nothing is left"
    assert summary([GOOD], ["west"], []) == "1 of 1 as expected · the namespace stays in west"
    assert summary([GOOD], [], ["west", "east"]) == "1 of 1 as expected · not all was removed in west and east"
    assert summary([], [], None) == "nothing was played · nothing was made"
    assert left(["west"], ["east"]) == "the namespace stays in west, not all was removed in east"


def test_removing_says_what_came_of_it() -> None:
    three = ["west", "east", "far"]
    assert removal(three, [], [], []) == "nothing of the walk-through in 3 clusters"
    assert removal(three, ["west"], ["east"], ["far"]) == (
        "to be removed in west · the namespace stays in east · not removed in far"
    )
    assert removal(three, [], [], three[1:]) == "nothing of the walk-through in 1 cluster · not removed in east and far"
    assert removal([], [], [], []) == "no cluster to remove it from"
