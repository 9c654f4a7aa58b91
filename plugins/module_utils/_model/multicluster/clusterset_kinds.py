# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The CustomResourceDefinitions of multi-cluster services: which of a cluster's are made, brought up to date, or left.

Ours become those of a newer release of sigs.k8s.io/mcs-api, never those of an older one, and not while objects are
stored as a version that the newer release lacks. Those of others are theirs. Labels are those of mcs-api v0.5.2.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...metadata import labels_of
from .clusterset import GROUP

__all__ = ["KIND_NAMES", "KindsPlan", "plan_kinds", "release_of"]

Object = t.Mapping[str, t.Any]

KIND_NAMES = (f"serviceexports.{GROUP}", f"serviceimports.{GROUP}")
_RELEASE = f"{GROUP}/release-version"
_REVISION = f"{GROUP}/crd-schema-revision"


@dataclasses.dataclass(frozen=True)
class KindsPlan:
    """What is to be done with the kinds of one cluster."""

    missing: t.Sequence[Object] = ()
    """To be made where anything is exported or imported."""
    older: t.Sequence[Object] = ()
    """Ours that are there of an older release, as the newer one has them."""
    versions: frozenset[str] = frozenset()
    """What all kinds serve once both are applied."""
    facts: t.Sequence[str] = ()
    """What the user should know."""


def release_of(crd: Object) -> tuple[int, ...]:
    """The release of mcs-api and its revision, to be compared; empty where the labels of releases are missing."""
    labels = labels_of(crd)
    release = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)\b.*", labels.get(_RELEASE, ""))
    revision = labels.get(_REVISION, "")
    return (*map(int, release.groups()), int(revision) if revision.isdecimal() else 0) if release else ()


def plan_kinds(wanted: t.Iterable[Object], live: t.Mapping[str, Object], ours: t.Collection[str]) -> KindsPlan:
    """What becomes of a cluster's kinds.

    Args:
        wanted: those of the release that this collection brings.
        live: by name, those that the cluster has; of others too, as far as known.
        ours: the names of those that this fleet made.
    """
    missing, older, stay, facts, served = [], [], [], [], []
    for crd in wanted:
        name = str(crd["metadata"]["name"])
        there = live.get(name)
        if there is None:
            missing.append(crd)
        elif name in ours and release_of(there) < release_of(crd):
            lost = sorted(_stored(there) - _versions(crd))
            if lost:
                facts.append(
                    f"{name} stays of release {_words(there)}: objects are stored as {', '.join(lost)}, which release "
                    f"{_words(crd)} of this collection lacks. Write them anew (kubectl get {name} -A -o json | kubectl "
                    "replace -f -), and take that version out of its status.storedVersions"
                )
                stay.append(there)
            else:
                older.append(crd)
        else:
            if name in ours and release_of(there) > release_of(crd):
                facts.append(
                    f"{name} is of release {_words(there)}, which a newer collection made, and stays: this one brings "
                    f"{_words(crd)}. Update the collection"
                )
            stay.append(there)
    if facts and older:
        # Two kinds of one release belong together.
        names = {crd["metadata"]["name"] for crd in older}
        stay, older = [*stay, *(live[name] for name in sorted(names))], []
    served = [_versions(crd, served=True) for crd in (*missing, *older, *stay)]
    return KindsPlan(missing, older, frozenset.intersection(*served) if served else frozenset(), facts)


def _versions(crd: Object, *, served: bool = False) -> frozenset[str]:
    versions = crd["spec"].get("versions") or []
    return frozenset(str(one["name"]) for one in versions if one.get("served") or not served)


def _stored(crd: Object) -> set[str]:
    return set((crd.get("status") or {}).get("storedVersions") or [])


def _words(crd: Object) -> str:
    return labels_of(crd).get(_RELEASE) or "unknown"
