# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door before the clusters of a test, called from this machine."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import yaml

from .local_fleet import Fleet

__all__ = ["HOST", "ROUTE", "Door"]

HOST = "shop.example"
_SECRET = "shop-tls"
ROUTE = {"host": HOST, "service": "sample-producer.istio-apps", "health": "/actuator/health/readiness"}


class Door:
    """The front door of a fleet's sample, with a certificate.

    Args:
        fleet: with the sample's producer in its clusters.
        folder: for variables and keys.
    """

    def __init__(self, fleet: Fleet, folder: pathlib.Path) -> None:
        self.fleet, self.folder = fleet, folder
        self.container = f"{fleet.name}-front-door"
        self.variables = folder / "front_door.yml"
        self.ask_for([ROUTE])

    def ask_for(self, routes: t.Sequence[dict[str, t.Any]]) -> None:
        """What the next run gets."""
        wanted: dict[str, t.Any] = {"front_door_routes": list(routes)}
        if routes:
            wanted["front_door_certificates"] = [_SECRET]
        self.variables.write_text(yaml.safe_dump(wanted))

    @property
    def given(self) -> tuple[str, str]:
        return "-e", f"@{self.variables}"

    def start_elsewhere(self, files: pathlib.Path) -> None:
        """Envoy with a front door's files, on what stands for a machine of the user's."""
        self.container = f"{self.fleet.name}-machine"
        image = str(self.fleet.inspect("west")["Image"])
        words = ["run", "--detach", "--name", self.container, "--network", self.fleet.engine_network]
        words += ["--volume", f"{files}:/etc/front-door:ro", "--entrypoint", "/bin/sh", image, "-c"]
        self.fleet.ask_engine(
            *words, "exec /kind/layers/*/usr/local/bin/envoy --config-path /etc/front-door/bootstrap.yaml"
        )

    def stop_elsewhere(self) -> None:
        self.fleet.ask_engine("rm", "--force", self.container)

    def put_certificate(self) -> str:
        """Put a certificate into a cluster; its key as text."""
        key, certificate = self.folder / "tls.key", self.folder / "tls.crt"
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ]
        words += [
            "-subj",
            "/CN=shop",
            "-addext",
            f"subjectAltName=DNS:{HOST}",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ]
        subprocess.run(words, check=True, capture_output=True)
        files = ("--cert", str(certificate), "--key", str(key))
        self.fleet.kubectl("east", "-n", "istio-apps", "create", "secret", "tls", _SECRET, *files)
        return key.read_text()

    def remove_certificate(self) -> None:
        self.fleet.kubectl("east", "-n", "istio-apps", "delete", "secret", _SECRET)

    @property
    def address(self) -> str:
        found = json.loads(self.fleet.ask_engine("container", "inspect", self.container))[0]
        return str(found["NetworkSettings"]["Networks"][self.fleet.engine_network]["IPAddress"])

    def exists(self) -> bool:
        return self.container in self.fleet.ask_engine("ps", "--all", "--format", "{{.Names}}").split()

    def who(self) -> str:
        """The cluster that answers this machine, or what is said instead."""
        words = ["curl", "--silent", "--max-time", "10", "--resolve", f"{HOST}:443:{self.address}"]
        words += ["--cacert", str(self.folder / "tls.crt"), f"https://{HOST}/"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        try:
            return str(json.loads(done.stdout)["cluster"])
        except (ValueError, KeyError):
            return done.stdout or f"curl: {done.returncode}"

    def gateway(self, cluster: str, replicas: int) -> None:
        """Have so many pods of a cluster's ingress gateway."""
        which = ("-n", "istio-system", "deployment/istio-ingressgateway")
        self.fleet.kubectl(cluster, "scale", *which, f"--replicas={replicas}")
        if not replicas:
            pods = ("-n", "istio-system", "pod", "-l", "istio=ingressgateway")
            self.fleet.kubectl(cluster, "delete", *pods, "--force", "--grace-period=0")
