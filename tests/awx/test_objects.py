# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``playbooks/awx.yml`` with the real collection awx.awx: it makes, finds nothing to do, mends, refuses, takes away."""

from __future__ import annotations

import copy
import datetime

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.comparing import is_as_wanted

from .conftest import ROOT, SETTINGS, apply
from .standin import StandIn

FULL = (*SETTINGS, "awx_google=true", "awx_notification_url=https://hook.example/x")
MARK = "[made by mesh.fleet: mesh]"


def test_without_settings_it_says_what_is_missing(awx: StandIn) -> None:
    done = apply(awx, settings=())
    assert done.code
    assert "set awx_project_url (the team's repository) and awx_image" in " ".join(done.output.split())
    assert awx.writes == []


def test_check_mode_says_what_it_would_make(awx: StandIn) -> None:
    done = apply(awx, "--check")
    assert done.code == 0, done.output
    assert f"would be made in {awx.url}: projects mesh" in done.output
    assert "job_templates mesh apps, mesh clusters, " in done.output
    assert "mesh google" not in done.output.replace("mesh google)", "")
    assert awx.writes == []


def test_all_is_made_and_found_again(made: StandIn) -> None:
    playbooks = [path.stem for path in (ROOT / "awx" / "project").glob("*.yml")]
    assert made.names("job_templates") == sorted(f"mesh {name}" for name in playbooks)
    assert made.names("credentials") == ["mesh google", "mesh kubeconfig", "mesh vault password"]
    assert made.names("inventory_sources") == ["mesh clusters", "mesh google"]
    site = made.named("job_templates", "mesh site")
    assert site["project"] == made.named("projects", "mesh")["id"]
    of_site = {name: ids for (_kind, number, name), ids in made.associated.items() if number == site["id"]}
    assert {name: len(ids) for name, ids in of_site.items()} == {
        "credentials": 3,
        "instance_groups": 1,
        "notification_templates_error": 1,
    }
    # Secrets are for people to type in, and which cluster a host means is not for a credential to say.
    assert [one["inputs"] for one in made.objects["credentials"].values()] == [{}, {}, {}]
    kubeconfig = made.named("credential_types", "mesh kubeconfig")
    assert kubeconfig["injectors"]["env"] == {"MESH_FLEET_KUBECONFIG": "{{ tower.filename }}"}
    before, writes = made.state(), len(made.writes)
    done = apply(made, settings=FULL)
    assert (done.code, done.changed) == (0, 0), done.output
    assert len(made.writes) == writes
    assert made.state() == before


def test_the_workflow_asks_a_person_before_the_rollout(made: StandIn) -> None:
    nodes = made.objects["workflow_job_template_nodes"]
    names = {one["id"]: one["identifier"] for one in nodes.values()}
    after = {
        names[number]: [names[other] for other in ids]
        for (_kind, number, name), ids in made.associated.items()
        if name == "success_nodes" and ids
    }
    assert after == {"preflight": ["approve"], "approve": ["site"], "site": ["verify"]}
    (asks,) = [one for one in nodes.values() if one["identifier"] == "approve"]
    assert asks["unified_job_template"] == made.named("workflow_approval_templates", "mesh approve")["id"]


def test_schedules_are_denser_than_tokens_live(made: StandIn) -> None:
    specs = yaml.safe_load((ROOT / "roles/peering/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    every = datetime.timedelta(seconds=specs["options"]["peering_run_every"]["default"])
    units = {"WEEKLY": datetime.timedelta(weeks=1), "DAILY": datetime.timedelta(days=1)}
    rule = dict(
        part.split("=") for part in made.named("schedules", "mesh peering")["rrule"].split("RRULE:")[1].split(";")
    )
    assert units[rule["FREQ"]] * int(rule["INTERVAL"]) <= every
    assert "FREQ=DAILY;INTERVAL=1" in made.named("schedules", "mesh verify")["rrule"]


def test_what_people_changed_is_put_right_and_nothing_else(made: StandIn) -> None:
    before = made.state()
    verify, site = (made.named("job_templates", f"mesh {name}") for name in ("verify", "site"))
    verify["ask_limit_on_launch"] = False
    made.surveys[site["id"]] = {**copy.deepcopy(made.surveys[site["id"]]), "spec": []}
    made.named("schedules", "mesh verify")["enabled"] = True
    made.associated["job_templates", site["id"], "instance_groups"].clear()
    made.writes.clear()
    done = apply(made, settings=FULL)
    assert (done.code, done.changed) == (0, 2), done.output
    assert made.state() == before
    touched = {f"/api/v2/job_templates/{one['id']}/" for one in (verify, site)}
    assert all(any(url in write for url in touched) for write in made.writes), made.writes


def test_what_others_made_is_neither_changed_nor_removed(made: StandIn) -> None:
    """Somebody takes a job template over by another description; somebody has a team in the organization."""
    theirs = made.named("job_templates", "mesh gateways")
    theirs["description"] = "ours now, says the platform team"
    team = made.make("teams", {"name": "platform", "organization": made.named("organizations", "mesh")["id"]})
    foreign = made.make("inventories", {"name": "other", "organization": made.named("organizations", "Default")["id"]})
    before = made.state()
    done = apply(made, settings=FULL)
    assert done.code
    assert "AWX has job_templates of these names that mesh.fleet did not make" in " ".join(done.output.split())
    assert "mesh gateways" in done.output
    assert made.state() == before

    done = apply(made, "-e", "awx_state=absent", settings=FULL)
    assert done.code == 0, done.output
    assert (
        "left, because mesh.fleet did not make it or it has lost its mark: job_templates mesh gateways" in done.output
    )
    kept = {kind: sorted(one.get("name", "") for one in all_.values()) for kind, all_ in made.objects.items() if all_}
    assert kept == {
        "organizations": ["Default", "mesh"],
        "teams": [team["name"]],
        "inventories": [foreign["name"]],
        "credential_types": ["Google Compute Engine"],
        "job_templates": ["mesh gateways"],
    }
    assert "the organization mesh stays, because others have something in it: job_templates" in done.output
    assert f", teams {team['id']}" in done.output

    # Without them it goes, too.
    del made.objects["teams"][team["id"]], made.objects["job_templates"][theirs["id"]]
    assert apply(made, "-e", "awx_state=absent", settings=FULL).code == 0
    assert made.names("organizations") == ["Default"]


def test_an_organization_that_is_there_is_used_as_it_is(awx: StandIn) -> None:
    """Check mode is enough to see that nobody wants to make or change it."""
    before = dict(awx.named("organizations", "Default"))
    done = apply(awx, "--check", "-e", "awx_organization=Default")
    assert done.code == 0, done.output
    assert "organizations Default" not in done.output.replace("organizations Default)", "")
    assert awx.named("organizations", "Default") == before


def test_comparing_needs_every_answer(made: StandIn) -> None:
    """What the comparison cannot see counts as different: then the module looks."""
    one = {"name": "x", "url": "/api/v2/projects/1/", "summary_fields": {}, "default_environment": 4}
    assert not is_as_wanted({"name": "x", "default_environment": "mesh"}, one, {})
