# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP sessions with Google: proxy and CA bundle come from the environment, a login never does."""

from __future__ import annotations

import requests

__all__ = ["new_session"]


class _OwnLogin(requests.auth.AuthBase):
    """Leaves a request as it is. Without it, ``requests`` replaces our token by a password of ``~/.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def new_session(retries: int = 0) -> requests.Session:
    """A session for one thread. ``retries``: how often a lost connection is made anew."""
    session = requests.Session()
    session.auth = _OwnLogin()
    session.headers["User-Agent"] = "mesh.fleet"
    session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
    return session
