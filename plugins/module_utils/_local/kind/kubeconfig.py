# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kubeconfig of a local cluster: one file a cluster, with an address for the controller and one for its peers."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t
import urllib.parse

import yaml

from ...errors import FleetError
from ...files import write_file

__all__ = ["known_address", "refuse_foreign", "same_servers", "write"]


def refuse_foreign(path: pathlib.Path, cluster: str) -> None:
    """Leave a kubeconfig alone that this project did not write.

    Raises:
        FleetError: there is one at ``path``.
    """
    if path.exists() and _contexts(path) != [cluster, _peer(cluster)]:
        raise FleetError(
            f"{path} is a kubeconfig of another cluster",
            cluster=cluster,
            seen=f"its contexts are {', '.join(_contexts(path)) or '(none)'}",
            next_step="move it elsewhere, or set fleet_dir to another folder, then run again",
        )


def same_servers(path: pathlib.Path, server: str, peer: str) -> bool:
    """Whether the file names these two addresses already."""
    return [_server(c) for c in _read(path).get("clusters") or []] == [server, peer]


def known_address(path: pathlib.Path) -> str:
    """The address that peers use, as the last run wrote it; "" for none."""
    servers = [_server(c) for c in _read(path).get("clusters") or []]
    return (urllib.parse.urlsplit(servers[1]).hostname or "") if len(servers) == 2 else ""


def write(path: pathlib.Path, cluster: str, from_kind: t.Mapping[str, t.Any], server: str, peer: str) -> None:
    """Write the file whole, mode 0600, with the credentials of kind's own kubeconfig."""
    ca = from_kind["clusters"][0]["cluster"]["certificate-authority-data"]
    names = (cluster, _peer(cluster))
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"certificate-authority-data": ca, "server": where}}
            for name, where in zip(names, (server, peer), strict=True)
        ],
        "users": [{"name": cluster, "user": from_kind["users"][0]["user"]}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": cluster}} for name in names],
        "current-context": cluster,
    }
    write_file(path, yaml.safe_dump(config, sort_keys=False))


def _peer(cluster: str) -> str:
    return f"{cluster}-peer"


def _contexts(path: pathlib.Path) -> list[str]:
    return [str(c.get("name")) for c in _read(path).get("contexts") or [] if isinstance(c, dict)]


def _server(entry: t.Mapping[str, t.Any]) -> str:
    return str((entry.get("cluster") or {}).get("server") or "")


def _read(path: pathlib.Path) -> dict[str, t.Any]:
    with contextlib.suppress(OSError, yaml.YAMLError):
        found = yaml.safe_load(path.read_text())
        if isinstance(found, dict):
            return found
    return {}
