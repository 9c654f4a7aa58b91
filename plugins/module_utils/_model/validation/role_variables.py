# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the roles' own variables.

A role's specification is read when the role begins. Clusters have been made by then, and a mistyped name is ignored
even there. So preflight checks the variables of all roles over the whole inventory.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import math
import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of, own_networks
from ..inventory.fleet import Fleet
from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.variable import Fault
from ..providers.base import Hosts, Values
from ..providers.registry import VARIABLES, prefixes
from ..trust.decisions import duration
from ..workloads.apps_reading import problems_of_apps, problems_of_sample
from .front_door import DOOR_PREFIX
from .renamed import RENAMED
from .shared import together

__all__ = ["FACTS", "RoleVariables", "check"]

FACTS = frozenset(
    {
        "artifacts_bin",
        "artifacts_charts_dir",
        "artifacts_engine_found",
        "artifacts_istio_hub",
        "artifacts_istio_tag",
        "artifacts_node_image",
        "artifacts_python_image",
        "artifacts_source_found",
    }
)
"""Facts that the role ``artifacts`` sets: they are variables of each host when preflight runs again."""
_ONE_FOR_ALL = ("artifacts_", "federation_", "ingress_", "peering_", "services_", "trust_", "verify_")
"""Prefixes of roles that run once for the fleet: the value of one host counts, and that of another is ignored."""
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 2**32
"""Seconds: Kubernetes refuses a TokenRequest for less or more."""
_BOOLEANS = ("true", "yes", "on", "1", "false", "no", "off", "0")


@dataclasses.dataclass(frozen=True)
class RoleVariables:
    """What the roles' specifications say."""

    roles: tuple[str, ...] = ()
    options: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    """By variable, its entry in the specification."""
    faults: t.Callable[[str, t.Any], t.Sequence[Fault]] = lambda _name, _value: ()
    """What a variable's specification refuses about a value."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        return tuple(f"{role}_" for role in self.roles)

    @property
    def unread(self) -> frozenset[str]:
        """Variables whose values nobody but their role reads: keys and passwords."""
        return frozenset(name for name, option in self.options.items() if option.get("no_log"))


def check(hosts: Hosts, fleet: Fleet | None, known: RoleVariables) -> list[Problem]:
    """Problems of the roles' variables; those of the front door have checks of their own.

    Args:
        hosts: all variables of each cluster, with those of roles.
        fleet: the fleet of these hosts; None if they describe none.
        known: what the roles' specifications say.
    """
    ours = known.prefixes
    given = {
        host: {name: v for name, v in values.items() if name.startswith(ours) and not name.startswith(DOOR_PREFIX)}
        for host, values in hosts.items()
    }
    if not any(given.values()):
        return []
    problems, wrong = _values(given, known)
    problems += _differences(given, known)
    # Hosts of a group share its values, so nearly all hosts have the same.
    distinct: dict[tuple[t.Any, ...], Values] = {}
    hosts_of: dict[tuple[t.Any, ...], list[str]] = {}
    for host, values in given.items():
        key = tuple((name, id(value)) for name, value in values.items())
        distinct.setdefault(key, {name: v for name, v in values.items() if name not in wrong})
        hosts_of.setdefault(key, []).append(host)
    for key, own in distinct.items():
        for problem in _rules(own, fleet, hosts_of[key], known):
            problems += [dataclasses.replace(problem, host=host) for host in hosts_of[key]]
    return together(problems, len(hosts))


def _values(given: Hosts, known: RoleVariables) -> tuple[list[Problem], set[str]]:
    """Problems of names and of single values, and the variables that have some."""
    problems: list[Problem] = []
    wrong: set[str] = set()
    nearest = Nearest(known.options)
    elsewhere = prefixes()
    memo: dict[tuple[str, t.Any], list[tuple[str, str, str, str]]] = {}
    for host, values in given.items():
        for name, value in values.items():
            if name in VARIABLES or name in FACTS or name in RENAMED:
                continue
            if name not in known.options:
                if not name.startswith(elsewhere):  # variables.py reports those
                    guess = nearest.find(name)
                    hint = (
                        f"did you mean {guess}?" if guess else "other names need other prefixes; see the role's README"
                    )
                    problems.append(Problem(host, name, "", "is not a variable of this collection", hint))
                    wrong.add(name)
                continue
            # By identity where there is no hash: hosts of a group share its lists, and they outlive this loop.
            key = (name, (type(value), value if isinstance(value, (str, int, float)) else id(value)))
            if key not in memo:
                memo[key] = _faults(name, value, known)
            problems += [Problem(host, *fault) for fault in memo[key]]
            if memo[key]:
                wrong.add(name)
    return problems, wrong


def _faults(name: str, value: t.Any, known: RoleVariables) -> list[tuple[str, str, str, str]]:
    option = known.options[name]
    if value is None or name in known.unread:
        return []
    text = shown(value)
    found = [(name, text, fault.message, fault.hint) for fault in known.faults(name, value)]
    if not found and option.get("type") in ("int", "float"):
        number = float(value)
        if number < 0 or math.isnan(number):
            found.append((name, text, "is below 0", "a number from 0 on"))
        elif not number and name.endswith(("_timeout", "_lifetime")):
            found.append((name, text, "leaves no time", "seconds, at least 1"))
        elif not number and name.endswith("_per_second"):
            found.append((name, text, "lets no request begin", "a number above 0"))
    return found


def _differences(given: Hosts, known: RoleVariables) -> list[Problem]:
    """Variables of roles that run once for the fleet, and that differ between clusters."""
    problems: list[Problem] = []
    names = {name for values in given.values() for name in values}
    for name in sorted(names & set(known.options) - known.unread):
        if not name.startswith(_ONE_FOR_ALL):
            continue
        default = known.options[name].get("default")
        values = {host: values.get(name, default) for host, values in given.items()}
        texts: dict[int, str] = {}
        keys = {host: texts.setdefault(id(value), repr(value)) for host, value in values.items()}
        common = collections.Counter(keys.values()).most_common(1)[0][0]
        model = next(host for host, key in keys.items() if key == common)
        for host, key in keys.items():
            if key != common:
                message = f"differs from {model}'s {shown(values[model])}: the role runs once for the fleet"
                hint = "one value for the whole fleet: set it in the vars of the group"
                problems.append(Problem(host, name, shown(values[host]), message, hint))
    return problems


def _rules(given: Values, fleet: Fleet | None, hosts: t.Sequence[str], known: RoleVariables) -> list[Problem]:
    """Problems of values that are valid by themselves; ``hosts`` have these values."""

    def value(name: str) -> t.Any:
        found = given.get(name)
        return known.options.get(name, {}).get("default") if found is None else found

    return [
        *_trust(given, value),
        *_peering(given, value),
        *_federation(given),
        *(_forget(given, fleet) if fleet else []),
        *(_apps(given, fleet) if fleet else []),
        *(_gateways(given, fleet, hosts) if fleet else []),
    ]


def _trust(given: Values, value: t.Callable[[str], t.Any]) -> list[Problem]:
    names = ("trust_root_lifetime", "trust_lifetime", "trust_renew_before")
    problems, lengths = [], dict[str, datetime.timedelta]()
    for name in names:
        try:
            lengths[name] = duration(str(value(name)), name=name)
        except FleetError as error:
            problems.append(Problem("", name, shown(value(name)), error.what.removeprefix(f"{name} "), error.next_step))
    if len(lengths) == len(names) and given.keys() & set(names):
        root, own, renewal = (lengths[name] for name in names)
        generated = value("trust_root") == "generated"
        if own <= renewal:
            message = f"is not longer than trust_renew_before, {value('trust_renew_before')}: every run would renew"
            hint = "raise trust_lifetime, or lower trust_renew_before"
            problems.append(Problem("", "trust_lifetime", shown(value("trust_lifetime")), message, hint))
        if generated and own > root:
            message = f"is longer than trust_root_lifetime, {value('trust_root_lifetime')}: no CA outlives its root"
            hint = "lower trust_lifetime, or raise trust_root_lifetime"
            problems.append(Problem("", "trust_lifetime", shown(value("trust_lifetime")), message, hint))
    if value("trust_signer_command") and value("trust_root") != "external":
        message = f"is not used with trust_root: {value('trust_root')}"
        hint = "set trust_root: external, or leave it out"
        problems.append(Problem("", "trust_signer_command", shown(value("trust_signer_command")), message, hint))
    if value("trust_crl") and value("trust_root") == "none":
        hint = "whatever signs has to hand its revocation lists to proxies: leave it out"
        problems.append(Problem("", "trust_crl", shown(value("trust_crl")), "is not used with trust_root: none", hint))
    if value("trust_root") == "provided":
        problems += [
            Problem("", name, "", "is missing", "trust_root: provided needs the root's certificate and its key")
            for name in ("trust_root_cert", "trust_root_key")
            if not value(name)
        ]
    return problems


def _peering(given: Values, value: t.Callable[[str], t.Any]) -> list[Problem]:
    name, renewal, schedule = "peering_token_lifetime", "peering_token_renew_before", "peering_run_every"
    if value("peering_token") != "bound" or not given.keys() & {name, renewal, schedule}:
        return []
    seconds = int(float(value(name)))
    if not _SHORTEST_TOKEN <= seconds <= _LONGEST_TOKEN:
        message = "seconds: Kubernetes gives no token for less than 600, or more than 4294967296"
        return [Problem("", name, shown(value(name)), message, "at least 600, better days: 2592000 is 30 days")]
    if float(value(renewal)) >= seconds:
        message = f"is not below {name}, {seconds}: every run would renew every token"
        return [Problem("", renewal, shown(value(renewal)), message, f"at most a third of it: {seconds // 3}")]
    if float(value(schedule)) >= seconds:
        message = f"is not below {name}, {seconds}: tokens end before the next run renews them"
        return [
            Problem("", schedule, shown(value(schedule)), message, "run peering more often, or ask for a longer life")
        ]
    return []


def _federation(given: Values) -> list[Problem]:
    name = "federation_lifetime"
    if given.get(name) is None:
        return []
    try:
        duration(str(given[name]), name=name)
    except FleetError as error:
        return [Problem("", name, shown(given[name]), error.what.removeprefix(f"{name} "), error.next_step)]
    return []


def _forget(given: Values, fleet: Fleet) -> list[Problem]:
    names = given.get("peering_forget") or ()
    listed = [one.strip() for one in names.split(",")] if isinstance(names, str) else names
    message, hint = "is a cluster of this fleet", "playbooks/teardown.yml with --limit; or take it out of the inventory"
    return [Problem("", "peering_forget", quoted(str(n)), message, hint) for n in listed if n in fleet.clusters]


def _apps(given: Values, fleet: Fleet) -> list[Problem]:
    apps, sample = given.get("apps_list"), given.get("apps_sample")
    found = []
    if apps:
        entries = apps if isinstance(apps, (list, tuple)) else [apps]
        found += [("apps_list", text) for text in problems_of_apps(fleet.clusters, entries)]
    if isinstance(sample, t.Mapping):  # text, as -e name=value passes it, is left to the role
        found += [("apps_sample", text) for text in problems_of_sample(fleet.clusters, sample)]
    problems = []
    for name, text in found:
        where, _colon, message = text.partition(": ")
        problems.append(Problem("", where, "", message) if where.startswith(name) else Problem("", name, "", text))
    return problems


def _gateways(given: Values, fleet: Fleet, hosts: t.Sequence[str]) -> list[Problem]:
    problems = []
    ingress = given.get("gateways_ingress")
    if isinstance(ingress, (list, tuple)):
        nearest = Nearest(fleet.clusters)
        for name in (str(one) for one in ingress if one not in fleet.clusters):
            guess = nearest.find(name)
            hint = f"did you mean {quoted(guess)}?" if guess else "true, false, or a list of clusters"
            problems.append(Problem("", "gateways_ingress", quoted(name), "is not a cluster of this fleet", hint))
    elif ingress is not None and str(ingress).lower() not in _BOOLEANS:
        message, hint = "is neither true nor false, nor a list of clusters", "true, false, or a list of clusters"
        problems.append(Problem("", "gateways_ingress", shown(ingress), message, hint))
    if given.get("gateways_eastwest") == "never" and len(own_networks(fleet)) > 1:
        clusters = [fleet.clusters[host] for host in hosts if host in fleet.clusters]
        if any(not control_plane_of(fleet, cluster).no_eastwest and cluster.peers != () for cluster in clusters):
            message = f"leaves no way between the {len(own_networks(fleet))} networks of this fleet"
            hint = "auto; or mesh_network: flat, if pods of all clusters reach each other"
            problems.append(Problem("", "gateways_eastwest", quoted("never"), message, hint))
    return problems
