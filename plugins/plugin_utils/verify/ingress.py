# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call the routes into the mesh at the ingress gateways, from this machine, and see which cluster answers."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import CLUSTER_IP
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.certificates import names_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call, sample_said
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.ingress_calls import (
    Entrance,
    IngressCall,
    Reply,
    ingress_calls,
    judge_ingress,
    not_reached,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.address import address_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["call_ingress", "call_once"]

_RETRY_SECONDS = 0.5
_LONGEST = 64 * 1024
"""Bytes of an answer that are read."""


async def call_ingress(
    fleet: Fleet,
    routes: t.Sequence[Route],
    kubes: t.Mapping[str, Kube],
    clusters: t.Iterable[str],
    *,
    namespace: str,
    timeout_ms: int,
    deadline: float,
) -> tuple[list[Call], list[Check]]:
    """The calls as they ended, and checks of those that this machine could not make.

    Args:
        clusters: those of the run that answer.
        namespace: of the gateways, as the role ``gateways`` has it; "" for the default.
        timeout_ms: for one call.
        deadline: on the monotonic clock, until when failed calls are repeated.
    """

    async def look(name: str) -> Entrance | None:
        expected = control_plane_of(fleet, fleet.clusters[name]).gateways_namespace(namespace)
        service = (await find_gateways(kubes[name], fleet.name, expected)).get(INGRESS)
        where = await address_of(kubes[name], service)
        return Entrance(name, where.host, where.ports) if where.host and where.type != CLUSTER_IP else None

    # A cluster that does not answer has failed before, by other checks.
    found, _failed = await on_each(clusters, look)
    primaries = {name: cluster.primary for name, cluster in fleet.clusters.items()}
    planned = ingress_calls(routes, [one for one in found.values() if one], primaries)
    last: dict[IngressCall, Reply] = {}

    async def ask(left: list[IngressCall]) -> dict[IngressCall, Call]:
        # No connection in the whole time of a call is no matter of seconds.
        calls = [call for call in left if call not in last or not last[call].unreached]
        replies = await asyncio.gather(*(asyncio.to_thread(call_once, call, timeout_ms) for call in calls))
        last.update(zip(calls, replies, strict=True))
        return {call: judge_ingress(call, last[call]) for call in left}

    ended = await until_ok(
        planned,
        ask,
        deadline,
        what="routes into the mesh, until their services answer",
        pause=_RETRY_SECONDS,
        promised=lambda call: not last[call].unreached,
    )
    made = zip(planned, ended, strict=True)
    calls = [call for one, call in made if not last[one].unreached]
    return calls, [not_reached(one, last[one]) for one in planned if last[one].unreached]


def call_once(call: IngressCall, timeout_ms: int) -> Reply:
    """One call, at the gateway's address with the route's host, without a proxy.

    Whoever issued the certificate is trusted: that is for the callers to decide. For whom it is, is judged.
    """
    began = time.monotonic()
    seconds = timeout_ms / 1000
    try:
        stream = socket.create_connection((call.address, call.port), timeout=seconds)
    except ConnectionRefusedError:
        return Reply(error=f"{call.address} port {call.port} refused the connection")
    except OSError as error:
        return Reply(error=str(error) or type(error).__name__, unreached=True)
    names: tuple[str, ...] = ()
    try:
        stream.settimeout(seconds)
        if call.https:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            secure = context.wrap_socket(stream, server_hostname=call.host or None)
            stream = secure
            shown = secure.getpeercert(binary_form=True)
            names = tuple(names_of(x509.load_der_x509_certificate(shown))) if shown else ()
        connection = http.client.HTTPConnection(call.host or call.address, timeout=seconds)
        connection.sock = stream
        connection.request("GET", call.path, headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reply(error=str(error) or type(error).__name__, names=names)
    finally:
        stream.close()
    cluster = str((sample_said(body) or {}).get("cluster") or "")
    latency = (time.monotonic() - began) * 1000
    location = answer.headers.get("Location") or ""
    return Reply(answer.status, latency, cluster, location, body[:200].strip(), names)
