# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking Google for a new cluster, which on a Shared VPC it may refuse for reasons of two projects."""

from __future__ import annotations

import contextlib
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ..access.project_access import project_number
from ..api.polling import PollTimeout, poll_until
from ..api.session import Google, GoogleError
from ..network.shared_vpc_requirements import is_refusal, with_advice
from .differences import body

__all__ = ["advised", "create"]

Json = dict[str, t.Any]


def create(google: Google, wanted: ClusterSpec, description: str, seconds: float, interval: float | None) -> Json:
    """The operation that makes the cluster.

    Args:
        google: a client for its project.
        wanted: the cluster.
        description: what its description says.
        seconds: how long a refusal for want of a role in the host project is asked again: until Google knows the role.
        interval: longest pause between two tries.
    """
    refusal: list[GoogleError] = []
    request: Json = {"parent": wanted.parent, "body": body(wanted, description)}

    def look() -> tuple[bool, Json]:
        try:
            return True, google.call(
                "container", "projects.locations.clusters.create", cluster=wanted.host, obj=wanted.path, **request
            )
        except GoogleError as error:
            if not wanted.shared or not is_refusal(error):
                raise
            refusal[:] = [error]
            return False, {}

    if seconds <= 0:
        done, operation = look()
        if done:
            return operation
    else:
        with contextlib.suppress(PollTimeout):
            return poll_until(look, seconds, longest=interval)
    raise advised(google, wanted, refusal[0]) from None


def advised(google: Google, wanted: ClusterSpec, error: GoogleError) -> GoogleError:
    """Google's refusal, with what would mend it where it is about a Shared VPC."""
    if not wanted.shared or not is_refusal(error):
        return error
    number = ""
    with contextlib.suppress(FleetError):
        number = project_number(google)
    return with_advice(error, wanted, number)
