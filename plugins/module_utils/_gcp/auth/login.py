# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One login that any number of threads share: one of them gets a token, the others take it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import threading
import time
import typing as t

from ...errors import FleetError
from ..errors import GoogleError
from .credentials import Settings, make_credentials
from .identity import account_of, renewed_by
from .login_problems import handed_refused, login_failed, refused

try:
    import requests
    from google.auth import exceptions as auth_errors
    from google.auth.transport.requests import Request
except ImportError:
    # session.py says so to the user, before anything here is called.
    pass

__all__ = ["Login"]

_TRIES = 3
"""How often a lost connection to the token endpoint is made anew."""


class Login:
    """Credentials, and the token that is in use.

    A token may end before its time: an administrator ends a session, a key is taken away. Whoever is refused
    with one asks :meth:`renew` for another, and repeats what he asked once: it was not done.

    Args:
        settings: who we are.
        timeout: seconds for one request to whoever gives tokens.
    """

    def __init__(self, settings: Settings, timeout: float) -> None:
        self.settings = settings
        self._credentials = make_credentials(settings)
        self._turn = threading.Lock()
        self._on_trial = ""
        """A token that was got for a refused one, as long as nobody has accepted it."""
        self._failed: tuple[float, FleetError] | None = None
        """When there was none to get for the last time, and why: who waited meanwhile is told the same."""
        wire = requests.Session()
        wire.mount("https://", requests.adapters.HTTPAdapter(max_retries=_TRIES))
        self._ask = functools.partial(Request(wire), timeout=timeout)

    @property
    def account(self) -> str:
        """Whose token it is, in words."""
        return account_of(self._credentials, self.settings)

    def token(self) -> str:
        """A token that is good by the clock, got or renewed when there is none: secret."""
        with self._turn, self._told(""):
            if not self._credentials.valid:
                self._credentials.refresh(self._ask)
            return str(self._credentials.token)

    def ends(self) -> datetime.datetime | None:
        """When :meth:`token` ends, in UTC; None where that is not known (a given access token)."""
        expiry: datetime.datetime | None = self._credentials.expiry
        return expiry.replace(tzinfo=datetime.UTC) if expiry else None

    def sign(self, method: str, url: str, headers: dict[str, str], cluster: str) -> str:
        """Put into ``headers`` what Google asks for of a request; the token that it goes with."""
        with self._turn, self._told(cluster):
            self._credentials.before_request(self._ask, method, url, headers)
            return str(self._credentials.token)

    def accepted(self, token: str) -> None:
        """Somebody took this token."""
        if token == self._on_trial:
            self._on_trial = ""

    def renew(self, token: str, cluster: str) -> bool:
        """After a refusal: whether there is another token than this one. Whoever is first gets it for all."""
        if self.settings.auth_kind == "accesstoken":
            return False
        came = time.monotonic()
        with self._turn:
            if self._credentials.token == token:
                if token == self._on_trial:
                    return False  # it is new already, and nobody took it yet
                if self._failed and self._failed[0] > came:
                    known = self._failed[1]
                    raise FleetError(
                        known.what, cluster=cluster, seen=known.seen, means=known.means, next_step=known.next_step
                    ) from known
                self._begin_anew(token, cluster)
            return bool(self._credentials.token != token)

    def _begin_anew(self, token: str, cluster: str) -> None:
        try:
            with self._told(cluster):
                # From the beginning: what an impersonation rests on has tokens too, kept by the library to their end.
                anew = make_credentials(self.settings)
                anew.refresh(self._ask)
                self._credentials = anew
                # A machine is given the same token until it is old.
                self._on_trial = str(anew.token) if anew.token != token else ""
        except FleetError as error:
            self._failed = (time.monotonic(), error)
            raise

    def refusal(self, seen: str, cluster: str, obj: str) -> GoogleError:
        """What to say when there is no better token."""
        if self.settings.auth_kind == "accesstoken":
            return handed_refused(self.settings.told_by, cluster=cluster, obj=obj, seen=seen)
        advice = renewed_by(self._credentials, self.settings)
        return refused(self.account, advice, cluster=cluster, obj=obj, seen=seen)

    @contextlib.contextmanager
    def _told(self, cluster: str) -> t.Iterator[None]:
        """What the library raises, as one of ours."""
        try:
            yield
        except auth_errors.GoogleAuthError as error:
            advice = renewed_by(self._credentials, self.settings)
            raise login_failed(error, self.settings, self.account, advice, cluster) from error
        except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            # A file or program beside the credentials that is not what they say: the library checks little.
            raise FleetError(
                "the credentials for Google Cloud cannot be used",
                cluster=cluster,
                seen=type(error).__name__,
                means=f"what they rest on is not as they say: {self.account}",
                next_step="look at the files and programs that they name; then run again",
            ) from error
