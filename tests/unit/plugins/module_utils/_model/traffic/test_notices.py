# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is warned of."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.notices import (
    of_complaints,
    of_primaries,
    of_unseen,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.rollout import Rollout

from ..fleets import SERVED, TWO, fleet

SPLIT: dict[str, t.Any] = {"service": "reviews.shop", "split": [{"weight": 100, "labels": {"version": "v1"}}]}


def test_a_remote_without_its_primary_is_named() -> None:
    of = fleet(SERVED)
    policies = parse_policies([SPLIT], of.clusters)
    (text,) = of_primaries(Paths(of), ["edge"], policies)
    assert text.startswith("edge: what policies make for its callers is in fra, which serves it")
    assert of_primaries(Paths(of), ["fra", "edge"], policies) == []
    assert of_primaries(Paths(of), ["edge"], parse_policies([{**SPLIT, "from": ["fra"]}], of.clusters)) == []


def test_a_change_that_nobody_sees_is_named() -> None:
    of = fleet(TWO)
    made = objects_of(of, parse_policies([SPLIT], of.clusters))
    nothing: dict[str, list[dict[str, t.Any]]] = {"west": [], "east": []}

    def said(live: dict[str, list[dict[str, t.Any]]]) -> list[str]:
        return of_unseen(Rollout(Paths(of), made, live, lambda obj: True, ["west", "east"]), {"west": "Google; and"})

    (text,) = said(nothing)
    assert text.startswith("west: nothing was waited for: Google. The objects were written in the order")
    assert "New routes name new subsets" in text
    assert said(made) == [], "nothing changes"


def test_what_a_control_plane_says_of_what_is_wanted_is_told() -> None:
    of = fleet(TWO)
    wanted = objects_of(of, parse_policies([SPLIT], of.clusters))["west"]
    live = copy.deepcopy(wanted)
    live[0]["status"] = {"validationMessages": [{"code": "IST0101", "level": "Error", "message": "no such host"}]}
    (text,) = of_complaints("west", wanted, live)
    assert "reviews-traffic may not hold: its control plane says IST0101: no such host. gcloud" in text
    live[0]["spec"]["host"] = "another"
    assert of_complaints("west", wanted, live) == [], "it is put right in this run"
    assert of_complaints("west", wanted, []) == []
