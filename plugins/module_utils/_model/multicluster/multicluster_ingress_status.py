# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Google has reconciled a MultiClusterIngress as it is now, from what its controller writes.

The object's status has neither an observed generation nor a condition for a refusal: when Google refuses a change,
``status`` stays as it was. What the controller does write is shown by Google's "Troubleshooting and operations for
Multi Cluster Ingress" and by the output in GoogleCloudPlatform/gke-networking-recipes
(multi-cluster-ingress/*/README.md):

- ``status.VIP`` and ``status.CloudResources`` by the manager ``Google-Multi-Cluster-Ingress``, and in the same write
  the annotation ``networking.gke.io/last-reconcile-time`` (RFC 850, to the second), renewed in every round, about every
  3.5 minutes. An ingress that was never served has none. Status and spec share ``metadata.generation`` there, so that
  number does not show a change of the spec.
- Events of ``multi-cluster-ingress-controller``: ADD and UPDATE when it sees an object, SYNC for what it did (Normal)
  or could not do (Warning). Equal ones are counted in one Event, whose ``lastTimestamp`` moves; an Event lives for an
  hour.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ...metadata import annotations_of

__all__ = [
    "LAST_RECONCILE",
    "IngressStatus",
    "WarningEvent",
    "ingress_status",
    "last_change",
    "parse_time",
    "warning_events",
]

Object = t.Mapping[str, t.Any]
LAST_RECONCILE = "networking.gke.io/last-reconcile-time"
_ANNOTATION = f"f:{LAST_RECONCILE}"
_RFC850 = re.compile(r"\w+, (\d\d)-(\w{3})-(\d\d) (\d\d):(\d\d):(\d\d) (?:UTC|GMT)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SAME_ROUND = datetime.timedelta(seconds=10)
"""A round that ends this much later than a Warning is a later round than the one that gave it."""
_GRACE = datetime.timedelta(seconds=300)
"""Warnings within this time after a change may be about what is still being made, such as endpoint groups."""
_LONGEST = 300
"""Characters of a message."""


@dataclasses.dataclass(frozen=True)
class WarningEvent:
    """A Warning event of Google's about one object."""

    obj: str
    """``Kind namespace/name``."""
    reason: str
    message: str
    at: datetime.datetime
    """When it was repeated last."""
    count: int = 1

    @property
    def text(self) -> str:
        times = f"{self.count} times, last at " if self.count > 1 else ""
        return f"{self.reason}: {self.message} ({times}{_clock(self.at)})"


@dataclasses.dataclass(frozen=True)
class IngressStatus:
    """What is known of an ingress at a moment."""

    reconciled: bool
    """Whether Google serves it as it is now."""
    vip: str
    seen: str
    refusals: tuple[WarningEvent, ...] = ()
    """Warning events about the objects as they are now, the last one first."""
    changed: datetime.datetime | None = None
    """When the objects were changed last."""
    apart: tuple[WarningEvent, ...] = ()
    """Those about clusters that do not count, the last one first."""

    def is_final(self, known: t.Collection[WarningEvent], grace: datetime.timedelta | None = None) -> bool:
        """Whether waiting does not help: Google repeated a refusal, not among ``known``, long after the change."""
        least = _GRACE if grace is None else grace
        return any(
            event not in known and (self.changed is None or event.at - self.changed >= least) for event in self.refusals
        )


def parse_time(text: t.Any) -> datetime.datetime | None:
    """A moment as Kubernetes (RFC 3339) or Google's controllers (also RFC 850) write it; None for anything else."""
    given = str(text or "")
    found = _RFC850.fullmatch(given)
    if found and found[2] in _MONTHS:
        day, year, hour, minute, second = (int(found[n]) for n in (1, 3, 4, 5, 6))
        given = f"20{year:02}-{_MONTHS.index(found[2]) + 1:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00"
    try:
        moment = datetime.datetime.fromisoformat(given.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def last_change(obj: Object) -> datetime.datetime | None:
    """When spec or metadata of an object were changed last, by its managed fields; not by Google's controller."""
    meta = obj.get("metadata") or {}
    times = [parse_time(meta.get("creationTimestamp"))]
    for entry in meta.get("managedFields") or []:
        fields = entry.get("fieldsV1") or {}
        if entry.get("subresource") or "f:status" in fields:
            continue
        annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        if "f:spec" in fields or set(annotations) - {".", _ANNOTATION}:
            times.append(parse_time(entry.get("time")))
    return max((moment for moment in times if moment), default=None)


def warning_events(obj: Object, events: t.Iterable[Object]) -> list[WarningEvent]:
    """Warning events about an object (not about an earlier one of its name), the last one first."""
    meta = obj["metadata"]
    name = f"{obj['kind']} {meta.get('namespace')}/{meta['name']}"
    found = []
    for event in events:
        at = _repeated_at(event)
        if event.get("type") == "Warning" and at and _is_about(event, obj):
            message = " ".join(str(event.get("message")).split())[:_LONGEST]
            series = event.get("series") or {}
            count = int(event.get("count") or series.get("count") or 1)
            found.append(WarningEvent(name, str(event.get("reason")), message, at, count))
    return sorted(found, key=lambda event: event.at, reverse=True)


def ingress_status(
    ingress: Object | None,
    others: t.Sequence[Object],
    events: t.Sequence[Object],
    *,
    address: str,
    fresh: bool,
    without: t.Collection[str] = (),
) -> IngressStatus:
    """Whether Google serves the ingress as it is now.

    Args:
        ingress: the live MultiClusterIngress.
        others: the live objects that it refers to.
        events: those of the namespace.
        address: the IP that it must have; "" for any.
        fresh: whether something was changed just now. It counts only where the ingress lacks the annotation
            LAST_RECONCILE: then an event must show that Google saw the change.
        without: links of clusters, ``location/cluster``: a Warning that names one of them is no refusal. By default
            every cluster counts.
    """
    if ingress is None:
        return IngressStatus(False, "", "it does not exist")
    changed = max((moment for moment in map(last_change, (ingress, *others)) if moment), default=None)
    round_at = parse_time(annotations_of(ingress).get(LAST_RECONCILE))
    newer = bool(round_at and changed and round_at > changed)  # to the second: what is equal may be older
    refusals = [
        event
        for event in warning_events(ingress, events)
        if _is_current(event, changed, round_at) and not (newer and event.at == changed)
    ]
    for other in others:
        own, done = last_change(other), _ensured_at(other, events)
        refusals += [event for event in warning_events(other, events) if _is_current(event, own, done)]
    refusals.sort(key=lambda event: event.at, reverse=True)
    apart = tuple(event for event in refusals if _names(event.message, without))
    refusals = [event for event in refusals if event not in apart]
    vip = str((ingress.get("status") or {}).get("VIP") or "")
    missing = _missing(vip, address)
    if not missing and round_at is None:
        acknowledged = any(
            at >= changed for e in events for at in [_acknowledged_at(e, (ingress, *others))] if at and changed
        )
        missing = "" if acknowledged or not fresh else "no event shows yet that Google saw the change"
    elif not missing and round_at and changed and not newer:
        missing = f"changed at {_clock(changed)}, last reconciled by Google at {_clock(round_at)}"
    said = [f"{event.obj}: {event.text}" for event in refusals[:2]]
    seen = "; ".join(filter(None, [missing, *said]))
    return IngressStatus(not missing and not refusals, vip, seen, tuple(refusals), changed, apart)


def _names(message: str, links: t.Collection[str]) -> bool:
    return any(re.search(rf"(?<![\w/-]){re.escape(link)}(?![\w-])", message) for link in links)


def _missing(vip: str, address: str) -> str:
    if not vip:
        return "no address yet"
    return f"it has {vip}, not yet {address}" if address and vip != address else ""


def _is_current(event: WarningEvent, changed: datetime.datetime | None, done: datetime.datetime | None) -> bool:
    """Whether a Warning is about the object as it is now: not older than its last change, and not followed by a round
    that succeeded."""
    if changed and event.at < changed:
        return False
    return not (done and done > event.at + _SAME_ROUND)


def _is_about(event: Object, obj: Object) -> bool:
    involved, meta = event.get("involvedObject") or {}, obj["metadata"]
    same = (involved.get("kind"), involved.get("name")) == (obj["kind"], meta["name"])
    return same and involved.get("uid", meta.get("uid")) == meta.get("uid")


def _repeated_at(event: Object) -> datetime.datetime | None:
    """When an event was repeated last."""
    given = (
        event.get("lastTimestamp"),
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    return max((moment for moment in map(parse_time, given) if moment), default=None)


def _ensured_at(obj: Object, events: t.Iterable[Object]) -> datetime.datetime | None:
    """Since when Google has done its work for a service in each of its clusters; None where one is missing.

    Google reports it cluster by cluster: ``Derived Service was ensured in cluster {us-west1-a/west west}``. A service
    without links is for all clusters of which Google ever reported it.
    """
    done = [
        (str(event.get("message")), at)
        for event in events
        if event.get("type") == "Normal" and event.get("reason") == "SYNC" and _is_about(event, obj)
        for at in [_repeated_at(event)]
        if at
    ]
    links = [str(entry.get("link")) for entry in (obj.get("spec") or {}).get("clusters") or []]
    each = [max((at for said, at in done if f"{{{link} " in said), default=None) for link in links]
    times = each if links else [at for _said, at in done]
    return min((at for at in times if at), default=None) if all(times) else None


def _acknowledged_at(event: Object, objects: t.Iterable[Object]) -> datetime.datetime | None:
    about = event.get("type") == "Normal" and any(_is_about(event, obj) for obj in objects)
    return _repeated_at(event) if about else None


def _clock(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%H:%M:%S UTC")
