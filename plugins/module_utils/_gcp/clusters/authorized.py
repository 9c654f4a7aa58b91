# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Authorized networks of a GKE cluster: which ranges may reach its API server, and for which clusters: pure functions.

An inventory may lack a part. So each range that is there for clusters has their names as its display name, and what is
there for one that the inventory does not name stays, until a run is told to forget it.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import ipaddress
import typing as t

from ..._model.providers.google.clusters import MOST_AUTHORIZED, ClusterSpec, collapsed
from ...errors import FleetError

__all__ = ["blocks", "keep_unnamed", "view"]

Json = dict[str, t.Any]
_MARK = "mesh.fleet"
_MORE = "+"
"""Before the number of names that did not fit."""
_LONGEST = 63
"""Characters of a display name. Google documents no limit; this one holds for most of its names."""


def blocks(wanted: ClusterSpec) -> list[Json]:
    """The ranges as Google stores them; those for clusters have a display name."""
    ranges = list(wanted.authorized or ())
    nets = sorted((ipaddress.IPv4Network(text), text) for text in ranges if "/" in text)
    starts = [int(net.network_address) for net, _text in nets]
    names: dict[str, set[str]] = {}
    for cidr, cluster in wanted.whose:
        at = bisect.bisect_right(starts, _start(cidr)) - 1
        names.setdefault(nets[at][1], set()).add(cluster)
    return [{"cidrBlock": text, **({"displayName": _mark(names[text])} if text in names else {})} for text in ranges]


@functools.lru_cache(maxsize=100_000)
def _start(cidr: str) -> int:
    """The first address; every cluster of a large fleet is asked about those of all others."""
    return int(ipaddress.IPv4Network(cidr, strict=False).network_address)


def _mark(names: set[str]) -> str:
    text, left = _MARK, sorted(name for name in names if not name.startswith(_MORE))
    hidden = _hidden(names)
    while left and len(f"{text} {left[0]} {_MORE}{hidden + len(left)}") <= _LONGEST:
        text = f"{text} {left.pop(0)}"
    hidden += len(left)
    return f"{text} {_MORE}{hidden}" if hidden else text


def _hidden(names: t.Iterable[str]) -> int:
    """How many clusters a display name does not show; earlier versions wrote no number: at least one."""
    return sum(int(name.removeprefix(_MORE) or 1) for name in names if name.startswith(_MORE))


def _marked(block: t.Mapping[str, t.Any]) -> list[str]:
    """The clusters that a display name of ours names, and ``+2`` where there are two more; none for others' names."""
    first, *names = str(block.get("displayName") or "").split() or [""]
    return names if first == _MARK else []


def view(cidr_blocks: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """The ranges in words, sorted. Display names of others do not count."""
    return sorted(
        f"{block['cidrBlock']} ({', '.join(_marked(block))})" if _marked(block) else str(block["cidrBlock"])
        for block in cidr_blocks
    )


def keep_unnamed(
    wanted: ClusterSpec,
    live: t.Sequence[t.Mapping[str, t.Any]],
    named: t.Container[str],
    forget: t.Collection[str] = (),
    ranges: t.Collection[tuple[str, str]] = (),
) -> tuple[ClusterSpec, FleetError | None]:
    """The cluster with the ranges that are there for clusters which the inventory does not name.

    Args:
        wanted: by the inventory.
        live: the ranges as Google returns them.
        named: the clusters of the inventory.
        forget: clusters that left the fleet: what is there for them goes.
        ranges: from where each cluster of the inventory may come, whether it does or not: clusters that a display
            name does not show are those of the inventory which come from there, or missing.

    Returns:
        The cluster, and what it goes on with; None where nothing stays for such clusters alone.

    Raises:
        FleetError: there are more ranges than Google accepts.
    """
    if wanted.authorized is None:
        return wanted, None
    mine = [ipaddress.IPv4Network(text) for text in wanted.authorized if "/" in text]
    words = [text for text in wanted.authorized if "/" not in text]
    kept: list[tuple[str, str]] = []
    alone: dict[str, list[str]] = {}
    for block in live:
        net = ipaddress.IPv4Network(str(block["cidrBlock"]), strict=False)
        covered = any(net.subnet_of(one) for one in mine)
        shown = {name for name in _marked(block) if not name.startswith(_MORE)}
        names = [name for name in sorted(shown) if name not in forget]
        gone = [name for name in names if name not in named]
        missing = _missing(net, _hidden(_marked(block)), shown, ranges)
        if missing > len({name for name in forget if name not in shown and name not in named}):
            names.append(f"{_MORE}{missing}")
            gone.append(names[-1])
        if gone:
            kept += [(str(net), name) for name in names]
        if gone and not covered:
            alone[str(net)] = gone
    if not kept:
        return wanted, None
    authorized = (*collapsed([*map(str, mine), *(cidr for cidr, _name in kept)]), *words)
    if len(authorized) > MOST_AUTHORIZED:
        raise FleetError(
            f"{len(authorized)} authorized networks, with those of clusters that the inventory does not name",
            cluster=wanted.host,
            seen=", ".join(f"{cidr} for {' '.join(names)}" for cidr, names in list(alone.items())[:5]),
            means=f"Google accepts {MOST_AUTHORIZED}",
            next_step=_next_step([name for names in alone.values() for name in names]),
        )
    return dataclasses.replace(wanted, authorized=authorized, whose=(*wanted.whose, *kept)), _stays(wanted, alone)


def _missing(
    net: ipaddress.IPv4Network, hidden: int, shown: t.Container[str], ranges: t.Iterable[tuple[str, str]]
) -> int:
    """How many of those that a display name does not show are no clusters of the inventory that come from there."""
    if not hidden:
        return 0
    first, last = int(net.network_address), int(net.broadcast_address)
    return max(0, hidden - len({name for cidr, name in ranges if first <= _start(cidr) <= last and name not in shown}))


def _stays(wanted: ClusterSpec, alone: t.Mapping[str, list[str]]) -> FleetError | None:
    if not alone:
        return None
    names = sorted({name for names in alone.values() for name in names if not name.startswith(_MORE)})
    more = max(_hidden(one) for one in alone.values())
    whom = [*names, *([f"{more} {'more' if names else 'clusters'} whose names did not fit"] if more else [])]
    return FleetError(
        f"the inventory does not name {', '.join(whom)}, which may reach its API server; that stays",
        cluster=wanted.host,
        seen=f"authorized networks {', '.join(alone)}",
        means="a part of the inventory is missing, or they left the fleet",
        next_step=_next_step([name for names in alone.values() for name in names]),
    )


def _next_step(names: t.Collection[str]) -> str:
    listed = ",".join(sorted({name for name in names if not name.startswith(_MORE)})) or "NAME"
    others = ", and there all others that left" if _hidden(names) else ""
    return (
        "bring the missing part of the inventory back. If they left the fleet: run playbooks/clusters.yml and "
        f"playbooks/peering.yml with -e peering_forget={listed}{others}"
    )
