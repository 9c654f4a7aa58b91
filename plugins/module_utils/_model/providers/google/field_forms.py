# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of fields that are more than a word: rules for them, and their form in Google's API."""

from __future__ import annotations

import datetime
import re
import typing as t

from ...inventory.variable import Fault
from .field import Wire

__all__ = [
    "DAILY",
    "EXCLUSIONS",
    "GPUS",
    "GROUP",
    "OF_FLEET",
    "RECURRING",
    "RESERVATION",
    "UPGRADE",
    "account",
    "exclusions",
    "gpus",
    "group",
    "key",
    "key_location",
    "names",
    "reservation",
    "subnetwork",
    "tags",
    "upgrade",
    "window",
    "zones",
]

Json = dict[str, t.Any]

_KEY = re.compile(r"projects/[^/]+/locations/(?P<location>[-a-z0-9]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
_SUBNETWORK = re.compile(r"projects/[^/]+/regions/[^/]+/subnetworks/[^/]+")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_TAG_KEY, _TAG_VALUE = re.compile(r"tagKeys/[0-9]+"), re.compile(r"tagValues/[0-9]+")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?s")
LONGEST_EXCLUSION = datetime.timedelta(days=90)
"""Of scope no_upgrades. At least 48 hours of 92 days must be left for maintenance:
https://docs.cloud.google.com/kubernetes-engine/docs/how-to/maintenance-window"""
MOST_EXCLUSIONS, MOST_WHOLE = 20, 3
"""Exclusions of a cluster, and of those of scope no_upgrades: .../concepts/maintenance-windows-and-exclusions"""


OF_FLEET = "fleet"
"""A service account that a run makes for the fleet, instead of an address."""


def account(value: str) -> Fault | None:
    """A service account by its address, or ``fleet``."""
    if value == OF_FLEET or _ACCOUNT.fullmatch(value):
        return None
    hint = f"such as nodes@shop-prod.iam.gserviceaccount.com; or {OF_FLEET}, for one that is made"
    return Fault("is not the address of a service account", hint)


def group(value: str) -> Fault | None:
    """Google asks for this name: .../kubernetes-engine/docs/how-to/google-groups-rbac"""
    if value.startswith("gke-security-groups@") and "." in value.partition("@")[2]:
        return None
    return Fault("is not a group of groups that GKE accepts", "gke-security-groups@<your domain>")


def key(value: str) -> Fault | None:
    """A key of Cloud KMS by its path."""
    if _KEY.fullmatch(value):
        return None
    return Fault("is not a key of Cloud KMS", "projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>")


def key_location(value: str) -> str:
    found = _KEY.fullmatch(value)
    return found["location"] if found else ""


def subnetwork(value: str) -> Fault | None:
    if _SUBNETWORK.fullmatch(value):
        return None
    return Fault("is not the path of a subnet", "projects/<project>/regions/<region>/subnetworks/<name>")


def zones(value: t.Sequence[t.Any]) -> Fault | None:
    odd = [one for one in value if not _ZONE.fullmatch(str(one))]
    if odd:
        return Fault(f"has {odd[0]!r}, which is not a zone", "such as us-west1-a")
    return None if value else Fault("is empty", "at least one zone, or leave it out")


def names(value: t.Sequence[t.Any]) -> Fault | None:
    odd = [one for one in value if not _NAME.fullmatch(str(one))]
    return (
        Fault(f"has {odd[0]!r}, which is not a name in Google Cloud", "lower-case letters, digits, -") if odd else None
    )


def tags(value: t.Mapping[t.Any, t.Any]) -> Fault | None:
    """Google returns them by number, however they were written."""
    hint = "tagKeys/<number>: tagValues/<number>, as gcloud resource-manager tags keys list shows them"
    for one, other in value.items():
        if not _TAG_KEY.fullmatch(str(one)) or not _TAG_VALUE.fullmatch(str(other)):
            return Fault(f"has {one}: {other}, which is not a tag by number", hint)
    return None


# -- maintenance -------------------------------------------------------------------------------


def _moment(text: t.Any) -> datetime.datetime | None:
    if isinstance(text, datetime.datetime):  # YAML reads a bare time so
        return text if text.tzinfo else text.replace(tzinfo=datetime.UTC)
    try:
        found = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _text(moment: t.Any) -> str:
    found = _moment(moment)
    return found.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if found else str(moment)


def _span(value: t.Mapping[str, t.Any]) -> Fault | None:
    for name in ("start", "end"):
        if _moment(value.get(name)) is None:
            return Fault(f"has no {name} that is a time", "such as 2026-01-03T02:00:00Z")
    start, end = _moment(value["start"]), _moment(value["end"])
    return Fault("ends before it begins", "an end after the start") if t.cast(t.Any, start) >= end else None


def window(value: t.Mapping[str, t.Any]) -> Fault | None:
    """``{daily: "03:00"}``, or start and end of the first window, and how it recurs."""
    if not value:
        return None
    if set(value) == {"daily"}:
        # 03:00 without quotes is 180 minutes in YAML.
        wrong = not _TIME.fullmatch(str(value["daily"]))
        return Fault("is not a time of the day", 'daily: "03:00", in quotes, in UTC') if wrong else None
    if set(value) != {"start", "end", "recurrence"}:
        return Fault("is not a window", 'daily: "03:00"; or start, end and recurrence of the first window')
    if not str(value["recurrence"]).startswith("FREQ="):
        return Fault("has a recurrence that is none", "such as FREQ=WEEKLY;BYDAY=SA,SU")
    return _span(value)


def exclusions(value: t.Sequence[t.Any]) -> Fault | None:
    seen: set[str] = set()
    for one in value:
        if not isinstance(one, t.Mapping) or not {"name", "start", "end"} <= set(one) <= {*_EXCLUSION}:
            return Fault("has an entry that is none", f"{', '.join(_EXCLUSION)}")
        name, scope = str(one["name"]), str(one.get("scope") or _SCOPE)
        if name in seen:
            return Fault(f"has two of name {name}", "a name of its own for each")
        seen.add(name)
        if scope not in _SCOPES:
            return Fault(f"has scope {scope!r}, which is unknown", f"one of: {', '.join(_SCOPES)}")
        fault = _span(one)
        if fault:
            return Fault(f"has {name}, which {fault.message}", fault.hint)
        long = t.cast(t.Any, _moment(one["end"])) - _moment(one["start"])
        if scope == _SCOPE and long > LONGEST_EXCLUSION:
            message = f"has {name}, which lasts {long.days} days"
            return Fault(message, f"at most {LONGEST_EXCLUSION.days} days of scope {_SCOPE}, or a narrower scope")
    whole = [one for one in value if str(one.get("scope") or _SCOPE) == _SCOPE]
    if len(value) > MOST_EXCLUSIONS or len(whole) > MOST_WHOLE:
        hint = f"at most {MOST_EXCLUSIONS}, of which {MOST_WHOLE} of scope {_SCOPE}"
        return Fault(f"has {len(value)} exclusions, {len(whole)} of scope {_SCOPE}", hint)
    return None


_EXCLUSION = ("name", "start", "end", "scope")
_SCOPE = "no_upgrades"
_SCOPES = ("no_upgrades", "no_minor_upgrades", "no_minor_or_node_upgrades")


def _parse_window(value: t.Mapping[str, t.Any]) -> Json:
    if not value or "daily" in value:
        return {"daily": str(value["daily"])} if value else {}
    return {"start": _text(value["start"]), "end": _text(value["end"]), "recurrence": str(value["recurrence"])}


def _recurring(value: Json) -> Json | None:
    if "start" not in value:
        return None
    return {"window": {"startTime": value["start"], "endTime": value["end"]}, "recurrence": value["recurrence"]}


def _of_recurring(live: Json | None) -> Json:
    inner = (live or {}).get("window") or {}
    if not inner:
        return {}
    recurrence = str((live or {}).get("recurrence") or "").removeprefix("RRULE:")
    return {"start": _text(inner.get("startTime")), "end": _text(inner.get("endTime")), "recurrence": recurrence}


RECURRING = Wire("dict", _parse_window, _recurring, _of_recurring)
DAILY = Wire(
    "dict",
    _parse_window,
    lambda value: {"startTime": value["daily"]} if "daily" in value else None,
    lambda live: {"daily": live["startTime"]} if live and live.get("startTime") else {},
)


def _parse_exclusions(value: t.Sequence[t.Any]) -> list[Json]:
    found = [
        {
            "name": str(one["name"]),
            "start": _text(one["start"]),
            "end": _text(one["end"]),
            "scope": str(one.get("scope") or _SCOPE),
        }
        for one in value
    ]
    return sorted(found, key=lambda one: one["name"])


def _exclusions(value: t.Sequence[Json]) -> Json | None:
    return {
        one["name"]: {
            "startTime": one["start"],
            "endTime": one["end"],
            "maintenanceExclusionOptions": {"scope": one["scope"].upper()},
        }
        for one in value
    } or None


def _of_exclusions(live: Json | None) -> list[Json]:
    return [
        {
            "name": name,
            "start": _text(one.get("startTime")),
            "end": _text(one.get("endTime")),
            "scope": str((one.get("maintenanceExclusionOptions") or {}).get("scope") or _SCOPE).lower(),
        }
        for name, one in sorted((live or {}).items())
    ]


EXCLUSIONS = Wire("list", _parse_exclusions, _exclusions, _of_exclusions)

# -- of clusters -------------------------------------------------------------------------------

GROUP = Wire(
    "str",
    str,
    lambda value: {"enabled": True, "securityGroup": value},
    lambda live: str(live.get("securityGroup") or "") if live and live.get("enabled") else "",
)

# -- of pools ----------------------------------------------------------------------------------

_SURGE = ("max_surge", "max_unavailable")
_BLUE_GREEN = ("batch_node_count", "batch_percentage", "batch_soak", "pool_soak")


def upgrade(value: t.Mapping[str, t.Any]) -> Fault | None:
    strategy = value.get("strategy", "surge")
    if strategy not in ("surge", "blue_green"):
        return Fault(f"has strategy {strategy!r}, which is unknown", "one of: surge, blue_green")
    known = _SURGE if strategy == "surge" else _BLUE_GREEN
    odd = [str(name) for name in value if name not in ("strategy", *known)]
    if odd:
        return Fault(f"has {odd[0]}, which strategy {strategy} has not", f"known are: {', '.join(known)}")
    for name, one in value.items():
        text = str(one)
        if name.endswith("soak") and not _DURATION.fullmatch(text):
            return Fault(f"has {name} {text!r}, which is not a duration", "seconds, such as 600s")
        if name in (*_SURGE, "batch_node_count") and not text.isdigit():
            return Fault(f"has {name} {text!r}, which is not a whole number", "0 or more")
        if name == "batch_percentage" and not re.fullmatch(r"0?\.[0-9]+|1(\.0+)?", text):
            return Fault(f"has {name} {text!r}, which is not a part", "more than 0, at most 1.0")
    if strategy == "surge" and not any(int(value.get(name, 0)) for name in _SURGE):
        return Fault("changes no node at all", "max_surge or max_unavailable of 1 or more")
    if "batch_node_count" in value and "batch_percentage" in value:
        return Fault("has batch_node_count and batch_percentage", "one of them")
    return None


def _parse_upgrade(value: t.Mapping[str, t.Any]) -> Json:
    strategy = str(value.get("strategy", "surge"))
    if strategy == "surge":
        return {"strategy": strategy, **{name: int(value.get(name, 0)) for name in _SURGE}}
    found: Json = {"strategy": strategy}
    for name in _BLUE_GREEN:
        if name in value:
            one = value[name]
            found[name] = int(one) if name.endswith("count") else float(one) if name.endswith("age") else str(one)
    return found


def _upgrade(value: Json) -> Json:
    if value["strategy"] == "surge":
        return {"strategy": "SURGE", "maxSurge": value["max_surge"], "maxUnavailable": value["max_unavailable"]}
    policy = {
        theirs: value[mine]
        for mine, theirs in (
            ("batch_node_count", "batchNodeCount"),
            ("batch_percentage", "batchPercentage"),
            ("batch_soak", "batchSoakDuration"),
        )
        if mine in value
    }
    settings: Json = {"standardRolloutPolicy": policy} if policy else {}
    if "pool_soak" in value:
        settings["nodePoolSoakDuration"] = value["pool_soak"]
    return {"strategy": "BLUE_GREEN", **({"blueGreenSettings": settings} if settings else {})}


def _of_upgrade(live: Json | None) -> Json:
    found = live or {}
    if found.get("strategy") != "BLUE_GREEN":
        return {
            "strategy": "surge",
            "max_surge": int(found.get("maxSurge") or 0),
            "max_unavailable": int(found.get("maxUnavailable") or 0),
        }
    settings = found.get("blueGreenSettings") or {}
    policy = settings.get("standardRolloutPolicy") or {}
    named = {
        "batch_node_count": policy.get("batchNodeCount"),
        "batch_percentage": policy.get("batchPercentage"),
        "batch_soak": policy.get("batchSoakDuration"),
        "pool_soak": settings.get("nodePoolSoakDuration"),
    }
    return {"strategy": "blue_green", **{name: one for name, one in named.items() if one is not None}}


UPGRADE = Wire("dict", _parse_upgrade, _upgrade, _of_upgrade, partly=True)

_DRIVERS = {"default": "DEFAULT", "latest": "LATEST", "none": "INSTALLATION_DISABLED"}
_SHARING = {"time_sharing": "TIME_SHARING", "mps": "MPS"}
_GPU = ("type", "count", "driver", "partition", "sharing", "shared_by")


def gpus(value: t.Sequence[t.Any]) -> Fault | None:
    for one in value:
        if not isinstance(one, t.Mapping) or not one.get("type") or set(one) - {*_GPU}:
            return Fault("has an entry that is none", f"type, and optionally {', '.join(_GPU[1:])}")
        for name, known in (("driver", _DRIVERS), ("sharing", _SHARING)):
            if name in one and one[name] not in known:
                return Fault(f"has {name} {one[name]!r}, which is unknown", f"one of: {', '.join(known)}")
        for name in ("count", "shared_by"):
            if name in one and (not str(one[name]).isdigit() or int(one[name]) < 1):
                return Fault(f"has {name} {one[name]!r}, which is not a number of them", "1 or more")
    return None


def _parse_gpus(value: t.Sequence[t.Any]) -> list[Json]:
    found = []
    for one in value:
        kept: Json = {"type": str(one["type"]), "count": int(one.get("count", 1))}
        kept |= {name: str(one[name]) for name in ("driver", "partition", "sharing") if name in one}
        found.append(kept | ({"shared_by": int(one["shared_by"])} if "shared_by" in one else {}))
    return found


def _gpus(value: t.Sequence[Json]) -> list[Json]:
    found = []
    for one in value:
        made: Json = {"acceleratorType": one["type"], "acceleratorCount": str(one["count"])}
        if "driver" in one:
            made["gpuDriverInstallationConfig"] = {"gpuDriverVersion": _DRIVERS[one["driver"]]}
        if "partition" in one:
            made["gpuPartitionSize"] = one["partition"]
        if "sharing" in one:
            made["gpuSharingConfig"] = {
                "gpuSharingStrategy": _SHARING[one["sharing"]],
                "maxSharedClientsPerGpu": str(one.get("shared_by", 2)),
            }
        found.append(made)
    return found


def _of_gpus(live: t.Sequence[Json] | None) -> list[Json]:
    found = []
    drivers, strategies = ({theirs: ours for ours, theirs in known.items()} for known in (_DRIVERS, _SHARING))
    for one in live or ():
        kept: Json = {"type": one.get("acceleratorType", ""), "count": int(one.get("acceleratorCount") or 0)}
        driver = (one.get("gpuDriverInstallationConfig") or {}).get("gpuDriverVersion")
        if driver:
            kept["driver"] = drivers.get(driver, driver)
        if one.get("gpuPartitionSize"):
            kept["partition"] = one["gpuPartitionSize"]
        sharing = one.get("gpuSharingConfig") or {}
        if sharing.get("gpuSharingStrategy"):
            kept["sharing"] = strategies.get(sharing["gpuSharingStrategy"], sharing["gpuSharingStrategy"])
            kept["shared_by"] = int(sharing.get("maxSharedClientsPerGpu") or 0)
        found.append(kept)
    return found


GPUS = Wire("list", _parse_gpus, _gpus, _of_gpus, partly=True)

_BY_NAME = "compute.googleapis.com/reservation-name"


def reservation(value: str) -> Fault | None:
    """``any``, ``none``, or a reservation's name."""
    if value in ("any", "none") or re.fullmatch(
        r"(projects/[^/]+/reservations/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?", value
    ):
        return None
    return Fault("is not a reservation", "any, none, a name, or projects/<project>/reservations/<name>")


def _reservation(value: str) -> Json:
    if value in ("any", "none"):
        return {"consumeReservationType": {"any": "ANY_RESERVATION", "none": "NO_RESERVATION"}[value]}
    return {"consumeReservationType": "SPECIFIC_RESERVATION", "key": _BY_NAME, "values": [value]}


def _of_reservation(live: Json | None) -> str:
    kind = (live or {}).get("consumeReservationType")
    if kind == "SPECIFIC_RESERVATION":
        return str(next(iter((live or {}).get("values") or ()), ""))
    return "none" if kind == "NO_RESERVATION" else "any"


RESERVATION = Wire("str", str, _reservation, _of_reservation)
