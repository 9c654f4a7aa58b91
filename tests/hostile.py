# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Somebody's shell in which everything leads elsewhere: what the tests of roles and of the local fleet run in, always.

Every variable by which Ansible, kubectl, Helm or a client of theirs would choose another cluster, account, user or
connection points to a port where nobody listens. Whoever asks one of them fails, and with it the test.
"""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import typing as t

__all__ = ["UMASK", "environment", "readable_by_others", "with_own"]

UMASK = 0
"""What is private has to be made so, whatever the shell says of new files."""
_NOWHERE = "127.0.0.1:9"
_KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: stranger
clusters: [{{name: stranger, cluster: {{server: "https://{_NOWHERE}"}}}}]
users: [{{name: stranger, user: {{token: stranger}}}}]
contexts: [{{name: stranger, context: {{cluster: stranger, user: stranger}}}}]
"""
_LOCALE = "tr_TR"
"""Ansible starts under UTF-8 alone; in Turkish numbers have a comma, and the system's errors other words."""
_DIRECT = "127.0.0.0/8,localhost,10.0.0.0/8"
"""Where the servers of a test are: as ranges, which Kubernetes' clients understand and others do not."""


_locales = tempfile.TemporaryDirectory(prefix="mesh-fleet-locale-")


@functools.cache
def _locale() -> dict[str, str]:
    """Variables of the locale; it is made where it is missing, if the machine has its source, else it is C."""
    folder = pathlib.Path(_locales.name)
    name = f"{_LOCALE}.UTF-8"
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", _LOCALE, "-f", "UTF-8", str(folder / name)], capture_output=True, check=False
    )
    # It warns by exit status 1, and has made it nevertheless.
    found = made and (folder / name / "LC_CTYPE").is_file()
    return {"LC_ALL": name, "LOCPATH": str(folder)} if found else {"LC_ALL": "C.UTF-8"}


def with_own(theirs: t.Mapping[str, str], own: t.Mapping[str, str]) -> dict[str, str]:
    """The shell with what a test says itself; a proxy of its own counts in small letters, too."""
    small = {name.lower(): value for name, value in own.items() if name.lower().endswith("_proxy")}
    return {**theirs, **small, **own}


def environment(folder: pathlib.Path, caches: pathlib.Path) -> dict[str, str]:
    """Variables to add to a program's environment; the last word of whoever starts it comes after them.

    Args:
        folder: of the test's own; below it a home is made in which no program can make its folders.
        caches: folder of the artifacts' folder, which is not in that home.
    """
    ours = folder / "a shell of its own"
    home = ours / "home"
    kubeconfig, netrc = home / ".kube" / "config", home / ".netrc"
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.write_text(_KUBECONFIG)
    # A root user may write to what is read-only. A file where a folder is wanted stops them, too.
    for name in (".ansible", ".cache", ".kube/cache", ".local"):
        (home / name).touch()
    netrc.write_text("machine 127.0.0.1 login stranger password stranger\ndefault login stranger password stranger\n")
    netrc.chmod(0o600)
    auth = {"HOST": f"https://{_NOWHERE}", "API_KEY": "stranger", "USERNAME": "stranger", "PASSWORD": "stranger"}
    auth |= {"KUBECONFIG": str(kubeconfig), "CONTEXT": "stranger", "VERIFY_SSL": "false", "PROXY": f"http://{_NOWHERE}"}
    helm = {"KUBECONTEXT": "stranger", "KUBEAPISERVER": f"https://{_NOWHERE}", "KUBETOKEN": "stranger"}
    helm |= {"NAMESPACE": "stranger", "DRIVER": "memory", "PLUGINS": str(ours / "plugins"), "KUBEASUSER": "stranger"}
    ansible = {"TRANSPORT": "ssh", "REMOTE_USER": "stranger", "REMOTE_PORT": "9"}
    ansible |= {"HOME": str(ours / "ansible"), "REMOTE_TEMP": str(ours / "remote"), "INVENTORY": str(ours / "none")}
    google = {"CLOUDSDK_CORE_PROJECT": "stranger", "CLOUDSDK_CONFIG": str(ours / "gcloud")}
    google |= {"GOOGLE_CLOUD_PROJECT": "stranger", "GCLOUD_PROJECT": "stranger"}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), f"http://{_NOWHERE}")
    return {
        "HOME": str(home),
        "NETRC": str(netrc),
        "KUBECONFIG": str(kubeconfig),
        "XDG_CACHE_HOME": str(caches),
        "XDG_STATE_HOME": str(ours / "state"),
        "LANGUAGE": "tr:de",
        "TZ": "Asia/Kathmandu",
        **{f"K8S_AUTH_{name}": value for name, value in auth.items()},
        **{f"HELM_{name}": value for name, value in helm.items()},
        **{f"ANSIBLE_{name}": value for name, value in ansible.items()},
        **google,
        **_locale(),
        **proxies,
        "ALL_PROXY": f"socks5://{_NOWHERE}",
        "NO_PROXY": _DIRECT,
        "no_proxy": _DIRECT,
    }


def readable_by_others(folder: str | os.PathLike[str]) -> list[str]:
    """Files and folders below a fleet's state that anybody but their owner may read or change."""
    below = [path for path in pathlib.Path(folder).rglob("*") if not path.is_symlink()]
    return [f"{path} {stat.filemode(path.stat().st_mode)}" for path in below if path.stat().st_mode & 0o077]
