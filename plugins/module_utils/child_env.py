# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The environment of the programs that this collection starts: made here, not inherited.

``KUBECONFIG``, ``HELM_*`` or ``K8S_AUTH_*`` of whoever starts Ansible would lead a program to another cluster than the
inventory's. So a program gets only what is on this list: where programs and files are, who the user is, proxies and
CAs, registries, and how to reach this machine's container engine.

A credential plugin of a kubeconfig is the exception, see ``_kube/credentials.py``: how its user logs in is up to its
vendor, and kubectl promises it the whole environment.
"""

from __future__ import annotations

import os
import typing as t

__all__ = ["child_environment"]

_NAMES = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "TZ",
        "TERM",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "DBUS_SESSION_BUS_ADDRESS",
        "CONTAINER_HOST",
        "CONTAINER_SSHKEY",
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CONFIG",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
        "DOCKER_API_VERSION",
        "REGISTRY_AUTH_FILE",
        "STORAGE_DRIVER",
        "STORAGE_OPTS",
        "GOPROXY",
        "GOSUMDB",
        "GONOSUMDB",
        "GONOPROXY",
        "GOPRIVATE",
        "GOINSECURE",
        "GOAUTH",
        "GOCACHE",
        "GOMODCACHE",
        "GOPATH",
        "HELM_REGISTRY_CONFIG",  # logins to chart registries; where releases are is never asked of the environment
    }
)
_BEGINNINGS = ("XDG_", "SSL_CERT_", "CONTAINERS_", "_CONTAINERS_", "PIP_")
_PROXIES = frozenset(("http_proxy", "https_proxy", "all_proxy", "no_proxy"))


def child_environment(more: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child process.

    Programs speak English in it (``LC_ALL=C.UTF-8``): their messages are read.

    Args:
        more: what is added, and wins.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name.lower() in _PROXIES or name.startswith(_BEGINNINGS)
    }
    return {**kept, "LC_ALL": "C.UTF-8", **(more or {})}
