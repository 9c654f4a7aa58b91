# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Credential plugins of a kubeconfig (client.authentication.k8s.io), by the rules of client-go.

A plugin may ask a cloud, or open a browser: what it gave serves every connection of this process, until it ends by its
``expirationTimestamp``, or until an API server refuses it.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
import json
import os
import time
import typing as t
import weakref

from ..errors import FleetError
from .masking import scrub

__all__ = ["ExecPlugin", "Login"]

_TIMEOUT = 60.0
"""Seconds for a plugin: it may ask a cloud."""
_EXTENSION = "client.authentication.k8s.io/exec"
_CLUSTER = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")


@dataclasses.dataclass(frozen=True)
class Login:
    """What a plugin gave: a token, or a client certificate in PEM."""

    token: str = dataclasses.field(default="", repr=False)
    certificate: str = dataclasses.field(default="", repr=False)
    key: str = dataclasses.field(default="", repr=False)
    expires: float = 0.0
    """Seconds since the epoch; 0 where the plugin does not say."""

    @property
    def name(self) -> str:
        """What tells it from another one."""
        return self.token or self.certificate

    @property
    def has_ended(self) -> bool:
        return bool(self.expires) and time.time() >= self.expires


_LOGINS: dict[str, Login] = {}
_Locks = dict[str, asyncio.Lock]
_LOCKS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Locks] = weakref.WeakKeyDictionary()


class ExecPlugin:
    """The plugin of one user of a kubeconfig. Those that would be started in the same way share what they gave."""

    def __init__(self, spec: t.Mapping[str, t.Any], cluster: str, found: t.Mapping[str, t.Any], ca: bytes):
        """Args: ``found`` is the kubeconfig's cluster, ``ca`` that cluster's CA."""
        self._cluster = cluster
        self._command = str(spec.get("command") or "")
        self._args = [str(arg) for arg in spec.get("args") or []]
        self._env = {str(item["name"]): str(item["value"]) for item in spec.get("env") or []}
        self._asks = spec.get("interactiveMode") == "Always"
        self._hint = next(iter(str(spec.get("installHint") or "").strip().splitlines()), "")
        info: dict[str, t.Any] = {"interactive": False}
        if spec.get("provideClusterInfo"):
            info["cluster"] = _cluster_info(found, ca)
        version = str(spec.get("apiVersion") or "client.authentication.k8s.io/v1")
        self._info = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": info})
        self._key = json.dumps([self._command, self._args, self._env, self._info])

    async def login(self, *, refused: str | None = None) -> Login:
        """What it gave, or gives now. ``refused`` names what an API server no longer accepts.

        Raises:
            FleetError: it fails, or asks its user at a terminal.
        """
        locks = _LOCKS.setdefault(asyncio.get_running_loop(), {})
        async with locks.setdefault(self._key, asyncio.Lock()):
            held = _LOGINS.get(self._key)
            if held is None or held.has_ended or held.name == refused:
                held = _LOGINS[self._key] = await self._run()
            return held

    def _failed(self, seen: str, next_step: str) -> FleetError:
        return FleetError(
            f"its credential plugin {os.path.basename(self._command)} failed",
            cluster=self._cluster,
            seen=scrub(seen)[-400:],
            next_step=next_step,
        )

    async def _run(self) -> Login:
        if self._asks:
            raise FleetError(
                f"its credential plugin {os.path.basename(self._command)} asks its user at a terminal",
                cluster=self._cluster,
                seen="interactiveMode: Always in its kubeconfig",
                means="a run has no terminal to ask at, and several tasks would ask at once",
                next_step="use a login that asks nobody: another plugin or user in the kubeconfig, or cluster_api_url "
                "with cluster_api_token; where this plugin keeps a login of its own, log in by hand and set "
                "interactiveMode: IfAvailable",
            )
        # All of the environment, as kubectl promises: a vendor's login may depend on any variable.
        env = {**os.environ, **self._env, "KUBERNETES_EXEC_INFO": self._info}
        try:
            process = await asyncio.create_subprocess_exec(
                self._command,
                *self._args,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = self._hint or f"install {self._command}"
            raise self._failed(f"{self._command}: {error.strerror}", hint) from None
        try:
            out, err = await asyncio.wait_for(process.communicate(), _TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise self._failed(f"no answer in {_TIMEOUT:g} s", "run it by hand: it may ask something") from None
        if process.returncode:
            raise self._failed(f"exit {process.returncode}: {err.decode(errors='replace').strip()}", "log in again")
        try:
            return _login(json.loads(out)["status"] or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            hint = "run it by hand and look at its output"
            raise self._failed("its output is not an ExecCredential", hint) from None


def _cluster_info(found: t.Mapping[str, t.Any], ca: bytes) -> dict[str, t.Any]:
    """The cluster as a plugin is told of it: a CA that is in a file by its content."""
    info: dict[str, t.Any] = {key: found[key] for key in _CLUSTER if found.get(key)}
    if ca:
        info["certificate-authority-data"] = base64.b64encode(ca).decode()
    for one in found.get("extensions") or []:
        if isinstance(one, dict) and one.get("name") == _EXTENSION:
            info["config"] = one.get("extension")
    return info


def _login(status: t.Mapping[str, t.Any]) -> Login:
    ends = str(status.get("expirationTimestamp") or "")
    return Login(
        str(status.get("token") or "").strip(),
        str(status.get("clientCertificateData") or ""),
        str(status.get("clientKeyData") or ""),
        datetime.datetime.fromisoformat(ends).timestamp() if ends else 0.0,
    )
