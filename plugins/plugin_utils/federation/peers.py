# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the peers of a fleet sent: their bundles, read from the files that the inventory names."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    WARN_DAYS,
    Bundle,
    read_bundle,
    usable,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.peer_roots import refuse_shared, trusted_copy
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import (
    OWN,
    VARIABLE,
    Peer,
    is_federated,
    read_peers,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import table
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import fingerprint
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import located

__all__ = ["Peers", "described", "read_files"]


@dataclasses.dataclass
class Peers:
    """The peers that the inventory names, and what is known of each."""

    federated: bool = False
    """Whether the inventory wants a federation at all."""
    named: list[Peer] = dataclasses.field(default_factory=list)
    bundles: dict[str, Bundle] = dataclasses.field(default_factory=dict)
    """By trust domain; without those whose file is still to come."""
    trusted: dict[str, list[x509.Certificate]] = dataclasses.field(default_factory=dict)
    """By trust domain, what is trusted in place of the peer's roots."""
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def imports(self) -> list[tuple[Peer, Bundle]]:
        """The peers whose file is there, each with what it says."""
        return [(peer, self.bundles[peer.trust_domain]) for peer in self.named if peer.trust_domain in self.bundles]

    @property
    def names(self) -> set[str]:
        """The names under which services of peers are called here."""
        return {peer.name_here(offer.host) for peer, bundle in self.imports for offer in bundle.services}


def read_files(fleet: Fleet, folder: str, now: datetime.datetime | None = None) -> Peers:
    """Read and check the bundle of each peer.

    Args:
        fleet: the fleet.
        folder: where relative paths begin.
        now: the time.

    Raises:
        FleetError: the variable is wrong, or a file is not what it should be.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    first = next(iter(fleet.clusters.values()), None)
    given = first.variables.get(VARIABLE) if first else None
    named, problems = read_peers(given, fleet.trust_domain)
    if problems:
        raise FleetError(table(problems))
    found = Peers(is_federated(given), named)
    hosts: dict[str, str] = {export.host: "" for peer in named for export in peer.exports}
    for peer in named:
        path = located(peer.bundle, folder)
        if not path or not os.path.lexists(path):
            found.warnings.append(
                f"{peer.trust_domain}: its bundle is not there yet ({path or 'mesh_federation names no file'}): "
                "nothing of it is trusted and nothing of it can be called; put the file there that the peer wrote, and "
                "run playbooks/site.yml again"
            )
            continue
        bundle = read_bundle(_text(path), path)
        usable(bundle, peer.trust_domain, fleet.trust_domain, now, path)
        try:
            roots = [trusted_copy(root, peer.trust_domain, bundle.namespace, now) for root in bundle.roots]
            refuse_shared({**found.trusted, peer.trust_domain: roots})
        except FleetError as error:
            error.obj = path
            raise
        for offer in bundle.services:
            host = peer.name_here(offer.host)
            if peer.names == OWN and offer.host.count(".") != 2:
                raise _no_own_name(offer.host, peer.trust_domain, path)
            if host in hosts:
                raise _twice(host, hosts[host], peer.trust_domain, path)
            hosts[host] = peer.trust_domain
        found.bundles[peer.trust_domain], found.trusted[peer.trust_domain] = bundle, roots
        left = bundle.days_left(now)
        if left < WARN_DAYS:
            found.warnings.append(
                f"{peer.trust_domain}: its bundle ends in {left} days ({path}), and then runs are refused; ask the "
                "peer for a new one"
            )
    return found


def described(peers: Peers) -> list[dict[str, t.Any]]:
    """What a result says of each peer."""
    now = datetime.datetime.now(datetime.UTC)
    return [
        {
            "trust_domain": peer.trust_domain,
            "exports": [export.host for export in peer.exports],
            **(
                {
                    "roots": [fingerprint(root) for root in bundle.roots],
                    "imports": [peer.name_here(offer.host) for offer in bundle.services],
                    "days_left": bundle.days_left(now),
                }
                if (bundle := peers.bundles.get(peer.trust_domain))
                else {}
            ),
        }
        for peer in peers.named
    ]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(2**20)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FleetError(
            "the bundle of a peer cannot be read",
            obj=path,
            seen=str(reason),
            next_step="correct bundle in mesh_federation",
        ) from None


def _twice(host: str, other: str, domain: str, path: str) -> FleetError:
    step = (
        f"set names: own for {domain} in mesh_federation, so that its services are called name.namespace.{domain} here"
    )
    who = f"{other} offers it too" if other else "this mesh exports it itself"
    if other == domain:
        who, step = "it is there twice", f"ask {domain} for a new bundle"
    return FleetError(
        f"{domain} offers a name that is taken",
        obj=path,
        seen=f"{host}: {who}",
        means="one name has one address, and calls to it could reach either",
        next_step=step,
    )


def _no_own_name(host: str, domain: str, path: str) -> FleetError:
    # With fewer or more labels a peer could take names of its domain that are no services of the mesh, such as www.
    return FleetError(
        f"{domain} offers a name that has no form under its own",
        obj=path,
        seen=f"{host}; names: own makes name.namespace.{domain} of name.namespace.global alone",
        next_step=f"set names: global for {domain} in mesh_federation, or ask for an export of the form "
        "name.namespace.global",
    )
