# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user is warned of in a run that applies policies: what it does not do, and what is not proven."""

from __future__ import annotations

import typing as t

from .paths import Paths
from .policy import Policy
from .reported import complaints
from .rollout import Rollout, differs, identity

__all__ = ["of_complaints", "of_primaries", "of_unseen"]

Object = dict[str, t.Any]


def of_primaries(paths: Paths, play: t.Collection[str], policies: t.Sequence[Policy]) -> list[str]:
    """Remotes whose callers' objects are in a primary that is not part of the run."""
    found = []
    for name in play:
        primary = paths.read_in(name)
        if primary not in play and any(one.callers is None or name in one.callers for one in policies):
            found.append(
                f"{name}: what policies make for its callers is in {primary}, which serves it and is not part of "
                f"this run: run the traffic stage with --limit {primary},{name}"
            )
    return found


def of_unseen(rollout: Rollout, not_shown: t.Mapping[str, str]) -> list[str]:
    """Changes that cannot be waited for; ask before the run begins.

    Args:
        rollout: the run's.
        not_shown: by cluster of the run why its control plane does not show what proxies have; "" where it does.
    """
    found = []
    for name in rollout.play:
        why = not_shown.get(name)
        if not why or not any(rollout.planned(name)):
            continue
        new = (
            " New routes name new subsets, so calls may fail for a moment. To lose none, first apply the split with "
            "weight 0 for what is new."
        )
        found.append(
            f"{name}: nothing was waited for: {why.partition(';')[0]}. The objects were written in the order that "
            "loses no call, without proof that proxies had each before the next."
            f"{new if rollout.coming(name) else ''} What the control plane "
            "cannot apply it writes into the objects' status, within minutes: a further run names it"
        )
    return found


def of_complaints(cluster: str, wanted: t.Iterable[Object], live: t.Iterable[Object]) -> list[str]:
    """What a control plane says of objects that are as policies want them: where nobody sees its proxies, all that is
    known."""
    there = {identity(obj): obj for obj in live}
    found = []
    for obj in wanted:
        here = there.get(identity(obj))
        said = [] if here is None or differs(here, obj) else complaints(here)
        if said:
            meta = obj["metadata"]
            found.append(
                f"{cluster}: {obj['kind']} {meta.get('namespace')}/{meta['name']} may not hold: its control plane says "
                f"{'; '.join(said)}. gcloud container fleet mesh describe shows the cluster's state"
            )
    return found
