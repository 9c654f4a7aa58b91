# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests as google-api-python-client builds them from the discovery documents that it includes.

An unknown method or parameter fails here, before anything is sent.
"""

from __future__ import annotations

import functools
import json
import threading
import typing as t
import urllib.parse

from googleapiclient import discovery
from googleapiclient.discovery_cache import get_static_doc

from ...errors import FleetError

__all__ = ["VERSIONS", "Methods", "document"]

Json = dict[str, t.Any]

VERSIONS: t.Mapping[str, str] = {
    "cloudresourcemanager": "v1",
    "compute": "v1",
    "container": "v1",
    "gkehub": "v1",
    "iam": "v1",
    "serviceusage": "v1",
}
"""Version of each service; ``service:version`` in a call asks for another."""


@functools.cache
def document(service: str) -> Json:
    """The discovery document of ``service`` or ``service:version``, as the library includes it."""
    name, _colon, version = service.partition(":")
    found: Json = json.loads(get_static_doc(name, version or VERSIONS[name]))
    return found


class Methods:
    """Methods of Google's services, for any number of threads.

    Args:
        endpoint: replaces ``https://``: a service is then found at ``<endpoint>/<its host>/``.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._turn = threading.Lock()
        self._services: dict[str, t.Any] = {}

    def request(self, service: str, method: str, params: Json) -> t.Any:
        """The request (googleapiclient's HttpRequest) of a method with these parameters; it is not sent.

        Raises:
            FleetError: the document has no such method, or the method has no such parameters.
        """
        part = self._service(service)
        *resources, verb = method.split(".")
        try:
            for name in resources:
                part = getattr(part, name)()
            return getattr(part, verb)(**params)
        except (AttributeError, TypeError) as error:
            raise FleetError(f"{service}.{method} cannot be called like this", seen=str(error)) from error

    def _service(self, service: str) -> t.Any:
        with self._turn:
            if service not in self._services:
                doc = document(service)
                root = doc["rootUrl"]
                if self.endpoint:
                    host = urllib.parse.urlsplit(root).netloc
                    root = f"{self.endpoint.rstrip('/')}/{host}/"
                self._services[service] = discovery.build_from_document(
                    doc, http=_NoHttp(), client_options={"api_endpoint": root + doc["servicePath"]}
                )
            return self._services[service]


class _NoHttp:
    """In place of the transport that the library asks for: it builds requests, sending.py sends them."""

    def close(self) -> None:
        """Nothing is open."""
