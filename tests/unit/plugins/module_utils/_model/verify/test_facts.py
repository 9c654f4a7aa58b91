# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not read of a cluster is not there."""

from __future__ import annotations

import dataclasses

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import (
    Facts,
    HeldToken,
    IstiodFacts,
    check_of,
)


def test_what_was_not_read_is_empty() -> None:
    for facts in (Facts("west"), IstiodFacts("istiod-x")):
        assert not any(list(dataclasses.asdict(facts).values())[1:])
    assert not HeldToken("west", True, None).refused


def test_a_check_that_passed_has_no_advice() -> None:
    good = check_of("g", "n", True, "s", ("west",), "m", "step")
    assert (good.state, good.seen, good.means, good.next_step) == ("ok", "s", "", "")
    bad = check_of("g", "n", False, "s", ("west",), "m", "step")
    assert (bad.state, bad.seen, bad.means, bad.next_step) == ("failed", "s", "m", "step")
