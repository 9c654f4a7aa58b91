# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who reads the environment, and who starts programs: a few files, each for a reason.

``KUBECONFIG``, ``K8S_AUTH_*``, ``HELM_*`` or ``CLOUDSDK_*`` of whoever starts a run never say which cluster a host is.
Programs are started in one place, with ``child_env.py``; our client of Kubernetes reads nothing of the environment but
proxies. A file that is new here needs a reason, too.
"""

from __future__ import annotations

import ast
from pathlib import Path

PLUGINS = Path(__file__).resolve().parent.parent.parent / "plugins"
READERS = {
    "module_utils/child_env.py": "makes the environment of programs",
    "module_utils/paths.py": "XDG_CACHE_HOME and XDG_STATE_HOME",
    "module_utils/_kube/exec_plugin.py": "a kubeconfig's credential plugin gets all of it, as kubectl promises",
    "module_utils/_kube/transport.py": "proxies",
    "module_utils/_local/artifacts/downloads.py": "proxies",
    "module_utils/_local/artifacts/upstream.py": "proxies",
    "module_utils/_local/artifacts/registries/go_programs.py": "PATH",
    "module_utils/_local/artifacts/system_packages.py": "PATH",
    "module_utils/_local/engine/engine.py": "CONTAINERS_CONF of podman",
    "module_utils/_local/kind/restart.py": "XDG_RUNTIME_DIR",
    "module_utils/_gcp/auth/settings.py": "GCP_*, where the inventory says nothing",
    "module_utils/_gcp/auth/credentials.py": "GOOGLE_APPLICATION_CREDENTIALS",
    "module_utils/_gcp/auth/refusals.py": "GOOGLE_APPLICATION_CREDENTIALS, for a message",
    "module_utils/_gcp/clusters/connections.py": "GCP_*, as settings.py",
    "module_utils/_gcp/api/run_memory.py": "whose answers of Google are remembered",
    "plugin_utils/base/environment.py": "what Jinja's templates of a rendered text may ask for",
    "plugin_utils/callback/status_line.py": "what a terminal can show",
    "plugin_utils/trust/ephemeral.py": "whether this is a pod",
    "plugin_utils/trust/signer.py": "a command of the user's that signs gets all of it, to log in to its CA",
}
STARTERS = {
    "module_utils/_local/engine/command.py": "every program, with the environment of child_env.py",
    "module_utils/_kube/exec_plugin.py": "a kubeconfig's credential plugin",
    "plugin_utils/report/drawing.py": "Graphviz, in a process of its own",
}
_STARTS = {
    "create_subprocess_exec",
    "create_subprocess_shell",
    "Popen",
    "check_output",
    "check_call",
    "execv",
    "execve",
}
_STARTS |= {"posix_spawn", "run_command"}


def _names(path: Path) -> set[str]:
    """Attributes and imported names that a file uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            used |= {alias.name for alias in node.names}
    return used


FILES = {str(path.relative_to(PLUGINS)): _names(path) for path in sorted(PLUGINS.rglob("*.py"))}


def test_only_known_files_read_the_environment() -> None:
    found = {name for name, used in FILES.items() if used & {"environ", "getenv", "environb"}}
    assert found - set(READERS) == set(), "say in READERS why"


def test_only_known_files_start_programs() -> None:
    found = {name for name, used in FILES.items() if used & _STARTS or "subprocess" in used - {"asyncio"}}
    assert found - set(STARTERS) == set(), "start it by _local/engine/command.py, or say in STARTERS why"


def test_programs_get_the_environment_that_is_made_for_them() -> None:
    for name in set(STARTERS) - {"module_utils/_kube/exec_plugin.py"}:
        assert "child_environment" in FILES[name], name


def test_no_client_takes_servers_or_logins_from_the_environment() -> None:
    """aiohttp and requests would read proxies and ~/.netrc by themselves."""
    trusting = [
        f"{path.relative_to(PLUGINS)}:{node.lineno}"
        for path in PLUGINS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "trust_env" and ast.unparse(node.value) != "False"
    ]
    assert trusting == []
    sessions = [name for name, used in FILES.items() if "ClientSession" in used]
    assert sessions
    for name in sessions:
        assert "trust_env=False" in (PLUGINS / name).read_text(encoding="utf-8"), name
