# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the stand-in as a process: ``python -m tests.gcp.standin --directory DIR [--clusters FILE]``.

Prints one line of JSON with the environment with which a program uses it as Google, also written to
``DIR/environment.json``; ends on SIGTERM and
``POST /standin/stop``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
from pathlib import Path

from .backing import back_with
from .controllers import Controllers
from .server import StandIn


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True, help="where its CA and environment are written")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--duration", type=float, default=1.0, help="seconds of an operation")
    parser.add_argument("--clusters", type=Path, help="JSON: kubeconfig of the real cluster behind each name")
    parser.add_argument("--door", default="", help="address of this machine at which the front door answers")
    args = parser.parse_args()
    kubeconfigs = json.loads(args.clusters.read_text(encoding="utf-8")) if args.clusters else {}
    with contextlib.ExitStack() as stack:
        standin = stack.enter_context(
            StandIn(args.directory, port=args.port, duration=args.duration, kubeconfigs=kubeconfigs)
        )
        environment = standin.environment
        standin.cloud.door = args.door
        if kubeconfigs:
            back_with(standin.cloud)
            stack.enter_context(Controllers(standin.cloud))
            environment["GCP_ACCESS_TOKEN"] = standin.issue_token()
        text = json.dumps(environment)
        (args.directory / "environment.json").write_text(text + "\n", encoding="utf-8")
        print(text, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: standin.over.set())
        standin.over.wait()


if __name__ == "__main__":
    main()
