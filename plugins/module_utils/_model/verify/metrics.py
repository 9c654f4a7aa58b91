# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The results of verify in Prometheus' text format, for the textfile collector of its node exporter.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, names: https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import collections
import datetime
import typing as t

__all__ = ["metrics"]

_PREFIX = "mesh_fleet"
_Labels = t.Mapping[str, str]


class _Family:
    """One metric: its name, what it is, and its samples."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = f"{_PREFIX}_{name}", text
        self.samples: dict[tuple[tuple[str, str], ...], float] = {}

    def add(self, value: float | bool, **labels: str) -> None:
        """A sample. What has the same labels as another is one with it: the smaller value, the worse one."""
        key = tuple(labels.items())
        self.samples[key] = min(self.samples.get(key, float(value)), float(value))

    def lines(self) -> list[str]:
        """Nothing of a metric without samples."""
        if not self.samples:
            return []
        rows = [f"# HELP {self.name} {_help(self.text)}", f"# TYPE {self.name} gauge"]
        for labels, value in self.samples.items():
            rows.append(f"{self.name}{_labels(dict(labels))} {_number(value)}")
        return rows


def metrics(document: t.Mapping[str, t.Any]) -> str:
    """The text of a verify document (``verify.json``). All are gauges; each has the label ``fleet``."""
    fleet = str(document["fleet"])
    families = [*_of_run(document, fleet), *_of_clusters(document, fleet), *_of_policies(document, fleet)]
    return "\n".join(line for family in families for line in family.lines()) + "\n"


def _of_run(document: t.Mapping[str, t.Any], fleet: str) -> list[_Family]:
    began = datetime.datetime.fromisoformat(document["started"]).timestamp()
    ended = _Family("verify_last_run_timestamp_seconds", "When verify last ended, in seconds since the epoch.")
    ended.add(began + document["seconds"], fleet=fleet)
    length = _Family("verify_duration_seconds", "How long verify took.")
    length.add(document["seconds"], fleet=fleet)
    success = _Family("verify_success", "1 if no check failed.")
    success.add(bool(document["ok"]), fleet=fleet)
    checks = _Family("verify_checks", "Checks of the last run, by cluster and state: ok, failed or skipped.")
    counts = collections.Counter((n, c["state"]) for c in document["checks"] for n in c["clusters"] or [""])
    for name in dict.fromkeys(name for name, _state in counts):
        for state in ("ok", "failed", "skipped"):
            checks.add(counts[name, state], fleet=fleet, cluster=name, state=state)
    good = _Family("call_success", "1 if the call ended as it must: answered, or refused where it may not succeed.")
    duration = _Family("call_duration_seconds", "How long an answered call took.")
    for call in document["calls"]:
        named = {"caller": call["caller"], "callee": call["callee"], "service": call["service"]}
        good.add(bool(call["ok"]), fleet=fleet, **named, expected="answer" if call["expected"] else "refusal")
        if call["ok"] and call["expected"]:
            duration.add(call["latency_ms"] / 1000, fleet=fleet, **named)
    return [ended, length, success, checks, good, duration]


def _of_clusters(document: t.Mapping[str, t.Any], fleet: str) -> list[_Family]:
    up = _Family("cluster_up", "1 if the cluster could be read.")
    info = _Family("istiod_info", "1 for each control plane's Deployment, with its version.")
    edge = _Family("edge_synced", "1 if the watcher's istiod says that it has synced the watched cluster.")
    certificate = _Family(
        "certificate_expiry_timestamp_seconds",
        "When a certificate, or the first revocation list, ends, in seconds since the epoch.",
    )
    certificate_days = _Family(
        "certificate_days_left", "Days that a certificate, or the first revocation list, had left when verify ran."
    )
    token = _Family("token_expiry_timestamp_seconds", "When the token of a remote secret ends, since the epoch.")
    token_days = _Family("token_days_left", "Days that the token of a remote secret had left when verify ran.")
    refused = _Family("token_accepted", "1 if the watched cluster accepts the watcher's token.")
    now = datetime.datetime.fromisoformat(document["started"]).timestamp()
    for name, found in (document.get("mesh") or {}).items():
        up.add(not found["problem"], fleet=fleet, cluster=name)
        for deployment, version in found["versions"].items():
            info.add(1, fleet=fleet, cluster=name, deployment=deployment, version=version)
        for other, seen in found["watches"].items():
            if seen["declared"]:
                edge.add(seen["state"] == "synced", fleet=fleet, watcher=name, watched=other)
        for kind, ends in found["certificates"].items():
            end = datetime.datetime.fromisoformat(ends).timestamp()
            labels = {"fleet": fleet, "cluster": name, "kind": kind.replace(" ", "_").lower()}
            certificate.add(end, **labels)
            certificate_days.add(round((end - now) / 86400, 3), **labels)
        for held in found["tokens"]:
            labels = {"fleet": fleet, "watcher": name, "watched": held["cluster"]}
            refused.add(not held["refused"], **labels)
            if held["ends"]:
                end = datetime.datetime.fromisoformat(held["ends"]).timestamp()
                token.add(end, **labels)
                token_days.add(round((end - now) / 86400, 3), **labels)
    return [up, info, edge, certificate, certificate_days, token, token_days, refused]


def _of_policies(document: t.Mapping[str, t.Any], fleet: str) -> list[_Family]:
    declared = _Family("policy_share_declared_ratio", "The part of a policy's calls that is declared, 0 to 1.")
    measured = _Family("policy_share_measured_ratio", "The part of a policy's calls that was measured, 0 to 1.")
    for one in (document.get("traffic") or {}).get("measured") or []:
        for share in one["shares"]:
            labels = {"fleet": fleet, "policy": one["policy"], "route": str(one["route"]), "caller": one["caller"]}
            labels |= {"kind": share["kind"], "part": share["words"]}
            declared.add(share["declared"], **labels)
            if share["of"]:
                measured.add(round(share["count"] / share["of"], 6), **labels)
    return [declared, measured]


def _labels(labels: _Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
