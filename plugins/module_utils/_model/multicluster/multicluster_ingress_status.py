# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Google has taken a front door as it is now, from what its controller leaves in the config cluster.

A MultiClusterIngress says neither "observed" nor "refused": a change that Google does not take leaves ``status`` as
it was. What the controller does write is shown by Google's "Troubleshooting and operations for Multi Cluster Ingress"
and by the output in GoogleCloudPlatform/gke-networking-recipes (multi-cluster-ingress/*/README.md):

- ``status.VIP`` and ``status.CloudResources`` by the manager ``Google-Multi-Cluster-Ingress``, and in the same write
  the annotation ``networking.gke.io/last-reconcile-time`` (RFC 850, to the second), renewed in every round, about each
  3.5 minutes. An ingress that was never served has none. Status and spec share ``metadata.generation`` there, so that
  number does not tell a change of the spec.
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

__all__ = ["LAST_RECONCILE", "Complaint", "Verdict", "complaints", "judge", "parse_time", "wished_at"]

Object = t.Mapping[str, t.Any]
LAST_RECONCILE = "networking.gke.io/last-reconcile-time"
_ANNOTATION = f"f:{LAST_RECONCILE}"
_RFC850 = re.compile(r"\w+, (\d\d)-(\w{3})-(\d\d) (\d\d):(\d\d):(\d\d) (?:UTC|GMT)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SETTLED = datetime.timedelta(seconds=10)
"""A round this much later than a Warning is another round than the one that gave it."""
_PATIENCE = datetime.timedelta(seconds=300)
"""Warnings within this time after a change may be about what is still being made, as endpoint groups."""
_LONGEST = 300


@dataclasses.dataclass(frozen=True)
class Complaint:
    """A Warning of Google's about an object of the door."""

    obj: str
    """``Kind namespace/name``."""
    reason: str
    message: str
    at: datetime.datetime
    """When it was last said."""
    count: int = 1

    @property
    def text(self) -> str:
        times = f"{self.count} times, last at " if self.count > 1 else ""
        return f"{self.reason}: {self.message} ({times}{_clock(self.at)})"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is known of a door at a moment."""

    done: bool
    vip: str
    seen: str
    refused: tuple[Complaint, ...] = ()
    """Warnings about what is wanted now, the last one first."""
    changed: datetime.datetime | None = None

    def lasting(self, known: t.Collection[Complaint], patience: datetime.timedelta | None = None) -> bool:
        """Whether a refusal will not pass: long after the change, Google said it again, beyond those ``known``."""
        least = _PATIENCE if patience is None else patience
        return any(
            complaint not in known and (self.changed is None or complaint.at - self.changed >= least)
            for complaint in self.refused
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


def wished_at(obj: Object) -> datetime.datetime | None:
    """When somebody last changed what an object asks for: managed fields, without what the controller owns itself."""
    meta = obj.get("metadata") or {}
    times = [parse_time(meta.get("creationTimestamp"))]
    for entry in meta.get("managedFields") or []:
        fields = entry.get("fieldsV1") or {}
        if entry.get("subresource") or "f:status" in fields:
            continue
        notes = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        if "f:spec" in fields or set(notes) - {".", _ANNOTATION}:
            times.append(parse_time(entry.get("time")))
    return max((moment for moment in times if moment), default=None)


def complaints(obj: Object, events: t.Iterable[Object]) -> list[Complaint]:
    """Warnings about an object (not about an earlier one of its name), the last one first."""
    meta = obj["metadata"]
    name = f"{obj['kind']} {meta.get('namespace')}/{meta['name']}"
    found = []
    for event in events:
        at = _said_at(event)
        if event.get("type") == "Warning" and at and _is_about(event, obj):
            message = " ".join(str(event.get("message")).split())[:_LONGEST]
            series = event.get("series") or {}
            count = int(event.get("count") or series.get("count") or 1)
            found.append(Complaint(name, str(event.get("reason")), message, at, count))
    return sorted(found, key=lambda complaint: complaint.at, reverse=True)


def judge(
    ingress: Object | None, others: t.Sequence[Object], events: t.Sequence[Object], *, address: str, fresh: bool
) -> Verdict:
    """Whether the door stands as it is wanted.

    Args:
        ingress: the live MultiClusterIngress.
        others: the live objects that it leads to.
        events: those of the namespace.
        address: the IP that it must have; "" for any.
        fresh: whether something was changed just now. It counts only where the ingress lacks the annotation by which
            Google tells its rounds: then an Event must show that the change was seen.
    """
    if ingress is None:
        return Verdict(False, "", "it does not exist")
    wished = [moment for moment in map(wished_at, (ingress, *others)) if moment]
    changed = max(wished, default=None)
    notes = annotations_of(ingress)
    reconciled = parse_time(notes.get(LAST_RECONCILE))
    taken = bool(reconciled and changed and reconciled > changed)  # to the second: what is equal may be older
    refused = [
        complaint
        for complaint in complaints(ingress, events)
        if _stands(complaint, changed, reconciled) and not (taken and complaint.at == changed)
    ]
    for other in others:
        own, worked = wished_at(other), _worked_at(other, events)
        refused += [c for c in complaints(other, events) if _stands(c, own, worked)]
    refused.sort(key=lambda complaint: complaint.at, reverse=True)
    vip = str((ingress.get("status") or {}).get("VIP") or "")
    missing = _missing(vip, address)
    if not missing and reconciled is None:
        heard = any(at >= changed for e in events for at in [_heard_at(e, (ingress, *others))] if at and changed)
        missing = "" if heard or not fresh else "Google has not said yet that it saw the change"
    elif not missing and reconciled and changed and not taken:
        missing = f"changed at {_clock(changed)}, last reconciled by Google at {_clock(reconciled)}"
    said = [f"{c.obj}: {c.text}" for c in refused[:2]]
    return Verdict(not missing and not refused, vip, "; ".join(filter(None, [missing, *said])), tuple(refused), changed)


def _missing(vip: str, address: str) -> str:
    if not vip:
        return "no address yet"
    return f"it has {vip}, not yet {address}" if address and vip != address else ""


def _stands(complaint: Complaint, changed: datetime.datetime | None, worked: datetime.datetime | None) -> bool:
    """Whether a Warning is about what is wanted now: neither older than it, nor outlived by a later round."""
    if changed and complaint.at < changed:
        return False
    return not (worked and worked > complaint.at + _SETTLED)


def _is_about(event: Object, obj: Object) -> bool:
    involved, meta = event.get("involvedObject") or {}, obj["metadata"]
    same = (involved.get("kind"), involved.get("name")) == (obj["kind"], meta["name"])
    return same and involved.get("uid", meta.get("uid")) == meta.get("uid")


def _said_at(event: Object) -> datetime.datetime | None:
    """When an Event was last repeated."""
    given = (
        event.get("lastTimestamp"),
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    return max((moment for moment in map(parse_time, given) if moment), default=None)


def _worked_at(obj: Object, events: t.Iterable[Object]) -> datetime.datetime | None:
    """Since when Google has done its work for a service in each of its clusters; None where it has not in one.

    It says so cluster by cluster: ``Derived Service was ensured in cluster {us-west1-a/west west}``. Without links all
    clusters are meant of which it ever said so.
    """
    done = [
        (str(event.get("message")), at)
        for event in events
        if event.get("type") == "Normal" and event.get("reason") == "SYNC" and _is_about(event, obj)
        for at in [_said_at(event)]
        if at
    ]
    links = [str(entry.get("link")) for entry in (obj.get("spec") or {}).get("clusters") or []]
    each = [max((at for said, at in done if f"{{{link} " in said), default=None) for link in links]
    times = each if links else [at for _said, at in done]
    return min((at for at in times if at), default=None) if all(times) else None


def _heard_at(event: Object, objects: t.Iterable[Object]) -> datetime.datetime | None:
    about = event.get("type") == "Normal" and any(_is_about(event, obj) for obj in objects)
    return _said_at(event) if about else None


def _clock(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%H:%M:%S UTC")
