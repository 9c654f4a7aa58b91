# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a running istiod is made to load a renewed intermediate CA."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.execs import ExecResult
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import cacerts

METRICS = """# TYPE citadel_server_cert_chain_expiry_timestamp gauge
citadel_server_cert_chain_expiry_seconds 6.3e+07
citadel_server_cert_chain_expiry_timestamp {}
citadel_server_root_cert_expiry_timestamp 2.1e+09
"""


@pytest.mark.parametrize(
    ("value", "expected"), [("1.826711234e+09", 1826711234), ("1826711234", 1826711234), ("x", None)]
)
def test_when_the_loaded_intermediate_ends(value: str, expected: int | None) -> None:
    metrics = METRICS.format(value) if expected else "nothing"
    assert cacerts.loaded_until(metrics) == expected


@dataclasses.dataclass
class Istiod:
    """Stands in for the client of a cluster whose one istiod loads its intermediate CA after some polls."""

    ends: float
    after: int
    sent: list[t.Any] = dataclasses.field(default_factory=list)

    @property
    def transport(self) -> Istiod:
        return self

    async def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        self.sent.append((args, kwargs["body"]))

    async def pods(self, _namespace: str, _labels: t.Any) -> list[dict[str, t.Any]]:
        return [
            {"metadata": {"name": "istiod-1"}, "status": {"phase": "Running"}},
            {"metadata": {"name": "istiod-2"}, "status": {"phase": "Pending"}},
        ]

    async def exec(self, _namespace: str, pod: str, *_args: t.Any, **_kwargs: t.Any) -> ExecResult:
        assert pod == "istiod-1"
        self.after -= 1
        return ExecResult(METRICS.format(self.ends if self.after < 0 else 1), "", 0)


def new_intermediate() -> t.Any:
    now = datetime.datetime.now(datetime.UTC)
    return certificates.make_root(certificates.new_key(), certificates.Policy("a.b", "istio-system", "default", now))


FLEET = read_fleet({"west": {"cluster_region": "here"}}, environment())


def test_a_running_istiod_is_made_to_load_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    renewed = new_intermediate()
    istiod = Istiod(int(renewed.not_valid_after_utc.timestamp()), after=2)
    asyncio.run(cacerts.load_renewed(t.cast(t.Any, istiod), FLEET, renewed, 5))
    assert istiod.after < 0
    ((args, body),) = istiod.sent
    assert args == ("PATCH", "/api/v1/namespaces/istio-system/pods/istiod-1")
    assert body == {"metadata": {"annotations": {cacerts.ANNOTATION: certificates.fingerprint(renewed)}}}


@pytest.mark.parametrize(("renewed", "dry_run", "asked"), [(True, False, 1), (False, False, 0), (True, True, 0)])
def test_a_renewed_chain_is_picked_up(
    monkeypatch: pytest.MonkeyPatch, renewed: bool, dry_run: bool, asked: int
) -> None:
    policy = certificates.Policy("a.b", "istio-system", "default", datetime.datetime.now(datetime.UTC))
    key = certificates.new_key()
    chain = decisions.issue("west", certificates.Authority(certificates.make_root(key, policy), key), policy)
    (made, _root) = certificates.parse_certificates(chain.chain)
    istiod = Istiod(int(made.not_valid_after_utc.timestamp()), after=1)
    happened: list[str] = []

    @contextlib.asynccontextmanager
    async def connect(*_args: t.Any, **_more: t.Any) -> t.AsyncIterator[Istiod]:
        yield istiod

    async def namespace(*_args: t.Any, **_more: t.Any) -> list[t.Any]:
        return []

    async def apply(objects: list[t.Any], **more: t.Any) -> list[t.Any]:
        assert istiod.sent == [], "the Secret is written first"
        happened.append(f"{objects[0]['metadata']['name']} {more['labels']['mesh.fleet/part-of']} {more['dry_run']}")
        return []

    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(cacerts.Kube, "connect", connect)
    monkeypatch.setattr(cacerts, "ensure_namespace", namespace)
    monkeypatch.setattr(istiod, "apply", apply, raising=False)
    cluster = FLEET.clusters["west"]
    asyncio.run(cacerts.write_cacerts(FLEET, cluster, chain, renewed=renewed, dry_run=dry_run, timeout=5))
    assert happened == [f"cacerts trust {dry_run}"]
    assert [body["metadata"]["annotations"] for _args, body in istiod.sent] == [
        {cacerts.ANNOTATION: certificates.fingerprint(made)}
    ] * asked


def test_an_istiod_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    with pytest.raises(FleetError, match="has not loaded its new intermediate CA") as refused:
        asyncio.run(cacerts.load_renewed(t.cast(t.Any, Istiod(0, after=10**9)), FLEET, new_intermediate(), 0.05))
    assert refused.value.obj == "Pod istio-system/istiod-1"
    assert "ends at 1" in refused.value.seen
