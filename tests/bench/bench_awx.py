# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long ``playbooks/awx.yml`` takes against AWX's stand-in: ``python tests/bench/bench_awx.py``.

It makes all objects, then finds that nothing is to do, which must take at most 10 s.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 10.0


def main() -> int:
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]
    from tests.awx.conftest import apply
    from tests.awx.standin import StandIn

    with StandIn(ROOT / "awx" / "project") as awx:
        for what in ("all made", "again", "again"):
            before, writes = time.monotonic(), len(awx.writes)
            done = apply(awx)
            took = time.monotonic() - before
            if done.code:
                print(done.output)
                return 1
            print(f"{what:10} {took:5.1f} s, {done.changed} changed, {len(awx.writes) - writes} writes")
        return int(took > LIMIT or done.changed > 0)


if __name__ == "__main__":
    sys.exit(main())
