# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet's graph in Graphviz' language (https://graphviz.org/doc/info/lang.html), without any geometry of its own.

Networks and regions are boxes, clusters nodes, edges who watches whom. A large fleet is drawn by networks or regions.
"""

from __future__ import annotations

import collections
import html
import typing as t

from .view import BAD, OK, UNKNOWN

__all__ = ["dot"]

_LAYERS = 3
_BOXES = 12
"""Of more networks and regions than these, no edges are drawn: the matrix has them."""
_WORDS = {OK: "", BAD: "!", UNKNOWN: "?"}
_HEAD = [
    "digraph fleet {",
    'graph [fontname="Helvetica,Arial,sans-serif", fontsize=13, pad=0.2, nodesep=0.7, ranksep=1.1, rankdir=LR]',
    'node [fontname="Helvetica,Arial,sans-serif", fontsize=12, shape=box, style="rounded,filled", margin="0.22,0.14"]',
    'edge [fontname="Helvetica,Arial,sans-serif", fontsize=10, arrowsize=0.7]',
]


def dot(view: t.Mapping[str, t.Any]) -> str:
    """The graph of what the report shows."""
    if not view["is_graph"]:
        lines = ["graph [layout=circo, mindist=1.5]", *_overview(view)]
    elif _is_dense(view):
        lines = ["graph [layout=circo, mindist=1.5]", *_nodes(view), *_lines(view)]
    else:
        lines = ["graph [layout=dot]", *_boxes(view), *_lines(view)]
    return "\n".join([*_HEAD, *lines, "}"]) + "\n"


def _is_dense(view: t.Mapping[str, t.Any]) -> bool:
    """Whether layers would be many and their lines long: clusters are on a circle then, without boxes."""
    count = len(view["clusters"])
    pairs = {frozenset((edge["watcher"], edge["watched"])) for edge in view["edges"]}
    return count > _LAYERS and len(pairs) >= 1.5 * count


def _ids(view: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {row["name"]: f"n{number}" for number, row in enumerate(view["clusters"])}


def _nodes(view: t.Mapping[str, t.Any]) -> list[str]:
    """Every cluster, with its place in words."""
    ids = _ids(view)
    return [f'{ids[row["name"]]} [class="{row["state"]}", label={_node(row, _place(row))}]' for row in view["clusters"]]


def _place(row: t.Mapping[str, t.Any]) -> str:
    return f"{row['region']}, network {row['network']}" if row["region"] else f"network {row['network']}"


def _boxes(view: t.Mapping[str, t.Any]) -> list[str]:
    """Every cluster, in the boxes of its network and region."""
    ids = _ids(view)
    lines = []
    networks: dict[str, dict[str, list[t.Any]]] = {}
    for row in view["clusters"]:
        networks.setdefault(row["network"], {}).setdefault(row["region"], []).append(row)
    for number, (network, regions) in enumerate(networks.items()):
        lines += [f"subgraph cluster_{number} {{", f'class="network"; label={_plain(f"network {network}")}']
        for inner, (region, rows) in enumerate(regions.items()):
            if region:
                lines.append(f"subgraph cluster_{number}_{inner} {{")
                lines.append(f'class="region"; label={_plain(f"region {region}")}')
            lines += [f'{ids[row["name"]]} [class="{row["state"]}", label={_node(row)}]' for row in rows]
            lines += ["}"] if region else []
        lines.append("}")
    return lines


def _lines(view: t.Mapping[str, t.Any]) -> list[str]:
    """Every pair that watches: one line where both directions are alike."""
    ids = _ids(view)
    order = {row["name"]: number for number, row in enumerate(view["clusters"])}
    lines = []
    states = {(e["watcher"], e["watched"]): e for e in view["edges"] if e["watcher"] in ids and e["watched"] in ids}
    for (watcher, watched), edge in states.items():
        back = states.get((watched, watcher))
        both = back is not None and (back["state"], back["words"]) == (edge["state"], edge["words"])
        backward = order[watched] < order[watcher]
        if both and backward:
            continue
        shape = (
            ["style=dashed, penwidth=1.6"] if edge["state"] == BAD else ["style=dotted"] if edge["state"] != OK else []
        )
        # Every line leads forward for Graphviz, so that the two of a pair do not put both ends side by side.
        shape += ["dir=both"] if both else ["dir=back"] if backward else []
        more = ", ".join([f'class="{edge["state"]}"', f"label={_plain(_short(edge['words'], 32))}", *shape])
        ends = (watched, watcher) if backward else (watcher, watched)
        lines.append(f"{ids[ends[0]]} -> {ids[ends[1]]} [{more}]")
    return lines


def _node(row: t.Mapping[str, t.Any], place: str = "") -> str:
    """A label in Graphviz' own HTML: the name, the role, addresses, and a word where something is wrong."""
    version = f" {row['versions']}" if row["versions"] else ""
    who = f"istiod{version}" if row["role"] == "primary" else f"remote of {row['primary']}"
    small = [place] if place else []
    small.append(who if row["control_plane"] != "managed" else "control plane of Google")
    if row["has_eastwest"]:
        small.append(f"east-west {row['eastwest'] or 'without an address'}")
    if row["ingress"]:
        small.append(f"ingress {row['ingress']}")
    if row["state"] != OK:
        small.append(f"{_WORDS[row['state']]} {row['words']}")
    text = "".join(f'<BR/><FONT POINT-SIZE="10">{_markup(_short(line, 44))}</FONT>' for line in small)
    return f"<<B>{_markup(_short(row['name'], 40))}</B>{text}>"


def _overview(view: t.Mapping[str, t.Any]) -> list[str]:
    """A node for each region, or network where regions are not known, and one line for each pair of these."""
    by = "region" if all(row["region"] for row in view["clusters"]) else "network"
    groups: dict[str, list[t.Any]] = {}
    for row in view["clusters"]:
        groups.setdefault(row[by], []).append(row)
    ids = {name: f"g{number}" for number, name in enumerate(groups)}
    lines = []
    for name, rows in groups.items():
        bad, unknown = (sum(row["state"] == state for row in rows) for state in (BAD, UNKNOWN))
        state = BAD if bad else UNKNOWN if unknown else OK
        count = f"{len(rows)} cluster{'' if len(rows) == 1 else 's'}"
        small = [
            count,
            f"! {bad} with problems" if bad else f"? {unknown} not looked at yet" if unknown else "no problem",
        ]
        networks = sorted({row["network"] for row in rows})
        if by == "region":
            small.append(f"network {networks[0]}" if len(networks) == 1 else f"{len(networks)} networks")
        text = "".join(f'<BR/><FONT POINT-SIZE="10">{_markup(_short(line, 44))}</FONT>' for line in small)
        label = f"<<B>{_markup(_short(f'{by} {name}', 44))}</B>{text}>"
        lines.append(f'{ids[name]} [class="{state}", label={label}]')
    if len(groups) > _BOXES:
        return lines
    group_of = {row["name"]: row[by] for row in view["clusters"]}
    counts: dict[tuple[str, str], collections.Counter[str]] = {}
    for edge in view["edges"]:
        ends = sorted({group_of.get(edge["watcher"], ""), group_of.get(edge["watched"], "")} - {""})
        if len(ends) == 2:
            counts.setdefault((ends[0], ends[1]), collections.Counter())[edge["state"]] += 1
    for (one, other), found in counts.items():
        state = BAD if found[BAD] else UNKNOWN if found[UNKNOWN] else OK
        shape = "style=dashed, penwidth=1.6, " if state == BAD else "style=dotted, " if state == UNKNOWN else ""
        label = _plain(f"{found[OK]} of {sum(found.values())} synced")
        lines.append(f'{ids[one]} -> {ids[other]} [{shape}dir=none, class="{state}", label={label}]')
    return lines


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _markup(text: str) -> str:
    """Text within a label of markup."""
    return html.escape(" ".join(text.split()), quote=False)


def _plain(text: str) -> str:
    """A quoted label. Graphviz reads entities in it, and sequences that begin with a backslash."""
    return '"' + html.escape(" ".join(text.split())).replace("\\", "\\\\") + '"'
