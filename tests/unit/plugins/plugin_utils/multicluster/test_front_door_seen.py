# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters a front door goes on without."""

from __future__ import annotations

import ssl
import typing as t

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError, from_transport, not_an_answer
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import is_silent


def page(*, forbids: bool) -> ApiError:
    return not_an_answer(
        "<html>", server="https://west.example", cluster="west", obj="Service", action="read", forbids=forbids
    )


KEY: t.Any = ConnectionKey("west.example", 443, True, True, None, None, None)


def broken(error: BaseException) -> ApiError:
    return from_transport(
        error, server="https://west.example", cluster="west", obj="Service", action="read", timeout=30
    )


def behind_a_proxy() -> Exception:
    error = aiohttp.ClientConnectionError("refused")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    return error


@pytest.mark.parametrize(
    ("error", "silent"),
    [
        (ApiError("the API server is not reachable"), True),
        (ApiError("read failed", status=503), True),
        (page(forbids=False), True),
        (page(forbids=True), False),
        (ApiError("read failed", status=429), True),
        (broken(TimeoutError()), True),
        (broken(aiohttp.ClientConnectorError(KEY, ConnectionRefusedError())), True),
        (broken(aiohttp.ClientConnectorDNSError(KEY, OSError("no such name"))), True),
        (broken(aiohttp.ServerDisconnectedError()), True),
        (broken(aiohttp.ClientConnectorSSLError(KEY, ssl.SSLEOFError("EOF occurred"))), True),
        (broken(aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError("wrong version number"))), False),
        (broken(aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed"))), False),
        (broken(behind_a_proxy()), False),
        (ApiError("read failed", status=401), False),
        (ApiError("read failed", status=401).because(FleetError("the token has ended")), False),
        (page(forbids=True).because(FleetError("the account is another")), False),
        (ApiError("read failed", status=403), False),
        (FleetError("the kubeconfig does not exist"), False),
    ],
)
def test_who_refuses_an_account_is_not_silent(error: FleetError, silent: bool) -> None:
    assert is_silent(error) is silent
