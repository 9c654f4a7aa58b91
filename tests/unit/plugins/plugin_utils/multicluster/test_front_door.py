# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door of Google's clusters goes on without one that cannot be read, and keeps what it has for it."""

from __future__ import annotations

import asyncio
import copy
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import INGRESS, KINDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import front_door
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door import FrontDoorRun, needed_by_all

Object = dict[str, t.Any]
Objects = list[Object]
Changes = list[t.Any]
Names = list[str]
SHARED = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod"}
REGIONS = {"west": "us-west1", "east": "us-east1", "north": "europe-north1"}
FLEET = read_fleet({name: {**SHARED, "cluster_region": region} for name, region in REGIONS.items()})
WEB: dict[str, t.Any] = {"host": "shop.example", "service": "web.shop"}
PAY: dict[str, t.Any] = {"host": "pay.example", "service": "pay.shop", "clusters": ["east"]}
SILENT = ApiError("the API server is not reachable", seen="connection refused", next_step="start the cluster")
REFUSING = ApiError("read failed", status=401, seen="401 Unauthorized", next_step="get fresh credentials")
FORBIDDING = ApiError("read failed", status=403, seen="403 forbidden", next_step="grant it the right")


class Server:
    """What the run needs of one cluster."""

    record, absent, take_over = None, False, False

    def __init__(self, cluster: str) -> None:
        self.cluster, self.error = cluster, t.cast("FleetError | None", None)
        self.objects: dict[tuple[str, str], Object] = {}
        self.waits: list[float] = []
        self.asked, self.hidden = 0, ""

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: t.Any) -> None:
        pass

    def put(self, *objects: Object) -> None:
        for obj in objects:
            self.objects[obj["kind"], obj["metadata"]["name"]] = obj

    def _ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            error = copy.copy(self.error)
            error.cluster = self.cluster
            raise error

    async def get(self, _version: str, kind: str, name: str, _space: str = "") -> Object | None:
        self._ask()
        if kind == self.hidden:
            raise FORBIDDING
        return {} if kind == "Namespace" else self.objects.get((kind, name))

    async def list(self, _version: str, kind: str, *_: t.Any, **__: t.Any) -> Objects:
        self._ask()
        return [obj for (of, _name), obj in self.objects.items() if of == kind]

    async def wait(self, *_: t.Any, **__: t.Any) -> None:
        self._ask()

    wait_list = wait

    async def apply(self, objects: t.Sequence[Object], *, labels: Object, dry_run: bool, **_: t.Any) -> Changes:
        self._ask()
        if not dry_run:
            self.put(*({**obj, "metadata": {**obj["metadata"], "labels": labels}} for obj in objects))
        return []

    async def prune(
        self,
        keep: t.Sequence[Object],
        *,
        kinds: t.Sequence[tuple[str, str]],
        dry_run: bool,
        wait: float = 0,
        **_: t.Any,
    ) -> Changes:
        self._ask()
        self.waits.append(wait)
        kept = {(obj["kind"], obj["metadata"]["name"]) for obj in keep}
        for one in [] if dry_run else list(self.objects):
            if one[0] in [kind for _version, kind in kinds] and one not in kept:
                del self.objects[one]
        return []

    @property
    def made(self) -> Names:
        kinds = [kind for _version, kind in KINDS]
        return sorted(f"{kind} {name}" for kind, name in self.objects if kind in kinds)

    def selector(self, name: str) -> Object:
        spec: Object = self.objects["MultiClusterService", name]["spec"]["template"]["spec"]
        return {**spec["selector"], "port": spec["ports"][0]["port"]}

    def hosts(self, name: str = "front-door") -> Names:
        return [rule["host"] for rule in self.objects[INGRESS, name]["spec"]["template"]["spec"].get("rules", ())]


Servers = dict[str, Server]


def service(name: str, port: int = 80, app: str = "") -> Object:
    ports = [{"name": "http", "port": port, "appProtocol": "https"}]
    spec = {"selector": {"app": app or name}, "ports": ports}
    return {"kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """West, the config cluster, and two members; each has service web, east alone has pay."""
    made = {name: Server(name) for name in REGIONS}
    for server in made.values():
        server.put(service("web"))
    made["east"].put(service("pay"))
    connect = types.SimpleNamespace(connect=lambda _connection, *, cluster, **_: made[cluster])
    monkeypatch.setattr(front_door, "Kube", connect)
    return made


def run_of(servers: Servers, *routes: Object, play: t.Collection[str] = tuple(REGIONS), **more: t.Any) -> FrontDoorRun:
    door, problems = read_front_door("front-door", list(routes), FLEET.clusters)
    refuse(problems)
    return FrontDoorRun(FLEET, members(FLEET), t.cast("t.Any", servers["west"]), door, play=play, **more)


def place(servers: Servers, *routes: Object, **more: t.Any) -> FrontDoorRun:
    run = run_of(servers, *routes, **more)
    asyncio.run(run.place(""))
    return run


@pytest.mark.parametrize("error", [SILENT, REFUSING, FORBIDDING, FleetError("the kubeconfig does not exist")])
def test_one_that_cannot_be_read_stops_no_other(servers: Servers, error: FleetError) -> None:
    place(servers, WEB, PAY)
    servers["east"].error = error
    new = {"host": "new.example", "service": "web.shop"}
    planned = place(servers, WEB, PAY, new, dry_run=True)
    run = place(servers, WEB, PAY, new)
    west = servers["west"]
    assert west.made == ["MultiClusterIngress front-door", "MultiClusterService pay", "MultiClusterService web"]
    assert west.hosts() == ["shop.example", "pay.example", "new.example"], "the others get their change"
    assert west.objects["MultiClusterService", "pay"]["spec"]["clusters"] == [{"link": "us-east1/east"}]
    assert run.served == {"web": ["east", "north", "west"], "pay": ["east"]}
    (warning,) = run.warnings
    assert planned.warnings == run.warnings
    assert warning.startswith(
        "east: the front door changes nothing there, and it goes on to lead there for shop.example, pay.example, "
        "new.example: "
    )
    assert list(run.failures) == ([] if error is SILENT else ["east"])
    said = "the API server is not reachable (connection refused); start the cluster, or take it out of the inventory"
    assert warning.endswith(said if error is SILENT else ": see its error")
    # One outside of the run fails nothing.
    part = place(servers, WEB, PAY, play=["west", "north"])
    assert part.failures == {} and error.what in part.warnings[0]
    # It is asked once, and nobody waits until Google has released what leads there.
    servers["east"].asked = 0
    assert asyncio.run(part.clean_up(["east", "north"])) == []
    assert servers["east"].asked == 0 and servers["north"].waits == [0.0]
    assert west.waits[-4:] == [0.0] * 4
    servers["east"].error = None
    again = place(servers, WEB, PAY)
    assert (again.warnings, again.failures, west.waits[-1]) == ([], {}, 900)


def test_the_config_cluster_is_needed_by_all(servers: Servers) -> None:
    for error in (SILENT, REFUSING, FORBIDDING):
        servers["west"].error = error
        for routes in ([WEB], [PAY]):
            with pytest.raises(FleetError) as refused, needed_by_all("west"):
                place(servers, *routes)
            assert refused.value.cluster == "west" and error.what in refused.value.what
            assert refused.value.means == (
                "west is the front door's config cluster: without it, nothing of the front door can be changed"
            )
            assert refused.value.next_step
    missing = FleetError("Google has no such cluster", cluster="west", means="it was deleted")
    for connecting in (True, False):
        with pytest.raises(FleetError) as gone, needed_by_all("west", connecting=connecting):
            raise FleetError(missing.what, cluster="west", means="it was deleted")
        assert gone.value.means.startswith("it was deleted")
        assert ("config cluster" in gone.value.means) is connecting
    with pytest.raises(FleetError) as other, needed_by_all("west"):
        raise ApiError("read failed", status=503, cluster="east")
    assert other.value.means == ""


def test_a_config_cluster_that_hides_services_fails_alone(servers: Servers) -> None:
    servers["west"].hidden = "Service"
    run = place(servers, WEB)
    assert list(run.failures) == ["west"] and run.served == {"web": ["east", "north"]}
    assert servers["west"].made == ["MultiClusterIngress front-door", "MultiClusterService web"]
    servers["east"].error = servers["north"].error = SILENT
    with pytest.raises(FleetError, match="not reachable") as nobody:
        place(servers, WEB)
    assert nobody.value.cluster == "east"


def test_kinds_that_cannot_be_asked_for_are_not_missing(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    late = NotInTime("not as expected after 300 s", seen="not found", cluster="west")
    for error, said in ((late, "multi-cluster ingress is not installed"), (FORBIDDING, "read failed")):

        async def wait(*_: t.Any, error: FleetError = error, **__: t.Any) -> None:
            raise error

        monkeypatch.setattr(servers["west"], "wait", wait)
        with pytest.raises(FleetError, match=said):
            place(servers, WEB)


def test_selector_and_port_stay_those_of_a_silent_cluster(servers: Servers) -> None:
    """East is the first with the service, so its selector and ports are those of all."""
    servers["north"].put(service("web", 80, app="other"))
    place(servers, WEB)
    servers["east"].error = SILENT
    place(servers, WEB)
    west = servers["west"]
    assert west.selector("web") == {"app": "web", "port": 80}
    notes = west.objects["MultiClusterService", "web"]["metadata"]["annotations"]
    assert notes == {"networking.gke.io/app-protocols": '{"http": "HTTPS"}'}
    # A port that only the others have is one that the user asks for now.
    servers["north"].put(service("web", 90, app="other"))
    place(servers, {**WEB, "port": 90})
    assert west.selector("web") == {"app": "other", "port": 90}
    # Where the first with the service was read, it counts.
    servers["east"].error, servers["west"].objects["Service", "web"] = None, service("web")
    servers["north"].error = SILENT
    servers["east"].put(service("web", 70, app="newer"))
    place(servers, WEB)
    assert west.selector("web") == {"app": "newer", "port": 70}


def test_a_service_of_a_silent_cluster_alone_stays(servers: Servers) -> None:
    place(servers, WEB, PAY)
    servers["east"].error = SILENT
    run = place(servers, WEB, {**PAY, "port": 9090})
    assert servers["west"].selector("pay") == {"app": "pay", "port": 80}
    assert servers["west"].hosts() == ["shop.example", "pay.example"]
    assert run.services["pay"]["spec"]["selector"] == {"app": "pay"}
    # A name that nobody knows may be wrong.
    with pytest.raises(FleetError, match="the service of a route does not exist") as refused:
        place(servers, WEB, {"service": "none.shop", "path": "/x"})
    assert refused.value.seen == "not in north, west; east: the API server is not reachable (connection refused)"
    # What a route no longer says is gone, though it leads there too.
    place(servers, WEB)
    assert servers["west"].made == ["MultiClusterIngress front-door", "MultiClusterService web"]


def test_a_new_route_to_a_silent_cluster_alone_waits(servers: Servers) -> None:
    place(servers, WEB)
    servers["east"].error = SILENT
    run = place(servers, WEB, PAY)
    west = servers["west"]
    assert (west.hosts(), run.served["pay"]) == (["shop.example"], [])
    assert "lead there for shop.example, and not yet for pay.example: " in run.warnings[0]
    # Where all wait, what is there stays, also in an earlier config cluster.
    before = west.made
    alone = run_of(servers, PAY)
    assert asyncio.run(alone.place("")) == [] and alone.waits and west.made == before
    servers["north"].put({"kind": INGRESS, "metadata": {"name": "front-door"}})
    assert asyncio.run(alone.clean_up(["north"])) == [] and servers["north"].made
    servers["east"].error = None
    place(servers, WEB, PAY)
    assert west.hosts() == ["shop.example", "pay.example"]
    # What an earlier run removed, and Google has not released yet, is none to keep.
    west.objects["MultiClusterService", "pay"]["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    servers["east"].error = SILENT
    assert "pay" not in place(servers, WEB, PAY).services


def warning(message: str) -> Object:
    about = {"kind": "MultiClusterService", "name": "web", "namespace": "shop"}
    said = {"type": "Warning", "reason": "SYNC", "message": message, "lastTimestamp": "2026-11-21T10:00:00Z"}
    return {"kind": "Event", "metadata": {"name": "web.1"}, "involvedObject": about, **said}


def test_what_google_says_of_a_silent_cluster_is_a_warning(servers: Servers) -> None:
    servers["east"].error = SILENT
    run = place(servers, WEB, timeout=0)
    with pytest.raises(FleetError, match="no address after 0 s") as late:
        asyncio.run(run.await_reconciled(""))
    assert late.value.seen.endswith("no address yet; east: the API server is not reachable (connection refused)")
    servers["west"].objects[INGRESS, "front-door"]["status"] = {"VIP": "203.0.113.7"}
    servers["west"].put(warning("failed to ensure Service in us-east1/east: i/o timeout"))
    assert asyncio.run(run.await_reconciled("")) == "203.0.113.7"
    refused = "west: MultiClusterService shop/web: Google refuses it: SYNC: failed to ensure Service in us-east1/east:"
    assert run.warnings[1].startswith(refused)
    unwaited = place(servers, WEB)
    asyncio.run(unwaited.warn_of_refusals())
    assert unwaited.warnings[1:] == run.warnings[1:]
    # While all answer, it is a refusal like any other; one that is being removed refuses nothing.
    servers["east"].error = None
    everybody = place(servers, WEB, timeout=0)
    servers["west"].objects[INGRESS, "front-door"]["status"] = {"VIP": "203.0.113.7"}
    with pytest.raises(FleetError, match="Google refuses the front door's configuration"):
        asyncio.run(everybody.await_reconciled(""))
    servers["west"].objects["MultiClusterService", "web"]["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    assert asyncio.run(everybody.await_reconciled("")) == "203.0.113.7" and everybody.warnings == []


def test_a_cluster_that_a_route_leaves_out_is_not_led_to(servers: Servers) -> None:
    place(servers, {**WEB, "clusters": ["west", "north"]})
    servers["east"].error = SILENT
    run = place(servers, {**WEB, "clusters": ["west", "north"]})
    assert run.warnings == [], "it is not asked"
    run = place(servers, WEB)
    assert run.served == {"web": ["north", "west"]}
    assert "it does not lead there, and not yet for shop.example: " in run.warnings[0]


@pytest.mark.parametrize("before", [["west"], ["west", "east"], None], ids=["west", "both", "all"])
def test_a_service_is_not_moved_to_where_nobody_looked(servers: Servers, before: Names | None) -> None:
    servers["west"].put(service("pay"))
    place(servers, WEB, {**PAY, "clusters": before})
    west, new = servers["west"], {"host": "new.example", "service": "web.shop"}
    links = west.objects["MultiClusterService", "pay"]["spec"].get("clusters")
    servers["east"].error = SILENT
    run = place(servers, WEB, PAY, new)
    assert west.objects["MultiClusterService", "pay"]["spec"].get("clusters") == links
    assert west.hosts() == ["shop.example", "pay.example", "new.example"], "the others get their change"
    led = before or ["east"]
    assert run.served["pay"] == sorted(led)
    kept, told = run.warnings
    where = ", ".join(before or ()) or "all clusters that have it"
    assert kept == (
        f"Google goes on to lead to {where} for pay.shop, though clusters in front_door_routes is east: it could not "
        "be read whether the service is in east. Run again when it can be, or name a cluster that answers and has it "
        "as well"
    )
    assert ("and not yet for pay.example: " in told) is ("east" not in led)
    servers["east"].error = None
    assert place(servers, WEB, PAY, new).warnings == []
    assert west.objects["MultiClusterService", "pay"]["spec"]["clusters"] == [{"link": "us-east1/east"}]


def test_links_that_lose_no_cluster_are_written(servers: Servers) -> None:
    place(servers, WEB, PAY)
    servers["east"].error = servers["north"].error = SILENT
    run = place(servers, WEB, {**PAY, "clusters": ["east", "north"]})
    links = [one["link"] for one in servers["west"].objects["MultiClusterService", "pay"]["spec"]["clusters"]]
    assert links == ["us-east1/east", "europe-north1/north"]
    assert len(run.warnings) == 2 and run.served["pay"] == ["east"]


ANY: dict[str, t.Any] = {"service": "web.shop"}


@pytest.mark.parametrize(
    ("before", "after", "notice"),
    [
        ([ANY, PAY], [{"service": "new.shop", "clusters": ["east"]}, PAY], "any host would get pay instead of web"),
        ([WEB, PAY], [{"service": "new.shop", "clusters": ["east"]}, PAY], "any host would get pay instead of web"),
        (
            [PAY, WEB],
            [PAY, {**WEB, "service": "new.shop", "clusters": ["east"]}],
            "shop.example would get pay instead of web",
        ),
        (
            [PAY, WEB],
            [PAY, {**WEB, "path": "/a", "service": "new.shop", "clusters": ["east"]}],
            "shop.example/a would get pay instead of web",
        ),
        ([], [{"service": "new.shop", "clusters": ["east"]}, {**PAY, "clusters": ["north"]}], "any host would get pay"),
    ],
    ids=["default", "first", "host", "path", "new"],
)
def test_nobody_gets_another_service_while_one_waits(
    servers: Servers, before: Objects, after: Objects, notice: str
) -> None:
    """Without a rule of its own, a call goes to the default backend: another route's service."""
    servers["north"].put(service("pay"))
    servers["east"].put(service("new"))
    west = servers["west"]
    if before:
        place(servers, *before)
    live = copy.deepcopy(west.objects)
    servers["east"].error = SILENT
    for dry_run in (True, False):
        run = place(servers, *after, dry_run=dry_run)
        assert run.waits and west.objects == live
        assert run.warnings[0] == (
            "nothing of the front door is made or changed: whether new.shop exists could not be read in east; without "
            f"that, callers of {notice}. Run again when it can be, or add a cluster that answers and has the service "
            "to clusters of that route; until then, leave what serves now in front_door_routes to change other routes"
        )
        assert run.warnings[1].startswith("east: the front door changes nothing there, and it ")
        assert run.served == {"new": [], "pay": ["east"] if before else []}
    servers["east"].error = None
    assert place(servers, *after).warnings == []
    assert "MultiClusterService new" in west.made


def test_a_front_door_being_removed_serves_nobody(servers: Servers) -> None:
    place(servers, WEB)
    west = servers["west"]
    west.objects[INGRESS, "front-door"]["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    servers["east"].error = SILENT
    assert place(servers, PAY, WEB).waits, "a new one's default backend is the first route's"
    assert not place(servers, WEB, PAY).waits
