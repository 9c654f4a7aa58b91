# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Features of the Google fleet, and the control planes that Google runs for it."""

from __future__ import annotations

import functools
import time
import typing as t

from ..._model.providers.google.members import DISCOVERY, INGRESS, SERVICEMESH
from ...errors import FleetError
from ...results import CHANGED, CREATED, REMOVED, UNCHANGED, Change
from ..api.polling import PollTimeout, poll_until
from ..errors import GoogleError
from .client import HubClient, Json, shown
from .mesh_status import MeshStatus, status_of
from .resources import FeaturePlan, feature_plan, is_ours, mesh_specs_without, same_member

__all__ = ["Features", "feature_state"]

_NAMES = {
    SERVICEMESH: "the managed mesh",
    DISCOVERY: "multi-cluster services",
    INGRESS: "multi-cluster ingress",
}


class Features(HubClient):
    """The features of one project's fleet."""

    def features(self) -> dict[str, Json]:
        """All features of the fleet by their id: one request a page."""
        found = self.listed("features", self.parent)
        return {str(feature["name"]).rsplit("/", 1)[-1]: feature for feature in found}

    def feature(self, feature: str) -> Json:
        """One feature, or ``{}`` where it does not exist."""
        try:
            return self.google.call(
                "gkehub", "projects.locations.features.get", name=f"{self.parent}/features/{feature}", absent=True
            )
        except GoogleError as error:
            self.check_off(error)
            return {}

    def enable(
        self,
        features: t.Iterable[str],
        *,
        managed: t.Sequence[str] = (),
        config_membership: str = "",
        move: bool = False,
    ) -> tuple[list[Change], dict[str, Json]]:
        """Switch features on and configure them by the inventory, one after the other.

        Args:
            features: which.
            managed: memberships whose control plane Google is to run.
            config_membership: membership of the config cluster of multi-cluster ingress.
            move: whether it may replace another config cluster.

        Returns:
            The changes, and the features as they were before.
        """
        live = self.features()

        def plan(feature: str, found: Json | None) -> FeaturePlan:
            return feature_plan(
                feature,
                found,
                fleet_name=self.fleet_name,
                managed=managed,
                config_membership=config_membership,
                move=move,
            )

        # All are planned before the first is sent: a refused plan ends the run before any change.
        plans = [plan(feature, live.get(feature)) for feature in features]
        return [self._make(one, live.get(one.feature), plan) for one in plans], live

    def _make(
        self, plan: FeaturePlan, found: Json | None, again: t.Callable[[str, Json | None], FeaturePlan]
    ) -> Change:
        """Carry out a plan. While somebody else changes the feature, wait, and plan anew for what is there then."""
        looked = False

        def attempt() -> tuple[bool, Change | str]:
            nonlocal plan, found, looked
            if looked:
                found = self.feature(plan.feature) or None
                plan = again(plan.feature, found)
            looked = True
            if not self.dry_run and ((found or {}).get("resourceState") or {}).get("state") == "DISABLING":
                return False, "it is being switched off"
            try:
                return True, self._send(plan)
            except GoogleError as error:
                if error.status != 409:
                    raise
                return False, error.seen

        try:
            return t.cast("Change", poll_until(attempt, self.timeout, longest=self.interval))
        except PollTimeout as timeout:
            raise FleetError(
                f"somebody else has been changing it for {self.timeout:g} s",
                obj=f"feature {plan.feature}",
                seen=timeout.seen,
                next_step="run again when that is over; or allow more time",
            ) from None

    def _send(self, plan: FeaturePlan) -> Change:
        obj = f"feature {plan.feature}"
        if not plan.method:
            return Change("", "Feature", plan.feature, UNCHANGED)
        action = CREATED if plan.method == "create" else CHANGED
        change = Change("", "Feature", plan.feature, action, before=shown(plan.before), after=shown(plan.after))
        if self.dry_run:
            return change
        if plan.method == "create":
            params: Json = {"parent": self.parent, "featureId": plan.feature}
        else:
            params = {"name": f"{self.parent}/features/{plan.feature}", "updateMask": plan.mask}
        operation = self.google.call(
            "gkehub", f"projects.locations.features.{plan.method}", body=plan.body, obj=obj, **params
        )
        self.google.wait("gkehub", operation, self.timeout, obj=obj)
        return change

    def _state_of(self, feature: str) -> tuple[bool, str]:
        self.last[feature] = self.feature(feature)
        return feature_state(self.last[feature])

    def member_problems(self, feature: str, memberships: t.Mapping[str, str]) -> list[str]:
        """Problems that an active feature reports of some of its members, as it was read last.

        Args:
            feature: its ID. The managed mesh is awaited separately.
            memberships: the membership's name by host.
        """
        found = (self.last.get(feature) or {}).get("membershipStates") or {}
        problems = []
        for host, name in memberships.items():
            states: list[Json] = [value for key, value in found.items() if same_member(key, name)]
            state = (states[0].get("state") or {}) if states else {}
            if feature != SERVICEMESH and state.get("code") in ("WARNING", "ERROR"):
                reason = " ".join(str(state.get("description") or "without a reason").split())[:200]
                problems.append(f"{host}: {_NAMES[feature]} reports {state['code'].lower()}: {reason}")
        return problems

    def await_features(self, features: t.Iterable[str], seen: t.Mapping[str, Json], timeout: float) -> dict[str, str]:
        """Wait until each feature is active; return its state in words, by feature.

        Args:
            features: which.
            seen: as they were read last; only those that were not active are polled.
            timeout: seconds for all of them.
        """
        deadline = time.monotonic() + timeout
        states = {}
        self.last.update(seen)
        for feature in features:
            done, state = feature_state(seen.get(feature) or {})
            if not done:
                left = max(0.0, deadline - time.monotonic())
                state = self.wait_until(
                    functools.partial(self._state_of, feature),
                    f"{_NAMES[feature]} is not ready",
                    obj=f"feature {feature}",
                    timeout=left,
                )
            states[feature] = state
        return states

    def disable(self, features: t.Iterable[str], leaving: t.Sequence[str]) -> tuple[list[Change], list[str]]:
        """Remove members from the features; delete a feature that we made and that has no member left.

        Args:
            features: which.
            leaving: names of the memberships that leave.

        Returns:
            The changes, and what was kept and why.
        """
        live, changes, kept = self.features(), [], []
        staying = [m for m in self.memberships() if not any(same_member(str(m["name"]), name) for name in leaving)]
        for feature in features:
            found = live.get(feature)
            if found is None:
                changes.append(Change("", "Feature", feature, UNCHANGED))
            elif is_ours(found, self.fleet_name) and (not staying or self._config_leaves(feature, found, leaving)):
                changes.append(self._delete(feature, found))
            else:
                why = f"{len(staying)} other members" if staying else "it was not made by this inventory"
                kept.append(f"feature {feature}: {why}")
                changes.append(self._leave(feature, found, leaving))
        return changes, kept

    @staticmethod
    def _config_leaves(feature: str, found: Json, leaving: t.Sequence[str]) -> bool:
        """Whether the config cluster of multi-cluster ingress leaves, and every front door with it."""
        config = str(((found.get("spec") or {}).get("multiclusteringress") or {}).get("configMembership") or "")
        return feature == INGRESS and any(same_member(config, name) for name in leaving)

    def _delete(self, feature: str, found: Json) -> Change:
        if not self.dry_run:
            obj, name = f"feature {feature}", f"{self.parent}/features/{feature}"
            # This deletes its members' specs too.
            operation = self.google.call(
                "gkehub", "projects.locations.features.delete", name=name, force=True, obj=obj, absent=True
            )
            if operation:
                self.google.wait("gkehub", operation, self.timeout, obj=obj)
        return Change("", "Feature", feature, REMOVED, before=shown({"labels": found.get("labels")}))

    def _leave(self, feature: str, found: Json, leaving: t.Sequence[str]) -> Change:
        specs = found.get("membershipSpecs") or {}
        emptied = mesh_specs_without(specs, leaving)
        if feature != SERVICEMESH or not emptied:
            return Change("", "Feature", feature, UNCHANGED)
        body = {"membershipSpecs": emptied}
        old = {name: spec for name, spec in specs.items() if any(same_member(name, x) for x in emptied)}
        return self._send(FeaturePlan(feature, "patch", body, "membershipSpecs", {"membershipSpecs": old}, body))

    # -- the managed mesh ----------------------------------------------------------------------

    def await_mesh(
        self, memberships: t.Mapping[str, str], timeout: float, seen: t.Mapping[str, t.Any] | None = None
    ) -> tuple[dict[str, MeshStatus], dict[str, FleetError]]:
        """Wait until Google's control plane is active for each host.

        Args:
            memberships: the membership's name by host.
            timeout: seconds for all of them.
            seen: the feature as it was just read; no request is needed where all are active in it.

        Returns:
            The states of those that are active, and an error for each other one.
        """
        states = {host: status_of(seen or {}, name) for host, name in memberships.items()}
        if all(state.active for state in states.values()):
            return states, {}

        def look() -> tuple[bool, dict[str, MeshStatus]]:
            feature = self.feature(SERVICEMESH)
            found = {host: status_of(feature, name) for host, name in memberships.items()}
            waiting = any(not state.active and not state.hopeless for state in found.values())
            return self.dry_run or not waiting, found

        try:
            states = poll_until(look, timeout, longest=self.interval)
        except PollTimeout as up:
            states = up.seen
        failed = {
            host: _not_active(host, memberships[host], state, timeout)
            for host, state in states.items()
            if not state.active
        }
        return {host: state for host, state in states.items() if state.active}, failed


def feature_state(feature: t.Mapping[str, t.Any]) -> tuple[bool, str]:
    """Whether a feature is active and not in error, and its state in words."""
    if not feature:
        return False, "it does not exist"
    resource = str((feature.get("resourceState") or {}).get("state") or "ACTIVE")
    state = (feature.get("state") or {}).get("state") or {}
    code, reason = str(state.get("code") or "OK"), str(state.get("description") or "")
    words = resource.lower() + (f", {code.lower()}: {reason}" if code != "OK" and reason else "")
    return resource == "ACTIVE" and code != "ERROR", words


def _not_active(host: str, membership: str, state: MeshStatus, timeout: float) -> FleetError:
    waited = "" if state.hopeless else f" after {timeout:g} s"
    return FleetError(
        f"Google's control plane is not active{waited}",
        cluster=host,
        obj=f"membership {membership}",
        seen=state.described,
        means="; ".join(state.conditions) if state.conditions else "",
        next_step="correct what Google names, then run again"
        if state.conditions
        else "run again: it takes up to ten minutes; `gcloud container fleet mesh describe` shows more",
    )
