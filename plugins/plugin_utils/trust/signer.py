# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program of the user's that has a CA sign a request: Vault's, a cloud's, or a script."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import run
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Policy,
    certificate_pem,
    parse_certificates,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Signer"]


@dataclasses.dataclass(frozen=True)
class Signer:
    """Runs a command for each signing request.

    The request (PEM) is on its standard input. In its arguments ``{csr}`` becomes the path of the request,
    ``{cluster}`` the cluster's name and ``{hours}`` the lifetime that is asked for. It writes PEM to its standard
    output: the signed intermediate CA first, then the CAs above it.

    It gets the whole environment of the run, because how a CA's client logs in may depend on any variable.
    """

    command: t.Sequence[str]
    policy: Policy
    seconds: float

    async def sign(self, cluster: str, path: str, request: str) -> str:
        """Have a request signed; the answer as PEM, with nothing else of what the command said.

        Raises:
            FleetError: it is missing, fails, takes too long, or answers without a certificate.
        """
        words = {
            "{csr}": path,
            "{cluster}": cluster,
            "{hours}": str(self.policy.lifetime // datetime.timedelta(hours=1)),
        }
        done = await run(
            [_filled(word, words) for word in self.command],
            what="trust_signer_command",
            cluster=cluster,
            env=dict(os.environ),
            stdin=request,
            timeout=self.seconds,
            check=False,
        )
        if done.code != 0:
            raise FleetError(
                "its signing request was not signed",
                cluster=cluster,
                obj=path,
                seen=f"{self.command[0]} ended with {done.code}: {done.last_line[-300:]}",
                next_step="correct trust_signer_command, or log in to the CA, and run again: the request stays",
            )
        try:
            found = parse_certificates(done.out, what="the answer of trust_signer_command")
        except FleetError as error:
            error.cluster, error.obj = cluster, path
            error.next_step = "have it write PEM: the signed intermediate CA first, then the CAs above it"
            raise
        return certificate_pem(*found)


def _filled(word: str, words: t.Mapping[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word
