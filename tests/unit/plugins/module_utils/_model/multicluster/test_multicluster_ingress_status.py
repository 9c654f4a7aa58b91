# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Google has taken a front door, from what its controller leaves behind."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.ingress_advice import advice
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    LAST_RECONCILE,
    Verdict,
    complaints,
    judge,
    parse_time,
    wished_at,
)

Json = dict[str, t.Any]
DAY = "2026-11-21T"
ERROR = "error translating shop/front-door: MultiClusterService shop/pay not found"


def at(clock: str) -> str:
    return f"{DAY}{clock}Z"


def rfc850(clock: str) -> str:
    return f"Saturday, 21-Nov-26 {clock} UTC"


def managed(wished: str, served: str = "", kind: str = "MultiClusterIngress", name: str = "front-door") -> Json:
    """An object that we changed at ``wished`` and Google wrote to at ``served``."""
    ours = {
        "manager": "mesh.fleet",
        "operation": "Apply",
        "time": at(wished),
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:networking.gke.io/static-ip": {}}}, "f:spec": {}},
    }
    theirs = {
        "manager": "Google-Multi-Cluster-Ingress",
        "operation": "Update",
        "time": at(served or wished),
        "fieldsV1": {
            "f:metadata": {"f:annotations": {f"f:{LAST_RECONCILE}": {}}, "f:finalizers": {}},
            **({"f:status": {"f:VIP": {}}} if served else {}),
        },
    }
    meta: Json = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "managedFields": [ours, theirs]}
    obj: Json = {"apiVersion": "networking.gke.io/v1", "kind": kind, "metadata": meta, "spec": {}}
    if served:
        meta["annotations"] = {LAST_RECONCILE: rfc850(served)}
        obj["status"] = {"VIP": "203.0.113.7"}
    return obj


def service(wished: str, name: str = "pay") -> Json:
    return managed(wished, kind="MultiClusterService", name=name)


def event(about: Json, clock: str, message: str = ERROR, *, warns: bool = True, count: int = 1) -> Json:
    meta = about["metadata"]
    return {
        "involvedObject": {"kind": about["kind"], "name": meta["name"], "uid": meta["uid"]},
        "type": "Warning" if warns else "Normal",
        "reason": "SYNC",
        "message": message,
        "firstTimestamp": at("09:00:00"),
        "lastTimestamp": at(clock),
        "count": count,
    }


def verdict(ingress: Json | None, *events: Json, others: t.Sequence[Json] = (), **more: t.Any) -> Verdict:
    return judge(ingress, others, events, **{"address": "", "fresh": False, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Saturday, 14-Nov-20 21:46:46 UTC", "2020-11-14T21:46:46+00:00"),
        ("2026-01-20T02:28:29Z", "2026-01-20T02:28:29+00:00"),
        ("2026-01-20T02:28:29.123456Z", "2026-01-20T02:28:29.123456+00:00"),
        ("Saturday, 14-Foo-20 21:46:46 UTC", None),
        ("Saturday, 34-Nov-20 21:46:46 UTC", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_both_ways_of_writing_a_time_are_read(text: t.Any, expected: str | None) -> None:
    found = parse_time(text)
    assert (found and found.isoformat()) == expected


def test_a_wish_is_as_old_as_its_last_change_by_anybody_but_google() -> None:
    assert wished_at(managed("10:00:00", "10:05:00")) == parse_time(at("10:00:00"))
    assert wished_at(service("10:00:00")) == parse_time(at("10:00:00"))
    other = managed("10:00:00", "10:05:00")
    other["metadata"]["managedFields"].append(
        {"manager": "kubectl-edit", "time": at("10:07:00"), "fieldsV1": {"f:spec": {"f:template": {}}}}
    )
    assert wished_at(other) == parse_time(at("10:07:00"))
    assert wished_at({"metadata": {"creationTimestamp": at("08:00:00")}}) == parse_time(at("08:00:00"))
    assert wished_at({"metadata": {}}) is None


def test_a_door_is_good_when_google_worked_on_it_after_the_last_change() -> None:
    assert verdict(managed("10:00:00", "10:00:01")) == Verdict(
        True, "203.0.113.7", "", changed=parse_time(at("10:00:00"))
    )
    late = verdict(managed("10:00:00", "09:59:00"))
    assert (late.done, late.seen) == (False, "changed at 10:00:00 UTC, last reconciled by Google at 09:59:00 UTC")
    # To the second both are the same: which one was first is not known.
    assert verdict(managed("10:00:00", "10:00:00")).done is False
    # What it leads to was changed after it.
    assert verdict(managed("10:00:00", "10:01:00"), others=[service("10:02:00")]).done is False
    assert verdict(managed("10:00:00", "10:03:00"), others=[service("10:02:00")]).done is True


def test_the_address_must_be_the_one_that_is_wanted() -> None:
    assert verdict(None).seen == "it does not exist"
    assert verdict(managed("10:00:00")).seen == "no address yet"
    door = managed("10:00:00", "10:01:00")
    assert verdict(door, address="203.0.113.8").seen == "it has 203.0.113.7, not yet 203.0.113.8"
    assert verdict(door, address="203.0.113.7").done is True


def test_a_refused_change_is_told_though_the_old_address_is_there() -> None:
    door = managed("10:00:00", "09:30:00")
    refused = verdict(door, event(door, "10:03:30", count=2))
    assert refused.done is False
    assert f"MultiClusterIngress shop/front-door: SYNC: {ERROR} (2 times, last at 10:03:30 UTC)" in refused.seen
    # Also where a round went on beside it.
    door = managed("10:00:00", "10:03:31")
    assert verdict(door, event(door, "10:03:30")).done is False


def test_a_warning_from_before_the_good_change_does_not_count() -> None:
    door = managed("10:00:00", "10:00:20")
    assert verdict(door, event(door, "09:59:59")).done is True
    # In the same second nobody knows; the round that went well afterwards decides.
    assert verdict(door, event(door, "10:00:00")).done is True
    unserved = managed("10:00:00", "09:00:00")
    assert verdict(unserved, event(unserved, "10:00:00")).refused
    # One about the ingress is cured by changing what it leads to.
    web = service("10:05:00")
    door = managed("10:00:00", "10:05:30")
    assert verdict(door, event(door, "10:04:00"), others=[web]).done is True
    # One about a service is not cured by changing the ingress.
    pay = service("09:00:00")
    assert verdict(managed("10:00:00", "10:00:20"), event(pay, "09:59:00"), others=[pay]).done is False


def test_a_warning_that_later_rounds_outlived_does_not_count() -> None:
    door = managed("10:00:00", "10:07:01")
    assert verdict(door, event(door, "10:03:30")).done is True


def test_one_clusters_trouble_is_not_over_because_another_is_well() -> None:
    door, pay = managed("10:00:00", "10:07:01"), service("10:00:00")
    told = event(pay, "10:01:00", "cluster us-east1-b/east is not a member of the fleet")

    def ensured(clock: str, link: str) -> Json:
        return event(pay, clock, f"Derived Service was ensured in cluster {{{link} x}}", warns=False)

    west, east = ensured("10:04:30", "us-west1-a/west"), ensured("10:04:31", "us-east1-b/east")
    assert verdict(door, told, others=[pay]).done is False
    assert verdict(door, told, ensured("10:01:05", "us-west1-a/west"), others=[pay]).done is False
    assert verdict(door, told, west, ensured("10:00:30", "us-east1-b/east"), others=[pay]).done is False
    assert verdict(door, told, west, east, others=[pay]).done is True
    pay["spec"]["clusters"] = [{"link": "us-west1-a/west"}, {"link": "us-east1-b/east"}]
    assert verdict(door, told, west, others=[pay]).done is False
    assert verdict(door, told, west, east, others=[pay]).done is True
    pay["spec"]["clusters"] = [{"link": "us-west1-a/west"}]
    assert verdict(door, told, west, ensured("10:00:30", "us-east1-b/east"), others=[pay]).done is True


def test_warnings_about_others_are_not_ours() -> None:
    door = managed("10:00:00", "10:01:00")
    earlier = event(door, "10:02:00")
    earlier["involvedObject"]["uid"] = "of-an-earlier-door"
    blog = event(managed("10:00:00", name="blog"), "10:02:00")
    assert complaints(door, [earlier, blog]) == []
    assert verdict(door, earlier, blog).done is True


def test_events_of_the_newer_kind_are_read_as_well() -> None:
    door = managed("10:00:00", "09:00:00")
    newer = event(door, "10:00:00")
    del newer["firstTimestamp"], newer["lastTimestamp"], newer["count"]
    newer["eventTime"] = f"{DAY}10:01:00.000001Z"
    newer["series"] = {"count": 4, "lastObservedTime": f"{DAY}10:02:00.000000Z"}
    (found,) = complaints(door, [newer])
    assert (found.count, found.at) == (4, parse_time(at("10:02:00")))


def test_where_google_writes_no_rounds_its_events_show_that_it_saw_the_change() -> None:
    door = managed("10:00:00", "10:01:00")
    del door["metadata"]["annotations"]
    assert verdict(door).done is True
    assert verdict(door, fresh=True).seen == "Google has not said yet that it saw the change"
    assert verdict(door, event(door, "09:59:59", warns=False), fresh=True).done is False
    assert verdict(door, event(door, "10:00:00", warns=False), fresh=True).done is True
    assert verdict(door, event(door, "10:00:30"), event(door, "10:00:00", warns=False), fresh=True).done is False


def test_a_refusal_lasts_when_it_is_repeated_long_after_the_change() -> None:
    door = managed("10:00:00", "09:00:00")
    early = verdict(door, event(door, "10:03:30"))
    assert early.lasting(()) is False
    later = verdict(door, event(door, "10:07:00", count=2))
    assert later.lasting(early.refused) is True
    assert later.lasting(later.refused) is False
    assert early.lasting((), datetime.timedelta(seconds=60)) is True


@pytest.mark.parametrize(
    ("message", "means", "next_step"),
    [
        ("The resource 'sslCertificates/x' was not found, notFound", "front_door_certificates", "create that certif"),
        ("Error 400: Invalid value for field 'resource.IPAddress': 'x'", "front_door_address", "another name"),
        ("cluster us-west1-a/west is not a member of the fleet", "no member of the Google fleet", "gke_fleet stage"),
        ("MultiClusterService shop/pay not found", "a backend that Google does not find", "front_door_routes"),
        ("Error 403: service-1@gcp-sa lacks roles/container.admin", "lacks a role", "gke_fleet stage"),
        ("Quota 'FORWARDING_RULES' exceeded", "a quota of the fleet project", "ask Google for more"),
        ("something else", "does not take the front door as it is written", "mend what Google names"),
    ],
)
def test_what_google_says_leads_to_a_cause_and_a_next_step(message: str, means: str, next_step: str) -> None:
    said = advice(message, serving=True)
    assert means in said[0]
    assert said[0].endswith("; what was taken before still answers")
    assert next_step in said[1]
    assert said[1].endswith("; then run again")
    assert "still answers" not in advice(message, serving=False)[0]
