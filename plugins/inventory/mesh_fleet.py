# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE clusters and fleet memberships as the hosts of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_fleet
short_description: GKE clusters of projects, and members of their Google fleets, as hosts
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Makes each cluster of the projects a host of the group O(group), with the variables that the roles of this
    collection read, C(cluster_provider), C(cluster_region), C(cluster_zone), C(cluster_pod_cidr),
    C(cluster_service_cidr), C(cluster_labels), C(gke_project), C(gke_name), C(gke_network) and C(gke_subnetwork), on a
    Shared VPC C(gke_network_project), and from its membership in a fleet
    C(gke_fleet_project), C(gke_membership) and C(gke_membership_location). A cluster that is not a member yet gets
    the C(gke_fleet_project) of the members, if it is the same for all.
  - C(google_cluster) holds what else Google reports about a cluster, for O(compose), O(groups), O(keyed_groups) and
    O(hostname). It has the keys C(name), C(project), C(location), C(zonal), C(status), C(version), C(nodes),
    C(channel), C(autopilot), C(private), C(network), C(subnetwork), C(labels), C(membership), C(membership_state),
    C(membership_labels) and C(fleet_project).
  - Put clusters outside Google Cloud into other files of the same inventory folder.
  - The name of a configuration file is C(mesh_fleet.yml), or ends with C(.mesh_fleet.yml).
  - A cluster whose state is not one of O(statuses) becomes no host. A warning names it, because the roles do not
    work on it. Its edges stay, and the peering role reports them.
  - If Google does not answer for a project, the plugin fails, because the roles would work on an incomplete fleet.
    Ansible then continues without any host of this file, unless C(INVENTORY_ANY_UNPARSED_IS_FAILED) is set in its
    configuration. Every playbook of this collection insists on that. With O(skip_unreachable) the plugin returns the
    other projects instead.
  - The cache contains what Google reports about clusters and memberships, but no credentials and no certificates.
  - No credential becomes a variable. Set C(gke_auth_kind) and the other credential variables for the roles, or the
    environment variables of google.cloud for both.
extends_documentation_fragment:
  - constructed
  - inventory_cache
  - mesh.fleet.fleet_google
options:
  plugin:
    type: str
    description: V(mesh.fleet.mesh_fleet).
    required: true
    choices: [mesh.fleet.mesh_fleet, mesh_fleet]
  project:
    description: ID of the Google Cloud project, if O(projects) is empty. Empty means E(GCP_PROJECT).
    type: str
    default: ""
  service_account_file:
    description: Path of a service account's JSON key. Empty means E(GCP_SERVICE_ACCOUNT_FILE).
    type: str
    default: ""
  projects:
    description: IDs of the projects. Empty means O(project).
    type: list
    elements: str
    default: []
  group:
    description: Group of all hosts. The roles work on V(mesh_clusters).
    type: str
    default: mesh_clusters
  hostname:
    description:
      - A Jinja expression over a cluster's variables for the host's name, which is the cluster's name in the mesh.
      - Names must be unique over all projects and locations.
    type: str
    default: google_cluster.name
  labels:
    description:
      - Only clusters with all of these resource labels. Each has a value, a list of values, or V(*) for any value.
    type: dict
    default: {}
  locations:
    description: Only clusters in these zones and regions. A region includes its zones.
    type: list
    elements: str
    default: []
  statuses:
    description:
      - Only clusters in these states; empty means all. A cluster in C(PROVISIONING), C(STOPPING) or C(ERROR) has no API
        server that roles could use.
    type: list
    elements: str
    default: [RUNNING, RECONCILING, DEGRADED]
  members_only:
    description: Only clusters that are members of a fleet.
    type: bool
    default: false
  memberships:
    description: Whether to read the projects' fleet memberships too.
    type: bool
    default: true
  follow_memberships:
    description: Whether to include clusters of other projects that are members of these projects' fleets.
    type: bool
    default: true
  skip_unreachable:
    description:
      - Skip a project that cannot be read (no permission, API disabled, an outage of a location), with a warning that
        names the reason. Incomplete results are not cached.
      - For peering and other stages of the whole fleet, the missing clusters have left it. Use this option to inspect
        the fleet, and to work on single clusters.
    type: bool
    default: false
"""

EXAMPLES = r"""
# inventories/prod/google.mesh_fleet.yml: every running cluster of one project.
- plugin: mesh.fleet.mesh_fleet
  projects: [shop-prod]

# Members of a fleet with a label, grouped by region and by label; names that cannot clash.
- plugin: mesh.fleet.mesh_fleet
  projects: [shop-prod, shop-edge]
  labels: {mesh: shop, tier: [front, back]}
  members_only: true
  hostname: google_cluster.name ~ '-' ~ google_cluster.location
  keyed_groups:
    - {key: cluster_region, prefix: region}
    - {key: cluster_labels.tier, prefix: tier, default_value: none}
  groups:
    autopilot: google_cluster.autopilot
  compose:
    gke_endpoint: "'dns' if google_cluster.private else 'public'"
    mesh_network: google_cluster.network
  cache: true
  cache_plugin: ansible.builtin.jsonfile
  cache_connection: ~/.cache/mesh.fleet/inventory
  cache_timeout: 600

# Everything there is, in whatever state, to look at.
- plugin: mesh.fleet.mesh_fleet
  projects: [shop-prod, shop-edge]
  group: google
  statuses: []
  skip_unreachable: true
"""

import difflib
import os
import typing as t

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.template import trust_as_template

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import GOOGLE_OPTIONS, Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.inventory_hosts import (
    Filter,
    Found,
    duplicates,
    excluded_by_status,
    hosts_of,
    read_projects,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import plain
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import located

_NAME = "google_cluster.name"
_PATIENCE = 20.0
"""Seconds to try again: somebody waits for the inventory."""


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """See ``DOCUMENTATION``."""

    NAME = "mesh.fleet.mesh_fleet"
    _folder = ""
    """Where relative paths begin: that of the inventory's file."""

    def verify_file(self, path: str) -> bool:
        names = ("mesh_fleet.yml", "mesh_fleet.yaml")
        return bool(super().verify_file(path)) and str(path).endswith(names)

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache=cache)
        config = self._read_config_data(path)
        self._folder = os.path.dirname(path)
        try:
            self._refuse_unknown(config)
            answers, wanted = self._answers(path, cache), self._filter()
            self._fill(hosts_of(answers, wanted))
            excluded = excluded_by_status(answers, wanted)
            if excluded:
                self.display.warning(f"no hosts because of their status: {', '.join(excluded)}; see option statuses")
        except FleetError as error:
            raise AnsibleParserError(_line(error)) from None

    def _refuse_unknown(self, config: t.Iterable[str]) -> None:
        """Ansible ignores unknown options, and without a misspelt filter every cluster would be a host."""
        known = [str(name) for name in self.get_options()]
        for name in map(str, config):
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else "ansible-doc -t inventory mesh.fleet.mesh_fleet"
                raise FleetError(f"option {name} is unknown", next_step=hint)

    # -- reading -------------------------------------------------------------------------------

    def _projects(self) -> list[str]:
        given = [str(project) for project in plain(self.get_option("projects")) if project]
        return list(dict.fromkeys(given)) or [self._settings().project]

    def _settings(self, project: str = "") -> Settings:
        options = {name: plain(self.get_option(name)) for name in GOOGLE_OPTIONS}
        options["service_account_file"] = located(str(options["service_account_file"] or ""), self._folder)
        if project:
            options["project"] = project
        try:
            return Settings.from_args(options)
        except FleetError as error:
            if not error.next_step.startswith("set gke_project"):
                raise
            raise FleetError(error.what, next_step="set projects in this file, or GCP_PROJECT") from None

    def _answers(self, path: str, cache: bool) -> dict[str, dict[str, t.Any]]:
        """Google's answers, from now or from the cache."""
        projects = self._projects()
        memberships, follow = bool(self.get_option("memberships")), bool(self.get_option("follow_memberships"))
        asked = [projects, memberships, follow]
        key = self.get_cache_key(path)
        use = bool(self.get_option("cache"))
        if use and cache and key in self._cache:
            kept = plain(self._cache[key])
            if isinstance(kept, dict) and kept.get("asked") == asked:
                return t.cast("dict[str, dict[str, t.Any]]", kept["answers"])
        base = Google(self._settings(projects[0]), patience=_PATIENCE)
        skip = bool(self.get_option("skip_unreachable"))
        answers, failed = read_projects(base.of, projects, memberships=memberships, follow=follow, skip=skip)
        for project, error in failed.items():
            self.display.warning(f"project {project} is left out: {_line(error)}")
        if use and not failed:
            self._cache[key] = {"asked": asked, "answers": answers}
        return answers

    def _filter(self) -> Filter:
        option = {n: plain(self.get_option(n)) for n in ("labels", "locations", "statuses")}
        return Filter.of(**option, members=bool(self.get_option("members_only")))

    # -- filling -------------------------------------------------------------------------------

    def _fill(self, found: list[Found]) -> None:
        group = self.inventory.add_group(self._sanitize_group_name(plain(self.get_option("group"))))
        self.inventory.set_variable(group, "ansible_connection", "local")
        interpreter = trust_as_template("{{ ansible_playbook_python }}")
        self.inventory.set_variable(group, "ansible_python_interpreter", interpreter)
        names = [self._name(one) for one in found]
        self._refuse_duplicates(names, found)
        strict = bool(self.get_option("strict"))
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        for host, one in zip(names, found, strict=True):
            self.inventory.add_host(host, group=group)
            for variable, value in one.variables.items():
                self.inventory.set_variable(host, variable, value)
            try:
                self._set_composite_vars(compose, one.variables, host, strict=strict)
                self._add_host_to_composed_groups(groups, one.variables, host, strict=strict)
                self._add_host_to_keyed_groups(keyed, one.variables, host, strict=strict)
            except AnsibleError as error:
                reason = " ".join(str(error).split())[:300]
                raise AnsibleParserError(f"{host}: {reason}; next: correct it in this file, or remove strict") from None

    def _name(self, one: Found) -> str:
        expression = self.get_option("hostname")
        if expression == _NAME:
            return one.name
        try:
            name = plain(self._compose(expression, one.variables))
        except AnsibleError as error:
            raise FleetError(
                "hostname gives no name",
                cluster=one.identity,
                seen=" ".join(str(error).split())[:200],
                next_step="an expression over the cluster's variables, such as google_cluster.name",
            ) from None
        if not isinstance(name, str) or not name:
            raise FleetError(
                "hostname gives no name",
                cluster=one.identity,
                seen=repr(name),
                next_step="an expression that gives text",
            )
        return name

    @staticmethod
    def _refuse_duplicates(names: list[str], found: list[Found]) -> None:
        for name in duplicates(names):
            where = [one.identity for given, one in zip(names, found, strict=True) if given == name]
            raise FleetError(
                f'{len(where)} clusters would be the host "{name}"',
                seen=", ".join(where),
                next_step="hostname: google_cluster.name ~ '-' ~ google_cluster.location, or filter by labels",
            )


def _line(error: FleetError) -> str:
    """One line, with the next step: Ansible shows it beside the file's name."""
    parts = [f"{error.cluster}: {error.what}" if error.cluster else error.what]
    parts += [f"seen: {error.seen}" if error.seen else "", error.means, f"next: {error.next_step}"]
    return " ".join("; ".join(part for part in parts if part).split())
