# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.filter.awx_as_wanted import FilterModule, awx_as_wanted


def test_the_object_of_the_name_counts() -> None:
    found = [{"name": "a", "url": "/a/", "image": "1"}, {"name": "b", "url": "/b/", "image": "2"}]
    assert awx_as_wanted({"name": "b", "image": "2"}, found, {})
    assert not awx_as_wanted({"name": "a", "image": "2"}, found, {})
    assert not awx_as_wanted({"name": "c", "image": "2"}, found, {})


def test_something_else_is_refused() -> None:
    with pytest.raises(AnsibleTypeError, match="an entry of a list"):
        awx_as_wanted("b", [], {})


def test_it_is_found_by_its_name() -> None:
    assert set(FilterModule().filters()) == {"awx_as_wanted"}
