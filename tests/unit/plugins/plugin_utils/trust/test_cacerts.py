# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a running istiod is made to load a renewed intermediate CA."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.execs import ExecResult
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    MANAGED_BY,
    MANAGER,
    owner_labels,
)
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

    cluster: t.ClassVar[str] = "west"

    @property
    def transport(self) -> Istiod:
        return self

    async def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        self.sent.append((args, kwargs))

    async def pods(self, *of: t.Any) -> list[dict[str, t.Any]]:
        assert of == ("istio-system", {"app": "istiod"})
        return [
            {"metadata": {"name": "istiod-0"}, "status": None},
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
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(cacerts.asyncio, "sleep", pause)
    asyncio.run(cacerts.load_renewed(t.cast(t.Any, istiod), FLEET, renewed, 5))
    assert istiod.after < 0 and pauses == [0.001, 0.001]
    ((args, more),) = istiod.sent
    assert args == ("PATCH", "/api/v1/namespaces/istio-system/pods/istiod-1")
    assert more["content_type"] == "application/merge-patch+json"
    assert more["body"] == {"metadata": {"annotations": {cacerts.ANNOTATION: certificates.fingerprint(renewed)}}}


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
    async def connect(*_args: t.Any, **more: t.Any) -> t.AsyncIterator[Istiod]:
        assert more == {"cluster": "west", "absent_ok": dry_run, "take_over": True}
        yield istiod

    async def namespace(*_args: t.Any, **more: t.Any) -> list[t.Any]:
        happened.append(f"namespace {more['dry_run']}")
        return ["namespace"]

    async def apply(objects: list[t.Any], **more: t.Any) -> list[t.Any]:
        assert istiod.sent == [], "the Secret is written first"
        (secret,) = objects
        assert {name: base64.b64decode(value).decode() for name, value in secret["data"].items()} == chain.data
        assert {name: value for name, value in secret.items() if name != "data"} == {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": "cacerts", "namespace": "istio-system"},
        }
        happened.append(f"{objects[0]['metadata']['name']} {more['labels']['mesh.fleet/part-of']} {more['dry_run']}")
        return ["secret"]

    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(cacerts.Kube, "connect", connect)
    monkeypatch.setattr(cacerts, "ensure_namespace", namespace)
    monkeypatch.setattr(istiod, "apply", apply, raising=False)
    cluster = dataclasses.replace(FLEET.clusters["west"], take_over=True)
    written = asyncio.run(cacerts.write_cacerts(FLEET, cluster, chain, renewed=renewed, dry_run=dry_run, timeout=5))
    assert written == ["namespace", "secret"]
    assert happened == [f"namespace {dry_run}", f"cacerts trust {dry_run}"]
    assert [more["body"]["metadata"]["annotations"] for _args, more in istiod.sent] == [
        {cacerts.ANNOTATION: certificates.fingerprint(made)}
    ] * asked


def test_an_istiod_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    with pytest.raises(FleetError, match="has not loaded its new intermediate CA") as refused:
        asyncio.run(cacerts.load_renewed(t.cast(t.Any, Istiod(0, after=10**9)), FLEET, new_intermediate(), 0.05))
    assert refused.value.obj == "Pod istio-system/istiod-1"
    assert "ends at 1" in refused.value.seen
    with pytest.raises(FleetError) as refused:
        asyncio.run(cacerts.load_renewed(t.cast(t.Any, Istiod(0, after=10**9)), FLEET, new_intermediate(), 0))
    assert refused.value.seen == "nothing"


class HandingOn(Istiod):
    """An istiod that writes the ConfigMap of the proxies, or does not."""

    held: str = ""

    async def wait(self, *what: str, until: t.Any, timeout: float) -> None:
        assert what == ("v1", "ConfigMap", "istio-ca-crl", "istio-system")
        done, seen = until({"data": {"ca-crl.pem": self.held}} if self.held else None)
        if not done:
            raise NotInTime("not in time", seen=seen)


def test_revocation_lists_are_waited_for_where_proxies_read_them() -> None:
    istiod = HandingOn(0, 0)
    istiod.held = "new"
    asyncio.run(cacerts.load_crls(t.cast(t.Any, istiod), FLEET, "new", 5))
    ((_args, more),) = istiod.sent
    first = more["body"]["metadata"]["annotations"][cacerts.ANNOTATION]
    for held, seen in (("former", "it has others"), ("", "it has none")):
        istiod.held = held
        with pytest.raises(FleetError) as refused:
            asyncio.run(cacerts.load_crls(t.cast(t.Any, istiod), FLEET, "newer", 5))
        assert refused.value.seen == seen and "PILOT_ENABLE_CA_CRL" in refused.value.means
        assert "rollout restart deployment -l app=istiod" in refused.value.next_step
    assert istiod.sent[-1][1]["body"]["metadata"]["annotations"][cacerts.ANNOTATION] != first


@dataclasses.dataclass
class Ending(Istiod):
    """An istiod whose pod ends while it is asked; ``status`` is what a change of it is answered."""

    there: bool = False
    status: int = 404
    metrics: str = ""

    async def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        await super().request(*args, **kwargs)
        if self.status:
            raise ApiError("no", status=self.status)

    async def exec(self, *_args: t.Any, **kwargs: t.Any) -> ExecResult:
        assert kwargs["timeout"] == 15
        if self.metrics:
            return ExecResult(self.metrics, "", 0)
        raise FleetError("the command failed", seen="no such pod")

    async def get(self, *what: str) -> dict[str, t.Any] | None:
        assert what == ("v1", "Pod", "istiod-1", "istio-system")
        return {} if self.there else None


def load(istiod: Istiod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacerts, "_POLL_SECONDS", 0.001)
    asyncio.run(cacerts.load_renewed(t.cast(t.Any, istiod), FLEET, new_intermediate(), 0.05))


def test_a_pod_that_has_ended_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    load(Ending(0, 0), monkeypatch)
    with pytest.raises(FleetError, match=r"after 0\.05 s") as refused:
        load(Ending(0, 0, there=True, status=0), monkeypatch)
    assert refused.value.seen == "the command failed no such pod"
    with pytest.raises(FleetError, match=r"after 0\.05 s") as refused:
        load(Ending(0, 0, metrics="up 1", status=0), monkeypatch)
    assert refused.value.seen == "its metrics name no end date"
    with pytest.raises(ApiError):
        load(Ending(0, 0, status=403), monkeypatch)


class Held:
    """Stands in for a cluster that holds some objects, by kind and name."""

    def __init__(self, *objects: dict[str, t.Any]) -> None:
        self.held = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
        self.deployments: list[dict[str, t.Any]] = []
        self.ahead = datetime.timedelta(seconds=7)
        self.opened: dict[str, t.Any] = {}
        self.happened: list[t.Any] = []

    @contextlib.asynccontextmanager
    async def connect(self, *_args: t.Any, **more: t.Any) -> t.AsyncIterator[Held]:
        self.opened = more
        yield self

    async def get(self, _version: str, kind: str, name: str, namespace: str = "") -> dict[str, t.Any] | None:
        assert namespace == ("" if kind == "Namespace" else "istio-system")
        return self.held.get((kind, name))

    async def list(self, version: str, kind: str, namespace: str = "", labels: t.Any = None) -> t.Sequence[t.Any]:
        if kind != "Deployment":
            return [{"metadata": {"name": "asm", "labels": {"istio.io/owned-by": "mesh.googleapis.com"}}}]
        assert (version, namespace, labels) == ("apps/v1", "istio-system", {"app": "istiod"})
        return self.deployments

    async def delete(self, *what: str, dry_run: bool) -> str:
        self.happened.append((*what, dry_run))
        return "Secret"


def held_secret(labels: dict[str, str] | None = None, **data: str) -> dict[str, t.Any]:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    managed = [{"manager": "istioctl"}]
    return {
        "kind": "Secret",
        "metadata": {"name": "cacerts", "labels": labels or {}, "managedFields": managed},
        "data": encoded,
    }


OURS = owner_labels("trust", FLEET.name)
FORMER = {MANAGED_BY: MANAGER}


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        (OURS, ""),
        (FORMER, ""),
        (owner_labels("trust", "another"), "fleet another"),
        (owner_labels("apps", FLEET.name), f"fleet {FLEET.name}"),
        ({}, "istioctl"),
    ],
    ids=["ours", "of an earlier version", "another fleet's", "another role's", "of a stranger"],
)
def test_what_a_cluster_holds_and_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, labels: dict[str, str], owner: str
) -> None:
    kube = Held(held_secret(labels, key="text"))
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    cluster = dataclasses.replace(FLEET.clusters["west"], take_over=True)
    found = asyncio.run(cacerts.read_trust(FLEET, cluster, True))
    assert found == decisions.ClusterTrust(
        "west", {"key": "text"}, owner, take_over=True, ahead=datetime.timedelta(seconds=7)
    )
    assert kube.opened == {"cluster": "west", "absent_ok": True}


def test_a_secret_of_cert_managers_is_read_by_istios_names(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Held(held_secret(**{"tls.crt": "one\n", "tls.key": "key", "ca.crt": "root"}))
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    found = asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], True))
    assert found.tls_form
    assert found.data == {
        "ca-cert.pem": "one\n",
        "ca-key.pem": "key",
        "root-cert.pem": "root",
        "cert-chain.pem": "one\nroot",
    }


def test_an_istiod_and_the_root_that_it_published_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    root = {"kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert"}, "data": {"root-cert.pem": "the root"}}
    kube = Held(root)
    kube.deployments = [{"metadata": {"name": "istiod"}}]
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    found = asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False))
    assert (found.data, found.owner, found.istiod, found.published_root) == (None, "", True, "the root")
    kube.held = {("ConfigMap", "istio-ca-root-cert"): {**root, "data": None}}
    assert asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False)).published_root == ""


def test_nothing_is_signed_beside_googles_control_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Held({"kind": "Namespace", "metadata": {"name": "istio-system"}})
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    assert asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False)).data is None
    with pytest.raises(FleetError, match="Google runs a control plane"):
        asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False, to_sign=True))


@pytest.mark.parametrize("value", ["/w==", "x"], ids=["no text", "no base64"])
def test_a_cacerts_that_is_not_text_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    kube = Held({**held_secret(OURS), "data": {"key": value}})
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    with pytest.raises(FleetError, match="cacerts is not text") as refused:
        asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False))
    assert (refused.value.cluster, refused.value.obj) == ("west", "Secret cacerts")
    kube.held["Secret", "cacerts"]["data"] = None
    assert asyncio.run(cacerts.read_trust(FLEET, FLEET.clusters["west"], False)).data == {}


GONE = "intermediate CA removed"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("labels", "take_over", "line"),
    [
        (OURS, False, GONE),
        (FORMER, False, "no intermediate CA of ours"),
        (FORMER, True, GONE),
        (owner_labels("trust", "another"), True, "no intermediate CA of ours"),
        ({}, True, "no intermediate CA of ours"),
        (None, False, "no intermediate CA"),
    ],
    ids=["ours", "of an earlier version", "by consent", "another fleet's", "of a stranger", "none"],
)
def test_only_ours_is_removed(
    monkeypatch: pytest.MonkeyPatch, labels: dict[str, str] | None, take_over: bool, line: str, dry_run: bool
) -> None:
    kube = Held(*([] if labels is None else [held_secret(labels)]))

    async def leave(*_args: t.Any, dry_run: bool) -> tuple[list[str], str]:
        kube.happened.append(("namespace", dry_run))
        return ["Namespace"], "why it stays"

    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    monkeypatch.setattr(cacerts, "leave_namespace", leave)
    cluster = dataclasses.replace(FLEET.clusters["west"], take_over=take_over)
    changes, said = asyncio.run(cacerts.remove_cacerts(FLEET, cluster, dry_run=dry_run))
    assert said == line
    gone = line == GONE
    removed = [("v1", "Secret", "cacerts", "istio-system", dry_run), ("namespace", dry_run)]
    assert kube.happened == (removed if gone else [])
    assert changes == (["Secret", "Namespace"] if gone else [])
    assert kube.opened == {"cluster": "west", "absent_ok": True, "take_over": take_over}


def test_a_namespace_of_googles_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Held(held_secret(OURS))
    monkeypatch.setattr(cacerts.Kube, "connect", kube.connect)
    monkeypatch.setattr(cacerts, "control_plane_of", lambda *_args: type("Google", (), {"ours": False}))
    monkeypatch.delattr(cacerts, "leave_namespace")
    changes, _said = asyncio.run(cacerts.remove_cacerts(FLEET, FLEET.clusters["west"], dry_run=False))
    assert changes == ["Secret"]
