# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API of a real cluster behind one of the stand-in's. Own code: what it tests must not be what it uses."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.parse

import kubernetes
import urllib3

__all__ = ["Behind", "Busy", "Kind", "Unreachable"]

Json = dict[str, t.Any]
_SECONDS = urllib3.Timeout(connect=30, read=60)


class Unreachable(Exception):
    """The cluster does not answer, or refuses: another round will show."""


class Busy(Unreachable):
    """It asks for a moment's patience, as for kinds that are new to it."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of object, and where its API is."""

    api: str
    name: str
    plural: str

    def path(self, namespace: str = "", name: str = "") -> str:
        group = f"/apis/{self.api}" if "/" in self.api else f"/api/{self.api}"
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"{group}{within}/{self.plural}" + (f"/{name}" if name else "")


class Behind:
    """A client of the cluster whose administrator's kubeconfig is at ``path``.

    Args:
        path: the kubeconfig.
        manager: field manager of what is applied, as the API server shows it.
    """

    def __init__(self, path: str, manager: str) -> None:
        self.path, self.manager = path, manager
        api = kubernetes.config.new_client_from_config(path)
        self._host = str(api.configuration.host).rstrip("/")
        self._pool = api.rest_client.pool_manager
        token = (api.configuration.api_key or {}).get("authorization")
        self._headers = {"Authorization": token} if token else {}

    def request(
        self, verb: str, path: str, body: t.Any = None, kind: str = "application/json", **query: str
    ) -> Json | None:
        """The answer, or None for 404. Raises Unreachable for all else that is not well."""
        url = self._host + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            answer = self._pool.request(
                verb,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self._headers, "Content-Type": kind, "Accept": "application/json"},
                timeout=_SECONDS,
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{verb} {path}: {error}") from error
        if answer.status == 404:
            return None
        if answer.status == 429:
            raise Busy(f"{verb} {path}: not yet")
        if answer.status >= 300:
            raise Unreachable(f"{verb} {path}: {answer.status} {answer.data[:300]!r}")
        found: Json = json.loads(answer.data)
        return found

    def forward(
        self, path: str, headers: t.Mapping[str, str], without: t.Container[str]
    ) -> tuple[int, dict[str, str], bytes]:
        """A GET that is handed on as it is, and its answer; ``without`` names headers of it that are left out."""
        try:
            answer = self._pool.request(
                "GET", self._host + path, headers={**self._headers, **headers}, timeout=_SECONDS, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"GET {path}: {error}") from error
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in without}
        return answer.status, kept, answer.data

    def get(self, kind: Kind, name: str, namespace: str = "") -> Json | None:
        return self.request("GET", kind.path(namespace, name))

    def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Json]:
        """All of a kind; none where the kind itself is unknown."""
        query = {"labelSelector": labels} if labels else {}
        return list((self.request("GET", kind.path(namespace), **query) or {}).get("items") or [])

    def apply(self, kind: Kind, obj: Json) -> Json:
        """Server-side apply, taking what others hold: Google's controllers do not ask."""
        meta = obj["metadata"]
        full = {"apiVersion": kind.api, "kind": kind.name, **obj}
        found = self.request(
            "PATCH",
            kind.path(meta.get("namespace", ""), meta["name"]),
            full,
            "application/apply-patch+yaml",
            fieldManager=self.manager,
            force="true",
        )
        if found is None:
            raise Unreachable(f"{kind.name} {meta['name']}: its namespace or its kind is not there")
        return found

    def merge(self, kind: Kind, name: str, namespace: str, patch: Json, *, status: bool = False) -> Json | None:
        """Merge ``patch`` into an object, or into its status."""
        path = kind.path(namespace, name) + ("/status" if status else "")
        return self.request("PATCH", path, patch, "application/merge-patch+json", fieldManager=self.manager)

    def create(self, kind: Kind, obj: Json) -> Json | None:
        path = kind.path(obj["metadata"].get("namespace", ""))
        return self.request("POST", path, {"apiVersion": kind.api, "kind": kind.name, **obj}, fieldManager=self.manager)

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        self.request("DELETE", kind.path(namespace, name))
