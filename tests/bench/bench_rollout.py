# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From nothing to a verified call between two clusters: site.yml against the same steps typed by an expert.

The expert's steps are a shell script, ``BY_HAND`` (default ``../shared/bench/by_hand.sh``). Both start with all
artifacts ready, both without gateways, and they take turns. The expert gets our node image with Kubernetes' own images
inside and loads the mesh's as archives, which is what kind's documentation teaches; ``BY_HAND_INSIDE=1`` gives him ours
with all images inside. ``RUNS`` (default 3) is how often each of them runs.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "collections"))

# The path has to be set first.
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import build_source, node_image
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import keys_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.registries import build as registry_build
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import issue
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

FLEET = "bench"
APP = "localhost/mesh.fleet-bench/app:1"
NODE = "localhost/mesh.fleet-bench/node:1"

# What by_hand.sh asks of its app: GET / shows the caller's certificate header, GET /call what $UPSTREAM answers.
SERVER = """#!/usr/bin/python3
import http.server, os, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/call":
            try: body = urllib.request.urlopen(os.environ["UPSTREAM"], timeout=4).read()
            except OSError as error: body = str(error).encode()
        else: body = str(self.headers.get("x-forwarded-client-cert")).encode()
        self.send_response(200); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8080), H).serve_forever()
"""
CURL = """#!/usr/bin/python3
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[-1], timeout=5).read().decode())
"""


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


async def prepare(work: pathlib.Path) -> dict[str, str]:
    """Everything by_hand.sh wants beforehand; its environment."""
    cache = artifacts_dir()
    engine = await Engine.detect("podman", cache)
    role = ROOT / "roles" / "artifacts"
    held = yaml.safe_load((role / "vars" / "main.yml").read_text())
    versions = {k: str(v) for k, v in held["__artifacts_versions"].items()}
    recipe = build_source.Recipe(role / "files", versions, held["__artifacts_checksums"])
    build = registry_build.RegistryBuild(recipe, engine, cache / "downloads")
    steps = build.steps({"tools", "charts", "node"})
    keys = keys_of(steps)
    store = {s.name: cache / "store" / f"{s.name}-{keys[s.name]}" for s in steps}
    images = build.images(store)
    (work / "server.py").write_text(SERVER)
    (work / "curl").write_text(CURL)
    for name in ("server.py", "curl"):
        (work / name).chmod(0o755)
    images.append(
        node_image.Image(
            APP,
            {"/usr/local/bin": (work / "server.py", work / "curl")},
            build.sample_image,
            settings=('ENTRYPOINT ["/usr/local/bin/server.py"]',),
        )
    )
    for image in images:
        await node_image.build_image(engine, image, work)
    inside = bool(os.environ.get("BY_HAND_INSIDE"))
    mesh = [i.name for i in images if i.name.startswith("localhost/") and i.name != build.sample_image]
    base = node_image.Image(
        f"{NODE}-base", {}, rootfs=store["node-rootfs"] / "node.tar", settings=("ENV container=docker",)
    )
    await node_image.build_image(engine, base, work)
    baked = [i.name for i in images if inside or i.name not in mesh]
    await node_image.bake(
        engine, base=base.name, images=baked, script=role / "files" / "node" / "bake.sh", work=work, tag=NODE
    )
    archives = []
    for name in [] if inside else mesh:
        archives.append(str(work / f"{name.rsplit('/', 1)[1].replace(':', '_')}.tar"))
        await engine.run("save", "--format", "docker-archive", "--output", archives[-1], name)
    await engine.run("rmi", "--force", *[i.name for i in images], base.name, check=False)
    charts = work / "charts"
    (charts / "istio-control").mkdir(parents=True)
    (charts / "base").symlink_to(cache / "charts" / "base")
    (charts / "istio-control" / "istio-discovery").symlink_to(cache / "charts" / "istiod")
    now = datetime.datetime.now(datetime.UTC)
    policy = certificates.Policy(trust_domain="cluster.local", namespace="istio-system", revision="default", now=now)
    key = certificates.new_key()
    root = certificates.make_root(key, policy)
    for cluster in ("west", "east"):
        folder = work / "certs" / cluster
        folder.mkdir(parents=True)
        chain = issue(cluster, certificates.Authority(root, key), policy)
        for name, text in (
            ("ca-cert.pem", chain.certificate),
            ("ca-key.pem", chain.key),
            ("root-cert.pem", chain.root),
            ("cert-chain.pem", chain.chain),
        ):
            (folder / name).write_text(text)
    return {
        **engine.env,
        "BIN": str(cache / "bin"),
        "CHARTS": str(charts),
        "NODE": NODE,
        "ARCHIVES": " ".join(archives),
        "HUB": build.hub,
        "TAG": build.tag,
        "APP": APP,
        "CERTS": str(work / "certs"),
        "ENGINE": "podman",
    }


def timed(argv: t.Sequence[str], env: t.Mapping[str, str]) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return round(took, 1), done.stdout


def remove_hand(env: t.Mapping[str, str]) -> None:
    for cluster in ("west", "east"):
        subprocess.run(
            ["podman", "rm", "--force", "--time", "0", "--volumes", f"hand-{cluster}-control-plane"],
            env={**os.environ, **env}, capture_output=True, check=False,
        )  # fmt: skip


def playbook(name: str, *more: str) -> list[str]:
    return [
        "ansible-playbook",
        "-i",
        "inventories/local",
        f"playbooks/{name}.yml",
        "-e",
        "gateways_ingress=false",
        *more,
    ]


def main() -> None:
    by_hand = pathlib.Path(os.environ.get("BY_HAND") or ROOT.parent / "shared" / "bench" / "by_hand.sh")
    if not by_hand.exists():
        raise SystemExit(f"no {by_hand}: set BY_HAND to the script to compare with")
    work = pathlib.Path(tempfile.mkdtemp(prefix="mesh-bench-"))
    ours = {"MESH_FLEET_NAME": FLEET}
    site: list[float] = []
    again: list[float] = []
    hand: list[float] = []
    steps: list[str] = []
    env: dict[str, str] = {}
    try:
        env = asyncio.run(prepare(work))
        timed(playbook("teardown"), ours)
        for number in range(int(os.environ.get("RUNS", "3"))):
            took, out = timed(playbook("site"), ours)
            site.append(took)
            say(f"site.yml {number + 1}: {took} s")
            again.append(timed(playbook("site"), ours)[0])
            say(f"site.yml again: {again[-1]} s")
            timed(playbook("teardown"), ours)
            remove_hand(env)
            took, out = timed(["bash", str(by_hand)], env)
            hand.append(took)
            steps.append(" ".join(re.findall(r"([\d.]+)s", out)))
            say(f"by hand {number + 1}: {took} s")
            remove_hand(env)
    finally:
        if env:
            remove_hand(env)
            subprocess.run(
                ["podman", "rmi", "--force", NODE], env={**os.environ, **env}, capture_output=True, check=False
            )
        subprocess.run(playbook("teardown"), cwd=ROOT, env={**os.environ, **ours}, capture_output=True, check=False)
        shutil.rmtree(work, ignore_errors=True)
    figures = {
        "site_seconds": site,
        "site_again_seconds": again,
        "by_hand_seconds": hand,
        "by_hand_steps": steps,
        "ratio": round(statistics.median(site) / statistics.median(hand), 2),
        "images": "inside the node image for both" if os.environ.get("BY_HAND_INSIDE") else "archives by hand",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
