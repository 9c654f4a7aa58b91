# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks the stand-in without our client: what it says to anybody."""

from __future__ import annotations

import time
import typing as t

import requests

from .standin.server import StandIn

__all__ = ["Caller", "error"]

Json = dict[str, t.Any]


class Caller:
    """Asks the stand-in as curl would."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        self.token = standin.environment["GCP_ACCESS_TOKEN"]

    def __call__(self, verb: str, path: str, body: t.Any = None, *, host: str = "") -> requests.Response:
        host = host or ("compute.googleapis.com" if path.startswith("/compute/") else "container.googleapis.com")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return requests.request(verb, f"{self.standin.endpoint}/{host}{path}", json=body, headers=headers, timeout=60)

    def settle(self) -> None:
        """Let every operation end."""
        deadline = time.monotonic() + 60
        while any(not o.done for o in self.standin.cloud.operations.values()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
            with self.standin.cloud.lock:
                self.standin.cloud.settle()

    def done(self, verb: str, path: str, body: t.Any = None) -> Json:
        answer = self(verb, path, body)
        assert answer.status_code == 200, answer.text
        self.settle()
        return t.cast("Json", answer.json())


def error(answer: requests.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    return t.cast("Json", answer.json()["error"])
