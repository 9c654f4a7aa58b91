# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Service gets which address."""

from __future__ import annotations

import importlib.util
import pathlib
import types
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = pathlib.Path(__file__).parents[4] / "roles/kind_cluster/files/load_balancer.py"
BLOCK = "10.90.2.0/29"


def load() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("load_balancer", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


balancer = load()


def service(
    name: str, *, kind: str = "LoadBalancer", has: str = "", wants: str = "", klass: str = ""
) -> dict[str, t.Any]:
    spec: dict[str, t.Any] = {"type": kind}
    if wants:
        spec["loadBalancerIP"] = wants
    if klass:
        spec["loadBalancerClass"] = klass
    status = {"loadBalancer": {"ingress": [{"ip": has}]} if has else {}}
    return {"metadata": {"namespace": "ns", "name": name}, "spec": spec, "status": status}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What goes to the API server: path and address."""
    found: list[tuple[str, str]] = []

    class Answer:
        def read(self) -> bytes:
            return b""

    def request(method: str, path: str, body: t.Any = None, timeout: float | None = 30) -> Answer:
        assert method == "PATCH"
        found.append((path, body["status"]["loadBalancer"]["ingress"][0]["ip"]))
        return Answer()

    monkeypatch.setattr(balancer, "request", request)
    return found


def test_the_first_free_address_is_given_once(written: list[tuple[str, str]]) -> None:
    addresses = balancer.Addresses(BLOCK)
    addresses.seen("ADDED", service("a"))
    addresses.seen("MODIFIED", service("a", has="10.90.2.0"))
    addresses.seen("ADDED", service("b"))
    assert written == [
        ("/api/v1/namespaces/ns/services/a/status", "10.90.2.0"),
        ("/api/v1/namespaces/ns/services/b/status", "10.90.2.1"),
    ]


def test_an_address_comes_back_when_its_service_goes(written: list[tuple[str, str]]) -> None:
    addresses = balancer.Addresses(BLOCK)
    addresses.seen("ADDED", service("a"))
    addresses.seen("DELETED", service("a", has="10.90.2.0"))
    addresses.seen("ADDED", service("b"))
    addresses.seen("MODIFIED", service("b", kind="ClusterIP"))
    addresses.seen("ADDED", service("c"))
    assert [address for _path, address in written] == ["10.90.2.0"] * 3


def test_other_services_and_other_balancers_are_left_alone(written: list[tuple[str, str]]) -> None:
    addresses = balancer.Addresses(BLOCK)
    addresses.seen("ADDED", service("a", kind="ClusterIP"))
    addresses.seen("ADDED", service("b", klass="example.com/other"))
    assert written == []


def test_a_wish_is_granted_if_it_is_free(written: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    addresses = balancer.Addresses(BLOCK)
    addresses.seen("ADDED", service("a", wants="10.90.2.5"))
    addresses.seen("ADDED", service("b", wants="10.90.2.5"))
    addresses.seen("ADDED", service("c", wants="192.0.2.1"))
    assert written == [("/api/v1/namespaces/ns/services/a/status", "10.90.2.5")]
    assert "ns/b: no free address of 8" in capsys.readouterr().out


def test_an_address_of_another_block_is_replaced(written: list[tuple[str, str]]) -> None:
    balancer.Addresses(BLOCK).seen("ADDED", service("a", has="10.91.0.7"))
    assert [address for _path, address in written] == ["10.90.2.0"]


@given(events=st.lists(st.tuples(st.sampled_from(["ADDED", "DELETED"]), st.integers(0, 12)), max_size=40))
def test_no_address_is_given_twice(events: list[tuple[str, int]]) -> None:
    class Answer:
        def read(self) -> bytes:
            return b""

    before, balancer.request = balancer.request, lambda *_a, **_k: Answer()
    try:
        addresses = balancer.Addresses(BLOCK)
        for kind, number in events:
            addresses.seen(kind, service(str(number)))
            assert len(set(addresses.used.values())) == len(addresses.used) <= 8
            assert set(addresses.used.values()) <= set(addresses.pool)
    finally:
        balancer.request = before
