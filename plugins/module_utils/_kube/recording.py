# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what would be applied, instead of applying it, without any cluster.

While a recording is on, no client connects. Each is one over a cluster that holds nothing but what was recorded for it
before, so that a stage finds there what the stages before it made. What holds a secret is not recorded: it is named.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import dataclasses
import re
import typing as t

from ..metadata import labels_of
from .diffs import Object, described, identity
from .discovery import KNOWN
from .masking import secret_at

__all__ = ["SECRET", "LeftOut", "Recording", "group_of", "recording", "recording_as"]

SECRET = "it holds a secret"
"""Why an object is left out; what it ends with may say where."""
_WORKLOADS = ("DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet")
_TERM = re.compile(r"([^=!]+)(!?=)=?(.*)")


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Something that is applied and cannot be in a file."""

    cluster: str
    object: str
    """``Kind namespace/name``."""
    why: str
    instead: str = ""
    """What the user does instead; "" where the stage says it."""


class Recording:
    """What the tasks of one stage would apply.

    Args:
        before: gives the objects of a cluster that earlier tasks recorded.
    """

    def __init__(self, before: t.Callable[[str], t.Iterable[Object]] = lambda cluster: ()) -> None:
        self._before = before
        self._held: dict[str, dict[tuple[str, ...], Object]] = {}
        self.objects: dict[str, dict[tuple[str, ...], Object]] = {}
        """By cluster and identity, what would be applied; the last apply of an object counts."""
        self.left_out: dict[tuple[str, str], LeftOut] = {}
        self.files: dict[str, dict[str, Object]] = {}
        """By folder and name, what programs outside of the clusters read."""

    def write(self, folder: str, files: t.Mapping[str, Object]) -> str:
        """Record a folder of files beside those of the clusters. Where one holds a secret, none is recorded.

        Returns:
            Where that secret is; "" for recorded files.
        """
        for name, content in files.items():
            place = secret_at(content)
            if place:
                return f"{name}: {place}"
        self.files[folder] = {name: copy.deepcopy(content) for name, content in files.items()}
        return ""

    def apply(self, cluster: str, objects: t.Iterable[Object]) -> None:
        """Record objects; those that hold a secret are named instead."""
        for obj in objects:
            place = secret_at(obj)
            if place:
                # The keys of a Secret are no news.
                where = "" if obj["kind"] == "Secret" else f" in {place}"
                self.leave_out(cluster, described(obj), f"{SECRET}{where}")
            else:
                made = copy.deepcopy(obj)
                self.objects.setdefault(cluster, {})[identity(obj)] = made
                self._all(cluster)[identity(obj)] = made

    def leave_out(self, cluster: str, obj: str, why: str, instead: str = "") -> None:
        """Name something that cannot be in a file; once, whoever applies it."""
        self.left_out.setdefault((cluster, obj), LeftOut(cluster, obj, why, instead))

    def get(self, cluster: str, api_version: str, kind: str, name: str, namespace: str) -> Object | None:
        """One object that was recorded, in whatever version."""
        return copy.deepcopy(self._all(cluster).get((group_of(api_version), kind, namespace, name)))

    def list(
        self,
        cluster: str,
        api_version: str,
        kind: str,
        namespace: str,
        labels: t.Mapping[str, str] | str | None,
        fields: t.Mapping[str, str] | None,
    ) -> list[Object]:
        """Objects that were recorded; of pods one for each workload, for it would run."""
        held = list(self._all(cluster).values())
        if (api_version, kind) == ("v1", "Pod"):
            held += [_pod(obj) for obj in held if obj["kind"] in _WORKLOADS]
        wanted = group_of(api_version), kind
        found = [
            obj
            for obj in held
            if identity(obj)[:2] == wanted
            and namespace in ("", identity(obj)[2])
            and _selected(labels_of(obj), labels)
            and all(_field(obj, path) == value for path, value in (fields or {}).items())
        ]
        return copy.deepcopy(found)

    def namespaced(self, cluster: str, api_version: str, kind: str) -> bool | None:
        """Whether objects of a kind are in a namespace; None where neither Kubernetes nor a recorded CRD says it."""
        known = KNOWN.get((api_version, kind))
        if known is not None:
            return known.namespaced
        for obj in self._all(cluster).values():
            spec = obj.get("spec") or {}
            named = (spec.get("group"), (spec.get("names") or {}).get("kind"))
            if obj["kind"] == "CustomResourceDefinition" and named == (group_of(api_version), kind):
                return bool(spec.get("scope") == "Namespaced")
        return None

    def _all(self, cluster: str) -> dict[tuple[str, ...], Object]:
        if cluster not in self._held:
            self._held[cluster] = {identity(obj): obj for obj in self._before(cluster)}
        return self._held[cluster]


_RECORDING: contextvars.ContextVar[Recording | None] = contextvars.ContextVar("recording", default=None)


def recording() -> Recording | None:
    """The recording that is on; None where clients connect."""
    return _RECORDING.get()


@contextlib.contextmanager
def recording_as(record: Recording) -> t.Iterator[Recording]:
    """Record to ``record`` while the block runs."""
    token = _RECORDING.set(record)
    try:
        yield record
    finally:
        _RECORDING.reset(token)


def group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _pod(workload: Object) -> Object:
    meta = workload["metadata"]
    template = (workload.get("spec") or {}).get("template") or {}
    about = {"name": str(meta["name"]), "namespace": str(meta.get("namespace") or ""), "labels": labels_of(template)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template.get("spec") or {}}


def _selected(has: t.Mapping[str, str], wanted: t.Mapping[str, str] | str | None) -> bool:
    """Whether labels match a selector: a dictionary, or terms ``a=b``, ``a!=b``, ``a`` as kubectl's."""
    if not isinstance(wanted, str):
        return (wanted or {}).items() <= has.items()
    for term in filter(None, (part.strip() for part in wanted.split(","))):
        found = _TERM.fullmatch(term)
        if found is None:
            matches = term in has
        else:
            name, how, value = found.groups()
            matches = (has.get(name.strip()) == value.strip()) is (how == "=")
        if not matches:
            return False
    return True


def _field(obj: t.Any, path: str) -> str:
    for key in path.split("."):
        obj = obj.get(key) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)
