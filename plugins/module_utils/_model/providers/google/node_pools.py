# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools of standard GKE clusters: one from plain variables, or those of ``gke_node_pools``."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .values import flag, whole, wrong

__all__ = ["EFFECTS", "KEYS", "NAME", "Pool", "pools"]

NAME = "nodes"
"""The pool's name where the inventory names none."""
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""Kubernetes' words for what a taint does, and Google's."""
KEYS = ("name", "node_count", "node_count_max", "machine_type", "disk_size", "spot", "node_labels", "taints")
"""What an entry of ``gke_node_pools`` may hold: but for name and taints, ``gke_<key>`` is its default."""
SMALLEST_DISK = 10

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
Taint = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Pool:
    """One node pool. ``maximum`` 0 is no autoscaling; taints are key, value and effect in Kubernetes' words."""

    name: str = NAME
    count: int = 1
    maximum: int = 0
    machine: str = "e2-standard-4"
    disk: int = 100
    spot: bool = False
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


def pools(host: str, variables: t.Mapping[str, t.Any]) -> tuple[Pool, ...]:
    """The pools that a cluster shall have.

    Raises FleetError for a value that cannot be, with the variable's name.
    """
    listed = variables.get("gke_node_pools") or []
    if not listed:
        return (_pool(host, variables, NAME, ()),)
    found: list[Pool] = []
    for number, entry in enumerate(listed):
        at = f"gke_node_pools[{number}]"
        if not isinstance(entry, t.Mapping):
            raise wrong(host, at, entry, f"a dictionary with {', '.join(KEYS)}")
        odd = [str(key) for key in entry if key not in KEYS]
        if odd:
            raise wrong(host, f"{at}.{odd[0]}", entry[odd[0]], f"known are: {', '.join(KEYS)}")
        name = str(entry.get("name") or "")
        if not _NAME.fullmatch(name):
            raise wrong(host, f"{at}.name", name or "empty", "at most 40 lower-case letters, digits and -")
        if any(pool.name == name for pool in found):
            raise wrong(host, f"{at}.name", name, "a name of its own: another pool has it")
        own = {f"gke_{key}": value for key, value in entry.items() if key not in ("name", "taints")}
        found.append(_pool(host, {**variables, **own}, name, _taints(host, at, entry.get("taints") or [])))
    if all(pool.taints for pool in found):
        raise wrong(host, "gke_node_pools", "tainted throughout", "leave one without taints: istiod runs there")
    return tuple(found)


def _pool(host: str, v: t.Mapping[str, t.Any], name: str, taints: tuple[Taint, ...]) -> Pool:
    labels = v.get("gke_node_labels") or {}
    if not isinstance(labels, t.Mapping):
        raise wrong(host, "gke_node_labels", labels, "a dictionary")
    count = whole(host, v, "gke_node_count", Pool.count, least=1)
    maximum = whole(host, v, "gke_node_count_max", Pool.maximum)
    if maximum and maximum < count:
        raise wrong(host, "gke_node_count_max", maximum, "0, or at least gke_node_count")
    return Pool(
        name=name,
        count=count,
        maximum=maximum,
        machine=str(v.get("gke_machine_type") or Pool.machine),
        disk=whole(host, v, "gke_disk_size", Pool.disk, least=SMALLEST_DISK),
        spot=flag(host, v, "gke_spot", Pool.spot),
        labels={str(key): str(value) for key, value in labels.items()},
        taints=taints,
    )


def _taints(host: str, at: str, given: t.Any) -> tuple[Taint, ...]:
    found = []
    for entry in given if isinstance(given, list) else [given]:
        effect = str(entry.get("effect", "NoSchedule")) if isinstance(entry, t.Mapping) else ""
        if effect not in EFFECTS or not entry.get("key"):
            raise wrong(host, f"{at}.taints", entry, f"key, value and effect, one of: {', '.join(EFFECTS)}")
        found.append((str(entry["key"]), str(entry.get("value") or ""), effect))
    return tuple(sorted(found))
