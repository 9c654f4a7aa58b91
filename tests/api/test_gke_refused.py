# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's tokens that a real API server refuses before they expire: a client gets one new token and continues."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube

from .test_gke_login import Google, cluster, go, google, own_plane, there

__all__ = ["google", "own_plane"]

ROBOT = "service account fleet@shop-prod.iam.gserviceaccount.com (key in gke_service_account_contents)"


def run(work: t.Coroutine[t.Any, t.Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 600))


def test_one_login_serves_all_that_are_refused(google: Google) -> None:
    """Two tasks of a run, each with many requests under way, something that is followed, a command in a container."""
    connection = cluster(google).connection

    async def work() -> None:
        one, other = (Kube.connect(connection, cluster="west") for _task in range(2))
        async with one, other:
            await asyncio.gather(one.list("v1", "Namespace"), other.list("v1", "Namespace"))
            (first,) = google.given
            await asyncio.to_thread(google.end, first)
            reads = [kube.get("v1", "ConfigMap", "none", "default") for kube in (one, other) for _time in range(20)]
            writes = [one.apply([go(f"refused-{number}") for number in range(20)])]
            follow = other.wait("v1", "ConfigMap", "refused-7", "default", until=there, timeout=300)
            command = one.exec("default", "nobody", "", ["true"])
            followed, ran, *rest = await asyncio.gather(follow, command, *writes, *reads, return_exceptions=True)
            assert isinstance(followed, dict), followed
            assert isinstance(ran, ApiError)
            assert ran.status == 404  # the pod is not there: who asks is known
            assert [found for found in rest if isinstance(found, BaseException)] == []
        async with Kube.connect(connection, cluster="west") as later:
            assert await later.get("v1", "ConfigMap", "refused-19", "default")
        assert len(google.given) == 2

    run(work())


def test_a_failed_renewal_is_reported_without_a_token(google: Google) -> None:
    connection = cluster(google).connection

    async def refused(kube: Kube, times: int) -> ApiError:
        errors = await asyncio.gather(
            *[kube.get("v1", "ConfigMap", "none", "default") for _time in range(times)], return_exceptions=True
        )
        for said in errors:
            assert isinstance(said, ApiError)
            assert (said.cluster, said.status) == ("west", 401)
            assert said.means
            assert said.next_step
            assert said.seen.startswith(f"{google.plane.server}: 401 Unauthorized")
            assert not [token for token in google.given if token in str(said)]
        return errors[0]

    async def work() -> None:
        async with Kube.connect(connection, cluster="west") as kube:
            await kube.list("v1", "Namespace")
            await asyncio.to_thread(google.end, google.given[-1])
            google.cloud.on_token[:] = [google.given.append]  # Google gives tokens, and the cluster accepts none
            for _again in range(2):
                said = await refused(kube, 20)
                assert said.what.endswith(f"the API server does not accept {ROBOT}")
                assert "a new token was refused too" in said.means
            assert len(google.given) == 2
            assert ROBOT in (await exec_refused(kube)).what
        google.login.keys.clear()
        async with Kube.connect(connection, cluster="west") as kube:
            said = await refused(kube, 3)
            assert said.what == "Google gave no token"
            assert "account not found" in said.seen
            assert ROBOT in said.means

    async def exec_refused(kube: Kube) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await kube.exec("default", "nobody", "", ["true"])
        return caught.value

    run(work())
