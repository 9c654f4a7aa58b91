# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a mesh says of itself when a test has failed, before later tests change or remove it."""

from __future__ import annotations

import json
import pathlib
import subprocess

from .local_fleet import CACHE, Fleet

__all__ = ["keep"]

_SECONDS = 60
_LINES = "--tail=3000"
_ENVOY = ("pilot-agent", "request", "GET")
_OF_ENVOY = ("stats?filter=cluster_manager|control_plane|server.live", "config_dump?resource=dynamic_warming_clusters")


def keep(fleet: Fleet, folder: pathlib.Path) -> None:
    """Write pods, events, and what istiods and gateways say, of each cluster that answers, into a folder."""
    for cluster in fleet.regions:
        path = fleet.state / "kubeconfigs" / f"{cluster}.yaml"
        if not path.exists():
            continue
        own = folder / cluster
        own.mkdir(parents=True, exist_ok=True)
        _save(own / "pods.txt", path, "get", "pods", "-A", "-o", "wide")
        _save(own / "events.txt", path, "get", "events", "-A", "--sort-by=.lastTimestamp")
        try:
            listed = json.loads(_kubectl(path, "get", "pods", "-n", "istio-system", "-o", "json"))["items"]
        except (ValueError, KeyError):
            continue
        for pod in listed:
            name, labels = pod["metadata"]["name"], pod["metadata"].get("labels") or {}
            which = ("-n", "istio-system", name)
            _save(own / f"{name}.log", path, "logs", *which, "--all-containers", _LINES)
            if labels.get("app") == "istiod":
                # Sent and accepted, of each proxy.
                command = ("pilot-discovery", "request", "GET", "/debug/syncz")
                _save(own / f"{name}-syncz.json", path, "exec", *which, "--", *command)
            elif "istio" in labels:
                for number, page in enumerate(_OF_ENVOY):
                    _save(own / f"{name}-{number}.txt", path, "exec", *which, "--", *_ENVOY, page)


def _save(file: pathlib.Path, kubeconfig: pathlib.Path, *arguments: str) -> None:
    file.write_text(_kubectl(kubeconfig, *arguments), encoding="utf-8")


def _kubectl(kubeconfig: pathlib.Path, *arguments: str) -> str:
    argv = [
        str(CACHE / "bin" / "kubectl"),
        "--kubeconfig",
        str(kubeconfig),
        f"--request-timeout={_SECONDS}s",
        *arguments,
    ]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=2 * _SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer in {2 * _SECONDS} s"
    return done.stdout or done.stderr
