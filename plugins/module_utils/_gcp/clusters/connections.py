# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to GKE clusters, without gcloud and without kubeconfig.

Every task is a process, so tasks of a run share a private file (0600): the clusters of a project with their addresses
and CAs, from one ``clusters.list``, and the token in use. Each task reads both from there until they are old. Google's
libraries are imported only for a request.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
import typing as t

from ..._kube.connect import AbsentCluster
from ..._model.inventory.connection import Connection
from ..._model.inventory.fleet import Cluster, Fleet
from ..._model.inventory.problems import Problem
from ..._model.providers.google.paths import Reachability, reachabilities
from ..._model.providers.google.variables import text
from ..api.run_memory import run_memory
from ..auth.refusals import given_token_refused
from ..errors import part_missing
from .endpoints import addresses, place_of, trimmed

__all__ = ["check", "forget", "login", "options", "remember", "with_connections"]

_LIST_SECONDS = 600.0
"""How long addresses and CAs are used without another request."""
_AGAIN_SECONDS = 2.0
"""A cluster that is missing in a list younger than this is not requested again."""
_MARGIN_SECONDS = 240.0
"""A token is renewed when it is valid for less than this, as google-auth does it."""
_OPTIONS = {
    "project": "gke_project",
    "auth_kind": "gke_auth_kind",
    "service_account_file": "gke_service_account_file",
    "service_account_contents": "gke_service_account_contents",
    "service_account_email": "gke_service_account_email",
    "access_token": "gke_access_token",
}
_SAME_VPC = Reachability(same_vpc=True, same_region=False)


def options(cluster: Cluster) -> dict[str, t.Any]:
    """Project and credentials of a host as the options of every action over Google."""
    return {option: text(cluster.variables, variable) for option, variable in _OPTIONS.items()}


def check(fleet: Fleet) -> list[Problem]:
    """What only Google's discovery document knows to be wrong; no request is sent."""
    passing = ("gke_cluster_fields", "gke_pool_fields", "gke_node_pools")
    if not any(cluster.variables.get(name) for cluster in fleet.clusters.values() for name in passing):
        return []
    from .passed import check as check_passed  # reads Google's libraries

    return check_passed(fleet)


def with_connections(fleet: Fleet) -> Fleet:
    """The fleet, where connecting to a GKE cluster looks it up; no request is sent before that.

    A cluster with a kubeconfig or an address in the inventory keeps that.
    """
    reachable = reachabilities(fleet)
    ours = {
        name: c.with_connection(functools.partial(_given_or_looked_up, c, reachable[name]))
        for name, c in fleet.clusters.items()
        if c.provider == "gke"
    }
    return dataclasses.replace(fleet, clusters={**fleet.clusters, **ours}) if ours else fleet


def _given_or_looked_up(cluster: Cluster, reachability: Reachability) -> Connection:
    given = cluster.connection
    if given.kubeconfig or given.server:
        return given
    return Connection(lookup=functools.partial(connection_of, cluster, reachability=reachability))


def connection_of(cluster: Cluster, *, reachability: Reachability = _SAME_VPC, refused: str = "") -> Connection:
    """Server, CA and a token that is valid for some time.

    Args:
        cluster: the cluster.
        reachability: where the clusters that watch it are.
        refused: a token that the cluster does not accept any more. Of all tasks that pass it, one gets a new one.

    Raises:
        AbsentCluster: Google has no such cluster.
        FleetError: no credentials, no permission, no such endpoint; a token was refused that cannot be renewed.
    """
    given = options(cluster)
    name = text(cluster.variables, "gke_name") or cluster.name
    place = cluster.zone or cluster.region
    with run_memory(given) as known:
        if refused and known.get("token") == refused:
            known.pop("token")
        found = _find(known, name, place)
        age = time.time() - float(known.get("listed", 0))
        if age > (_LIST_SECONDS if found else _AGAIN_SECONDS):
            google = _google(given)
            listed = google.call("container", "projects.locations.clusters.list", parent=_everywhere(google))
            known["clusters"] = [trimmed(entry) for entry in listed.get("clusters") or []]
            known["unreachable"] = [str(zone) for zone in listed.get("missingZones") or []]
            known["listed"] = time.time()
            _store_token(known, google)
            found = _find(known, name, place)
        if found is None:
            project = given["project"]
            unreachable = [
                zone for zone in known.get("unreachable") or [] if zone == place or zone.startswith(f"{place}-")
            ]
            if unreachable:
                # Not absent: the clusters stage would make another one.
                known.pop("listed", None)
                raise part_missing(unreachable, "container.projects.locations.clusters.list", str(project))
            others = [place_of(entry) for entry in known["clusters"] if entry.get("name") == name]
            raise AbsentCluster(
                "Google has no such cluster",
                cluster=cluster.name,
                obj=f"cluster {name} in {place}",
                seen=f"one of this name in {', '.join(others)}"
                if others
                else f"{len(known['clusters'])} clusters in project {project}",
                means="it was not made yet, or project, name or location are not its own",
                next_step="run the clusters stage, or correct gke_project, gke_name, cluster_region or cluster_zone",
            )
        where = addresses(
            found,
            cluster.name,
            text(cluster.variables, "gke_endpoint"),
            text(cluster.variables, "gke_peer_endpoint"),
            same_vpc=reachability.same_vpc,
            same_region=reachability.same_region,
        )
        token = _token(known, given, refused)
    return Connection(
        server=where.server,
        token=token.value,
        ca_pem=where.ca_pem,
        peer_server=where.peer,
        account=token.account,
        required_permission=where.required_permission,
        expires=token.ends - _MARGIN_SECONDS if token.ends else 0.0,
    )


def login(cluster: Cluster) -> None:
    """Check that there are credentials that Google accepts, by getting a token.

    Raises FleetError when not.
    """
    given = options(cluster)
    with run_memory(given) as known:
        _token(known, given)


def forget(given: t.Mapping[str, t.Any]) -> None:
    """Have the clusters of a project read again: after one was made, changed or deleted.

    Args:
        given: the options of the change, as :func:`options` returns them.
    """
    with run_memory(given) as known:
        known.pop("listed", None)


def remember(given: t.Mapping[str, t.Any], clusters: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Store all clusters of a project that were just read, so that the first connection sends no request.

    Args:
        given: as for :func:`forget`.
        clusters: as Google returns them.
    """
    with run_memory(given) as known:
        known["clusters"], known["unreachable"] = [trimmed(entry) for entry in clusters], []
        known["listed"] = time.time()


def _find(known: t.Mapping[str, t.Any], name: str, place: str) -> dict[str, t.Any] | None:
    for entry in known.get("clusters") or []:
        if entry.get("name") == name and place_of(entry) == place:
            return t.cast("dict[str, t.Any]", entry)
    return None


def _google(given: t.Mapping[str, t.Any]) -> t.Any:
    from ..api.session import Google

    return Google.from_args(given)


def _everywhere(google: t.Any) -> str:
    return f"projects/{google.project}/locations/-"


class _Token(t.NamedTuple):
    """A token, when it ends (seconds since the epoch; 0 where that is not known), and whose it is, in words."""

    value: str
    ends: float
    account: str


def _token(known: dict[str, t.Any], given: t.Mapping[str, t.Any], refused: str = "") -> _Token:
    fixed = str(given["access_token"] or os.environ.get("GCP_ACCESS_TOKEN") or "")
    kind = str(given["auth_kind"] or os.environ.get("GCP_AUTH_KIND") or "")
    if fixed and kind in ("", "accesstoken"):
        variable = "gke_access_token" if given["access_token"] else "GCP_ACCESS_TOKEN"
        if fixed == refused:
            raise given_token_refused(variable)
        # Every task has it: no need to store it.
        return _Token(fixed, 0.0, f"the access token in {variable}")
    if float(known.get("expires", 0)) - time.time() < _MARGIN_SECONDS or not known.get("token"):
        google = _google(given)
        _store_token(known, google)
        if not google.token_expires():
            return _Token(str(google.token()), 0.0, google.account)
    return _Token(str(known["token"]), float(known["expires"]), str(known.get("account") or ""))


def _store_token(known: dict[str, t.Any], google: t.Any) -> None:
    token, ends = google.token(), google.token_expires()
    if ends is not None:
        known["token"], known["expires"], known["account"] = token, ends.timestamp(), google.account
