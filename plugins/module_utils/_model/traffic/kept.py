# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user is told of subsets and names that no policy wants in a cluster, and that stay for the sake of others."""

from __future__ import annotations

import itertools
import typing as t

from .rollout import Kept

__all__ = ["kept_in_words"]

_NAMED = 3
"""How many hosts are named."""


def kept_in_words(cluster: str, kept: Kept, play: t.Collection[str], *, leaves: bool = False) -> str:
    """One line: what stays, for whose sake, and what to do.

    Args:
        cluster: where it stays.
        kept: what stays.
        play: the clusters of the run.
        leaves: whether all that policies made was to go there.
    """
    outside = [name for name in kept.used if name not in play]
    failed = [name for name in kept.used if name in play]
    for_sake = [
        f"routes or names of {', '.join(names)}, {why}"
        for names, why in (
            (outside, "not part of this run, use them"),
            (failed, "where a step failed, may use them"),
            (kept.unread, "which could not be read, may use them"),
        )
        if names
    ]
    others = ",".join(dict.fromkeys([cluster, *kept.used, *kept.unread]))
    first = f"see what is wrong with {', '.join([*failed, *kept.unread])}, then " if failed or kept.unread else ""
    step = (
        f"run playbooks/teardown.yml with --tags traffic --limit {others}, or, if {cluster} leaves the mesh, with "
        f"--tags peering,traffic --limit {cluster}"
        if leaves
        else f"run the traffic stage with --limit {others}"
    )
    return (
        f"{cluster}: {_what(kept)} stay, though no policy wants them: {'; '.join(for_sake)}. To end it, {first}{step}"
    )


def _what(kept: Kept) -> str:
    """The subsets by host."""
    by_host = [
        (host, [name for _host, name in named if name])
        for host, named in itertools.groupby(kept.named, key=lambda one: one[0])
    ]
    said = [f"{host} (subsets {', '.join(subsets)})" if subsets else f"{host} (the name)" for host, subsets in by_host]
    more = [f"{len(said) - _NAMED} more hosts"] if len(said) > _NAMED else []
    return " and ".join([", ".join(said[:_NAMED]), *more])
