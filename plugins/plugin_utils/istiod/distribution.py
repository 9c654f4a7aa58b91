# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait until all proxies of a control plane have what was applied, by what its istiods' debug pages say."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.distribution import (
    Proxy,
    Wanted,
    has_routes,
    has_rules,
    parse_syncz,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.waits import waiting
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import settle
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import debug_page, istiod_pods

__all__ = ["State", "await_distribution", "proxies_now"]

_BETWEEN_LOOKS = 0.3
"""Seconds between two reads of the pages: there is no watch for them."""
_FIRST_LOOKS, _LOOKS = 3, 12
"""How many proxies of a kind are looked at in one round: before one is found that has it, and after."""
_NAMED = 3

State = t.Mapping[str, t.Mapping[str, Proxy]]
"""By istiod pod, its proxies."""


async def proxies_now(kube: Kube, namespace: str, revision: str) -> State:
    """What the proxies of a cluster have accepted now, whatever the revision of their istiod."""
    pods = await istiod_pods(kube, namespace, revision, others=True)
    found = await asyncio.gather(*(_syncz(kube, namespace, pod) for pod in pods))
    return dict(zip(pods, found, strict=True))


async def _syncz(kube: Kube, namespace: str, pod: str) -> dict[str, Proxy]:
    text = await debug_page(kube, namespace, pod, "syncz")
    proxies = parse_syncz(text)
    if proxies is None:
        raise FleetError(
            "istiod does not show what its proxies have",
            cluster=kube.cluster,
            obj=f"Pod {namespace}/{pod}",
            seen=f"/debug/syncz: {text[:100]}",
            means="it is of a version that this collection does not know",
            next_step="run again without a wait, or with the istiod of mesh_istio_version",
        )
    return proxies


async def await_distribution(
    kube: Kube, namespace: str, revision: str, wanted: Wanted, before: State, timeout: float
) -> None:
    """Wait until the proxies of every istiod have what is wanted, as far as it concerns them.

    After a change of the revision those of the former one have proxies still.

    Args:
        kube: the cluster of the istiods.
        revision: that of which one must be ready.
        wanted: what they must have.
        before: :func:`proxies_now` from before it was applied; only used with ``wanted.fresh``.
        timeout: seconds.

    Raises FleetError with the proxies that lack it at the end, and what.
    """
    deadline = time.monotonic() + timeout
    istiods: dict[str, _Istiod] = {}
    with waiting(f"{kube.cluster}: proxies, until they have what was applied") as wait:
        while True:
            errors, lacking = list[FleetError](), dict[str, str]()
            try:
                pods = await istiod_pods(kube, namespace, revision, others=True)
            except FleetError as error:  # it may be about to start
                errors.append(error)
            else:
                # One that is gone has no proxies, and one that came begins with what is there.
                istiods = {
                    pod: istiods.get(pod) or _Istiod(kube, namespace, pod, wanted, before.get(pod, {})) for pod in pods
                }
                for left in await settle(istiod.look() for istiod in istiods.values()):
                    if isinstance(left, FleetError):
                        errors.append(left)
                    else:
                        lacking |= left
            if not errors and not lacking:
                return
            wait.seen = f"{len(lacking)} lack it" if lacking else errors[0].what
            if time.monotonic() >= deadline:
                raise errors[0] if errors else _too_late(kube, namespace, lacking, istiods.values(), timeout)
            await asyncio.sleep(_BETWEEN_LOOKS)


def _too_late(
    kube: Kube, namespace: str, lacking: t.Mapping[str, str], istiods: t.Iterable[_Istiod], timeout: float
) -> FleetError:
    total = sum(len(istiod.proxies) for istiod in istiods)
    shown = "; ".join(f"{name}: {why}" for name, why in sorted(lacking.items())[:_NAMED])
    more = f"; and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return FleetError(
        f"{len(lacking)} of {total} proxies do not have what was applied after {timeout:g} s",
        cluster=kube.cluster,
        obj=f"Namespace {namespace}",
        seen=shown + more,
        means="these pods hang or are not reached, refuse what istiod sends, or istiod has much to do",
        next_step=f"istioctl proxy-status -i {namespace}; restart or remove such pods, or raise traffic_timeout; "
        f"then run again with --limit {kube.cluster}",
    )


@dataclasses.dataclass
class _Istiod:
    """One istiod pod, and which of its proxies have what is wanted."""

    kube: Kube
    namespace: str
    pod: str
    wanted: Wanted
    before: t.Mapping[str, Proxy]
    proxies: dict[str, Proxy] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._aspects: list[_Aspect] = []
        if self.wanted.rules:
            check = functools.partial(has_rules, wanted=self.wanted.rules)
            self._aspects.append(_Aspect("sidecarz?proxyID={}", check, "rules", {}))
        if self.wanted.routes:
            check = functools.partial(has_routes, wanted=self.wanted.routes)
            before = self.before if self.wanted.fresh else {}
            self._aspects.append(_Aspect("config_dump?proxyID={}&types=rds", check, "routes", before))

    async def look(self) -> dict[str, str]:
        """What each proxy lacks still; empty when all have what is wanted."""
        self.proxies = await _syncz(self.kube, self.namespace, self.pod)
        lacking: dict[str, str] = {}
        for aspect in self._aspects:
            aspect.count(self.proxies)
            await asyncio.gather(*(self._examine(aspect, name) for name in aspect.next(self.proxies)))
            lacking |= {name: aspect.why(self.proxies[name]) for name in aspect.left(self.proxies)}
        return lacking

    async def _examine(self, aspect: _Aspect, name: str) -> None:
        try:
            page = await debug_page(self.kube, self.namespace, self.pod, aspect.page.format(name))
        except FleetError as error:
            aspect.said[name] = error.seen or error.what  # it may have gone, which the next look shows
            return
        aspect.saw(name, aspect.check(page))


@dataclasses.dataclass
class _Aspect:
    """One thing that proxies must have, and what is known of each of them."""

    page: str
    check: t.Callable[[str], str | None]
    field: str
    before: t.Mapping[str, Proxy]
    said: dict[str, str] = dataclasses.field(default_factory=dict)
    """By proxy what it lacked when it was looked at last."""
    done: set[str] = dataclasses.field(default_factory=set)
    _sent: set[str] = dataclasses.field(default_factory=set)
    """Proxies to which istiod sent it; they count once they have accepted it."""
    _least: dict[str, int] = dataclasses.field(default_factory=dict)
    """By kind of proxy, the number of a push that holds it."""
    _looks: dict[str, int] = dataclasses.field(default_factory=dict)

    def _number(self, proxy: Proxy) -> int:
        return int(getattr(proxy, self.field))

    def _is_stale(self, proxy: Proxy) -> bool:
        """Whether it got nothing since the state from which the wait began."""
        former = self.before.get(proxy.name)
        return former is not None and proxy.kind == "sidecar" and self._number(proxy) <= self._number(former)

    def saw(self, name: str, lacks: str | None) -> None:
        """Tell what its page showed of a proxy."""
        if lacks is None:
            self.done.add(name)
        elif lacks:
            self.said[name] = lacks
        else:
            self._sent.add(name)
            self.said[name] = "it has not accepted yet what it was sent"

    def count(self, proxies: t.Mapping[str, Proxy]) -> None:
        """Count the proxies that have it by what they have accepted."""
        for name, proxy in proxies.items():
            if name in self._sent and not proxy.pending and not self._is_stale(proxy):
                self.done.add(name)
                known = self._least.get(proxy.kind)
                number = self._number(proxy)
                self._least[proxy.kind] = number if known is None else min(known, number)
        for name, proxy in proxies.items():
            least = self._least.get(proxy.kind)
            if least is not None and self._number(proxy) >= least and not proxy.pending:
                self.done.add(name)

    def left(self, proxies: t.Mapping[str, Proxy]) -> list[str]:
        """The proxies that are not known to have it."""
        asked = proxies if self.field == "rules" else {n: p for n, p in proxies.items() if p.watches_routes}
        return [name for name in asked if name not in self.done]

    def next(self, proxies: t.Mapping[str, Proxy]) -> list[str]:
        """The proxies to look at now: of each kind some, those first that were looked at least."""
        found: list[str] = []
        kinds: dict[str, int] = {}
        for name in sorted(self.left(proxies), key=lambda name: self._looks.get(name, 0)):
            kind = proxies[name].kind
            most = _LOOKS if kind in self._least else _FIRST_LOOKS
            if name not in self._sent and kinds.get(kind, 0) < most:
                kinds[kind] = kinds.get(kind, 0) + 1
                self._looks[name] = self._looks.get(name, 0) + 1
                found.append(name)
        return found

    def why(self, proxy: Proxy) -> str:
        """What a proxy lacks, in words."""
        return proxy.pending or self.said.get(proxy.name, "it has not got it yet")
