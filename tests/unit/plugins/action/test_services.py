# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the action says of imports."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.action.services import by_address


def test_clusters_with_the_same_import_are_one_entry() -> None:
    given = [
        {"service": "orders.shop", "cluster": "west", "address": "240.241.0.1"},
        {"service": "stock.shop", "cluster": "west", "address": "headless"},
        {"service": "orders.shop", "cluster": "east", "address": "240.241.0.1"},
        {"service": "orders.shop", "cluster": "north", "address": "10.1.0.9", "without": "west"},
    ]
    assert by_address(given) == [
        {"service": "orders.shop", "address": "240.241.0.1", "clusters": ["west", "east"]},
        {"service": "stock.shop", "address": "headless", "clusters": ["west"]},
        {"service": "orders.shop", "address": "10.1.0.9", "without": "west", "clusters": ["north"]},
    ]
