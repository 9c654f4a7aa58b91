# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of traffic policies pass what Istio itself checks: its CRDs, a real API server with these, and istioctl."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import see
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from tests.policies import BREAKER, REVIEWS, live, sound

from . import control_plane
from .manifests import namespace_of
from .plays import run_plays

Values = dict[str, t.Any]
Connect = t.Callable[..., Kube]

CHARTS = Path(os.environ.get("MESH_FLEET_CHARTS") or artifacts_dir() / "charts")
KINDS = ("DestinationRule", "ServiceEntry", "VirtualService")
VARIED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def crds() -> list[Values]:
    """The CRDs of Istio's own chart that policies need."""
    text = (CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text(encoding="utf-8")
    found = [one for one in yaml.safe_load_all(text) if one and one["spec"]["names"]["kind"] in KINDS]
    assert len(found) == len(KINDS)
    return found


def closed(schema: t.Any) -> t.Any:
    """A schema that refuses keys which it does not name, as an API server with strict validation does."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and not schema.get("additionalProperties"):
        found["additionalProperties"] = False
    return found


@pytest.fixture(scope="session")
def schemas(crds: list[Values]) -> dict[tuple[str, str], jsonschema.Draft202012Validator]:
    """By apiVersion and kind what checks a spec."""
    return {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): jsonschema.Draft202012Validator(
            closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
        )
        for crd in crds
        for version in crd["spec"]["versions"]
    }


def drawn(case: tuple[Fleet, list[Policy]]) -> list[list[Values]]:
    """The objects of each cluster, where the last cluster's app is the one that was read."""
    of, policies = case
    seen = {**see({name: [] for name in of.clusters}, of.name), **see(live(list(of.clusters)[-1:]), of.name)}
    return list(objects_of(of, policies, seen).values())


@given(case=sound())
@VARIED
def test_every_object_fits_its_schema(schemas: dict[tuple[str, str], t.Any], case: tuple[Fleet, list[Policy]]) -> None:
    for objects in drawn(case):
        for one in objects:
            if one["kind"] in KINDS:
                errors = list(schemas[one["apiVersion"], one["kind"]].iter_errors(one["spec"]))
                assert errors == [], one


def test_a_schema_refuses_what_istio_does_not_know(schemas: dict[tuple[str, str], t.Any]) -> None:
    check = schemas["networking.istio.io/v1", "VirtualService"]
    assert check.is_valid({"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]})
    assert not check.is_valid({"hosts": ["a"], "http": [{"rout": [{"destination": {"host": "a"}}]}]})
    assert not check.is_valid({"hosts": ["a"], "http": [{"route": [{"destination": {}}]}]})


@pytest.fixture
def with_crds(connect: Connect, crds: list[Values]) -> t.Iterator[None]:
    """The test's API server knows Istio's kinds, and forgets them."""

    async def run(there: bool) -> None:
        async with connect() as kube:
            await (kube.apply(crds) if there else kube.remove(crds))

    asyncio.run(run(there=True))
    yield
    asyncio.run(run(there=False))


def test_an_api_server_takes_every_object(with_crds: None, connect: Connect, namespace: str) -> None:
    """It evaluates the rules in the CRDs too, and refuses fields that it does not know."""

    async def check(cases: list[list[Values]]) -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            for objects in cases:
                changes = await kube.apply(objects, dry_run=True)
                assert {change.action for change in changes} <= {"created"}
            wrong = next(one for one in cases[0] if one["kind"] == "VirtualService")
            wrong["spec"]["http"][0]["timeout"] = "0s"
            with pytest.raises(FleetError, match="timeout"):
                await kube.apply([wrong], dry_run=True)

    of = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
    fixtures = [REVIEWS, {**BREAKER, "service": "sample-producer.shop"}]
    cases = [objects_of(of, parse_policies(fixtures, of.clusters))["west"]]

    @given(sound())
    @settings(VARIED, max_examples=80)
    def collect(case: tuple[Fleet, list[Policy]]) -> None:
        cases.extend(objects for objects in drawn(case) if objects)

    collect()
    asyncio.run(check([json.loads(json.dumps(one).replace("shop", namespace)) for one in cases]))


def test_istioctl_finds_nothing_wrong(tmp_path: Path) -> None:
    """Each case in a namespace of its own, so that one run of istioctl sees all."""
    found: list[Values] = []

    def add(objects: list[Values]) -> None:
        services = [*live(["west"])["west"], *live(["west"], service="orders")["west"][1:]]
        # The namespace, the Services and their pods; without a stub of a Service that is there.
        mine = [*services, *(one for one in objects if one["kind"] != "Service")]
        found.extend(json.loads(json.dumps(mine).replace("shop", f"shop-{len(found)}")))

    of = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
    add(objects_of(of, parse_policies([REVIEWS], of.clusters))["west"])

    @given(sound())
    @settings(VARIED, max_examples=60)
    def collect(case: tuple[Fleet, list[Policy]]) -> None:
        for objects in drawn(case):
            if objects:
                add(objects)

    collect()
    assert sum(one["kind"] == "VirtualService" for one in found) > 30
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all(found), encoding="utf-8")
    istioctl = str(control_plane.program("istioctl"))
    for command in (["validate", "-f", str(path)], ["analyze", "-A", "--use-kube=false", "-o", "json", str(path)]):
        done = subprocess.run([istioctl, *command], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "skipping" not in done.stderr
        if command[0] == "analyze":
            assert [one for one in json.loads(done.stdout) if one["level"] in ("Error", "Warning")] == []


def test_istioctl_finds_what_is_wrong(tmp_path: Path) -> None:
    of = read_fleet({"west": {"cluster_provider": "kubeconfig"}})
    policy = {"service": "reviews.shop", "split": [{"weight": 100, "labels": {"version": "v1"}}]}
    rule, routes = json.loads(json.dumps(objects_of(of, parse_policies([policy], of.clusters))["west"]))
    rule["spec"]["subsets"][0]["name"] = "another"
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all([*live(["west"])["west"], rule, routes]), encoding="utf-8")
    command = [str(control_plane.program("istioctl")), "analyze", "-A", "--use-kube=false", "-o", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "IST0101" in [one["code"] for one in json.loads(done.stdout)]


def tasks_of_the_page(root: Path) -> list[Values]:
    """The tasks by which docs/traffic.md applies policies without the stage."""
    text = (root / "docs" / "traffic.md").read_text(encoding="utf-8")
    blocks = [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    ]
    (tasks,) = [b for b in blocks if isinstance(b, list) and "mesh.fleet.objects" in b[0]]
    return list(tasks)


def test_the_tasks_of_the_page_apply_and_prune(
    with_crds: None, plane: control_plane.ControlPlane, connect: Connect, root: Path, tmp_path: Path
) -> None:
    own = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(plane.kubeconfig), "cluster_context": "admin"}
    hosts = {name: {"cluster_region": "eu-de", "mesh_network": "flat"} for name in ("west", "east")}
    play = {"hosts": "west", "gather_facts": False, "tasks": tasks_of_the_page(root)}
    theirs = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "theirs", "namespace": "shop"},
    }
    theirs["spec"] = {"hosts": ["shop.example"], "ports": [{"name": "http", "number": 80, "protocol": "HTTP"}]}

    async def names(kube: Kube) -> set[tuple[str, str]]:
        found = [one for kind in KINDS for one in await kube.list("networking.istio.io/v1", kind, "shop")]
        return {(one["kind"], one["metadata"]["name"]) for one in found}

    async def seen() -> set[tuple[str, str]]:
        async with connect() as kube:
            return await names(kube)

    async def begin() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of("shop"), theirs])

    async def leave_a_name() -> None:
        """As a policy with a global name does that goes."""
        async with connect() as kube:
            (routes,) = await kube.list("networking.istio.io/v1", "VirtualService", "shop")
            meta = {**theirs["metadata"], "name": "ours", "labels": routes["metadata"]["labels"]}
            await kube.apply([{**theirs, "metadata": meta}])

    def run(policies: list[Values]) -> None:
        done = run_plays(tmp_path, {"vars": {**own, "mesh_traffic": policies}, "hosts": hosts}, play)
        assert done.code == 0, done.output

    asyncio.run(begin())
    run([REVIEWS])
    assert {kind for kind, _name in asyncio.run(seen())} == {"DestinationRule", "ServiceEntry", "VirtualService"}
    asyncio.run(leave_a_name())
    run([])
    assert asyncio.run(seen()) == {("ServiceEntry", "theirs")}
