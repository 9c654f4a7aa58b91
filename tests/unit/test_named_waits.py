# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wait that may be long says what it waits for: each file that pauses between two looks names its waits."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parent.parent.parent / "plugins"
NAMED_ELSEWHERE = {
    "module_utils/_kube/apply.py": "a moment, until the server knows a kind that was just made",
    "module_utils/_kube/exec_plugin.py": "a program that answers or is ended in seconds",
    "module_utils/_kube/transport.py": "a request's own pauses; who waits for an object is named by _kube/waiting.py",
    "module_utils/_local/kind/cluster.py": "the container engine's programs, named by _local/engine/command.py",
    "module_utils/_model/demo/calling.py": "a program for a pod",
    "module_utils/_model/workloads/measuring.py": "a program for a pod",
    "plugin_utils/base/one_run.py": "says whom it waits for itself, at once and each minute",
    "plugin_utils/base/run_lock.py": "a process that nobody waits for",
    "plugin_utils/helm/action.py": "Helm, named by _local/engine/command.py",
}
PAUSES = ("asyncio.sleep(", "time.sleep(", ".wait_for(")
FILES = sorted(
    str(path.relative_to(PLUGINS))
    for path in PLUGINS.rglob("*.py")
    if any(pause in path.read_text(encoding="utf-8") for pause in PAUSES)
)


@pytest.mark.parametrize("name", FILES)
def test_what_pauses_says_what_it_waits_for(name: str) -> None:
    named = "waiting(" in (PLUGINS / name).read_text(encoding="utf-8")
    assert named != (name in NAMED_ELSEWHERE), "name the wait (waits.py), or say in NAMED_ELSEWHERE who does"


def test_no_file_is_named_in_vain() -> None:
    assert set(NAMED_ELSEWHERE) - set(FILES) == set()
