# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an API server's certificate is checked: as Go's clients do it, kubectl, Helm and istiod among them."""

from __future__ import annotations

import re
import ssl

__all__ = ["server_context"]

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def server_context(ca: bytes = b"") -> ssl.SSLContext:
    """A context that trusts each certificate of ``ca`` (PEM, with any text around), or what this machine trusts.

    Raises:
        ValueError: there is no certificate in ``ca``. (ssl.SSLError: there is none that can be read.)
    """
    # Not create_default_context(): it writes session keys to the file that SSLKEYLOGFILE names, and in Python
    # 3.13 asks for extensions that the CAs of many clusters do not carry.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # To Go an intermediate that was given is as good as a root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ca:
        blocks = _CERTIFICATE.findall(ca)
        if not blocks:
            raise ValueError("the CA has no certificate in PEM")
        context.load_verify_locations(cadata=b"\n".join(blocks).decode("ascii"))
    else:
        context.load_default_certs()
    return context
