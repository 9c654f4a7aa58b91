# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One place chooses how YAML is read and written."""

from __future__ import annotations

import datetime
import importlib
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils import fast_yaml


def test_texts_are_read_and_written_safely() -> None:
    value = {"a": [1, "2", None], "day": datetime.date(2026, 11, 27)}
    assert yaml.load(yaml.dump(value, Dumper=fast_yaml.DUMPER), Loader=fast_yaml.LOADER) == value
    with pytest.raises(yaml.YAMLError):
        yaml.load("!!python/object/apply:os.getcwd []", Loader=fast_yaml.LOADER)


def test_without_libyaml_it_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    monkeypatch.delattr(yaml, "CSafeDumper", raising=False)
    again = importlib.reload(fast_yaml)
    assert (yaml.SafeLoader, yaml.SafeDumper) == (again.LOADER, again.DUMPER)
    monkeypatch.undo()
    importlib.reload(fast_yaml)


def test_nobody_else_chooses(root: Path) -> None:
    chosen = re.compile(r"CSafe(Loader|Dumper)")
    found = [path.name for path in (root / "plugins").rglob("*.py") if chosen.search(path.read_text(encoding="utf-8"))]
    assert found == ["fast_yaml.py"]
