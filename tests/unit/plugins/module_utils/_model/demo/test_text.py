# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text as colleagues read it."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES, Verdict, scene_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.text import (
    ending,
    plan,
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
    assert summary([GOOD, BAD], False) == "1 of 2 as expected · nothing is left"
    assert "stays" in summary([GOOD], True)
