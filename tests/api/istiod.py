# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real istiod beside a test's API server. No proxy connects to it: it reads objects and writes their status."""

from __future__ import annotations

import subprocess

from . import control_plane

__all__ = ["start"]

_ANY = "127.0.0.1:0"


def start(plane: control_plane.ControlPlane, namespace: str) -> subprocess.Popen[bytes]:
    """Start it; it ends with the API server."""
    addresses = ("httpAddr", "httpsAddr", "grpcAddr", "secureGRPCAddr", "monitoringAddr")
    return plane.run(
        control_plane.program("pilot-discovery"),
        "discovery",
        f"--kubeconfig={plane.kubeconfig}",
        f"--namespace={namespace}",
        *(f"--{name}={_ANY}" for name in addresses),
        "--ctrlz_port=0",
        "--keepaliveMaxServerConnectionAge=1h",
        environment={
            "POD_NAME": "istiod-of-the-test",
            "POD_NAMESPACE": namespace,
            "CLUSTER_ID": "west",
            # Its own signer would ask for a Kubernetes that issues; nobody asks it for a certificate.
            "PILOT_CERT_PROVIDER": "istiod",
        },
    )
