# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus' own parser reads what verify writes."""

from __future__ import annotations

import re
import typing as t

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.metrics import metrics
from tests.report_data import verified


def samples(document: dict[str, t.Any]) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(metrics(document)):
        assert family.type == "gauge" and family.documentation, family.name
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_everything_of_a_run_is_there() -> None:
    document = verified(3, faults=True)
    certificates = document["mesh"]["fra"]["certificates"]
    certificates["revocation lists"] = certificates["leaf"]
    found = samples(document)
    assert ({"fleet": "shop", "watcher": "fra", "watched": "iad"}, 0.0) in found["mesh_fleet_edge_synced"]
    assert ({"fleet": "shop", "watcher": "fra", "watched": "bom"}, 1.0) in found["mesh_fleet_edge_synced"]
    call = {"fleet": "shop", "caller": "fra", "callee": "iad", "service": "probe-iad", "expected": "answer"}
    assert (call, 0.0) in found["mesh_fleet_call_success"]
    assert len(found["mesh_fleet_call_duration_seconds"]) == 5, "of the call that failed there is no time"
    assert found["mesh_fleet_verify_success"] == [({"fleet": "shop"}, 0.0)]
    assert found["mesh_fleet_verify_last_run_timestamp_seconds"] == [({"fleet": "shop"}, 1795771761.2)]
    days = {(label["cluster"], label["kind"]): value for label, value in found["mesh_fleet_certificate_days_left"]}
    assert days["fra", "intermediate_ca"] == 700.001 and days["fra", "leaf"] == 0.951
    assert days["fra", "revocation_lists"] == 0.951
    ends = {(label["watcher"], label["watched"]): value for label, value in found["mesh_fleet_token_days_left"]}
    assert ends["iad", "fra"] == 27.001
    version = {"fleet": "shop", "cluster": "fra", "deployment": "istiod", "version": "1.31.1"}
    assert (version, 1.0) in found["mesh_fleet_istiod_info"]
    shares = {(label["caller"], label["part"]): v for label, v in found["mesh_fleet_policy_share_measured_ratio"]}
    assert shares["iad", "to version=v1"] == 0.87
    failed = [v for label, v in found["mesh_fleet_verify_checks"] if label["state"] == "failed"]
    assert failed == [1.0, 1.0, 0.0]


def test_names_are_as_prometheus_wants_them() -> None:
    """Base units in the name, no total of what is no counter, one HELP and one TYPE before the samples of each."""
    text = metrics(verified(2))
    names = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    assert names == re.findall(r"^# HELP (\S+) .+$", text, re.MULTILINE) == list(dict.fromkeys(names))
    assert all(re.fullmatch(r"mesh_fleet_[a-z_]+", name) and not name.endswith(("_total", "_ms")) for name in names)
    order = list(dict.fromkeys(re.findall(r"^(mesh_fleet_[a-z_]+)\{", text, re.MULTILINE)))
    assert order == names, "samples of one metric are together"
    assert text.endswith("\n")


def test_hostile_labels_stay_labels() -> None:
    document = verified(2)
    name = 'a"} 1\nevil{x="\\'
    document["mesh"] = {name: document["mesh"]["fra"]}
    found = samples(document)
    assert {label["cluster"] for label, _value in found["mesh_fleet_cluster_up"]} == {name}
    assert not any(sample.startswith("evil") for sample in found)


def test_two_tokens_of_one_pair_are_one_sample() -> None:
    document = verified(2)
    held = document["mesh"]["fra"]["tokens"]
    held.append({**held[0], "refused": True, "ends": None})
    found = samples(document)
    pair = {"fleet": "shop", "watcher": "fra", "watched": "iad"}
    assert [value for label, value in found["mesh_fleet_token_accepted"] if label == pair] == [0.0]


def test_a_document_without_clusters_is_read_too() -> None:
    document = {**verified(2), "mesh": {}, "traffic": {}, "calls": [], "checks": []}
    assert "mesh_fleet_edge_synced" not in samples(document)
