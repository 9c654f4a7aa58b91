# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a refused credential is replaced."""

from __future__ import annotations

import time

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.renewal import Renewal


def test_the_credential_in_use_is_replaced_once_for_all() -> None:
    renewal = Renewal()
    assert renewal.is_due("old", "old", time.monotonic())
    renewal.got("new", "old")
    assert not renewal.is_due("old", "new", time.monotonic())  # another request was refused with the same one


def test_a_new_credential_is_not_replaced_before_it_is_accepted() -> None:
    renewal = Renewal()
    renewal.got("new", "old")
    assert not renewal.is_due("new", "new", time.monotonic())
    renewal.accepted("old")  # a request that began before
    assert not renewal.is_due("new", "new", time.monotonic())
    renewal.accepted("new")
    assert renewal.is_due("new", "new", time.monotonic())


def test_the_same_credential_again_needs_no_proof() -> None:
    renewal = Renewal()
    renewal.got("same", "same")
    assert renewal.is_due("same", "same", time.monotonic())


def test_who_waited_for_a_failed_attempt_gets_its_error() -> None:
    renewal, came = Renewal(), time.monotonic()
    failure = FleetError("no token")
    with pytest.raises(FleetError), renewal.attempt():
        raise failure
    with pytest.raises(FleetError) as waited:
        renewal.is_due("old", "old", came)
    assert waited.value is failure
    assert renewal.is_due("old", "old", time.monotonic())  # who comes later tries again


def test_no_credential_is_shown() -> None:
    renewal = Renewal()
    renewal.got("secret-token", "old")
    assert "secret-token" not in repr(renewal)
