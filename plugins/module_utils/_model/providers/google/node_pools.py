# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools of standard GKE clusters: one from plain variables, or those of ``gke_node_pools``."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .field import Said, said_of
from .fields import POOL_FIELDS
from .values import choice, flag, whole, wrong

__all__ = ["BY_HAND_KEYS", "EFFECTS", "KEYS", "NAME", "PASSED", "POLICIES", "Pool", "pools"]

NAME = "nodes"
"""The pool's name where the inventory names none."""
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""Kubernetes' words for what a taint does, and Google's."""
PASSED = "fields"
"""The key that holds any further fields of Google's NodePool; ``gke_pool_fields`` is its default."""
BY_HAND_KEYS = (
    "node_count",
    "node_count_max",
    "node_total_min",
    "node_total_max",
    "node_location_policy",
    "machine_type",
    "disk_size",
    "spot",
    "node_labels",
)
KEYS = ("name", *BY_HAND_KEYS, "taints", *dict.fromkeys(field.name for field in POOL_FIELDS), PASSED)
"""What an entry of ``gke_node_pools`` may hold: ``gke_<key>`` is the default of each, where that is a variable."""
POLICIES = ("balanced", "any")
SMALLEST_DISK = 12
"""In GB; 15 from 1.36.3-gke.1480000, as Google's document says of NodeConfig.diskSizeGb."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
Taint = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Pool:
    """One node pool; taints are key, value and effect in Kubernetes' words."""

    name: str = NAME
    count: int = 1
    maximum: int = 0
    """In each zone; 0 is no autoscaling, unless ``total_maximum`` says so for all zones together."""
    total_minimum: int = 0
    total_maximum: int = 0
    policy: str = ""
    """How autoscaling chooses zones, of POLICIES; "" for Google's choice."""
    machine: str = "e2-standard-4"
    disk: int = 100
    spot: bool = False
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    fields: tuple[Said, ...] = ()
    """Of POOL_FIELDS."""
    passed: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    """Further fields, as Google's NodePool has them."""


def pools(host: str, variables: t.Mapping[str, t.Any]) -> tuple[Pool, ...]:
    """The pools that a cluster shall have.

    Raises FleetError for a value that cannot be, with the variable's name.
    """
    listed = variables.get("gke_node_pools") or []
    if not listed:
        return (_pool(host, variables, NAME, {}, ()),)
    found: list[Pool] = []
    for number, entry in enumerate(listed):
        at = f"gke_node_pools[{number}]"
        if not isinstance(entry, t.Mapping):
            raise wrong(host, at, entry, f"a dictionary with {', '.join(KEYS)}")
        odd = [str(key) for key in entry if key not in KEYS]
        if odd:
            raise wrong(host, f"{at}.{odd[0]}", entry[odd[0]], f"known are: {', '.join(KEYS)}")
        name = str(entry.get("name") or "")
        same = next((pool.name for pool in found if pool.name.lower() == name.lower() != pool.name), "")
        same = same or next((pool.name for pool in found if pool.name == name.lower() != name), "")
        if same:
            raise wrong(host, f"{at}.name", name, f"a name of its own: it differs from {same} only in case")
        if not _NAME.fullmatch(name):
            raise wrong(host, f"{at}.name", name or "empty", "at most 40 lower-case letters, digits and -")
        if any(pool.name == name for pool in found):
            raise wrong(host, f"{at}.name", name, "a name of its own: another pool has it")
        own = {f"gke_{key}": value for key, value in entry.items() if key in BY_HAND_KEYS}
        found.append(_pool(host, {**variables, **own}, name, entry, _taints(host, at, entry.get("taints") or [])))
    if all(pool.taints for pool in found):
        raise wrong(host, "gke_node_pools", "tainted throughout", "leave one without taints: istiod runs there")
    return tuple(found)


def _pool(
    host: str, v: t.Mapping[str, t.Any], name: str, entry: t.Mapping[str, t.Any], taints: tuple[Taint, ...]
) -> Pool:
    """``v`` are the host's variables, with what the entry of ``gke_node_pools`` says of them instead."""
    labels = v.get("gke_node_labels") or {}
    if not isinstance(labels, t.Mapping):
        raise wrong(host, "gke_node_labels", labels, "a dictionary")
    count = whole(host, v, "gke_node_count", Pool.count, least=1)
    maximum = whole(host, v, "gke_node_count_max", Pool.maximum)
    if maximum and maximum < count:
        raise wrong(host, "gke_node_count_max", maximum, "0, or at least gke_node_count")
    total_minimum = whole(host, v, "gke_node_total_min", Pool.total_minimum)
    total_maximum = whole(host, v, "gke_node_total_max", Pool.total_maximum)
    if total_maximum and maximum:
        raise wrong(host, "gke_node_total_max", total_maximum, "0 beside gke_node_count_max: Google takes one of them")
    if total_minimum > total_maximum:
        raise wrong(host, "gke_node_total_min", total_minimum, "at most gke_node_total_max")
    policy = choice(host, v, "gke_node_location_policy", ("", *POLICIES), "")
    if policy and not maximum and not total_maximum:
        raise wrong(host, "gke_node_location_policy", policy, "gke_node_count_max or gke_node_total_max beside it")
    inherited = [field for field in POOL_FIELDS if not field.alone]
    mine = {f"gke_{key}": value for key, value in entry.items()}
    said = {one.field: one for one in said_of(host, inherited, v)}
    said |= {one.field: one for one in said_of(host, POOL_FIELDS, mine) if one.field not in said or not one.new}
    passed = entry.get(PASSED) or v.get("gke_pool_fields") or {}
    if not isinstance(passed, t.Mapping):
        raise wrong(host, "gke_pool_fields", passed, "a dictionary, as Google's NodePool")
    return Pool(
        name=name,
        count=count,
        maximum=maximum,
        total_minimum=total_minimum,
        total_maximum=total_maximum,
        policy=policy,
        machine=str(v.get("gke_machine_type") or Pool.machine),
        disk=whole(host, v, "gke_disk_size", Pool.disk, least=SMALLEST_DISK),
        spot=flag(host, v, "gke_spot", Pool.spot),
        labels={str(key): str(value) for key, value in labels.items()},
        taints=taints,
        fields=tuple(said[field] for field in POOL_FIELDS if field in said),
        passed=passed,
    )


def _taints(host: str, at: str, given: t.Any) -> tuple[Taint, ...]:
    found = []
    for entry in given if isinstance(given, list) else [given]:
        effect = str(entry.get("effect", "NoSchedule")) if isinstance(entry, t.Mapping) else ""
        if effect not in EFFECTS or not entry.get("key"):
            raise wrong(host, f"{at}.taints", entry, f"key, value and effect, one of: {', '.join(EFFECTS)}")
        found.append((str(entry["key"]), str(entry.get("value") or ""), effect))
    return tuple(sorted(found))
