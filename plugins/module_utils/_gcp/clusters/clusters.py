# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make, change and delete GKE clusters, all at the same time; each fails alone."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import typing as t

import yaml

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ...results import CHANGED, CREATED, REMOVED, UNCHANGED, Change
from ..access.roles import project_number
from ..api.polling import PollTimeout, poll_until, retry_refused
from ..api.session import Google
from ..errors import GoogleError
from ..meanings import BUSY
from ..network.shared_vpc_requirements import is_refusal, with_advice
from . import problems as cluster_problems
from .authorized import keep_unnamed
from .differences import (
    Difference,
    body,
    compare,
    described,
    live_blocks,
    managed,
    not_taken,
    runs_as,
    says_more,
    upgrades_gently,
)
from .passed import with_passed

__all__ = ["Clusters"]

Json = dict[str, t.Any]
_METHOD = "projects.locations.clusters."
_SIDE_BY_SIDE = 64
_STANDING = ("RUNNING", "RECONCILING", "DEGRADED")
"""States of a cluster that is there, and can be compared."""
_FAILED_SECONDS = 300.0
"""How long a failed cluster is waited for that Google deletes by itself. It does not say when."""


class Clusters:
    """The clusters of one project.

    Args:
        google: a client for it.
        labels: labels of our clusters.
        description: the description of a new cluster.
        timeout: seconds for each operation.
        dry_run: read and plan; change nothing.
        interval: longest pause between two polls of an operation, in seconds.
        say: shows one line of progress.
    """

    def __init__(
        self,
        google: Google,
        labels: t.Mapping[str, str],
        description: str,
        *,
        timeout: float,
        dry_run: bool = False,
        interval: float | None = None,
        say: t.Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.google, self.labels, self.description = google, dict(labels), description
        self.timeout, self.dry_run, self.interval, self.say = timeout, dry_run, interval, say
        self.live: dict[tuple[str, str], Json] = {}
        """Clusters of the project by location and name."""

    def read(self) -> None:
        """One request for all clusters of the project."""
        parent = f"projects/{self.google.project}/locations/-"
        answer = self.google.call("container", _METHOD + "list", parent=parent)
        if answer.get("missingZones"):
            raise FleetError(
                "Google did not answer for all zones",
                seen=", ".join(answer["missingZones"]),
                means="a cluster there would count as missing",
                next_step="run again",
            )
        self.live = self.by_place(answer.get("clusters") or [])

    @staticmethod
    def by_place(clusters: t.Iterable[Json]) -> dict[tuple[str, str], Json]:
        """Clusters by location and name."""
        return {(c["location"], c["name"]): c for c in clusters}

    def all_run(self, wanted: t.Iterable[ClusterSpec]) -> bool:
        """Whether each is there, and Google neither makes, changes, repairs nor deletes it."""
        return all((self._found(w) or {}).get("status") == "RUNNING" for w in wanted)

    def missing(self, wanted: t.Iterable[ClusterSpec]) -> list[ClusterSpec]:
        """Those that do not exist."""
        return [w for w in wanted if self._found(w) is None]

    def ours(self) -> list[str]:
        """Names of clusters of this fleet that exist."""
        return [name for (_place, name), live in self.live.items() if self._is_ours(live)]

    def needs_account(self, wanted: t.Iterable[ClusterSpec]) -> bool:
        """Whether a cluster or pool is to be made with the service account of the fleet's nodes."""
        return any(w.account and not runs_as(self._found(w) or {}, w.account) for w in wanted)

    def keep_unnamed(
        self,
        wanted: ClusterSpec,
        named: t.Container[str],
        forget: t.Collection[str],
        ranges: t.Collection[tuple[str, str]],
    ) -> tuple[ClusterSpec, FleetError | None]:
        """The cluster with the authorized networks of clusters that the inventory does not name; see authorized.py."""
        live = self._found(wanted)
        adopted = live is not None and live.get("description") != self.description
        if live is None or (adopted and "gke_authorized_networks" not in wanted.given):
            return wanted, None
        return keep_unnamed(wanted, live_blocks(live), named, forget, ranges)

    def present(self, wanted: t.Iterable[ClusterSpec]) -> dict[str, list[Change] | FleetError]:
        """Make or change the clusters; return what happened to each, by host."""
        return self._each(list(wanted), self._present)

    def absent(self, wanted: t.Iterable[ClusterSpec]) -> dict[str, list[Change] | FleetError]:
        """Delete the clusters that we made."""
        return self._each(list(wanted), self._absent)

    def _each(
        self, wanted: list[ClusterSpec], work: t.Callable[[ClusterSpec], list[Change]]
    ) -> dict[str, list[Change] | FleetError]:
        found: dict[str, list[Change] | FleetError] = {}
        if not wanted:
            return found
        with concurrent.futures.ThreadPoolExecutor(min(len(wanted), _SIDE_BY_SIDE)) as pool:
            jobs = {w.host: pool.submit(work, w) for w in wanted}
        for host, job in jobs.items():
            try:
                found[host] = job.result()
            except FleetError as error:
                found[host] = error
        return found

    # -- one cluster ---------------------------------------------------------------------------

    def _present(self, wanted: ClusterSpec) -> list[Change]:
        wanted = with_passed(wanted)
        live = self._found(wanted)
        if live is None:
            self._check_place(wanted)
            return self._create(wanted)
        self._check_owner(wanted, live)
        if live.get("status") == "ERROR" and not self.dry_run:
            live = self._await_cleared(wanted, live)
            if not live:
                return self._create(wanted)
        if live.get("status") not in _STANDING:
            live = self._await_settled(wanted, live)
        differences = self._compare(wanted, live)
        if not differences:
            # What Google is doing with it, an upgrade of its nodes for hours, is nothing to wait for.
            self._is_settled(wanted, live)
            return [Change(wanted.host, "Cluster", wanted.member.cluster, UNCHANGED)]
        if live.get("status") != "RUNNING":
            live = self._await_settled(wanted, live, repair=True)
            differences = self._compare(wanted, live)
        for difference in differences:
            self._change(wanted, difference)
        names = list(dict.fromkeys(d.variable for d in differences))
        if self.dry_run is False:
            self.say(f"  {wanted.host} changed: {', '.join(names)}")
        return [
            Change(
                wanted.host,
                "Cluster",
                wanted.member.cluster,
                CHANGED,
                before=_text({d.variable: d.before for d in differences}),
                after=_text({d.variable: d.after for d in differences}),
            )
        ]

    def _compare(self, wanted: ClusterSpec, live: Json) -> list[Difference]:
        """What has to be changed; raises FleetError for what cannot be."""
        differences = compare(wanted, live, adopted=live.get("description") != self.description)
        refused = [d for d in differences if d.step is None]
        if refused:
            raise cluster_problems.refused(wanted, refused)
        self._check_nodes(wanted, live, differences)
        return differences

    @staticmethod
    def _check_nodes(wanted: ClusterSpec, live: Json, differences: t.Sequence[Difference]) -> None:
        """Refuse what would end or replace nodes, unless it may, and a pool has new ones before it loses old ones."""
        leaving = [d for d in differences if d.leaves]
        if leaving and not wanted.recreate:
            raise cluster_problems.ends_nodes(wanted, leaving)
        replacing = [d for d in differences if d.recreates]
        every = [str(pool.get("name")) for pool in live.get("nodePools") or []]
        if replacing and not wanted.recreate:
            raise cluster_problems.replaces_nodes(wanted, replacing, every)
        for difference in replacing:
            # What is said of the cluster is done to the nodes of all its pools, also of others.
            pools = [difference.pool] if difference.pool else every
            hasty = [pool for pool in pools if not upgrades_gently(live, pool, differences)]
            if hasty:
                raise cluster_problems.replaces_nodes_at_once(wanted, difference, hasty)

    def _found(self, wanted: ClusterSpec) -> Json | None:
        return self.live.get((wanted.member.location, wanted.member.cluster))

    def _check_place(self, wanted: ClusterSpec) -> None:
        """Refuse to move a cluster: ours of this name in another location would stay there."""
        for (place, name), live in self.live.items():
            if name == wanted.member.cluster and self._is_ours(live) and wanted.region in ("", *_regions(place)):
                moved = Difference("cluster_zone", place, wanted.member.location, None)
                raise cluster_problems.refused(wanted, [moved])

    def _is_ours(self, live: Json) -> bool:
        labels = live.get("resourceLabels") or {}
        return all(labels.get(k) == v for k, v in self.labels.items())

    def _check_owner(self, wanted: ClusterSpec, live: Json) -> None:
        if self._is_ours(live) or wanted.adopt:
            return
        raise cluster_problems.not_ours(wanted, live)

    def _create(self, wanted: ClusterSpec) -> list[Change]:
        change = Change(wanted.host, "Cluster", wanted.member.cluster, CREATED, after=_text(described(wanted)))
        if self.dry_run:
            return [change]
        try:
            operation = self._request_create(wanted)
        except GoogleError as error:
            # The answer to an earlier try may have been lost on its way: then the cluster is there, and ours.
            live = self._get(wanted) if error.status == 409 else {}
            if not live or not self._is_ours(live):
                raise self._advised(wanted, error) from None
            self._await_settled(wanted, live)
            self._complete(wanted)
            return [change]
        try:
            self._wait(wanted, operation)
        except GoogleError as error:
            raise self._advised(wanted, error) from None
        self._complete(wanted)
        self.say(f"  {wanted.host} made in {wanted.member.location}")
        return [change]

    def _complete(self, wanted: ClusterSpec) -> None:
        """What Google takes only of a cluster that exists; and nothing that was said is lost in silence."""
        if not says_more(wanted):
            return
        found = not_taken(wanted, self._get(wanted))
        refused = [d for d in found if d.step is None]
        if refused:
            raise cluster_problems.not_heeded(wanted, refused)
        for difference in found:
            self._change(wanted, difference)

    def _request_create(self, wanted: ClusterSpec) -> Json:
        return self.google.call(
            "container",
            _METHOD + "create",
            parent=wanted.parent,
            body=body(wanted, self.description),
            cluster=wanted.host,
            obj=wanted.path,
        )

    def _advised(self, wanted: ClusterSpec, error: GoogleError) -> GoogleError:
        """Google's refusal; if it is about a Shared VPC, with what to do."""
        if not wanted.shared or not is_refusal(error):
            return error
        number = ""
        with contextlib.suppress(FleetError):
            number = project_number(self.google)
        return with_advice(error, wanted, number)

    def _await_settled(self, wanted: ClusterSpec, live: Json, *, repair: bool = False) -> Json:
        """Wait until no operation on the cluster is running; return the cluster. In check mode as it is.

        With ``repair`` one that is degraded is good enough: what is to be changed may be what it lacks.
        """
        looks = itertools.chain([live], iter(lambda: self._get(wanted), None))

        def look() -> tuple[bool, Json]:
            found = next(looks)
            return self._is_settled(wanted, found, repair=repair), found

        try:
            return poll_until(look, self.timeout, longest=self.interval)
        except PollTimeout as up:
            raise cluster_problems.not_ready(wanted, up.seen, self.timeout) from up

    def _await_cleared(self, wanted: ClusterSpec, live: Json) -> Json:
        """Wait until Google has deleted a cluster of ours that it could not make; ``{}`` then.

        "The ERROR state indicates the cluster is unusable. It will be automatically deleted."
        (https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters#status)
        Nothing of it is changed, and none is made beside it. One that is not ours is nobody's to wait for.
        """
        if live.get("description") != self.description:
            raise cluster_problems.broken(wanted, live)
        seconds = min(self.timeout, _FAILED_SECONDS)
        self.say(f"  {wanted.host} is in state ERROR: waiting up to {seconds:g} s until Google has deleted it")

        def look() -> tuple[bool, Json]:
            found = self._get(wanted)
            return found.get("status") not in ("ERROR", "STOPPING"), found

        try:
            return poll_until(look, seconds, longest=self.interval)
        except PollTimeout as up:
            raise cluster_problems.broken(wanted, up.seen, seconds) from up

    def _is_settled(self, wanted: ClusterSpec, live: Json, *, repair: bool = False) -> bool:
        if not live:
            raise cluster_problems.gone(wanted)
        state = live.get("status")
        if state == "ERROR" or (state == "DEGRADED" and not repair):
            raise cluster_problems.broken(wanted, live)
        if state == "STOPPING":
            raise cluster_problems.being_deleted(wanted)
        return self.dry_run or state in ("RUNNING", "DEGRADED")

    def _get(self, wanted: ClusterSpec) -> Json:
        return self.google.call(
            "container", _METHOD + "get", name=wanted.path, absent=True, cluster=wanted.host, obj=wanted.path
        )

    def _change(self, wanted: ClusterSpec, difference: Difference) -> None:
        step = difference.step
        if self.dry_run or step is None or not step.method:
            return
        target: Json = {"parent" if step.method == "nodePools.create" else "name": step.name}
        self._call_alone(wanted, step.method, **target, body=step.body)

    def _call_alone(self, wanted: ClusterSpec, method: str, **params: t.Any) -> None:
        """Call a method of which Google allows one at a time on a cluster, and wait until it has ended.

        GKE starts some itself (repairs, upgrades, after a creation), which the cluster's status does not always show:
        this waits for those too.
        """
        operation = retry_refused(
            lambda: self.google.call("container", _METHOD + method, cluster=wanted.host, obj=wanted.path, **params),
            lambda error: error.kind == BUSY,
            self.timeout,
            longest=self.interval,
        )
        self._wait(wanted, operation)

    def _wait(self, wanted: ClusterSpec, operation: Json) -> None:
        self.google.wait(
            "container", operation, self.timeout, cluster=wanted.host, obj=wanted.path, interval=self.interval
        )

    def _absent(self, wanted: ClusterSpec) -> list[Change]:
        live = self._found(wanted)
        if live is None:
            return [Change(wanted.host, "Cluster", wanted.member.cluster, UNCHANGED)]
        # An adopted cluster has our labels too; its description, which cannot be changed, is not ours.
        if not self._is_ours(live) or live.get("description") != self.description:
            raise cluster_problems.not_deleted(wanted, live)
        if wanted.protected:
            raise cluster_problems.protected(wanted)
        change = Change(wanted.host, "Cluster", wanted.member.cluster, REMOVED, before=_text(managed(live, wanted)))
        if self.dry_run:
            return [change]
        if live.get("status") in ("PROVISIONING", "RECONCILING"):
            self._await_settled(wanted, live)
        if live.get("status") == "STOPPING":
            self._await_gone(wanted)
            return [change]
        self._call_alone(wanted, "delete", name=wanted.path)
        self.say(f"  {wanted.host} deleted")
        return [change]

    def _await_gone(self, wanted: ClusterSpec) -> None:
        try:
            poll_until(lambda: (not self._get(wanted), None), self.timeout, longest=self.interval)
        except PollTimeout as up:
            raise cluster_problems.not_gone(wanted, self.timeout) from up


def _regions(place: str) -> tuple[str, ...]:
    """A location and its region: ``us-west1-a`` is in ``us-west1``."""
    return (place, "-".join(place.split("-")[:2]))


def _text(values: t.Any) -> str:
    return str(yaml.safe_dump(values, sort_keys=False))
