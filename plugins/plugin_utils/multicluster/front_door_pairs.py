# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificates of a front door of ours, with their keys: of Secrets in the clusters that it leads to."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import (
    Pair,
    read_pair,
    uncovered,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Secrets", "find_pairs", "read_secrets"]

Secrets = t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]
"""By the name of a certificate, the Secrets of that name in one cluster."""


async def read_secrets(kube: Kube, door: FrontDoor) -> dict[str, list[t.Mapping[str, t.Any]]]:
    """What a cluster has of the certificates, in the namespaces of the routes.

    Raises:
        ApiError: it does not answer, or the account may not read them.
    """
    spaces = _spaces(door)
    found: dict[str, list[t.Mapping[str, t.Any]]] = {}
    for name in door.certificates:
        some = [await kube.get("v1", "Secret", name, space) for space in spaces]
        found[name] = [secret for secret in some if secret is not None]
    return found


def find_pairs(
    door: FrontDoor, secrets: t.Mapping[str, Secrets], folder: FrontDoorFolder, unread: t.Mapping[str, str]
) -> tuple[list[Pair], list[str]]:
    """Each from the first cluster that has a good one in a namespace of the routes; and warnings.

    Args:
        door: what the user wants.
        secrets: by cluster, in the order of the inventory.
        folder: what Envoy has. A certificate of which only an unread cluster may have the Secret stays as it is there.
        unread: the clusters that could not be read, and why.

    Raises:
        FleetError: no cluster has a good one.
    """
    found: list[Pair] = []
    warnings: list[str] = []
    now = datetime.datetime.now(datetime.UTC)
    for name in door.certificates:
        good, bad = _pairs(secrets, name, now)
        # One that ends soon was not renewed there, and another cluster's may have been.
        pair = next((one for one in good if not one.ends_soon), good[0] if good else None)
        if unread and (pair is None or pair.ends_soon):
            # What Envoy has may be the renewed one of a cluster that could not be read.
            kept = _kept(folder, name, now)
            if kept is not None and (pair is None or not kept.ends_soon):
                pair, where = kept, ", ".join(unread)
                warnings.append(f"the front door's certificate {name} stays as it is: {where} could not be read")
        if pair is None and bad:
            raise bad[0]
        warnings += [f"{e.cluster}: {e.obj} is not used: {e.what}{f' ({e.seen})' if e.seen else ''}" for e in bad]
        if pair is None:
            raise FleetError(
                "a certificate of the front door does not exist",
                obj=f"Secret {name}",
                seen="; ".join(
                    [f"not in namespace {', '.join(_spaces(door))} of {', '.join(secrets)}"]
                    + [f"{cluster}: {why}" for cluster, why in unread.items()]
                ),
                next_step="make it there (kubectl create secret tls, or cert-manager), or correct "
                "front_door_certificates; then run again",
            )
        found.append(pair)
        if pair.ends_soon:
            warnings.append(f"the front door's certificate {name} ends on {pair.ends_soon}")
    if found and (missing := uncovered(door.hosts(), found)):
        warnings.append(f"no certificate of the front door is for {', '.join(missing)}")
    return found, warnings


def _spaces(door: FrontDoor) -> list[str]:
    return list(dict.fromkeys(route.namespace for route in door.routes))


def _pairs(secrets: t.Mapping[str, Secrets], name: str, now: datetime.datetime) -> tuple[list[Pair], list[FleetError]]:
    """The certificates of a name, and what is wrong with those that cannot be used."""
    good: list[Pair] = []
    bad: list[FleetError] = []
    for cluster, some in secrets.items():
        for secret in some[name]:
            try:
                good.append(read_pair(secret, cluster, now))
            except FleetError as error:
                bad.append(error)
    return good, bad


def _kept(folder: FrontDoorFolder, name: str, now: datetime.datetime) -> Pair | None:
    """The certificate that Envoy has; None where it has none, or one that cannot be used."""
    for secret in folder.read(f"secret-{name}.yaml").get("resources") or ():
        chain = (secret.get("tls_certificate") or {}).get("certificate_chain") or {}
        data = folder.read_keys(pathlib.PurePosixPath(str(chain.get("filename") or "")).parent.name)
        if data is not None:
            with contextlib.suppress(FleetError):
                return read_pair({"metadata": {"name": name, "namespace": "front_door"}, "data": data}, "", now)
    return None
