# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the programs that we start are told of the environment."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.child_env import child_environment


@pytest.mark.parametrize(
    "name",
    [
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "K8S_AUTH_HOST",
        "K8S_AUTH_API_KEY",
        "K8S_AUTH_VERIFY_SSL",
        "HELM_KUBECONTEXT",
        "HELM_KUBEAPISERVER",
        "HELM_KUBETOKEN",
        "HELM_DRIVER",
        "HELM_NAMESPACE",
        "HELM_PLUGINS",
        "KIND_CLUSTER_NAME",
        "KIND_EXPERIMENTAL_DOCKER_NETWORK",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOFLAGS",
        "LD_PRELOAD",
        "PYTHONPATH",
        "LANGUAGE",
        "ANSIBLE_VAULT_PASSWORD_FILE",
        "SOMETHING_OF_TOMORROW",
    ],
)
def test_what_leads_elsewhere_is_not_passed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "elsewhere")
    assert name not in child_environment()


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "DOCKER_HOST", "GOPROXY"],
)
def test_what_a_program_needs_is_passed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "here")
    assert child_environment()[name] == "here"


def test_programs_speak_english_and_get_what_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/bin")
    found = child_environment({"PATH": "/ours:/bin", "KUBECONFIG": "/ours"})
    assert (found["LC_ALL"], found["PATH"], found["KUBECONFIG"]) == ("C.UTF-8", "/ours:/bin", "/ours")
