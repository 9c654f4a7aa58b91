# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real etcd and kube-apiserver (and, when asked, kube-controller-manager) without nodes, for tests."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

from .authority import Authority, pem_key

ADMIN_TOKEN = "admin-of-the-test-control-plane"
LIMITED_TOKEN = "somebody-without-any-right-here"
_START_SECONDS = 300
"""Far more than it takes: a machine may be busy with other things."""


class Missing(Exception):
    """A program that the control plane needs is not there."""


def bin_dir() -> Path:
    """Where the built programs are: ``MESH_FLEET_BIN``, else the artifacts' folder."""
    return Path(os.environ.get("MESH_FLEET_BIN") or artifacts_dir() / "bin")


def program(*names: str) -> Path:
    for name in names:
        path = bin_dir() / name
        if path.exists():
            return path
    raise Missing(f"{names[0]} is not in {bin_dir()}: build the artifacts first, or set MESH_FLEET_BIN")


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """A test run that is killed leaves no server behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Port:
    """A port of loopback that is ours until :meth:`close`: whoever connects to it is refused, unless a server that
    shares ports (``SO_REUSEPORT``) listens there. A number that is merely free may be another program's a moment
    later."""

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self.number = int(self._held.getsockname()[1])

    def close(self) -> None:
        self._held.close()


@functools.cache
def _closed() -> Port:
    return Port()


def closed_port() -> int:
    """A port of loopback that refuses everybody for as long as this process lives."""
    return _closed().number


def _write(path: Path, data: bytes) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(data)
    return path


@dataclasses.dataclass
class ControlPlane:
    """A running API server and what it takes to reach it."""

    directory: Path
    server: str
    ca_pem: str
    kubeconfig: Path
    """Contexts ``admin`` (client certificate), ``token``, ``limited``, ``expired``, ``wrong-ca``."""
    authority: Authority = dataclasses.field(repr=False)
    processes: list[subprocess.Popen[bytes]] = dataclasses.field(default_factory=list, repr=False)
    ports: t.Sequence[Port] = ()

    def start_controllers(self) -> None:
        """Start kube-controller-manager: namespaces get deleted, workloads get their pods."""
        if any("kube-controller-manager" in str(p.args) for p in self.processes):
            return
        self.run(
            program("kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--service-account-private-key-file={self.directory / 'sa.key'}",
            f"--root-ca-file={self.directory / 'ca.crt'}",
            "--controllers=namespace-controller,serviceaccount-controller,serviceaccount-token-controller,"
            "deployment-controller,"
            "replicaset-controller,garbage-collector-controller",
            "--secure-port=0",  # nobody asks it anything
            "--use-service-account-credentials=false",
        )

    def kubectl(self, *args: str, stdin: str | None = None, ok: bool = True) -> str:
        """What kubectl prints; with ``ok`` it has to succeed."""
        command = [str(program("kubectl")), f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not ok, done.stderr
        return done.stdout

    def run(self, path: Path, *args: str, environment: t.Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program that ends with the API server; what it prints is in ``<its name>.log``."""
        log = (self.directory / f"{path.name}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [str(path), *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **(environment or {})},
                preexec_fn=_end_with_parent,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.kill()  # their data goes with them: an API server's calm end takes ten seconds
        for process in self.processes:
            process.wait()
        for port in self.ports:
            port.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Start(t.Protocol):
    """Starts an API server by name, with further flags."""

    def __call__(self, name: str, *flags: str) -> ControlPlane: ...


def _kubeconfig(plane: ControlPlane, admin: tuple[bytes, bytes]) -> None:
    directory = plane.directory
    _write(directory / "admin.crt", admin[0])
    _write(directory / "admin.key", admin[1])
    _write(directory / "other.crt", Authority("test-ca").pem)
    clusters = {
        "test": {"server": plane.server, "certificate-authority": "ca.crt"},
        "wrong-ca": {"server": plane.server, "certificate-authority": "other.crt"},
    }
    users = {
        "admin": {"client-certificate": "admin.crt", "client-key": "admin.key"},
        "token": {"token": ADMIN_TOKEN},
        "limited": {"token": LIMITED_TOKEN},
        "expired": {"token": "a-token-that-is-no-longer-known"},
    }
    contexts = {name: ("test", name) for name in users}
    contexts["wrong-ca"] = ("wrong-ca", "token")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "admin",
        "clusters": [{"name": name, "cluster": value} for name, value in clusters.items()],
        "users": [{"name": name, "user": value} for name, value in users.items()],
        "contexts": [{"name": n, "context": {"cluster": c, "user": u}} for n, (c, u) in contexts.items()],
    }
    _write(plane.kubeconfig, yaml.safe_dump(config).encode())


def start(directory: Path, *flags: str) -> ControlPlane:
    """Start etcd and the API server in ``directory`` and wait for ``/readyz``; ``flags``: of the API server."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    _write(directory / "ca.crt", authority.pem)
    for name, pair in {
        "server": authority.issue("kube-apiserver", server=True),
        "kubelet-client": authority.issue("kube-apiserver", ["system:masters"]),
    }.items():
        _write(directory / f"{name}.crt", pair[0])
        _write(directory / f"{name}.key", pair[1])
    _write(directory / "sa.key", pem_key(ec.generate_private_key(ec.SECP256R1())))
    _write(
        directory / "tokens.csv",
        f'{ADMIN_TOKEN},admin,admin,"system:masters"\n{LIMITED_TOKEN},limited,limited\n'.encode(),
    )
    port, etcd_port, peer_port = ports = [Port(), Port(), Port()]
    plane = ControlPlane(
        directory,
        f"https://127.0.0.1:{port.number}",
        authority.pem.decode(),
        directory / "kubeconfig",
        authority,
        ports=ports,
    )
    _kubeconfig(plane, authority.issue("admin", ["system:masters"]))
    etcd, server = program("etcd", "server"), program("kube-apiserver")
    try:
        plane.run(
            etcd,
            f"--data-dir={directory / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port.number}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port.number}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port.number}",
            "--socket-reuse-port=true",
            "--unsafe-no-fsync=true",
            "--logger=zap",
            "--log-level=error",
        )
        plane.run(
            server,
            f"--etcd-servers=http://127.0.0.1:{etcd_port.number}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={port.number}",
            "--permit-port-sharing=true",
            f"--tls-cert-file={directory / 'server.crt'}",
            f"--tls-private-key-file={directory / 'server.key'}",
            f"--client-ca-file={directory / 'ca.crt'}",
            f"--kubelet-client-certificate={directory / 'kubelet-client.crt'}",
            f"--kubelet-client-key={directory / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--token-auth-file={directory / 'tokens.csv'}",
            "--enable-bootstrap-token-auth=true",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={directory / 'sa.key'}",
            f"--service-account-signing-key-file={directory / 'sa.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--max-requests-inflight=400",
            f"--cert-dir={directory / 'certs'}",
            *flags,
        )
        _await_ready(plane)
    except BaseException:
        plane.stop()
        raise
    return plane


def _await_ready(plane: ControlPlane) -> None:
    context = ssl.create_default_context(cadata=plane.ca_pem)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    request = urllib.request.Request(f"{plane.server}/readyz", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    deadline, seen = time.monotonic() + _START_SECONDS, "nothing"
    while time.monotonic() < deadline:
        for process in plane.processes:
            if process.poll() is not None:
                name = Path(str(process.args[0] if isinstance(process.args, list) else process.args)).name
                log = (plane.directory / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{log}")
        with contextlib.suppress(urllib.error.URLError, OSError), opener.open(request, timeout=20) as answer:
            seen = answer.read().decode()
            if answer.status == 200:
                return
        time.sleep(0.1)  # between two looks at /readyz, until the deadline
    raise RuntimeError(f"the API server was not ready after {_START_SECONDS} s, last seen: {seen}")
