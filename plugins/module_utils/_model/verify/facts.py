# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What verify reads of each cluster, and the result of one check of it."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..istio.debug_pages import Gateway, RemoteCluster
from ..peering.token_ends import Life
from ..traffic.addresses import Held
from ..traffic.record import Record

__all__ = ["FAILED", "OK", "SKIPPED", "Check", "Facts", "HeldToken", "IstiodFacts", "check_of"]

OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True)
class Check:
    """The result of one check, with what was seen; a failed one has what it means and the next step.

    ``group`` is the kind of check, ``name`` its subject; a failure is attributed to ``clusters``.
    """

    group: str
    name: str
    state: str
    seen: str
    clusters: tuple[str, ...]
    means: str = ""
    next_step: str = ""


def check_of(group: str, name: str, good: bool, seen: str, clusters: tuple[str, ...], means: str, step: str) -> Check:
    """A check that passed, or one that failed with what that means and the next step."""
    return Check(group, name, OK if good else FAILED, seen, clusters, "" if good else means, "" if good else step)


@dataclasses.dataclass
class IstiodFacts:
    """What one istiod pod reports."""

    pod: str
    clusters: dict[str, RemoteCluster] = dataclasses.field(default_factory=dict)
    gateways: list[Gateway] = dataclasses.field(default_factory=list)
    shards: dict[str, dict[str, list[str]]] = dataclasses.field(default_factory=dict)
    trust_domains: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """By cluster, the trust domains of that cluster's pods, as this istiod knows them."""


@dataclasses.dataclass(frozen=True)
class HeldToken:
    """The token of one key of a remote secret."""

    cluster: str
    """Whose API server accepts it, or should."""
    ours: bool
    """Whether the peering stage renews it."""
    life: Life | None
    """None when it never ends."""
    refused: bool = False


@dataclasses.dataclass
class Facts:
    """What was read of one cluster. Certificates are PEM; None means that the object does not exist."""

    cluster: str
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    cacerts: t.Mapping[str, str] | None = None
    root_config: str | None = None
    namespace_network: str | None = None
    gateway_network: str | None = None
    """Label of the east-west gateway's Service; None when there is no such gateway."""
    gateway_address: str | None = None
    ingress_address: str = ""
    remote_secrets: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """``(cluster, Secret)`` of every key of every remote secret."""
    own_remote_secrets: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """Those of them whose Secret is this fleet's."""
    unwanted_signer: bool = False
    """Whether it holds this fleet's ``cacerts`` without an istiod of ours."""
    static_token: bool = False
    """Whether it holds this fleet's Secret with a token that does not end."""
    tokens: list[HeldToken] = dataclasses.field(default_factory=list)
    """By which its istiod reads other clusters."""
    istiods: list[IstiodFacts] = dataclasses.field(default_factory=list)
    reads_exports: bool | None = None
    """Whether all its istiods read ServiceExports, which keeps other services in their clusters. None: not asked."""
    probe: str = ""
    """Name of the probe's pod; "" when none is ready."""
    probe_ip: str = ""
    sidecar: bool = False
    proxy_cluster: str = ""
    proxy_network: str = ""
    proxy_roots: str = ""
    proxy_chain: str = ""
    proxy_endpoints: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    """By callee, the endpoints to which this cluster's probe sends calls of the callee's probe."""
    caller: str = ""
    """Name of a sample-caller pod; "" when there is none."""
    has_producer: bool = False
    """Whether a sample-producer pod runs here."""
    ahead: datetime.timedelta = datetime.timedelta()
    """By how much its clock is ahead of the controller's; negative when it is behind."""
    held_addresses: list[Held] = dataclasses.field(default_factory=list)
    """Of all ServiceEntries."""
    record: Record | None = None
    """Its copy of the record of addresses."""
    problem: str = ""
    """Why it could not be read; "" when it could."""
    problem_next: str = ""
    """What the error of ``problem`` says to do; "" for nothing."""
    outdated: dict[str, str] = dataclasses.field(default_factory=dict)
    """By workload (``Kind namespace/name``), with what earlier settings its sidecars were injected."""
    restart: str = ""
    """What restarts these workloads."""
    probe_problem: tuple[str, str, str] | None = None
    """Why the probe does not run as it should: what was seen, what it means, and the next step."""
