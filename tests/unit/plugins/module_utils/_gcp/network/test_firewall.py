# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which firewall rules of others cover one of ours."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import covered, rules

from .shared_clusters import MARK, shared_clusters


@pytest.mark.parametrize(
    ("ports", "serves"), [("15017", True), ("15000-15100", True), ("15018-15100", False), ("443", False)]
)
def test_a_port_among_others_serves(ports: str, serves: bool) -> None:
    (_pods, webhooks) = rules("corp", list(shared_clusters().values()), MARK, ours=False, load_balancers=False)
    allowed = [{"IPProtocol": "tcp", "ports": ["22", ports]}]
    assert covered(webhooks, [{"network": "corp", "sourceRanges": ["10.0.0.0/8"], "allowed": allowed}]) is serves
