# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run costs before it does anything: starting ansible-playbook with our callback and an empty play."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PLAY = "- name: nothing\n  hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.meta: noop\n"
ROUNDS = 5


def main() -> None:
    took = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nothing.yml"
        path.write_text(PLAY, encoding="utf-8")
        for _round in range(ROUNDS):
            began = time.monotonic()
            subprocess.run(
                ["ansible-playbook", "-i", "localhost,", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            took.append(time.monotonic() - began)
    print(json.dumps({"empty_playbook_seconds": round(statistics.median(took), 2), "rounds": ROUNDS}))


if __name__ == "__main__":
    main()
