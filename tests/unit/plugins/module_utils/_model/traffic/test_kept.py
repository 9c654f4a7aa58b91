# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of subsets and names that stay for the sake of other clusters."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.kept import kept_in_words
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.rollout import Kept

HOST = "reviews.shop.svc.cluster.local"


def test_a_cluster_outside_the_run_is_named_with_the_next_step() -> None:
    kept = Kept(((HOST, "v1"), (HOST, "v2")), ("west",), ())
    assert kept_in_words("east", kept, ["east"]) == (
        f"east: {HOST} (subsets v1, v2) stay, though no policy wants them: routes or names of west, not part of this "
        "run, use them. To end it, run the traffic stage with --limit east,west"
    )


def test_one_that_was_not_read_or_failed_is_to_be_mended_first() -> None:
    kept = Kept((("reviews.shop.global", ""),), ("north",), ("west",))
    text = kept_in_words("east", kept, ["east", "north"])
    assert "reviews.shop.global (the name) stay" in text
    assert "of north, where a step failed, may use them; routes or names of west, which could not be read, may" in text
    assert text.endswith("see what is wrong with north, west, then run the traffic stage with --limit east,north,west")


def test_one_that_leaves_has_two_ways() -> None:
    text = kept_in_words("east", Kept(((HOST, "v1"),), ("west",), ()), ["east"], leaves=True)
    assert text.endswith(
        "run playbooks/teardown.yml with --tags traffic --limit east,west, or, if east leaves the mesh, with "
        "--tags peering,traffic --limit east"
    )


def test_of_many_hosts_three_are_named() -> None:
    kept = Kept(tuple((f"h{number}", "v1") for number in range(9)), ("west",), ())
    text = kept_in_words("east", kept, ["east"])
    assert "h2 (subsets v1) and 6 more hosts stay" in text
    assert "h3" not in text
