# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the tokens of remote secrets end, and how often a run is needed so that no edge is lost."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .kubeconfig import Token

__all__ = ["RUN_EVERY", "Life", "day", "first_end", "in_words", "life_of", "renew_below", "schedule_warnings"]

RUN_EVERY = 7 * 86400
"""Seconds between two scheduled runs of peering, unless the inventory says otherwise."""
_RUNS = 2.1
"""For how many intervals between two runs a token that a run keeps must live: one run may fail, or come late."""
_NEW = 0.9
"""A token with more than this share of its life left is not renewed: nothing would be gained."""
_RUNS_IN_A_LIFE = 2.5
"""More than ``_RUNS / _NEW``: with fewer runs in its life, a token may end before the next."""


@dataclasses.dataclass(frozen=True)
class Life:
    """When a token ends, in seconds since the epoch, and how long it lives in all, None where that is not known."""

    ends: float
    length: float | None = None


def life_of(token: Token | None) -> Life | None:
    """What the claims of a token say; None for one that never ends, and for what is no token."""
    if token is None or token.expires is None:
        return None
    return Life(token.expires, None if token.issued is None else token.expires - token.issued)


def renew_below(life: Life, renew_before: float, run_every: float) -> float:
    """Seconds of validity below which a run renews a token.

    Args:
        life: of the token.
        renew_before: seconds that the user wants, at most a third of its life: if the API server shortens tokens, not
            every run must renew them.
        run_every: seconds until the next run. A token that would not live long enough is renewed before.
    """
    if life.length is None:
        return max(renew_before, _RUNS * run_every)
    return max(min(renew_before, life.length / 3), min(_RUNS * run_every, _NEW * life.length))


def first_end(lives: t.Iterable[Life | None]) -> Life | None:
    """The one that ends first; None when none ends."""
    return min((life for life in lives if life is not None), key=lambda life: life.ends, default=None)


def schedule_warnings(lives: t.Mapping[str, t.Iterable[Life]], asked: float, run_every: float) -> list[str]:
    """What to say when tokens live too short for the schedule of runs, with the schedule that they need.

    Args:
        lives: by watched cluster, those of the tokens that its watchers have.
        asked: seconds of validity that were asked for. An API server may give less.
        run_every: seconds between two scheduled runs.
    """
    groups: dict[str, list[tuple[str, Life]]] = {}
    for name, found in lives.items():
        short = [life for life in found if life.length is not None and life.length < _RUNS_IN_A_LIFE * run_every]
        if short:
            least = min(short, key=lambda life: life.length or 0)
            groups.setdefault(in_words(least.length or 0), []).append((name, least))
    warnings = []
    for length, members in groups.items():
        least = min((life for _name, life in members), key=lambda life: life.ends)
        needed = _whole((least.length or 0) / _RUNS_IN_A_LIFE)
        names = ", ".join(sorted(name for name, _life in members))
        given = f" ({in_words(asked)} were asked for, the API server gives less)" if _is_less(least, asked) else ""
        warnings.append(
            f"{names}: a token lives {length}{given}, the first ends at {day(least.ends)}, and peering is to run every "
            f"{in_words(run_every)} (peering_run_every): without a run before that, istiods lose the cluster. Run "
            f"playbooks/peering.yml at least every {in_words(needed)} and set peering_run_every to {needed}, or set "
            "peering_token to static"
        )
    return warnings


def day(seconds: float) -> str:
    """Seconds since the epoch as the time of a day."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def in_words(seconds: float) -> str:
    """A length of time, rounded down."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} s"


def _whole(seconds: float) -> int:
    unit = 3600 if seconds >= 7200 else 60
    return int(seconds // unit * unit)


def _is_less(life: Life, asked: float) -> bool:
    return life.length is not None and life.length < 0.99 * asked
