# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an API server is reached."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ["Connection", "Decrypt", "Lookup"]


class Decrypt(t.Protocol):
    """Decrypts what Ansible Vault encrypted, in memory."""

    def __call__(self, text: str, what: str, /) -> str:
        """The plain text. ``what`` it is, for messages. Raises FleetError without a password that fits."""


class Lookup(t.Protocol):
    """Asks a provider how a cluster is reached, which may need a second."""

    def __call__(self, *, refused: str = "") -> Connection:
        """The connection. ``refused`` is a token that the API server no longer accepts: it is not returned again."""


@dataclasses.dataclass(frozen=True)
class Connection:
    """How to reach one API server: a kubeconfig and context, or an address with credentials, or a lookup.

    ``token`` is secret: never log or return this object; ``repr`` leaves it out.
    """

    kubeconfig: str = ""
    """Path of a kubeconfig, or a list of paths with colons between, as kubectl's variable KUBECONFIG."""
    context: str = ""
    server: str = ""
    token: str = dataclasses.field(default="", repr=False)
    ca_pem: str = ""
    peer_server: str = ""
    """Address for the other clusters' istiods; "" when it is ``server``."""
    expires: float = 0.0
    """When ``token`` should be renewed, in seconds since the epoch; 0 for never."""
    account: str = ""
    """The account of ``token``, in words, if a provider issued it."""
    required_permission: str = ""
    """The permission that the provider requires before a request reaches the API server; "" for none."""
    lookup: Lookup | None = dataclasses.field(default=None, repr=False, compare=False)
    """Asks the provider; all other fields are empty then. It may be called several times."""

    decrypt: Decrypt | None = dataclasses.field(default=None, repr=False, compare=False)
    """Decrypts a kubeconfig that is encrypted; None where nobody can."""

    def resolved(self) -> Connection:
        """This connection, or what ``lookup`` finds."""
        return self.lookup() if self.lookup else self

    @property
    def described(self) -> str:
        """Where it leads, for messages: never a credential."""
        return self.server or f"context {self.context or '(current)'} of {self.kubeconfig}"
