# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the benches and print their figures as one JSON document.

``tests/bench/run.py`` runs every ``bench_*.py`` beside it, ``tests/bench/run.py site model`` only those.
A bench prints one JSON object on standard output; what it says to a person goes to standard error. Figures
are printed, never asserted: they belong to a machine, so the machine is part of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def machine() -> dict[str, t.Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def run(path: Path) -> dict[str, t.Any]:
    """One bench: what it printed, or why there is nothing."""
    print(f"bench          {path.stem.removeprefix('bench_')} starts", file=sys.stderr, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(path)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    took = round(time.monotonic() - began, 1)
    print(f"bench          {path.stem.removeprefix('bench_')} ended after {took} s", file=sys.stderr, flush=True)
    if done.returncode:
        return {"error": f"exit code {done.returncode}, its words are on standard error", "seconds": took}
    try:
        return {"figures": json.loads(done.stdout), "seconds": took}
    except ValueError:
        return {"error": f"printed no JSON: {done.stdout[:200]!r}", "seconds": took}


def main() -> int:
    known = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "benches", nargs="*", choices=[*known, []], metavar="bench", help=", ".join(known) or "none yet"
    )
    wanted = parser.parse_args().benches or list(known)
    answer = {"machine": machine(), "benches": {name: run(known[name]) for name in wanted}}
    print(json.dumps(answer, indent=2))
    return 1 if any("error" in bench for bench in answer["benches"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
