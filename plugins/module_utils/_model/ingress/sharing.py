# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts whose calls browsers mix up, because a certificate of one is good for another.

A browser sends the calls of all hosts that a certificate is for on one HTTP/2 connection, if they have one address
(RFC 9113, section 9.1.1). Istio serves on a connection only the hosts of the server that it was opened for, and answers
404 for others:
https://istio.io/latest/docs/ops/common-problems/network-issues/#404-errors-occur-when-multiple-gateways-configured-with-same-tls-certificate
Of the Gateway API the same is so, https://github.com/istio/istio/issues/52853.

One server for all of them would mend it. But Istio leaves out a whole server as soon as an older Gateway has one of its
hosts: whoever makes a Gateway for one host, or a move that is half done, would take all the others down.
"""

from __future__ import annotations

import typing as t

from .certificates import covers
from .routes import Site

__all__ = ["mixed_up"]


def mixed_up(names: t.Mapping[Site, t.Collection[str]]) -> list[tuple[str, list[str]]]:
    """Each Secret whose certificate is good for several hosts that have HTTPS here, with these hosts.

    Args:
        names: by host with HTTPS, the DNS names in its certificate.
    """
    users: dict[str, list[Site]] = {}
    for site in names:
        users.setdefault(site.secret, []).append(site)
    found: dict[str, list[str]] = {}
    for secret, mine in users.items():
        good_for = names[mine[0]]
        hosts = {site.host for site in mine} | {site.host for site in names if covers(good_for, site.host)}
        if len(hosts) > 1:
            found[secret] = sorted(host or "any host" for host in hosts)
    return sorted(found.items())
