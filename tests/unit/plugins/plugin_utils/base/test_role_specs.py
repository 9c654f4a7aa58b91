# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roles' specifications, as preflight reads them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.role_specs import role_variables


def test_every_role_and_its_variables_are_known(root: Path) -> None:
    known = role_variables()
    assert set(known.roles) == {path.parent.name for path in (root / "roles").glob("*/meta")}
    assert {"gateways_replicas", "trust_remove_root", "gke_cluster_delete"} <= set(known.options)
    assert known.unread == {"ingress_certificates", "trust_root_key"}


def test_a_value_is_judged_as_by_ansible() -> None:
    known = role_variables()
    assert list(known.faults("gateways_replicas", "2")) == []
    assert known.faults("gateways_replicas", "two")[0].message == "is not a whole number"
    assert known.faults("apps_restart_unsidecared", "perhaps")[0].hint == "write true or false"


def test_a_wrong_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    spec = tmp_path / "roles" / "door" / "meta" / "argument_specs.yml"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        "argument_specs: {main: {options: {door_keys: {type: dict, options: {colour: {type: str}, size: {}}}}}}"
    )
    known = role_variables(tmp_path / "roles")
    assert known.prefixes == ("door_",)
    fault = known.faults("door_keys", {"color": "red"})[0]
    assert (fault.message, fault.hint) == ("has the key color, which is unknown", "did you mean colour?")
