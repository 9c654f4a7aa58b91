# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which CustomResourceDefinitions of multi-cluster services a run makes, brings up to date, and leaves."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_kinds import (
    KIND_NAMES,
    KindsPlan,
    plan_kinds,
    release_of,
)


def crd(name: str, release: str, *versions: str, stored: t.Sequence[str] = ()) -> dict[str, t.Any]:
    said = {"multicluster.x-k8s.io/release-version": release} if release else {}
    return {
        "metadata": {"name": name, "labels": said},
        "spec": {"versions": [{"name": version, "served": True} for version in versions]},
        "status": {"storedVersions": list(stored)},
    }


def both(release: str, *versions: str, **more: t.Any) -> dict[str, dict[str, t.Any]]:
    return {name: crd(name, release, *versions, **more) for name in KIND_NAMES}


REVISION = "multicluster.x-k8s.io/crd-schema-revision"
WANTED = list(both("v0.5.2", "v1alpha1", "v1beta1").values())


def planned(live: dict[str, dict[str, t.Any]], ours: t.Collection[str] = KIND_NAMES) -> KindsPlan:
    return plan_kinds(WANTED, live, ours)


def test_missing_kinds_are_made() -> None:
    assert planned({}) == KindsPlan(WANTED, [], frozenset({"v1alpha1", "v1beta1"}), [])


@pytest.mark.parametrize("release", ["v0.5.1", "v0.4.10", "", "main"])
def test_ours_of_an_older_release_are_brought_up_to_date(release: str) -> None:
    plan = planned(both(release, "v1alpha1", stored=["v1alpha1"]))
    assert (plan.missing, plan.older, plan.facts) == ([], WANTED, [])
    assert plan.versions == {"v1alpha1", "v1beta1"}


def test_ours_of_the_same_release_stay() -> None:
    assert planned(both("v0.5.2", "v1beta1")) == KindsPlan([], [], frozenset({"v1beta1"}), [])


def test_ours_of_a_newer_release_stay_and_are_told() -> None:
    plan = planned(both("v0.10.0", "v1beta1", "v1"))
    assert (plan.missing, plan.older, plan.versions) == ([], [], {"v1beta1", "v1"})
    assert len(plan.facts) == 2
    assert "release v0.10.0, which a newer collection made, and stays: this one brings v0.5.2" in plan.facts[0]


@pytest.mark.parametrize("release", ["v0.1.0", "v0.9.0", ""])
def test_kinds_of_others_stay(release: str) -> None:
    assert planned(both(release, "v1alpha1"), ours=[]) == KindsPlan([], [], frozenset({"v1alpha1"}), [])


def test_kinds_stay_whose_stored_version_would_go() -> None:
    live = both("v0.3.0", "v1alpha1", stored=["v1alpha1"])
    live[KIND_NAMES[0]] = crd(KIND_NAMES[0], "v0.3.0", "v1alpha0", "v1alpha1", stored=["v1alpha0", "v1alpha1"])
    plan = planned(live)
    assert (plan.older, plan.versions) == ([], {"v1alpha1"}), "the other kind waits for it"
    (fact,) = plan.facts
    assert "objects are stored as v1alpha0, which release v0.5.2 of this collection lacks" in fact
    live[KIND_NAMES[0]]["status"]["storedVersions"] = ["v1alpha1"]
    assert planned(live).older == WANTED, "what is served is not stored"


def test_half_of_the_kinds_is_completed() -> None:
    live = both("v0.5.2", "v1alpha1", "v1beta1")
    del live[KIND_NAMES[1]]
    plan = planned(live)
    assert [one["metadata"]["name"] for one in plan.missing] == [KIND_NAMES[1]]
    assert "v1beta1" in plan.versions
    theirs = {KIND_NAMES[0]: crd(KIND_NAMES[0], "", "v1alpha1")}
    assert planned(theirs, ours=[]).versions == {"v1alpha1"}, "what both serve"


def test_revisions_of_a_release_count() -> None:
    def revised(revision: str) -> tuple[int, ...]:
        return release_of({"metadata": {"labels": {**WANTED[0]["metadata"]["labels"], **{REVISION: revision}}}})

    assert release_of(WANTED[0]) == (0, 5, 2, 0) < revised("1") < revised("10")
    assert release_of({"metadata": {}}) == ()
