# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Google has reconciled a multi-cluster ingress, from what its controller writes."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    LAST_RECONCILE,
    IngressStatus,
    ingress_status,
    last_change,
    parse_time,
    warning_events,
)

Json = dict[str, t.Any]
DAY = "2026-11-21T"
ERROR = "error translating shop/front-door: MultiClusterService shop/pay not found"


def at(clock: str) -> str:
    return f"{DAY}{clock}Z"


def rfc850(clock: str) -> str:
    return f"Saturday, 21-Nov-26 {clock} UTC"


def managed(changed: str, served: str = "", kind: str = "MultiClusterIngress", name: str = "front-door") -> Json:
    """An object that we changed at ``changed`` and Google wrote to at ``served``."""
    ours = {
        "manager": "mesh.fleet",
        "operation": "Apply",
        "time": at(changed),
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:networking.gke.io/static-ip": {}}}, "f:spec": {}},
    }
    theirs = {
        "manager": "Google-Multi-Cluster-Ingress",
        "operation": "Update",
        "time": at(served or changed),
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


def service(changed: str, name: str = "pay") -> Json:
    return managed(changed, kind="MultiClusterService", name=name)


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


def status(ingress: Json | None, *events: Json, others: t.Sequence[Json] = (), **more: t.Any) -> IngressStatus:
    return ingress_status(ingress, others, events, **{"address": "", "fresh": False, **more})


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
def test_both_formats_of_a_time_are_read(text: t.Any, expected: str | None) -> None:
    found = parse_time(text)
    assert (found and found.isoformat()) == expected


def test_the_last_change_is_by_anybody_but_google() -> None:
    assert last_change(managed("10:00:00", "10:05:00")) == parse_time(at("10:00:00"))
    assert last_change(service("10:00:00")) == parse_time(at("10:00:00"))
    other = managed("10:00:00", "10:05:00")
    other["metadata"]["managedFields"].append(
        {"manager": "kubectl-edit", "time": at("10:07:00"), "fieldsV1": {"f:spec": {"f:template": {}}}}
    )
    assert last_change(other) == parse_time(at("10:07:00"))
    assert last_change({"metadata": {"creationTimestamp": at("08:00:00")}}) == parse_time(at("08:00:00"))
    assert last_change({"metadata": {}}) is None


def test_it_is_reconciled_by_a_round_after_the_last_change() -> None:
    assert status(managed("10:00:00", "10:00:01")) == IngressStatus(
        True, "203.0.113.7", "", changed=parse_time(at("10:00:00"))
    )
    late = status(managed("10:00:00", "09:59:00"))
    assert (late.reconciled, late.seen) == (False, "changed at 10:00:00 UTC, last reconciled by Google at 09:59:00 UTC")
    # To the second both are the same: which one was first is not known.
    assert status(managed("10:00:00", "10:00:00")).reconciled is False
    # A service was changed after the round.
    assert status(managed("10:00:00", "10:01:00"), others=[service("10:02:00")]).reconciled is False
    assert status(managed("10:00:00", "10:03:00"), others=[service("10:02:00")]).reconciled is True


def test_the_address_must_be_the_one_that_is_wanted() -> None:
    assert status(None).seen == "it does not exist"
    assert status(managed("10:00:00")).seen == "no address yet"
    ingress = managed("10:00:00", "10:01:00")
    assert status(ingress, address="203.0.113.8").seen == "it has 203.0.113.7, not yet 203.0.113.8"
    assert status(ingress, address="203.0.113.7").reconciled is True


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("failed to ensure Service in us-west1-a/north: i/o timeout", False),
        ("cluster {us-west1-a/north north} does not answer", False),
        ("failed to ensure Service in us-west1-a/north-2: i/o timeout", True),
        ("failed to ensure Service in other-us-west1-a/north: i/o timeout", True),
        (ERROR, True),
    ],
)
def test_a_refusal_about_a_silent_cluster_is_set_apart(message: str, counts: bool) -> None:
    ingress, web = managed("10:00:00", "10:01:00"), service("10:00:00")
    refusal = event(web, "10:02:00", message)
    found = status(ingress, refusal, others=[web], without=["us-west1-a/north"])
    assert (found.reconciled, len(found.refusals), len(found.apart)) == (not counts, int(counts), int(not counts))
    everybody = status(ingress, refusal, others=[web])
    assert (everybody.reconciled, everybody.apart) == (False, ())


def test_a_refused_change_is_seen_beside_the_old_address() -> None:
    ingress = managed("10:00:00", "09:30:00")
    late = status(ingress, event(ingress, "10:03:30", count=2))
    assert late.reconciled is False
    assert f"MultiClusterIngress shop/front-door: SYNC: {ERROR} (2 times, last at 10:03:30 UTC)" in late.seen
    # Also when a round ended at the same time.
    ingress = managed("10:00:00", "10:03:31")
    assert status(ingress, event(ingress, "10:03:30")).reconciled is False


def test_a_warning_older_than_the_change_does_not_count() -> None:
    ingress = managed("10:00:00", "10:00:20")
    assert status(ingress, event(ingress, "09:59:59")).reconciled is True
    # In the same second the order is unknown; the good round afterwards decides.
    assert status(ingress, event(ingress, "10:00:00")).reconciled is True
    unserved = managed("10:00:00", "09:00:00")
    assert status(unserved, event(unserved, "10:00:00")).refusals
    # One about the ingress may be resolved by a change of a service.
    web = service("10:05:00")
    ingress = managed("10:00:00", "10:05:30")
    assert status(ingress, event(ingress, "10:04:00"), others=[web]).reconciled is True
    # One about a service is not resolved by a change of the ingress.
    pay = service("09:00:00")
    assert status(managed("10:00:00", "10:00:20"), event(pay, "09:59:00"), others=[pay]).reconciled is False


def test_a_warning_followed_by_a_good_round_does_not_count() -> None:
    ingress = managed("10:00:00", "10:07:01")
    assert status(ingress, event(ingress, "10:03:30")).reconciled is True


def test_a_success_in_one_cluster_does_not_cover_another() -> None:
    ingress, pay = managed("10:00:00", "10:07:01"), service("10:00:00")
    warning = event(pay, "10:01:00", "cluster us-east1-b/east is not a member of the fleet")

    def ensured(clock: str, link: str) -> Json:
        return event(pay, clock, f"Derived Service was ensured in cluster {{{link} x}}", warns=False)

    west, east = ensured("10:04:30", "us-west1-a/west"), ensured("10:04:31", "us-east1-b/east")
    assert status(ingress, warning, others=[pay]).reconciled is False
    assert status(ingress, warning, ensured("10:01:05", "us-west1-a/west"), others=[pay]).reconciled is False
    assert status(ingress, warning, west, ensured("10:00:30", "us-east1-b/east"), others=[pay]).reconciled is False
    assert status(ingress, warning, west, east, others=[pay]).reconciled is True
    pay["spec"]["clusters"] = [{"link": "us-west1-a/west"}, {"link": "us-east1-b/east"}]
    assert status(ingress, warning, west, others=[pay]).reconciled is False
    assert status(ingress, warning, west, east, others=[pay]).reconciled is True
    pay["spec"]["clusters"] = [{"link": "us-west1-a/west"}]
    assert status(ingress, warning, west, ensured("10:00:30", "us-east1-b/east"), others=[pay]).reconciled is True


def test_warnings_about_other_objects_do_not_count() -> None:
    ingress = managed("10:00:00", "10:01:00")
    earlier = event(ingress, "10:02:00")
    earlier["involvedObject"]["uid"] = "of-an-earlier-ingress"
    blog = event(managed("10:00:00", name="blog"), "10:02:00")
    assert warning_events(ingress, [earlier, blog]) == []
    assert status(ingress, earlier, blog).reconciled is True


def test_events_of_the_newer_api_are_read_as_well() -> None:
    ingress = managed("10:00:00", "09:00:00")
    newer = event(ingress, "10:00:00")
    del newer["firstTimestamp"], newer["lastTimestamp"], newer["count"]
    newer["eventTime"] = f"{DAY}10:01:00.000001Z"
    newer["series"] = {"count": 4, "lastObservedTime": f"{DAY}10:02:00.000000Z"}
    (found,) = warning_events(ingress, [newer])
    assert (found.count, found.at) == (4, parse_time(at("10:02:00")))


def test_without_the_annotation_an_event_must_show_the_change() -> None:
    ingress = managed("10:00:00", "10:01:00")
    del ingress["metadata"]["annotations"]
    assert status(ingress).reconciled is True
    assert status(ingress, fresh=True).seen == "no event shows yet that Google saw the change"
    assert status(ingress, event(ingress, "09:59:59", warns=False), fresh=True).reconciled is False
    assert status(ingress, event(ingress, "10:00:00", warns=False), fresh=True).reconciled is True
    assert (
        status(ingress, event(ingress, "10:00:30"), event(ingress, "10:00:00", warns=False), fresh=True).reconciled
        is False
    )


def test_a_refusal_repeated_long_after_the_change_is_final() -> None:
    ingress = managed("10:00:00", "09:00:00")
    early = status(ingress, event(ingress, "10:03:30"))
    assert early.is_final(()) is False
    later = status(ingress, event(ingress, "10:07:00", count=2))
    assert later.is_final(early.refusals) is True
    assert later.is_final(later.refusals) is False
    assert early.is_final((), datetime.timedelta(seconds=60)) is True
