# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a fleet may change or remove a Helm release that is there."""

from __future__ import annotations

import typing as t

__all__ = ["CHANGE", "LEAVE", "REFUSE", "decide", "whose"]

CHANGE = "change"
LEAVE = "leave"
"""It stays as it is, which is no error."""
REFUSE = "refuse"


def decide(
    owner: str | None,
    fleet: str,
    *,
    present: bool,
    users: t.Sequence[str] | None = None,
    take_over: bool = False,
) -> str:
    """CHANGE, LEAVE or REFUSE.

    Args:
        owner: the fleet that the release names; "" for one that records none, None for one that others made.
        fleet: the fleet of the run.
        present: whether the run installs or upgrades it; False uninstalls it.
        users: who else uses a release that fleets share, as ``fleet <name>`` or an istiod; None for one that is not
            shared.
        take_over: the user's consent. What others use is not uninstalled even so: it goes with the last of them.
    """
    if users and not present:
        return LEAVE
    if take_over or owner == fleet or (owner == "" and present):
        return CHANGE
    if users is not None and owner:
        # A fleet that left it to the others is no longer one of its users.
        return LEAVE if f"fleet {owner}" in users else CHANGE
    return REFUSE if present else LEAVE


def whose(owner: str | None, users: t.Sequence[str] = ()) -> str:
    """The owner in words, or who else uses it."""
    if users:
        return f"used by {', '.join(users)}"
    if owner is None:
        return "which this collection did not make"
    return f"of fleet {owner}" if owner else "which records no fleet (mesh_take_over: true removes it)"
