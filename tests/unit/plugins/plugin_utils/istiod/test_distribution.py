# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait for proxies: every one of every istiod counts, and few are looked at."""

from __future__ import annotations

import asyncio
import json
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.distribution import Proxy, Rule, Wanted
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod import distribution
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.distribution import State, await_distribution

HOST = "reviews.shop.svc.cluster.local"
RULE = Rule("reviews-traffic", "shop", HOST, 2)
RULES = Wanted(rules=(RULE,))
UUID = "2660b00d-330f-4ce1-a10a-f40c1c10e28d"


class Mesh:
    """Istiods and their proxies; each round of looks, one step of ``story`` happens."""

    cluster = "west"

    def __init__(self, pods: dict[str, dict[str, dict[str, t.Any]]]) -> None:
        self.pods = pods
        self.looked: list[str] = []
        self.story: list[t.Callable[[], None]] = []

    async def istiod_pods(self, _kube: t.Any, _namespace: str, _revision: str, *, others: bool) -> list[str]:
        assert others
        if self.story:
            self.story.pop(0)()
        return list(self.pods)

    async def debug_page(self, _kube: t.Any, _namespace: str, pod: str, page: str) -> str:
        proxies = self.pods[pod]
        if page == "syncz":
            return json.dumps([self.status(name, one) for name, one in proxies.items()])
        name = page.partition("proxyID=")[2].partition("&")[0]
        self.looked.append(name)
        if name not in proxies:
            raise FleetError("istiod does not show it", seen="404")
        return str(proxies[name].get("page", ""))

    @staticmethod
    def status(name: str, one: dict[str, t.Any]) -> dict[str, t.Any]:
        sent, acked = f"x/{one['sent']}{UUID}", f"x/{one.get('acked', one['sent'])}{UUID}"
        kinds = {f"{kind}_sent": sent for kind in ("cluster", "endpoint", "route")}
        return {
            "proxy": name,
            "proxy_type": one.get("kind", "sidecar"),
            **kinds,
            **{key.replace("sent", "acked"): acked for key in kinds},
        }


def scope(generation: int) -> str:
    rule = {"name": "reviews-traffic", "namespace": "shop", "generation": generation}
    return json.dumps({"destinationRules": {HOST: [{"rule": rule, "from": []}]}, "services": [{"hostname": HOST}]})


ELSEWHERE = json.dumps({"destinationRules": {}, "services": [{"hostname": "other"}], "sidecar": {"egress": []}})
OLD, NEW = scope(1), scope(2)


def routes(subset: str) -> str:
    route = {"name": "all", "route": {"cluster": f"outbound|80|{subset}|{HOST}"}}
    return json.dumps({"configs": [{"virtualHosts": [{"name": f"{HOST}:80", "routes": [route]}]}]})


def awaited(
    mesh: Mesh,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Wanted = RULES,
    before: State | None = None,
    timeout: float = 0.2,
) -> None:
    monkeypatch.setattr(distribution, "istiod_pods", mesh.istiod_pods)
    monkeypatch.setattr(distribution, "debug_page", mesh.debug_page)
    monkeypatch.setattr(distribution, "_BETWEEN_LOOKS", 0.001)
    kube: t.Any = mesh
    asyncio.run(await_distribution(kube, "istio-system", "default", wanted, before or {}, timeout))


def test_of_a_thousand_proxies_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"p{number}.shop": {"sent": 7, "page": NEW} for number in range(1000)}
    mesh = Mesh({"istiod-1": many})
    awaited(mesh, monkeypatch, timeout=60)
    assert len(mesh.looked) <= 6


def test_the_proxies_of_every_istiod_count(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh({"one": {"a.shop": {"sent": 7, "page": NEW}}, "two": {"b.shop": {"sent": 3, "page": OLD}}})
    with pytest.raises(FleetError) as caught:
        awaited(mesh, monkeypatch)
    text = str(caught.value)
    assert "1 of 2 proxies do not have what was applied after 0.2 s" in text
    assert "b.shop: it has DestinationRule shop/reviews-traffic as it was" in text
    assert "run again with --limit west" in text
    assert "a.shop" not in text


def test_a_proxy_counts_once_it_has_accepted_the_push(monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"sent": 7, "acked": 6, "page": NEW}
    mesh = Mesh({"one": {"a.shop": {"sent": 7, "page": NEW}, "late.shop": late}})
    with pytest.raises(FleetError, match=r"late\.shop: it has not accepted its clusters"):
        awaited(mesh, monkeypatch)
    mesh.story = [lambda: None] * 4 + [lambda: late.update(acked=7)]
    awaited(mesh, monkeypatch, timeout=60)


def test_one_that_has_not_accepted_it_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {"sent": 7, "acked": 6, "page": NEW}
    with pytest.raises(FleetError, match=r"a\.shop"):
        awaited(Mesh({"one": {"a.shop": alone}}), monkeypatch)


def test_proxies_that_are_not_concerned_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = {f"n{number}.other": {"sent": 2, "page": ELSEWHERE} for number in range(30)}
    mesh = Mesh({"one": {**narrow, "a.shop": {"sent": 7, "page": NEW}}})
    awaited(mesh, monkeypatch, timeout=60)
    assert len(mesh.looked) <= 31, "each is looked at once"


def test_gateways_are_counted_apart_from_sidecars(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = {"sent": 9, "page": OLD, "kind": "router"}
    mesh = Mesh({"one": {"a.shop": {"sent": 7, "page": NEW}, "gate.istio-system": gateway}})
    with pytest.raises(FleetError, match=r"gate\.istio-system: it has DestinationRule"):
        awaited(mesh, monkeypatch)


def test_a_proxy_and_an_istiod_that_go_hold_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = {"a.shop": {"sent": 7, "page": NEW}, "gone.shop": {"sent": 3, "page": OLD}}
    mesh = Mesh({"one": proxies, "two": {"b.shop": {"sent": 1, "page": OLD}}})

    def go() -> None:
        del proxies["gone.shop"]
        del mesh.pods["two"]

    mesh.story = [lambda: None] * 2 + [go]
    awaited(mesh, monkeypatch, timeout=60)


def test_an_istiod_that_is_about_to_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh({"one": {"a.shop": {"sent": 7, "page": NEW}}})

    def none() -> None:
        raise FleetError("no istiod of revision default is ready")

    mesh.story = [none, none]
    awaited(mesh, monkeypatch, timeout=60)
    mesh.story = [none] * 100_000
    with pytest.raises(FleetError, match="no istiod of revision default is ready"):
        awaited(mesh, monkeypatch)


def test_fresh_routes_must_have_come_since(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Wanted(routes={HOST: None}, fresh=True)
    proxy = {"sent": 7, "page": routes("")}
    before = {"one": {"a.shop": Proxy("a.shop", "west", "sidecar", 7, 7, watches_routes=True)}}
    with pytest.raises(FleetError, match=r"a\.shop"):
        awaited(Mesh({"one": {"a.shop": proxy}}), monkeypatch, wanted, before)
    mesh = Mesh({"one": {"a.shop": proxy}})
    mesh.story = [lambda: None] * 2 + [lambda: proxy.update(sent=8)]
    awaited(mesh, monkeypatch, wanted, before, timeout=60)


def test_routes_to_a_subset_that_went_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = {"sent": 7, "page": routes("v1")}
    mesh = Mesh({"one": {"a.shop": proxy}})
    mesh.story = [lambda: None] * 2 + [lambda: proxy.update(page=routes(""))]
    awaited(mesh, monkeypatch, Wanted(routes={HOST: None}), timeout=60)


def test_a_page_that_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh({"one": {}})

    async def strange(*_args: t.Any) -> str:
        return "<html>"

    monkeypatch.setattr(mesh, "debug_page", strange)
    with pytest.raises(FleetError, match="istiod does not show what its proxies have"):
        awaited(mesh, monkeypatch)
