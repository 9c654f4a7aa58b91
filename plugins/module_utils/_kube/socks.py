# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections through a SOCKS proxy. Only a fleet that has one imports this file, and the package behind it."""

from __future__ import annotations

import typing as t

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

__all__ = ["SocksConnector"]


class SocksConnector(ProxyConnector):
    """Use ``from_url(url, rdns=True)``: as with kubectl, the proxy resolves the server's name."""

    async def connect(self, req: aiohttp.ClientRequest, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Its failures become aiohttp's: the package has three exceptions of its own, which nobody expects."""
        try:
            return await super().connect(req, *args, **kwargs)
        except (ProxyConnectionError, ProxyError, ProxyTimeoutError) as error:
            raise aiohttp.ClientProxyConnectionError(req.connection_key, OSError(0, str(error))) from error
