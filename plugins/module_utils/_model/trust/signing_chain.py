# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What istiod signs with: the four files of Secret ``cacerts``."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError

__all__ = ["CERT", "CHAIN", "KEY", "KEYS", "ROOT", "SigningChain"]

CERT = "ca-cert.pem"
KEY = "ca-key.pem"
ROOT = "root-cert.pem"
CHAIN = "cert-chain.pem"
KEYS = (CERT, KEY, ROOT, CHAIN)


@dataclasses.dataclass(frozen=True)
class SigningChain:
    """The content of a ``cacerts`` Secret, as PEM texts. ``repr`` leaves the key out."""

    certificate: str
    key: str = dataclasses.field(repr=False)
    root: str
    chain: str

    @classmethod
    def from_data(cls, data: t.Mapping[str, str]) -> SigningChain:
        """From the Secret's decoded data. Raises FleetError naming every key that is missing."""
        missing = [key for key in KEYS if not data.get(key, "").strip()]
        if missing:
            raise FleetError(
                "cacerts is incomplete",
                seen=f"missing {', '.join(missing)}; present {', '.join(sorted(data)) or 'nothing'}",
                means="istiod ignores an incomplete cacerts and makes a root of its own",
                next_step="complete it, or delete the Secret to let this role sign a new one",
            )
        return cls(certificate=data[CERT], key=data[KEY], root=data[ROOT], chain=data[CHAIN])

    @property
    def data(self) -> dict[str, str]:
        """The Secret's data, not encoded."""
        return {CERT: self.certificate, KEY: self.key, ROOT: self.root, CHAIN: self.chain}
