# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which CA other istiods verify a cluster's API address.

An API server's certificate is issued by the CA in ConfigMap ``kube-root-ca.crt``. A balancer that ends TLS, a proxy,
or a hosting with a public certificate shows another one at the very address that peers get. What the address shows
decides; where nobody can look, what is known of the address.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from ...errors import FleetError

__all__ = ["PUBLISHED", "SYSTEM", "Authority", "Choice", "Shown", "choose", "known_authorities"]

PUBLISHED = "kube-root-ca.crt"
"""Where the API server's own CA is."""
SYSTEM = "the roots that this machine trusts"
"""An Authority without PEM: a kubeconfig without a CA leaves it to the roots in istiod's image, the public ones."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")


@dataclasses.dataclass(frozen=True)
class Authority:
    """One CA, or several; ``pem`` is "" for those of the system."""

    name: str
    pem: str = ""

    @property
    def data(self) -> str:
        """As a kubeconfig holds it."""
        return base64.b64encode(self.pem.encode()).decode()

    @property
    def blocks(self) -> list[str]:
        """The certificates as PEM, without what stands between them."""
        return _BLOCK.findall(self.pem)

    @property
    def certificates(self) -> frozenset[str]:
        """To compare by."""
        return frozenset("".join(block.split()) for block in self.blocks)


@dataclasses.dataclass(frozen=True)
class Shown:
    """What an address showed to one who trusts an authority: ``refused`` is OpenSSL's word for it, "" if it is good."""

    authority: Authority
    refused: str = ""
    of_name: bool = False
    """Whether the chain is good, and only the name is not among the certificate's."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The CA for remote secrets, as a kubeconfig holds it."""

    ca: str
    others: tuple[str, ...] = ()
    """Those that may be right as well: what the address shows was not seen, or none fits."""
    refusal: FleetError | None = None


def known_authorities(published: str, used: str, used_name: str) -> list[Authority]:
    """The authorities to try, in order of preference.

    Args:
        published: PEM of ``kube-root-ca.crt``.
        used: PEM that the inventory gives for the address, or by which the controller reaches the cluster; "" for none.
        used_name: where that is from.
    """
    ours = Authority(PUBLISHED, published)
    # What a file says beside its certificates is not for a Secret.
    theirs = Authority(used_name, "".join(f"{block}\n" for block in Authority("", used).blocks))
    found = [ours]
    if theirs.certificates and theirs.certificates != ours.certificates:
        found.append(theirs)
    return [*found, Authority(SYSTEM)]


def choose(
    cluster: str,
    server: str,
    known: t.Sequence[Authority],
    shown: t.Sequence[Shown],
    reached: t.Sequence[Authority] = (),
) -> Choice:
    """Choose the CA of an address.

    Args:
        cluster: the watched cluster, for the message.
        server: its address, for the message.
        known: from :func:`known_authorities`; the first is the published one.
        shown: what the address showed to those that were tried; empty where it was not seen.
        reached: those by which our own connection verified that very address.
    """
    good = next((one.authority for one in shown if not one.refused), None)
    if good is not None:
        return Choice(good.data)
    if not shown:
        best = next((one for one in known if one in reached), known[0])
        return Choice(best.data, tuple(one.data for one in known if one is not best))
    others = tuple(one.data for one in known[1:])
    return Choice(known[0].data, others, _refusal(cluster, server, shown))


def _refusal(cluster: str, server: str, shown: t.Sequence[Shown]) -> FleetError:
    named = next((one for one in shown if one.of_name), None)
    if named:
        return FleetError(
            "its certificate does not cover the address that other clusters would use",
            cluster=cluster,
            seen=f"{server}: {named.refused}",
            means="the address is not among the certificate's names, or something else answers there",
            next_step="set cluster_peer_endpoint to an address that the certificate covers",
        )
    tried = "; ".join(f"by {one.authority.name}: {one.refused}" for one in shown)
    return FleetError(
        "no known CA verifies the certificate of the address that other clusters would use",
        cluster=cluster,
        seen=f"{server}: {tried}",
        means="something in front of the API server shows a certificate of its own, or something else answers there",
        next_step="set cluster_peer_endpoint to the address of the API server itself; or give the CA of this address, "
        f"in cluster_api_ca, or with the address in context {cluster}-peer of its kubeconfig",
    )
