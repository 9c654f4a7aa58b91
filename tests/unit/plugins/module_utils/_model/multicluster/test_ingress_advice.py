# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages of Google's Warning events, each with its meaning and a next step."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.ingress_advice import advice


@pytest.mark.parametrize(
    ("message", "means", "next_step"),
    [
        ("The resource 'sslCertificates/x' was not found, notFound", "front_door_certificates", "create that certif"),
        ("Error 400: Invalid value for field 'resource.IPAddress': 'x'", "front_door_address", "another name"),
        ("cluster us-west1-a/west is not a member of the fleet", "no member of the Google fleet", "gke_fleet stage"),
        ("MultiClusterService shop/pay not found", "Google does not find the backend", "front_door_routes"),
        ("Error 403: service-1@gcp-sa lacks roles/container.admin", "lacks a role", "gke_fleet stage"),
        ("Quota 'FORWARDING_RULES' exceeded", "a quota of the fleet project", "ask Google for more"),
        ("something else", "does not accept the front door's configuration", "correct what the message names"),
    ],
)
def test_words_of_an_event_lead_to_a_cause_and_a_next_step(message: str, means: str, next_step: str) -> None:
    said = advice(message, serving=True)
    assert means in said[0]
    assert said[0].endswith("; the last good configuration still answers")
    assert next_step in said[1]
    assert said[1].endswith("; then run again")
    assert "still answers" not in advice(message, serving=False)[0]
