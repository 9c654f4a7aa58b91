# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traffic policies for tests."""

from __future__ import annotations

import typing as t

__all__ = ["BREAKER", "REVIEWS"]

Values = dict[str, t.Any]

REVIEWS: Values = {
    "service": "reviews.shop",
    "from": ["west"],
    "split": [
        {"weight": 75, "cluster": "east", "labels": {"version": "v3"}},
        {"weight": 15, "cluster": "west", "labels": {"version": "v1"}},
        {"weight": 10, "cluster": "west", "labels": {"version": "v2"}},
    ],
}
"""Three quarters of the calls to v3 in another cluster, 15 and 10 percent to v1 and v2 of the callers' own."""
BREAKER: Values = {
    "service": "sample-producer.sample",
    "timeout": "2s",
    "breaker": {"connections": 1, "pending": 1, "errors": 1, "interval": "1s", "ejection": "3m"},
}
"""A call that hangs ends, and a producer that answers by errors gets no calls for a while."""
