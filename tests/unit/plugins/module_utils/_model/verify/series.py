# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests that measure policies of two clusters, for tests of what is asked and of what is seen."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_traffic import (
    Endpoint,
    upstream,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import Generator
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_plans import Series, plan
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.shares import Answers
from tests.policies import REVIEWS

from ..fleets import TWO, fleet

Values = dict[str, t.Any]
HTTP = {("reviews", "shop"): (Port(9090, "metrics"), Port(8080, "http"))}
HOST = "reviews.shop.svc.cluster.local"
V3, V1, V2 = (upstream(8080, name, HOST) for name in ("east-v3", "west-v1", "west-v2"))
ALL = upstream(8080, "", HOST)
PODS = {name: [Endpoint("10.0.0.1:8080")] for name in (V3, V1, V2, ALL)}


def planned(*policies: Values, caller: str = "west", requests: int = 400) -> tuple[list[Series], dict[str, str]]:
    of = fleet(TWO)
    read = parse_policies(list(policies), of.clusters)
    return plan(read, Generator(of, read), caller, HTTP, requests)


def only(**fields: t.Any) -> Series:
    (series,) = planned({**REVIEWS, **fields})[0]
    return series


def answers(count: int, status: int = 200, answered: bool = True, ms: float = 5.0, text: str = "") -> Answers:
    return Answers(status, answered, (ms,) * count, text)
