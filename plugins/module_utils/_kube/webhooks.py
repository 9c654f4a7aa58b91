# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Admission webhooks that do not answer: for a moment while what serves them rolls, or because it is down."""

from __future__ import annotations

import re

__all__ = ["BETWEEN_TRIES", "WEBHOOK_SECONDS", "webhook_is_silent"]

WEBHOOK_SECONDS = 60.0
"""How long a request is repeated that a silent webhook refuses: an istiod rolls in less."""
BETWEEN_TRIES = 0.5
"""Seconds between two tries: no watch shows when a webhook answers."""

_CALLED = re.compile(r"failed (?:calling|to call) webhook", re.IGNORECASE)
_MOMENT = re.compile(
    r"connection refused|connection reset by peer|no endpoints available for service|no route to host"
    r"|context deadline exceeded|TLS handshake timeout|Client\.Timeout exceeded|i/o timeout|EOF\b"
    r"|server is currently unable"
    # A new istiod first writes its CA into the webhook's configuration, and the API server reads that a moment later.
    r"|certificate signed by unknown authority"
    # Until each node routes a new Service's address, whatever stands behind the default route answers there.
    r"|certificate is valid for [^\n]*, not ",
    re.IGNORECASE,
)


def webhook_is_silent(text: str) -> bool:
    """Whether a refusal in the API server's words, or Helm's, says that a webhook gave no answer; nothing was done.

    A webhook that answered with a refusal has decided, and one whose Service or name does not exist will not answer
    later: both are False.
    """
    called = _CALLED.search(text)
    return bool(called and _MOMENT.search(text, called.end()))
