# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the report shows: the inventory, what verify found, and what the last run did, as rows and words.

Each row that can be good or bad has ``state``: ``ok``, ``bad``, ``soon`` or ``unknown``.
"""

from __future__ import annotations

import collections
import datetime
import typing as t

__all__ = ["BAD", "GRAPH_CLUSTERS", "NONE", "OK", "SOON", "UNKNOWN", "view"]

OK, BAD, SOON, UNKNOWN, NONE = "ok", "bad", "soon", "unknown", "none"
GRAPH_CLUSTERS, GRAPH_PAIRS = 12, 20
"""A graph of more clusters, or of more pairs of them, is a hairball: there is a matrix instead."""
ROWS = 200
"""A longer list of what is well is a number instead. What is not well is always listed."""
SOON_DAYS = 7
LISTS_DAYS = 2
"""From when verify complains of revocation lists."""
LISTS = "revocation lists"
"""Few meshes have any: without one the page has no column for them."""

Data = t.Mapping[str, t.Any]


def view(declared: Data, document: Data | None, records: t.Sequence[Data], now: datetime.datetime) -> dict[str, t.Any]:
    """All that the page shows.

    Args:
        declared: what the inventory says.
        document: verify's; None where it has not run, or has no document here.
        records: the lines of the last run.
        now: by which days are counted.
    """
    mesh = (document or {}).get("mesh") or {}
    run = _run(records)
    stale = bool(document and run and "verify" not in run["stages_seen"] and document["started"] < run["began"])
    failed = [c for c in (document or {}).get("checks") or () if c["state"] == "failed"]
    edges = _edges(declared, mesh)
    calls = _calls(document)
    clusters = _clusters(declared, mesh, failed, run, now)
    pairs = {frozenset((e["watcher"], e["watched"])) for e in edges}
    roots = sorted({row["root"] for row in clusters if row["root"]})
    certificates = _certificates(declared, mesh, now)
    ends = [row["days"] for row in certificates if row["days"] is not None]
    checks = collections.Counter(c["state"] for c in (document or {}).get("checks") or ())
    return {
        "fleet": declared["fleet"],
        "mesh_id": declared["mesh_id"],
        "trust_domain": declared["trust_domain"],
        "made": _time(now),
        "verified": _time(_parsed(document["started"])) if document else "",
        "stale": stale,
        "verdict": _verdict(document, failed, run, stale=stale),
        "clusters": clusters,
        "edges": edges,
        "is_graph": len(declared["clusters"]) <= GRAPH_CLUSTERS and len(pairs) <= GRAPH_PAIRS,
        "watching": _matrix(declared, {(e["watcher"], e["watched"]): (e["state"], e["words"]) for e in edges}),
        "calling": _matrix(declared, {k: (v["state"], v["seen"]) for k, v in _by_pair(calls).items()}),
        "calls": calls,
        "calls_shown": calls if len(calls) <= ROWS else [c for c in calls if c["state"] != OK],
        "calls_ok": sum(c["state"] == OK for c in calls),
        "edges_ok": sum(e["state"] == OK for e in edges),
        "edges_declared": sum(e["declared"] for e in edges),
        "checks": dict(checks),
        "failed": failed,
        "roots": roots,
        "certificates": certificates,
        "lifetimes": _lifetimes(certificates),
        "lists": [LISTS] if any(row["kind"] == LISTS for row in certificates) else [],
        "first_end": min(ends) if ends else None,
        "exports": declared["exports"],
        "policies": _policies(declared, document),
        "run": run,
    }


def _verdict(document: Data | None, failed: t.Sequence[Data], run: Data | None, *, stale: bool) -> tuple[str, str]:
    """The state of the fleet, and it in words."""
    if run and run["failures"]:
        hosts = sorted({one["cluster"] for one in run["failures"] if one["cluster"]})
        where = f" in {_listed(hosts)}" if hosts else ""
        return BAD, f"The last run did not end well{where}"
    if document is None:
        return UNKNOWN, "Nothing is proven yet: verify has not run"
    if failed:
        hosts = sorted({name for check in failed for name in check["clusters"]})
        count = len(failed)
        return BAD, f"{count} check{'' if count == 1 else 's'} failed{f', in {_listed(hosts)}' if hosts else ''}"
    if stale:
        return UNKNOWN, "Proven before the last run, and not again since"
    return OK, "One mesh: every check passed"


def _listed(names: t.Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _clusters(
    declared: Data, mesh: Data, failed: t.Sequence[Data], run: Data | None, now: datetime.datetime
) -> list[dict[str, t.Any]]:
    wrong = collections.Counter(name for check in failed for name in check["clusters"])
    failures = collections.Counter(one["cluster"] for one in (run or {}).get("failures") or ())
    rows = []
    for name, said in declared["clusters"].items():
        found = mesh.get(name)
        parts = []
        if found and found["problem"]:
            parts.append("not readable")
        if wrong[name]:
            parts.append(f"{wrong[name]} check{'' if wrong[name] == 1 else 's'} failed")
        if failures[name]:
            parts.append("failed in the last run")
        state = BAD if parts else UNKNOWN if found is None else OK
        rows.append(
            {
                **said,
                "name": name,
                "state": state,
                "words": ", ".join(parts) or ("not looked at yet" if found is None else "no problem"),
                "problem": (found or {}).get("problem") or "",
                "versions": _versions(found),
                "eastwest": ((found or {}).get("eastwest") or "") if found else "",
                "has_eastwest": bool(found and found["eastwest"] is not None),
                "ingress": (found or {}).get("ingress") or "",
                "root": (found or {}).get("root") or "",
                "trust_domain": (found or {}).get("trust_domain") or "",
            }
        )
    return rows


def _versions(found: Data | None) -> str:
    return ", ".join(sorted(set(map(str, ((found or {}).get("versions") or {}).values()))))


def _edges(declared: Data, mesh: Data) -> list[dict[str, t.Any]]:
    """Every pair that is declared or that a remote secret makes."""
    wanted = set(declared["edges"])
    seen = {(w, x): state for w, found in mesh.items() for x, state in found["watches"].items() if state["secret"]}
    rows = []
    for watcher, watched in [*declared["edges"], *sorted(set(seen) - wanted)]:
        found = mesh.get(watcher)
        state = found["watches"].get(watched) if found else None
        if (watcher, watched) not in wanted:
            good, words = BAD, "not declared, but there is a remote secret"
        elif found is None or state is None:
            good, words = UNKNOWN, "not looked at yet"
        elif found["problem"]:
            good, words = UNKNOWN, "the watcher cannot be read"
        elif not state["secret"]:
            good, words = BAD, "no remote secret"
        elif state["state"] == "synced":
            good, words = OK, "synced"
        elif state["state"] == "unknown":
            good, words = UNKNOWN, "istiod says nothing"
        else:
            good, words = BAD, state["state"] or "no state"
        is_declared = (watcher, watched) in wanted
        rows.append({"watcher": watcher, "watched": watched, "state": good, "words": words, "declared": is_declared})
    return rows


def _calls(document: Data | None) -> list[dict[str, t.Any]]:
    """Calls that did not end as they must first."""
    rows = [
        {
            "caller": call["caller"],
            "callee": call["callee"],
            "service": call["service"],
            "state": OK if call["ok"] else BAD,
            "seen": f"{call['status']} in {call['latency_ms']:.0f} ms"
            if call["ok"] and call["expected"]
            else "refused, as declared"
            if call["ok"]
            else call["seen"],
            "identity": call["identity"],
            "path": call["path"],
            "means": call["means"],
            "next": call["next_step"],
        }
        for call in (document or {}).get("calls") or ()
    ]
    return sorted(rows, key=lambda row: row["state"] == OK)


def _by_pair(calls: t.Sequence[dict[str, t.Any]]) -> dict[tuple[str, str], dict[str, t.Any]]:
    """One call for each pair: the worst."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    for call in calls:
        found.setdefault((call["caller"], call["callee"]), call)
    return found


def _matrix(declared: Data, cells: t.Mapping[tuple[str, str], tuple[str, str]]) -> list[dict[str, t.Any]]:
    """A row for each cluster, with a cell for each: its state, and words only where it is not well."""
    names = list(declared["clusters"])
    rows = []
    for row in names:
        found = [cells.get((row, column), (NONE, "")) for column in names]
        shown = [(state, "" if state in (OK, NONE) else words) for state, words in found]
        rows.append({"name": row, "cells": shown, "bad": sum(state == BAD for state, _words in found)})
    return rows


def _certificates(declared: Data, mesh: Data, now: datetime.datetime) -> list[dict[str, t.Any]]:
    """For each cluster its certificates and the tokens by which it watches: when the first of each kind ends."""
    rows = []
    for name in declared["clusters"]:
        found = mesh.get(name)
        if not found:
            continue
        for kind, ends in found["certificates"].items():
            rows.append(_ending(name, kind, 1, ends, now, ""))
        if found["tokens"]:
            lives = sorted(token["ends"] for token in found["tokens"] if token["ends"])
            refused = sorted(token["cluster"] for token in found["tokens"] if token["refused"])
            note = f"refused by {_listed(refused)}" if refused else ""
            rows.append(_ending(name, "tokens", len(found["tokens"]), lives[0] if lives else "", now, note))
    return rows


def _ending(name: str, kind: str, count: int, ends: str, now: datetime.datetime, note: str) -> dict[str, t.Any]:
    days = (_parsed(ends) - now).total_seconds() / 86400 if ends else None
    # A workload's certificate lives a day, and its proxy renews it; CAs issue revocation lists for days or weeks.
    soon = {"leaf": 0.1, LISTS: LISTS_DAYS}.get(kind, SOON_DAYS)
    state = OK if days is None else BAD if days <= 0 else SOON if days < soon else OK
    return {
        "cluster": name,
        "kind": kind,
        "count": count,
        "ends": _time(_parsed(ends)) if ends else "never",
        "days": days,
        "left": _left(days),
        "state": BAD if note else state,
        "note": note or {BAD: "ended", SOON: "ends soon"}.get(state, ""),
    }


def _lifetimes(certificates: t.Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """One row for each cluster, with the worst state of what it has."""
    rows: dict[str, dict[str, t.Any]] = {}
    for one in certificates:
        row = rows.setdefault(one["cluster"], {"cluster": one["cluster"], "state": OK, "notes": []})
        row[one["kind"]] = one
        if one["state"] != OK:
            row["notes"].append(f"{one['kind']}: {one['note']}")
            row["state"] = BAD if BAD in (row["state"], one["state"]) else SOON
    return list(rows.values())


def _left(days: float | None) -> str:
    if days is None:
        return "-"
    if days <= 0:
        return "0 days"
    return f"{int(days)} days" if days >= 2 else f"{days * 24:.0f} hours"


def _policies(declared: Data, document: Data | None) -> list[dict[str, t.Any]]:
    """A row for each share of each measured policy, and one for each policy without a measurement."""
    traffic = (document or {}).get("traffic") or {}
    level = traffic.get("level") or 0
    rows: list[dict[str, t.Any]] = []
    for one in traffic.get("measured") or ():
        base = {"policy": one["policy"] + (f" route {one['route']}" if one["route"] else ""), "from": one["caller"]}
        if not one["shares"]:
            good = not one["failed"] and not one["differences"]
            seen = f"{one['calls'] - one['failed']} of {one['calls']} calls answered"
            rows.append(
                {**base, "part": "-", "declared": "", "measured": "", "seen": seen, "state": OK if good else BAD}
            )
        for share in one["shares"]:
            off = max(share["p"], share["p_late"]) < level
            measured = _percent(share["count"] / share["of"]) if share["of"] else "-"
            rows.append(
                {
                    **base,
                    "part": share["words"],
                    "declared": _percent(share["declared"]),
                    "measured": measured,
                    "seen": f"{share['count']} of {share['of']} calls",
                    "state": BAD if off else OK if share["of"] else UNKNOWN,
                    "bars": (100 * share["declared"], 100 * share["count"] / share["of"] if share["of"] else 0),
                }
            )
    known = {one["policy"] for one in traffic.get("measured") or ()}
    left = traffic.get("not_measured") or {}
    for policy in declared["policies"]:
        if policy["service"] not in known:
            why = next((text for name, text in left.items() if name.startswith(policy["service"])), "not measured yet")
            callers = _listed(policy["callers"]) if policy["callers"] else "all clusters"
            rows.append(
                {"policy": policy["service"], "from": callers, "part": "-", "declared": "", "measured": "", "seen": why}
                | {"state": UNKNOWN}
            )
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _run(records: t.Sequence[Data]) -> dict[str, t.Any] | None:
    """The last run: its stages in their order, what they changed, and what went wrong. None when there was none."""
    if not records:
        return None
    stages: dict[str, dict[str, t.Any]] = {}
    failures: dict[tuple[str, ...], dict[str, str]] = {}
    for one in records:
        stage = stages.setdefault(
            one["stage"],
            {"stage": one["stage"], "seconds": 0.0, "changed": 0, "lines": [], "failed": set(), "kinds": {}},
        )
        stage["seconds"] = max(stage["seconds"], one["seconds"])
        stage["changed"] += one["changed"]
        line = one["line"]
        if line and line not in stage["lines"]:
            stage["lines"].append(line)
        for touched in one["objects"]:
            key = f"{touched['kind']} {touched['action']}"
            stage["kinds"][key] = stage["kinds"].get(key, 0) + 1
        for cluster, problems in one["problems"].items():
            stage["failed"].add(cluster or one["host"])
            for problem in problems:
                entry = {key: str(problem.get(key) or "") for key in ("what", "object", "seen", "means", "next")}
                entry |= {"stage": one["stage"], "cluster": cluster or str(problem.get("cluster") or one["host"])}
                failures.setdefault(tuple(entry.values()), entry)
    for stage in stages.values():
        stage["state"] = BAD if stage["failed"] else OK
        stage["words"] = f"failed: {_listed(sorted(filter(None, stage['failed'])))}" if stage["failed"] else "ok"
        stage["touched"] = ", ".join(f"{key} ({count})" for key, count in sorted(stage["kinds"].items()))
    return {
        "began": records[0]["time"],
        "began_words": _time(_parsed(records[0]["time"])),
        "ended_words": _time(_parsed(records[-1]["time"])),
        "stages": list(stages.values()),
        "stages_seen": list(stages),
        "last": records[-1]["stage"],
        "changed": sum(stage["changed"] for stage in stages.values()),
        "failures": list(failures.values()),
    }


def _parsed(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _time(when: datetime.datetime) -> str:
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
