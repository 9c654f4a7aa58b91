# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Helm prints, and what we make of it; the texts are recorded."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.errors import explain

FETCH = (
    'Error: looks like "https://charts.invalid" is not a valid chart repository or cannot be reached: no such host\n'
)
SCHEMA = (
    "WARNING: Kubernetes configuration file is group-readable.\n"
    "Error: values don't meet the specifications of the schema(s) in the following chart(s):\ngateway:\n"
    "- at '': additional properties 'nonsense' not allowed\n"
)


@pytest.mark.parametrize(
    ("output", "means", "seen"),
    [
        (SCHEMA, "the chart refuses a value", "additional properties 'nonsense' not allowed"),
        (FETCH, "the chart cannot be had from its repository", "https://charts.invalid"),
    ],
)
def test_the_error_is_found_and_explained(output: str, means: str, seen: str) -> None:
    error = explain(output, "west", "release istio-system/istiod", "install")
    assert error.means == means
    assert seen in error.seen
    assert "WARNING" not in error.seen


def test_an_unknown_error_says_how_to_see_more() -> None:
    error = explain("Error: something new", "west", "release istio-system/istiod", "upgrade")
    assert (error.seen, error.means) == ("something new", "")
    assert "-vvv" in error.next_step


@pytest.mark.parametrize("text", ["release: already exists", "cannot re-use a name that is still in use"])
def test_a_release_that_another_run_made_just_now_is_named(text: str) -> None:
    error = explain(f"Error: {text}", "west", "release istio-system/istiod", "install")
    assert "somebody else made or changed this release in the same moment" in error.means
    assert "-vvv" not in error.next_step


def test_no_advice_deletes_what_another_tool_made() -> None:
    text = 'Error: Unable to continue with install: CustomResourceDefinition "gateways.networking.istio.io" exists and '
    error = explain(f"{text}cannot be imported: invalid ownership metadata", "west", "release a/istio-base", "install")
    assert "mesh_take_over: true" in error.next_step and "Do not delete a CRD" in error.next_step
    assert "Helm 3.17" in explain("Error: unknown flag: --take-ownership", "west", "release a/b", "upgrade").next_step
