# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One login that any number of threads share: one of them gets a token, the others use it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import threading
import time
import typing as t

from google.auth import exceptions as auth_errors
from google.auth.transport.requests import Request

from ...errors import FleetError
from ...renewal import Renewal
from ..errors import GoogleError
from .credentials import make_credentials
from .refusals import account_of, login_failed, token_refused
from .settings import Settings
from .wire import new_session

__all__ = ["Login"]

_TRIES = 3
"""How often a lost connection to the token endpoint is made anew."""


class Login:
    """Credentials, and the token that is in use.

    A token may end before its time: an administrator ends a session, a key is revoked. A thread whose request is
    refused calls :meth:`renew`, and repeats its request once: a refused one was not carried out.

    Args:
        settings: who we are.
        timeout: seconds for one request to a token endpoint.
    """

    def __init__(self, settings: Settings, timeout: float) -> None:
        self.settings = settings
        self._credentials = make_credentials(settings)
        self._turn = threading.Lock()
        self._renewal = Renewal()
        wire = new_session(_TRIES)
        self._ask = functools.partial(Request(wire), timeout=timeout)

    @property
    def account(self) -> str:
        """Whose token it is, in words."""
        return account_of(self._credentials, self.settings)

    def token(self) -> str:
        """A token that has not expired; a new one where there is none. Secret."""
        with self._turn, self._reported(""):
            if not self._credentials.valid:
                self._credentials.refresh(self._ask)
            return str(self._credentials.token)

    def ends(self) -> datetime.datetime | None:
        """When :meth:`token` ends, in UTC; None where that is not known (a given access token)."""
        expiry: datetime.datetime | None = self._credentials.expiry
        return expiry.replace(tzinfo=datetime.UTC) if expiry else None

    def sign(self, method: str, url: str, headers: dict[str, str], cluster: str) -> str:
        """Add the headers of a signed request to ``headers``; return its token."""
        with self._turn, self._reported(cluster):
            self._credentials.before_request(self._ask, method, url, headers)
            return str(self._credentials.token)

    def accepted(self, token: str) -> None:
        """Google accepted a request with this token."""
        self._renewal.accepted(token)

    def renew(self, token: str, cluster: str) -> bool:
        """After a refusal: whether there is another token than this one. The first thread gets it for all."""
        if self.settings.auth_kind == "accesstoken":
            return False
        came = time.monotonic()
        with self._turn:
            try:
                if self._renewal.is_due(token, self._credentials.token, came):
                    with self._renewal.attempt(), self._reported(cluster):
                        # From the beginning: what an impersonation rests on has tokens too, which the library keeps.
                        anew = make_credentials(self.settings)
                        anew.refresh(self._ask)
                    self._credentials = anew
                    self._renewal.got(str(anew.token), token)
            except FleetError as error:
                raise FleetError(
                    error.what, cluster=cluster, seen=error.seen, means=error.means, next_step=error.next_step
                ) from error
            return bool(self._credentials.token != token)

    def refusal(self, seen: str, cluster: str, obj: str) -> GoogleError:
        """The error when there is no better token."""
        return token_refused(self._credentials, self.settings, cluster=cluster, obj=obj, seen=seen)

    @contextlib.contextmanager
    def _reported(self, cluster: str) -> t.Iterator[None]:
        """What the library raises, as a FleetError."""
        try:
            yield
        except auth_errors.GoogleAuthError as error:
            raise login_failed(error, self._credentials, self.settings, cluster) from error
        except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            # A file or program that the credentials name is not what it should be: the library checks little.
            raise FleetError(
                "the credentials for Google Cloud cannot be used",
                cluster=cluster,
                seen=type(error).__name__,
                means=f"a file or program that they name is not as expected: {self.account}",
                next_step="check the files and programs that they name; then run again",
            ) from error
