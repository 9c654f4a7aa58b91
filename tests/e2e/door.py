# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door before the clusters of a test, called from this machine."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading
import typing as t

import grpc
import yaml

from .local_fleet import Fleet

__all__ = ["CLUSTERS", "GRPC_ROUTE", "HOST", "ROUTE", "Door"]

HOST = "shop.example"
_SECRET = "shop-tls"
ROUTE = {"host": HOST, "service": "sample-producer.istio-apps", "health": "/actuator/health/readiness"}

GRPC_HOST = "xds.example"
GRPC_ROUTE = {
    "host": GRPC_HOST,
    "service": "istiod.istio-system",
    "port": 15010,
    "health": {"path": "/ready", "port": 8080},
}
"""To a server of gRPC that each primary has: istiod itself, which asks for no certificate at this port."""
_DISCOVERY = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
CLUSTERS = b"type.googleapis.com/envoy.config.cluster.v3.Cluster"


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
            f"subjectAltName=DNS:{HOST},DNS:{GRPC_HOST}",
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

    @property
    def pid(self) -> int:
        return int(json.loads(self.fleet.ask_engine("container", "inspect", self.container))[0]["State"]["Pid"])

    def exists(self) -> bool:
        return self.container in self.fleet.ask_engine("ps", "--all", "--format", "{{.Names}}").split()

    def who(self) -> str:
        """The cluster that answers this machine, or what is said instead."""
        words = ["curl", "--silent", "--max-time", "10", "--resolve", f"{HOST}:443:{self.address}"]
        words += ["--cacert", str(self.folder / "tls.crt"), f"https://{HOST}/"]
        return _cluster_said(words)

    def discovered(self, node: str) -> bytes:
        """What istiod says first to the proxy of that name, which asks by gRPC for its clusters.

        Raises:
            grpc.RpcError: what istiod says instead.
        """
        credentials = grpc.ssl_channel_credentials((self.folder / "tls.crt").read_bytes())
        named = (("grpc.ssl_target_name_override", GRPC_HOST), ("grpc.enable_http_proxy", 0))
        over = threading.Event()

        def asks() -> t.Iterator[bytes]:
            # Field 2 of a DiscoveryRequest is the node, of which field 1 is the id; field 4 is the kind.
            yield (_field(2, _field(1, node.encode())) if node else b"") + _field(4, CLUSTERS)
            over.wait(60)  # the stream stays open on both sides

        with grpc.secure_channel(f"{self.address}:443", credentials, named) as channel:
            call = channel.stream_stream(
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
            )
            answers = call(asks(), timeout=60)
            try:
                return bytes(next(answers))
            finally:
                over.set()
                answers.cancel()

    def gateway(self, cluster: str, replicas: int) -> None:
        """Have so many pods of a cluster's ingress gateway."""
        which = ("-n", "istio-system", "deployment/istio-ingressgateway")
        self.fleet.kubectl(cluster, "scale", *which, f"--replicas={replicas}")
        if not replicas:
            pods = ("-n", "istio-system", "pod", "-l", "istio=ingressgateway")
            self.fleet.kubectl(cluster, "delete", *pods, "--force", "--grace-period=0")

    def gateway_address(self, cluster: str) -> str:
        """Where the front door reaches a cluster."""
        which = ("-n", "istio-system", "service", "istio-ingressgateway")
        return self.fleet.kubectl(cluster, "get", *which, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}").strip()

    def behind(self, cluster: str) -> str:
        """The cluster whose pods answer what a cluster's gateway gets, or what is said instead."""
        words = ["curl", "--silent", "--max-time", "10", "--header", f"Host: {HOST}"]
        return _cluster_said([*words, f"http://{self.gateway_address(cluster)}/"])


def _field(number: int, value: bytes) -> bytes:
    """A field of a message of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/), below 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def _cluster_said(words: t.Sequence[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        return str(json.loads(done.stdout)["cluster"])
    except (ValueError, KeyError):
        return done.stdout or f"curl: {done.returncode}"
