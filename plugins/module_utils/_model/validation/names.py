# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of cluster names."""

from __future__ import annotations

import re

from ..inventory.problems import Problem
from ..inventory.values import LABEL
from ..providers.base import Hosts
from ..providers.registry import provider_of_host

__all__ = ["check"]

_LONGEST = 63


def check(hosts: Hosts) -> list[Problem]:
    """Names that are not DNS-1123 labels, not unique, or too long for what is made from them.

    A cluster's name is Istio's cluster ID, a Secret's key, and part of host names.
    """
    problems: list[Problem] = []
    folded: dict[str, str] = {}
    for host, variables in hosts.items():
        earlier = folded.setdefault(host.lower(), host)
        if earlier != host:
            problems.append(
                Problem(host, "", "", f"the name differs from {earlier}'s only by case", "choose another name")
            )
        if not LABEL.fullmatch(host):
            problems.append(Problem(host, "", "", *_bad_name(host)))
            continue
        problems += provider_of_host(variables).check_name(host, variables)
    return problems


def _bad_name(host: str) -> tuple[str, str]:
    if len(host) > _LONGEST:
        return f"the name is {len(host)} characters long", f"at most {_LONGEST}"
    guess = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    return (
        "the name is not a DNS-1123 label",
        f'lower-case letters, digits and "-" inside{f"; for example {guess}" if guess else ""}',
    )
