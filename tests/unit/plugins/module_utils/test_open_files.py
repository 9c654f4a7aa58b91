# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The limit of open files is raised where it may be, and never lowered. tests/api/test_many_requests.py opens many."""

from __future__ import annotations

import resource

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.open_files import allow_many

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (1024, 4096, 4096),
        (1024, 1048576, 65536),
        (1024, INFINITE, 65536),
        (4096, 4096, None),
        (100000, 1048576, None),
        (INFINITE, INFINITE, None),
    ],
)
def test_it_is_raised_to_what_is_enough(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: int | None
) -> None:
    written: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: written.append((which, limits)))
    allow_many()
    assert written == ([] if then is None else [(resource.RLIMIT_NOFILE, (then, hard))])


def test_a_refusal_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, limits: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, INFINITE))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_many()
