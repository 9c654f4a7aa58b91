# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands in containers, over the API server's websocket."""

from __future__ import annotations

import asyncio
import json
import typing as t

import aiohttp

from ..errors import FleetError
from .errors import ApiError
from .masking import scrub
from .transport import Socket, Transport

__all__ = ["ExecResult", "run"]

_WITH_END_OF_INPUT = "v5.channel.k8s.io"
_PROTOCOLS = (_WITH_END_OF_INPUT, "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255


class ExecResult(t.NamedTuple):
    """What a command printed, and its exit code."""

    stdout: str
    stderr: str
    code: int


async def run(
    transport: Transport,
    path: str,
    container: str,
    command: t.Sequence[str],
    *,
    stdin: str | None,
    timeout: float,
    obj: str,
) -> ExecResult:
    """Run ``command`` to its end. See :meth:`Kube.exec`."""
    params = [("command", part) for part in command] + [("stdout", "true"), ("stderr", "true")]
    params += [("container", container)] if container else []
    params += [("stdin", "true")] if stdin is not None else []
    output: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _ERROR: bytearray()}
    try:
        async with asyncio.timeout(timeout):
            try:
                socket = await transport.socket(path, params, _PROTOCOLS)
            except aiohttp.WSServerHandshakeError as error:
                raise await _refusal(transport, path, params, obj, error) from None
            except (aiohttp.ClientError, OSError) as error:
                raise transport.broken(error, obj=obj, action="exec") from None
            async with socket:
                await _converse(socket, stdin, output, transport.cluster, obj)
    except TimeoutError:
        raise FleetError(
            f"{command[0]} did not end in {timeout:g} s",
            cluster=transport.cluster,
            obj=obj,
            seen=scrub(_tail(output[_STDERR]) or _tail(output[_STDOUT])) or "no output",
            next_step="run it by hand in the container",
        ) from None
    return ExecResult(
        output[_STDOUT].decode(errors="replace"),
        output[_STDERR].decode(errors="replace"),
        _exit_code(bytes(output[_ERROR]), transport.cluster, obj),
    )


async def _converse(
    socket: Socket,
    stdin: str | None,
    output: dict[int, bytearray],
    cluster: str,
    obj: str,
) -> None:
    async def feed() -> None:
        if stdin is None:
            return
        data = stdin.encode()
        for start in range(0, len(data), 32768):
            await socket.send_bytes(bytes([_STDIN]) + data[start : start + 32768])
        await socket.send_bytes(bytes([_CLOSE, _STDIN]))

    if stdin is not None and socket.protocol != _WITH_END_OF_INPUT:
        raise FleetError(
            "this API server cannot end a command's input",
            cluster=cluster,
            obj=obj,
            seen=f"websocket protocol {socket.protocol}",
            next_step="use Kubernetes 1.30 or newer",
        )
    writer = asyncio.ensure_future(feed())
    try:
        async for message in socket:
            data = message.data
            if isinstance(data, str):
                data = data.encode()
            if isinstance(data, bytes) and len(data) > 1 and data[0] in output:
                output[data[0]] += data[1:]
    finally:
        writer.cancel()
        # A command that ended without reading its input closes the socket under the writer.
        await asyncio.gather(writer, return_exceptions=True)


async def _refusal(
    transport: Transport,
    path: str,
    params: t.Sequence[tuple[str, str]],
    obj: str,
    error: aiohttp.WSServerHandshakeError,
) -> ApiError:
    """The server's reason: a refused handshake hides the body, the same request without a handshake returns it."""
    query = "&".join(f"{key}=x" if key == "command" else f"{key}={value}" for key, value in params)
    try:
        await transport.request("GET", f"{path}?{query}", obj=obj, action="exec")
    except ApiError as refusal:
        if refusal.status != 400 or error.status == 400:
            return refusal
    return ApiError(
        "exec failed", status=error.status, cluster=transport.cluster, obj=obj, seen=f"{error.status} {error.message}"
    )


def _tail(data: bytearray) -> str:
    return bytes(data[-300:]).decode(errors="replace").strip()


def _exit_code(status: bytes, cluster: str, obj: str) -> int:
    try:
        answer = json.loads(status)
        if not isinstance(answer, dict):
            raise ValueError
    except ValueError:
        raise FleetError(
            "the command's end was not reported",
            cluster=cluster,
            obj=obj,
            seen=scrub(_tail(bytearray(status))) or "the connection closed",
            means="the container stopped, or the connection to its node broke",
            next_step="look at the pod, then run again",
        ) from None
    if answer.get("status") == "Success":
        return 0
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise FleetError(
        "the command could not be started",
        cluster=cluster,
        obj=obj,
        seen=scrub(str(answer.get("message"))),
        next_step="check the command and the container's name",
    )
