# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose releases a fleet changes and removes."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.release_owners import (
    CHANGE,
    LEAVE,
    REFUSE,
    decide,
    whose,
)


@pytest.mark.parametrize(
    ("owner", "installed", "removed"),
    [("prod", CHANGE, CHANGE), ("staging", REFUSE, LEAVE), ("", CHANGE, LEAVE), (None, REFUSE, LEAVE)],
)
def test_a_release_of_one_fleet(owner: str | None, installed: str, removed: str) -> None:
    assert decide(owner, "prod", present=True) == installed
    assert decide(owner, "prod", present=False) == removed
    assert decide(owner, "prod", present=True, take_over=True) == CHANGE
    assert decide(owner, "prod", present=False, take_over=True) == CHANGE


@pytest.mark.parametrize("take_over", [False, True])
@pytest.mark.parametrize("owner", ["prod", "staging", "", None])
@pytest.mark.parametrize("user", ["fleet staging", "istiod istio-system/istiod-canary"])
def test_what_others_use_is_never_uninstalled(owner: str | None, user: str, take_over: bool) -> None:
    assert decide(owner, "prod", present=False, users=[user], take_over=take_over) == LEAVE
    assert user in whose(owner, [user])


def test_a_shared_release_is_its_owners_until_that_leaves() -> None:
    assert decide("staging", "prod", present=True, users=["fleet staging"]) == LEAVE
    assert decide("staging", "prod", present=True, users=["fleet staging"], take_over=True) == CHANGE
    assert decide("staging", "prod", present=True, users=["fleet canary"]) == CHANGE
    assert decide("prod", "prod", present=True, users=["fleet staging"]) == CHANGE
    # The last one takes it along, whoever installed it.
    assert decide("staging", "prod", present=False, users=[]) == CHANGE
    assert decide("", "prod", present=True, users=[]) == CHANGE
    assert decide(None, "prod", present=True, users=[]) == REFUSE


def test_the_owner_in_words() -> None:
    assert whose(None) == "which this collection did not make"
    assert whose("staging") == "of fleet staging"
    assert whose("").startswith("which records no fleet")
    assert whose("staging", ["fleet a", "fleet b"]) == "used by fleet a, fleet b"
