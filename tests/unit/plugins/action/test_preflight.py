# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action as a user meets it: a real ansible-playbook over small inventories."""

from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.mesh.fleet.plugins.action.preflight import _failed
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

BAD = """
mesh_clusters:
  vars: {ansible_connection: local}
  hosts:
    west: {cluster_region: us-west1, cluster_pod_cidr: 10.42.0.0/16}
    north: {cluster_region: us-west1, cluster_pod_cidr: 10.40.0.0/14, mesh_hub: "{{ nonesuch }}"}
    edge: {cluster_region: eu-de, mesh_role: remote, mesh_primary: wst, cluster_api_tokn: sesame}
"""
GOOD = """
mesh_clusters:
  vars: {ansible_connection: local, mesh_network: per_cluster, fleet_dir: "{{ lookup('env', 'FLEET_DIR') }}"}
  hosts:
    west: {cluster_region: us-west1, cluster_zone: us-west1-a}
    east: {cluster_region: europe-north1, cluster_zone: europe-north1-a}
"""
ONE = """
mesh_clusters:
  vars: {ansible_connection: local, cluster_region: eu-de, cluster_provider: kubeconfig}
  hosts:
    fra: {cluster_kubeconfig: "{{ inventory_dir }}/none.yaml"}
    own:
      cluster_api_url: https://127.0.0.1:1
      cluster_peer_endpoint: https://192.0.2.1
      cluster_api_token: sesame
      cluster_api_ca: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/ca.pem') }}"
"""


class Runner:
    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder

    def __call__(self, inventory: str, *more: str, part: str = "data", once: bool = True) -> tuple[int, str]:
        (self.folder / "hosts.yml").write_text(inventory)
        arguments = f"{{part: {part}, memory_per_cluster: {'100000' if part == 'machine' else '1.2'}}}"
        (self.folder / "play.yml").write_text(
            "- name: Preflight\n  hosts: mesh_clusters\n  gather_facts: false\n  tasks:\n"
            f"    - name: Check\n      mesh.fleet.preflight: {arguments}\n      run_once: {str(once).lower()}\n"
            "      tags: [always, preflight]\n"
        )
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml"), *more],
            cwd=self.root,
            env={**os.environ, "FLEET_DIR": str(self.folder), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        return done.returncode, done.stdout


@pytest.fixture
def play(root: Path, tmp_path: Path) -> Runner:
    return Runner(root, tmp_path)


def test_a_sound_fleet_is_described_in_one_line(play: Runner) -> None:
    code, text = play(GOOD)
    assert code == 0, text
    assert "2 clusters, 2 directed peers, 2 networks joined by gateways" in text


def test_all_problems_come_at_once_without_secrets_or_traceback(play: Runner) -> None:
    code, text = play(BAD, "-vvv")
    assert code != 0
    flat = " ".join(text.split())
    assert "4 problems, nothing was touched" in flat
    assert "north cluster_pod_cidr 10.40.0.0/14 overlaps west's 10.42.0.0/16" in flat
    assert "north mesh_hub cannot be read" in flat
    assert 'edge mesh_primary "wst" is not a cluster of this fleet did you mean "west"?' in flat
    assert "edge cluster_api_tokn is not a variable of this collection did you mean cluster_api_token?" in flat
    assert "sesame" not in text
    assert "Traceback" not in text


def test_problems_have_the_shape_of_every_result() -> None:
    found = _failed(
        [
            Problem("", "mesh_id", '"a b"', "is not a DNS label", "shop"),
            Problem("west", "cluster_zone", "", "is missing"),
            Problem("west", "mesh_hub", "", "cannot be read", "undefined"),
        ]
    )
    assert (found["failed"], found["stage_line"]) == (True, "3 problems, nothing was touched")
    assert found["problems"] == {
        "": [{"what": "is not a DNS label", "object": "mesh_id", "seen": '"a b"', "next": "shop"}],
        "west": [
            {"what": "is missing", "cluster": "west", "object": "cluster_zone"},
            {"what": "cannot be read", "cluster": "west", "object": "mesh_hub", "next": "undefined"},
        ],
    }


def test_a_limit_does_not_hide_the_rest_of_the_fleet(play: Runner) -> None:
    code, text = play(BAD, "--limit", "west")
    assert code != 0
    assert "4 problems" in text


def test_extra_variables_count(play: Runner) -> None:
    assert play(GOOD, "-e", "mesh_istio_version=1.32.0")[0] == 0
    code, text = play(GOOD, "-e", "mesh_istio_version=latest")
    assert code != 0
    assert 'mesh_istio_version "latest" is not a version x.y.z' in text


def test_exports_and_the_front_door_are_checked_too(play: Runner) -> None:
    variables = """
    mesh_exports: [{service: orders.shop, to: [wst]}]
    front_door_routes: [{host: "{{ door_host | default('shop example') }}", service: web.shop}]
    front_door_adress: shop
"""
    code, text = play(GOOD.replace("  vars: {", f"  vars:{variables}    x: {{"))
    assert code != 0
    flat = " ".join(text.split())
    assert "3 problems, nothing was touched" in flat
    assert '(fleet) mesh_exports[0].to "wst" names no cluster of this fleet did you mean "west"?' in flat
    assert '(fleet) front_door_routes[0].host "shop example" is no host name' in flat
    assert "(fleet) front_door_adress is not a variable of this collection did you mean front_door_address?" in flat


def test_variables_of_roles_are_checked_as_their_tasks_know(play: Runner) -> None:
    variables = """
    gateways_replica: 2
    trust_lifetime: "{{ trust_root_lifetime }}"
    trust_root_key: "{{ lookup('ansible.builtin.file', '/nonesuch') }}"
    gateways_ingress: "{{ ansible_play_hosts_all[:1] + [hostvars[inventory_hostname].inventory_hostname] }}"
    apps_sample: {caller: "{{ [where] }}"}
    where: eastt
"""
    code, text = play(GOOD.replace("  vars: {", f"  vars:{variables}    x: {{"), "-e", "verify_timeout=-5")
    assert code != 0
    flat = " ".join(text.split())
    assert "3 problems, nothing was touched" in flat
    assert "(fleet) gateways_replica is not a variable of this collection did you mean gateways_replicas?" in flat
    assert '(fleet) apps_sample.caller "eastt" is not a cluster of this fleet, did you mean "east"?' in flat
    assert '(fleet) verify_timeout "-5" is below 0' in flat


def test_what_all_clusters_have_is_reported_once(play: Runner) -> None:
    variables = """
    mesh_istio_version: latest
    mesh_hub: "{{ nonesuch }}"
    mesh_federation: {peers: [{trust_domain: a.example}, {trust_domian: b.example}]}
    mesh_trust_domain: own.example
    federation_lifetime: 90 days
"""
    code, text = play(GOOD.replace("  vars: {", f"  vars:{variables}    x: {{"))
    assert code != 0
    flat = " ".join(text.split())
    assert "4 problems, nothing was touched" in flat
    assert '(fleet) mesh_istio_version "latest" is not a version x.y.z' in flat
    assert "(fleet) mesh_hub cannot be read" in flat
    assert "(fleet) mesh_federation.peers[1].trust_domian is unknown did you mean trust_domain?" in flat
    assert '(fleet) federation_lifetime "90 days" is not a length of time' in flat


CERTIFIED = """
    ingress_routes: [{host: a.example, service: web.shop, certificate: shop}]
    ingress_certificates:
      shop:
        certificate: "{{ lookup('ansible.builtin.file', 'a.crt') }}"
        key: "{{ lookup('ansible.builtin.unvault', 'a.key') }}"
"""


def test_certificates_of_routes_are_read_where_they_are_used(play: Runner) -> None:
    """Paths are relative to the playbook, and keys vaulted, as docs/ingress.md has them."""
    inventory = GOOD.replace("  vars: {", f"  vars:{CERTIFIED}    x: {{")
    code, text = play(inventory)
    assert code != 0
    flat = " ".join(text.split())
    assert "1 problem, nothing was touched" in flat
    assert "west ingress_certificates cannot be read" in flat
    assert "'a.crt': File not found" in flat
    # A run that does not come to the stage needs no key.
    for tags in (("--tags", "peering"), ("--skip-tags", "ingress")):
        code, text = play(inventory, *tags)
        assert (code, "2 clusters, 2 directed peers" in text) == (0, True), text
    assert "cannot be read" in play(inventory, "--tags", "preflight")[1]

    good, other = pair("a.example"), pair("a.example")
    (play.folder / "a.crt").write_text(good.certificate)
    (play.folder / "password").write_text("open")
    vault = ("--vault-password-file", str(play.folder / "password"))
    for key, wanted in ((good.key, 0), (other.key, 2)):
        (play.folder / "a.key").write_bytes(VaultLib([("default", VaultSecret(b"open"))]).encrypt(key))
        code, text = play(inventory, "-vvv", *vault)
        assert code == wanted, text
        assert not [line for line in key.splitlines()[1:-1] if line in text]
    flat = " ".join(text.split())
    assert "(fleet) ingress_certificates.shop is refused: the private key is not that of the certificate" in flat


def test_a_key_in_an_error_is_not_shown(play: Runner) -> None:
    key = pair("a.example").key
    (play.folder / "a.crt").write_text(key)
    wrong = "\n    ingress_certificates: \"{{ lookup('file', lookup('file', 'a.crt')) }}\"\n"
    code, text = play(GOOD.replace("  vars: {", f"  vars:{wrong}    x: {{"))
    assert code != 0
    assert "ingress_certificates cannot be read" in " ".join(text.split())
    assert not [line for line in key.splitlines()[1:-1] if line in text]


def test_a_machine_that_is_too_small_is_reported(play: Runner) -> None:
    code, text = play(GOOD, part="machine")
    assert code != 0
    assert "2 more clusters need 200000.0 GiB" in text


def test_running_clusters_need_nothing_more(play: Runner) -> None:
    kubeconfigs = play.folder / "local" / "kubeconfigs"
    kubeconfigs.mkdir(parents=True)
    for name in ("west", "east"):
        (kubeconfigs / f"{name}.yaml").write_text("")
    code, text = play(GOOD, part="machine")
    assert code == 0, text


def test_keys_that_could_not_be_encrypted_stop_the_run(play: Runner) -> None:
    code, text = play(GOOD, part="keys")
    assert code != 0
    assert "there is no vault password to protect private keys with" in text
    assert "trust_vault_password_create: true" in text
    missing = str(play.folder / "missing")
    code, text = play(GOOD, part=f"keys, vault_password_file: {missing}")
    assert code != 0
    assert "trust_vault_password_file does not exist" in text
    (play.folder / "password").write_text("open")
    assert play(GOOD, "--vault-password-file", str(play.folder / "password"), part="keys")[0] == 0
    assert play(GOOD, part="keys, vault_password_create: true")[0] == 0
    assert not (play.folder / "local").exists()


def test_no_password_is_needed_once_all_requests_are_written(play: Runner) -> None:
    kept = play.folder / "ca" / "external"
    kept.mkdir(parents=True)
    (kept / "west.key.vault").write_text("")
    external = f"keys, root: external, directory: {play.folder / 'ca'}"
    assert "there is no vault password" in play(GOOD, part=external)[1]
    (kept / "east.key.vault").write_text("")
    code, text = play(GOOD, part=external)
    assert code == 0, text


@pytest.mark.parametrize(
    ("arguments", "cluster"),
    [
        ("keys, root: provided", ""),
        ("keys", "cluster_provider: gke, gke_project: shop-prod, mesh_control_plane: managed"),
    ],
)
def test_no_password_is_needed_if_no_key_is_kept(play: Runner, arguments: str, cluster: str) -> None:
    inventory = GOOD.replace("  vars: {", f"  vars: {{{cluster}, ") if cluster else GOOD
    code, text = play(inventory, part=arguments)
    assert code == 0, text


def test_vaulted_values_are_read_and_stay_secret(play: Runner) -> None:
    (play.folder / "password").write_text("open")
    secret = [("default", VaultSecret(b"open"))]
    token, version = (VaultLib(secret).encrypt(text).decode() for text in ("sesame", "latest"))
    vaulted = "".join(
        f"    {name}: !vault |\n" + "".join(f"      {line}\n" for line in text.splitlines())
        for name, text in (("cluster_api_token", token), ("mesh_istio_version", version))
    )
    code, text = play(
        BAD.replace("  vars: {ansible_connection: local}\n", "  vars:\n    ansible_connection: local\n" + vaulted),
        "--vault-password-file",
        str(play.folder / "password"),
    )
    assert code != 0
    assert "is not a version x.y.z" in text
    assert 'cluster_api_token does not go with provider "kind"' in text
    assert "sesame" not in text
    code, text = play(
        BAD.replace("  vars: {ansible_connection: local}\n", "  vars:\n    ansible_connection: local\n" + vaulted)
    )
    assert "cluster_api_token cannot be read" in " ".join(text.split())


TWO_FOLDERS = """
mesh_clusters:
  vars: {{ansible_connection: local, cluster_region: eu-de, fleet_dir: state}}
  hosts: {{{0}: {{}}}}
"""


def test_one_state_folder_of_two_inventory_folders(play: Runner) -> None:
    """A relative one is that of the first cluster, also for the task that reads the second alone."""
    other = play.folder / "other" / "hosts.yml"
    other.parent.mkdir()
    other.write_text(TWO_FOLDERS.format("east"))
    code, text = play(TWO_FOLDERS.format("west"), "-i", str(other))
    assert code == 0, text
    with socket.create_server(("127.0.0.1", 0)) as listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        listener.settimeout(30)

        def once() -> None:
            with listener, listener.accept()[0]:
                pass

        asked = pool.submit(once)
        server = f"https://127.0.0.1:{listener.getsockname()[1]}"
        made = play.folder / "state" / "local" / "kubeconfigs" / "east.yaml"
        made.parent.mkdir(parents=True)
        made.write_text(
            json.dumps(
                {
                    "clusters": [{"name": "east", "cluster": {"server": server}}],
                    "users": [{"name": "east", "user": {"token": "sesame"}}],
                    "contexts": [{"name": "east", "context": {"cluster": "east", "user": "east"}}],
                    "current-context": "east",
                }
            )
        )
        code, text = play(TWO_FOLDERS.format("west"), "-i", str(other), "-l", "east", part="cluster", once=False)
        assert code == 0, text
        assert asked.done()  # somebody looked for the cluster there


def test_each_cluster_that_does_not_answer_is_reported(play: Runner) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    ca = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    (play.folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    code, text = play(ONE, part="cluster", once=False)
    assert code != 0
    assert "none.yaml" in text
    assert "127.0.0.1:1" in text
    assert "sesame" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("inventory", "seen"),
    [("all: {hosts: {west: {}}}", "missing"), ("mesh_clusters: {hosts: {}}\nothers: {hosts: {west: {}}}", "empty")],
)
@pytest.mark.parametrize("playbook", ["site", "teardown"])
def test_an_inventory_without_clusters_fails(play: Runner, inventory: str, seen: str, playbook: str) -> None:
    (play.folder / "hosts.yml").write_text(inventory)
    done = subprocess.run(
        ["ansible-playbook", "-i", str(play.folder / "hosts.yml"), f"playbooks/{playbook}.yml"],
        cwd=play.root, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"the inventory has no clusters: the group mesh_clusters is {seen}" in " ".join(done.stdout.split())


def test_a_wrong_vault_password_is_found_first(play: Runner) -> None:
    trust = play.folder / "local" / "trust"
    trust.mkdir(parents=True)
    text = VaultLib([("default", VaultSecret(b"theirs"))]).encrypt("key")
    (trust / "root-key.vault").write_bytes(text)
    password = play.folder / "password"
    for value, wanted in (("wrong", 2), ("theirs", 0)):
        password.write_text(value)
        code, said = play(GOOD, f"--vault-password-file={password}", part="keys")
        assert code == wanted, said
        assert ("cannot be decrypted" in said) is bool(wanted)


def test_an_inventory_source_that_fails_ends_every_run(play: Runner) -> None:
    """Ansible itself would go on with the clusters of the other sources."""
    (play.folder / "hosts.yml").write_text(GOOD)
    (play.folder / "google.mesh_fleet.yml").write_text('plugin: mesh.fleet.mesh_fleet\nproject: "{{ nonesuch }}"\n')
    cases: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "Completely failed to parse inventory source"),
        ({"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false"}, "any_unparsed_is_failed = True"),
    )
    for playbook in ("site", "peering", "teardown"):
        for setting, wanted in cases:
            done = subprocess.run(
                ["ansible-playbook", "-i", str(play.folder), f"playbooks/{playbook}.yml"],
                cwd=play.root, env={**os.environ, **setting, "NO_COLOR": "1"},
                capture_output=True, text=True, check=False, timeout=900,
            )  # fmt: skip
            assert done.returncode != 0
            assert wanted in " ".join((done.stdout + done.stderr).split())
            assert "changed=" not in done.stdout or "changed=0" in done.stdout


def test_the_role_alone_insists_on_it_too(play: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "false")
    code, text = play(GOOD)
    assert code != 0
    flat = " ".join(text.split())
    assert "1 problem, nothing was touched" in flat
    assert "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true in the environment (AWX" in flat


def test_a_cluster_of_the_fleet_cannot_be_forgotten(play: Runner) -> None:
    code, text = play(GOOD, "-e", "peering_forget=east,gone")
    assert code != 0
    flat = " ".join(text.split())
    assert '"east" is a cluster of this fleet mesh.fleet.teardown with --limit' in flat
    assert '"gone"' not in flat


LOOPBACK = """
apiVersion: v1
current-context: fra
clusters: [{name: fra, cluster: {server: "https://127.0.0.1:6443"}}]
contexts: [{name: fra, context: {cluster: fra, user: fra}}]
"""


def test_an_address_that_peers_cannot_reach_is_refused(play: Runner) -> None:
    """Of a kubeconfig, before anything is made; cluster_peer_endpoint replaces it."""
    (play.folder / "fra.yaml").write_text(LOOPBACK)
    two = ONE.partition("    own:")[0].replace("none.yaml", "fra.yaml")
    two += '    muc: {cluster_kubeconfig: "{{ inventory_dir }}/none.yaml"}\n'
    code, text = play(two)
    assert code != 0
    said = " ".join(text.split())
    assert "fra cluster_peer_endpoint is missing: its API address cannot be reached from another cluster" in said
    assert "https://127.0.0.1:6443 (context fra)" in said
    code, text = play(two.replace('fra.yaml"', 'fra.yaml", cluster_peer_endpoint: "https://192.0.2.1:6443"'))
    assert code == 0, text
