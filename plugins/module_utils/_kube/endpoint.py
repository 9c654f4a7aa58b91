# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an API server is, and the credential for it as it is now: renewed when it ends, or when it is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import ssl
import time
import typing as t
import urllib.parse

from .._model.inventory.connection import Connection, Lookup
from ..renewal import Renewal
from .exec_plugin import ExecPlugin, Login

__all__ = ["Endpoint", "Shown", "bearer"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _is_loopback(server: str) -> bool:
    host = urllib.parse.urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a request shows of who it is from."""

    headers: t.Mapping[str, str] = dataclasses.field(repr=False)
    tls: ssl.SSLContext | None
    name: str = dataclasses.field(repr=False)
    """What tells this credential from another one: the header ``Authorization``, else the client certificate."""


@dataclasses.dataclass
class Endpoint:
    """Everything a request needs. ``headers`` hold a credential: left out of ``repr``."""

    server: str
    tls: ssl.SSLContext | None
    headers: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    impersonation: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    """As whom requests are made, in a kubeconfig's words: ``as``, ``as-uid``, ``as-groups``, ``as-user-extra``."""
    server_name: str | None = None
    proxy: str = ""
    """The proxy of the kubeconfig; "" for the one of the environment, if any."""
    pem: t.Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)
    """The certificates in ``tls`` as PEM, for a program that needs them: ``ca``, ``cert``, ``key``, those there are."""
    tls_of: t.Callable[[t.Mapping[str, bytes]], ssl.SSLContext | None] | None = None
    """Makes ``tls`` of ``pem``, for a plugin that gives client certificates."""
    public_ca: bool = False
    """Whether the server's certificate is checked against the CAs that this machine trusts."""
    account: str = ""
    """Whose credential it is, in words, if its provider reports that."""
    required_permission: str = ""
    """The permission that is asked for in front of the API server."""
    expires: float = 0.0
    """When the credential should be renewed, in seconds since the epoch; 0 for never."""
    lookup: Lookup | None = None
    """Returns a new one."""
    plugin: ExecPlugin | None = None
    """The program that gives the credential, for a kubeconfig that names one."""
    _turn: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock, repr=False, compare=False)
    _renewal: Renewal = dataclasses.field(default_factory=Renewal, repr=False, compare=False)

    @property
    def unverified(self) -> str:
        """Why nobody knows that it is the API server that answers, and who reads along; "" where it is verified.

        Plain HTTP that stays on this machine, as that of ``kubectl proxy``, is nobody else's to read.
        """
        if self.tls is None:
            return "" if _is_loopback(self.server) else f"{self.server} is not TLS"
        unchecked = self.tls.verify_mode is ssl.CERT_NONE
        return "insecure-skip-tls-verify is set in its kubeconfig" if unchecked else ""

    async def renew(self) -> None:
        """Get a new credential when the present one ends soon."""
        async with self._turn:
            if self.expires and time.time() >= self.expires:
                if self.lookup is not None:
                    self._use(await asyncio.to_thread(self.lookup))
                elif self.plugin is not None:
                    self._take(await self.plugin.login())

    async def another(self, refused: str) -> bool:
        """After a 401: whether there is another credential than the one that was refused.

        Many requests share one: the first gets a new one, the others use it. A new one that the server has not
        accepted yet is not renewed again.

        Args:
            refused: what the request showed, by its name.

        Raises:
            FleetError: there can be none, for the reason that its provider gives.
        """
        if self.lookup is None and self.plugin is None:
            return False
        came = time.monotonic()
        async with self._turn:
            if self._renewal.is_due(refused, self._name, came):
                with self._renewal.attempt():
                    token = refused.removeprefix("Bearer ")
                    if self.lookup is not None:
                        self._use(await asyncio.to_thread(self.lookup, refused=token))
                    elif self.plugin is not None:
                        self._take(await self.plugin.login(refused=token))
                self._renewal.got(self._name, refused)
            return self._name != refused

    def accepted(self, name: str) -> None:
        """The server accepted a request that showed the credential of this name."""
        self._renewal.accepted(name)

    @property
    def shown(self) -> Shown:
        """What a request shows now."""
        return Shown(dict(self.headers), self.tls, self._name)

    @property
    def _name(self) -> str:
        return self.headers.get("Authorization") or self.pem.get("cert", b"").decode(errors="replace")

    def _use(self, found: Connection) -> None:
        self.expires, self.account, self.headers = found.expires, found.account, bearer(found.token)

    def _take(self, login: Login) -> None:
        self.expires, self.headers = login.expires, bearer(login.token)
        if login.certificate and self.tls_of is not None:
            pem = {**self.pem, "cert": login.certificate.encode(), "key": login.key.encode()}
            self.tls, self.pem = self.tls_of(pem), pem
