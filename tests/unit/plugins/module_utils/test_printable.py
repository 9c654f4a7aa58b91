# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils.printable import printable, printable_data

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcödé 日本\n\tindented", "plain, ünïcödé 日本\n\tindented"),
        (f"denied{CLIPBOARD}", "denied\\x1b]52;c;cm0gLXJmIH4=\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("west ok\rwest failed", "west ok\\rwest failed"),
        ("two\r\nlines", "two\nlines"),
        ("nul\x00del\x7f", "nul\\x00del\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u2028\x85", "\\u2028\\x85"),
    ],
)
def test_controls_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    left = {c for c in printable(text) if unicodedata.category(c) in ("Cc", "Zl", "Zp")}
    assert left <= {"\n", "\t"}
    assert all(
        unicodedata.bidirectional(c) not in ("LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI") for c in printable(text)
    )


@given(st.text())
def test_once_is_enough(text: str) -> None:
    assert printable(printable(text)) == printable(text)


def test_data_keeps_its_shape() -> None:
    data = {"msg": "a\x1b", "n\x07": [1, None, True, ("b\x00",)], "kept": {"x": 1.5}}
    assert printable_data(data) == {"msg": "a\\x1b", "n\\x07": [1, None, True, ("b\\x00",)], "kept": {"x": 1.5}}
