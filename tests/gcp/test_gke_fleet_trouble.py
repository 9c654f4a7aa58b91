# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Google fleet with changes by others at the same time, accounts unknown to IAM, and partial answers."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access import roles
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import Binding, bindings_for
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import grant, project_number, revoke
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import polling
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.settling import note_change
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.resources import FEATURES, projects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import Member, members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .standin.server import StandIn
from .test_gke_fleet import PROJECT, actions, exist, fleet, google, hub, standin, two, writes

__all__ = ["standin", "two"]

INGRESS = "multiclusteringress"
DISCOVERY = "multiclusterservicediscovery"
_HUB = f"gkehub/projects/{PROJECT}/locations/global/features/"


# -- roles -------------------------------------------------------------------------------------


def test_an_account_that_iam_does_not_know_yet_is_made(standin: StandIn) -> None:
    wanted = bindings_for([INGRESS], [PROJECT], PROJECT, project_number(google(standin)))
    assert [change.action for change in grant(google(standin), wanted, dry_run=False)] == ["changed"]
    asked = "serviceusage.services.generateServiceIdentity"
    assert [e["method"] for e in standin.cloud.log].count(asked) == 1
    standin.cloud.log.clear()
    assert [change.action for change in grant(google(standin), wanted, dry_run=False)] == ["unchanged"]
    assert writes(standin) == []


def test_an_account_is_made_before_anything_is_waited_for(standin: StandIn) -> None:
    said: list[str] = []
    client = google(standin)
    client.say, client.settle_seconds = said.append, 1.0
    note_change(PROJECT)
    wanted = bindings_for([INGRESS], [PROJECT], PROJECT, project_number(client))
    assert [change.action for change in grant(client, wanted, dry_run=False)] == ["changed"]
    assert said == []


def test_an_account_that_iam_learns_of_late_is_awaited(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = bindings_for([INGRESS], [PROJECT], PROJECT, project_number(google(standin)))
    said = f"Service account {wanted[0].member.removeprefix('serviceAccount:')} does not exist."
    late = standin.cloud.fail("cloudresourcemanager.projects.setIamPolicy", 400, said, times=2)
    assert [change.action for change in grant(google(standin), wanted, dry_run=False)] == ["changed"]
    assert late.times == 0
    standin.cloud.policies.clear()
    monkeypatch.setattr(roles, "_KNOWN_SECONDS", 0.0)
    standin.cloud.fail("cloudresourcemanager.projects.setIamPolicy", 400, said, times=-1)
    with pytest.raises(FleetError) as never:
        grant(google(standin), wanted, dry_run=False)
    assert "gcp-sa-multiclusteringress" in str(never.value)


def test_pods_of_a_project_without_workload_identity_are_named(standin: StandIn) -> None:
    wanted = bindings_for([DISCOVERY], ["team-a"], "team-a", "")
    said = "Identity Pool does not exist (team-a.svc.id.goog). Please check that you specified a valid resource name."
    standin.cloud.fail("cloudresourcemanager.projects.setIamPolicy", 400, said, times=-1)
    with pytest.raises(FleetError) as refused:
        grant(google(standin), wanted, dry_run=False)
    assert "no cluster of project team-a has Workload Identity" in str(refused.value)
    assert "the clusters stage" in refused.value.next_step


def test_grants_of_several_at_once_all_stand(standin: StandIn) -> None:
    wanted = [Binding(PROJECT, "roles/viewer", f"user:u{i}@shop.example") for i in range(6)]
    start = threading.Barrier(len(wanted))

    def one(binding: Binding) -> list[str]:
        start.wait()
        return [change.action for change in grant(google(standin), [binding], dry_run=False)]

    with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
        assert list(pool.map(one, wanted)) == [["changed"]] * len(wanted)
    assert sorted(standin.cloud.policies[PROJECT]["bindings"][0]["members"]) == sorted(b.member for b in wanted)


def test_only_what_was_granted_is_recorded_and_at_once(standin: StandIn) -> None:
    one = Binding(PROJECT, "roles/viewer", "user:ann@shop.example")
    other = Binding("team-a", "roles/viewer", "user:ann@shop.example")
    standin.cloud.policies[PROJECT] = {
        "etag": "BwA=",
        "bindings": [{"role": one.role, "members": [one.member]}],
    }
    recorded: list[Binding] = []
    grant(google(standin), [one, other], dry_run=True, record=recorded.extend)
    assert recorded == []
    standin.cloud.fail("cloudresourcemanager.projects.getIamPolicy", 403, "denied", path="projects/last")
    with pytest.raises(FleetError):
        grant(
            google(standin),
            [one, other, Binding("last", "roles/viewer", one.member)],
            dry_run=False,
            record=recorded.extend,
        )
    assert recorded == [other]  # the first was there before, the last was never granted
    gone: list[Binding] = []
    revoke(google(standin), [other], dry_run=False, record=gone.extend)
    assert gone == [other]


def test_each_role_is_granted_in_the_project_that_needs_it() -> None:
    found = bindings_for(FEATURES, [PROJECT, "team-a"], PROJECT, "42")
    by_project: dict[str, set[tuple[str, str]]] = {}
    for binding in found:
        who = binding.member.removeprefix("serviceAccount:").removesuffix(".iam.gserviceaccount.com")
        by_project.setdefault(binding.project, set()).add((binding.role, who))
    assert by_project == {
        PROJECT: {
            ("roles/compute.networkViewer", f"{PROJECT}.svc.id.goog[gke-mcs/gke-mcs-importer]"),
            ("roles/container.admin", "service-42@gcp-sa-multiclusteringress"),
        },
        "team-a": {
            ("roles/compute.networkViewer", "team-a.svc.id.goog[gke-mcs/gke-mcs-importer]"),
            ("roles/container.admin", "service-42@gcp-sa-multiclusteringress"),
            ("roles/gkehub.serviceAgent", "service-42@gcp-sa-gkehub"),
            ("roles/multiclusterservicediscovery.serviceAgent", "service-42@gcp-sa-mcsd"),
            ("roles/anthosservicemesh.serviceAgent", "service-42@gcp-sa-servicemesh"),
        },
    }
    # A fleet project without clusters has no workload pool whose importer could have a role.
    assert not any(b.project == PROJECT for b in bindings_for([DISCOVERY], ["team-a"], PROJECT, "42"))


# -- memberships -------------------------------------------------------------------------------


def test_a_link_with_a_number_is_only_that_projects_cluster(standin: StandIn) -> None:
    shared = {"cluster_region": "us-west1", "gke_name": "main", "gke_fleet_project": PROJECT}
    made = members(
        fleet(a={**shared, "gke_project": "team-a"}, b={**shared, "gke_project": "team-b", "gke_membership": "b"})
    )
    for member in made.values():
        exist(standin, member)
    number = standin.cloud.number("team-b")
    name = f"projects/{PROJECT}/locations/us-west1/memberships/by-hand"
    link = made["b"].resource_link.replace("team-b", number)
    standin.cloud.resources[f"gkehub/{name}"] = {
        "name": name,
        "endpoint": {"gkeCluster": {"resourceLink": link}},
        "state": {"code": "READY"},
    }
    changes, names, failed = hub(standin).register(list(made.values()))
    assert failed == {}
    assert actions(changes) == [("main", "created"), ("b", "unchanged")]
    assert names["b"] == name
    assert projects_of(hub(standin).memberships()) == ({"team-a"}, True)


def test_a_list_without_a_location_is_refused(
    standin: StandIn, two: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([DISCOVERY])
    lame = hub(standin)
    ask = lame.google.call

    def partial(service: str, method: str, **params: t.Any) -> dict[str, t.Any]:
        answer = ask(service, method, **params)
        if not method.endswith("memberships.list"):
            return answer
        return {"resources": [], "unreachable": ["projects/1/locations/us-west1"]}

    monkeypatch.setattr(lame.google, "call", partial)
    standin.cloud.log.clear()
    for work in (
        lambda: lame.register(list(two.values())),
        lambda: lame.unregister(list(two.values())),
        lambda: lame.disable([DISCOVERY], [names["west"]]),
    ):
        with pytest.raises(FleetError, match="does not answer for us-west1"):
            work()
    assert writes(standin) == []


# -- features ----------------------------------------------------------------------------------


def test_a_feature_that_others_make_meanwhile_is_used(
    standin: StandIn, two: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([DISCOVERY])
    late = hub(standin)
    monkeypatch.setattr(late, "features", dict)  # it was not there when the run looked
    changes, _seen = late.enable([DISCOVERY, "servicemesh"], managed=[names["north"]])
    assert actions(changes) == [(DISCOVERY, "unchanged"), ("servicemesh", "created")]


@pytest.mark.parametrize("method", ["create", "patch"])
def test_an_operation_of_others_is_awaited(standin: StandIn, two: dict[str, Member], method: str) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    if method == "patch":
        hub(standin).enable(["servicemesh"], managed=[names["west"]])
    standin.cloud.fail(f"gkehub.*.features.{method}", 409, "another operation is in progress", times=2)
    changes, _seen = hub(standin).enable(["servicemesh"], managed=list(names.values()))
    assert changes[0].action == ("created" if method == "create" else "changed")
    specs = hub(standin).features()["servicemesh"]["membershipSpecs"]
    assert {name.rpartition("/")[2] for name in specs} == {"west", "north"}
    standin.cloud.fail("gkehub.*.features.create", 409, "another operation is in progress", times=-1)
    with pytest.raises(FleetError) as busy:
        hub(standin, timeout=0.2).enable([DISCOVERY])
    assert "another operation is in progress" in str(busy.value)
    assert busy.value.next_step


def test_a_feature_that_is_being_switched_off_is_made_again(
    standin: StandIn, two: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(standin).register(list(two.values()))
    hub(standin).enable([DISCOVERY])
    item = standin.cloud.resources[_HUB + DISCOVERY]
    item["resourceState"] = {"state": "DISABLING"}
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        standin.cloud.resources.pop(_HUB + DISCOVERY, None)

    with monkeypatch.context() as quick:
        quick.setattr(polling.time, "sleep", sleep)
        planned, _seen = hub(standin, dry_run=True).enable([DISCOVERY])
        assert looks == []
        changes, _seen = hub(standin).enable([DISCOVERY])
    assert len(planned) == 1
    assert actions(changes) == [(DISCOVERY, "created")]
    assert looks


def test_a_problem_of_a_member_is_reported(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([DISCOVERY])
    states = standin.cloud.resources[_HUB + DISCOVERY]["membershipStates"]
    north = next(key for key in states if key.endswith("/north"))
    states[north]["state"] = {"code": "ERROR", "description": "the cluster is not VPC-native"}
    running = hub(standin)
    _changes, seen = running.enable([DISCOVERY])
    running.await_features([DISCOVERY], seen, 60)
    assert running.member_problems(DISCOVERY, names) == [
        "north: multi-cluster services reports error: the cluster is not VPC-native"
    ]
    # What was switched on just now is read again.
    later = hub(standin)
    later.await_features([DISCOVERY], {}, 60)
    assert len(later.member_problems(DISCOVERY, names)) == 1
    assert later.member_problems("servicemesh", names) == []


def test_what_cannot_be_stops_before_the_first_feature_is_sent(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([INGRESS], config_membership=names["west"])
    standin.cloud.log.clear()
    with pytest.raises(FleetError):
        hub(standin).enable([DISCOVERY, INGRESS], config_membership=names["north"])
    assert writes(standin) == []


def test_the_config_cluster_moves_only_by_the_variable(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([INGRESS], config_membership=names["west"])
    with pytest.raises(FleetError) as by_itself:
        hub(standin).enable([INGRESS], config_membership=names["north"])
    assert "or to the new one" in by_itself.value.next_step
    changes, _seen = hub(standin).enable([INGRESS], config_membership=names["north"], move=True)
    assert actions(changes) == [(INGRESS, "changed")]
    spec = standin.cloud.resources[_HUB + INGRESS]["spec"]
    assert spec == {"multiclusteringress": {"configMembership": names["north"]}}
    standin.cloud.resources[_HUB + INGRESS]["labels"] = {}
    with pytest.raises(FleetError) as theirs:
        hub(standin).enable([INGRESS], config_membership=names["west"], move=True)
    assert "this inventory has not switched the feature on" in str(theirs.value)


def test_multi_cluster_ingress_leaves_with_its_config_cluster(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, _failed = hub(standin).register(list(two.values()))
    hub(standin).enable([INGRESS, DISCOVERY], config_membership=names["west"])
    changes, kept = hub(standin).disable([INGRESS, DISCOVERY], [names["west"]])
    assert actions(changes) == [(INGRESS, "removed"), (DISCOVERY, "unchanged")]
    assert len(kept) == 1
    assert list(hub(standin).features()) == [DISCOVERY]


def test_a_rerun_after_a_feature_failed_completes(standin: StandIn, two: dict[str, Member]) -> None:
    _changes, names, failed = hub(standin).register(list(two.values()))
    assert failed == {}
    standin.cloud.fail("gkehub.*.features.create", 0, "internal error")
    began = time.monotonic()
    with pytest.raises(FleetError, match="internal error"):
        hub(standin, timeout=3600).enable(FEATURES, config_membership=names["west"])
    assert time.monotonic() - began < 600
    changes, _names, _failed = hub(standin).register(list(two.values()))
    assert {action for _name, action in actions(changes)} == {"unchanged"}
    hub(standin).enable(FEATURES, config_membership=names["west"])
    assert set(hub(standin).features()) == set(FEATURES)
