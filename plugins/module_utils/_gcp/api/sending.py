# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Send one request to Google until it is answered: again after errors that pass, and after a refused token."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
import typing as t

import requests

from ...waits import waiting
from ..auth.login import Login
from ..auth.wire import new_session
from ..errors import GoogleError, explain, no_answer
from ..meanings import AGAIN, RATES
from .answers import decode, retry_after, says_not_found

__all__ = ["About", "Sender"]

Json = dict[str, t.Any]

_OURS = ("content-length", "user-agent")
"""Headers that the library sets and the connection sets too."""


@dataclasses.dataclass(frozen=True)
class About:
    """What a request is about, for messages: its method, the project, and the host and object."""

    method: str
    project: str
    cluster: str = ""
    obj: str = ""


class Sender:
    """Connections of any number of threads, with one login.

    Args:
        login: signs the requests.
        timeout: seconds for one request; and, together with its retries, ``patience`` seconds.
        patience: seconds for which 429, 5xx and lost connections are tried again.
    """

    def __init__(self, login: Login, timeout: float, patience: float) -> None:
        self.login, self.timeout, self.patience = login, timeout, patience
        self._local = threading.local()

    def send(self, request: t.Any, about: About, count: t.Callable[[], None], *, absent: bool) -> Json:
        """Send ``request`` (googleapiclient's HttpRequest) and return its answer.

        Args:
            about: for messages.
            count: called for each request that is sent.
            absent: return ``{}`` instead of raising where Google says that there is no such thing.
        """
        deadline = time.monotonic() + self.patience
        pause, renewed = 0.5, False
        while True:
            answer: requests.Response | None = None
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _OURS}
            token = self.login.sign(request.method, request.uri, headers, about.cluster)
            count()
            try:
                answer = self._wire().request(
                    request.method,
                    request.uri,
                    data=request.body,
                    headers=headers,
                    timeout=self.timeout,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                lost: Exception = error
                wait = pause
            else:
                status = answer.status_code
                # A request that is refused for its token was not carried out, so any method may be repeated.
                if status == 401 and not renewed and self.login.renew(token, about.cluster):
                    renewed = True
                    continue
                if status != 401:
                    self.login.accepted(token)
                if status < 300:
                    return decode(answer, about.cluster, about.obj)
                if absent and says_not_found(answer):
                    return {}
                lost = _explained(answer, about)
                if status == 401:
                    raise self.login.refusal(lost.seen, about.cluster, about.obj)
                if status not in AGAIN and lost.reason not in RATES:
                    raise lost
                wait = max(retry_after(answer.headers.get("Retry-After")), pause)
            if time.monotonic() + wait > deadline:
                if answer is not None:
                    raise lost
                raise no_answer(lost, request.uri, about.cluster, about.obj) from lost
            with waiting("Google, until it takes the request") as shown:
                shown.seen = str(lost)[:200]
                time.sleep(wait * random.uniform(1.0, 1.2))
            pause = min(pause * 2, 20)

    def _wire(self) -> requests.Session:
        """One session for each thread: connections are reused, but not shared."""
        wire: requests.Session | None = getattr(self._local, "wire", None)
        if wire is None:
            wire = self._local.wire = new_session()
        return wire


def _explained(answer: requests.Response, about: About) -> GoogleError:
    return explain(
        answer.status_code, answer.content, about.method, about.project, cluster=about.cluster, obj=about.obj
    )
