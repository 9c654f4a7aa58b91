# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many objects at once: are they manifests, in which order they go, and one error for all that failed."""

from __future__ import annotations

import asyncio
import typing as t

from ..errors import FleetError
from ..metadata import labels_of
from ..results import Change
from .diffs import Object, described, identity, normalized
from .errors import ApiError
from .reading import Reader

__all__ = ["all_of", "checked", "phase_of"]

_FIRST = ("Namespace", "CustomResourceDefinition")
_LAST = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")
_TOKEN = "kubernetes.io/service-account-token"


def phase_of(obj: t.Mapping[str, t.Any]) -> int:
    """What others need comes first; what starts pods comes last, so that a pod finds its account and
    configuration at its first try. So does the token of an account: without the account Kubernetes deletes it."""
    kind = obj.get("kind")
    return 0 if kind in _FIRST else 2 if kind in _LAST or obj.get("type") == _TOKEN else 1


def checked(objects: t.Iterable[t.Mapping[str, t.Any]], cluster: str, labels: t.Mapping[str, str]) -> list[Object]:
    """Normalized copies with ``labels`` added; all that are no manifests are named together."""
    out: list[Object] = []
    problems: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for index, obj in enumerate(objects):
        meta = obj.get("metadata") if isinstance(obj, dict) else None
        named = bool(isinstance(meta, dict) and meta.get("name"))
        missing = [key for key in ("apiVersion", "kind") if not isinstance(obj, dict) or not obj.get(key)]
        missing += [] if named else ["metadata.name"]
        if missing:
            what = described(obj) if isinstance(obj, dict) and isinstance(meta, dict) else "not a manifest"
            problems.append(f"object {index + 1} ({what}): no {', '.join(missing)}")
            continue
        copy = normalized(obj)
        if labels:
            copy["metadata"]["labels"] = {**labels_of(copy), **labels}
        key = identity(copy)
        if key in seen:
            problems.append(f"object {index + 1}: {described(copy)} is there twice")
        seen.add(key)
        out.append(copy)
    if problems:
        raise FleetError("these are not manifests", cluster=cluster, seen="; ".join(problems), next_step="correct them")
    return out


async def all_of(kube: Reader, work: t.Sequence[t.Awaitable[Change]], verb: str) -> list[Change]:
    """Run ``work`` with the client's bound; raise one error for all that failed."""
    slots = asyncio.Semaphore(kube.concurrency)

    async def bounded(job: t.Awaitable[Change]) -> Change:
        async with slots:
            return await job

    outcomes = await asyncio.gather(*(bounded(job) for job in work), return_exceptions=True)
    errors = [o for o in outcomes if isinstance(o, FleetError)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, FleetError):
            raise outcome
    done = [o for o in outcomes if isinstance(o, Change)]
    if not errors:
        return done
    first = errors[0]
    same_for_all = isinstance(first, ApiError) and first.status in (0, 401)
    if len(errors) == 1 or same_for_all:
        raise first
    lines = [": ".join(part for part in (e.obj, e.what, e.seen) if part) for e in errors]
    raise FleetError(
        f"{len(errors)} of {len(outcomes)} objects could not be {verb}",
        cluster=kube.cluster,
        seen="\n         ".join(lines),
        means="; ".join(dict.fromkeys(e.means for e in errors if e.means)),
        next_step="; ".join(dict.fromkeys(e.next_step for e in errors if e.next_step)),
    )
