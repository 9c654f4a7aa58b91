# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put Helm into an image while it is built: download, compare the checksum, unpack. Needs Python alone."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import platform
import sys
import tarfile
import urllib.request

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SECONDS = 120


def read(url: str) -> bytes:
    """What an address holds."""
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return bytes(answer.read())


def main() -> int:
    """Install Helm; its exit status is that of the step that builds the image."""
    options = argparse.ArgumentParser(description="Download Helm, compare its checksum, unpack it")
    options.add_argument("version", help="as v3.22.0")
    options.add_argument("--sha256", default="", help="of the archive; without it, the one published beside it")
    options.add_argument("--from", dest="base", default="https://get.helm.sh", help="a mirror, with the same names")
    options.add_argument("--to", default="/usr/local/bin", help="the folder that gets the program")
    given = options.parse_args()
    arch = ARCHITECTURES.get(platform.machine(), platform.machine())
    url = f"{given.base.rstrip('/')}/helm-{given.version}-linux-{arch}.tar.gz"
    wanted = given.sha256 or read(f"{url}.sha256sum").decode().split()[0]
    archive = read(url)
    found = hashlib.sha256(archive).hexdigest()
    if found != wanted:
        print(f"{url} has SHA-256 {found}, expected was {wanted}: do not use it", file=sys.stderr)
        return 1
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        member = opened.extractfile(f"linux-{arch}/helm")
        if member is None:
            print(f"{url} holds no program", file=sys.stderr)
            return 1
        program = os.path.join(given.to, "helm")
        with member, open(program, "wb") as target:
            target.write(member.read())
    os.chmod(program, 0o755)
    print(f"{program} {given.version}, SHA-256 of its archive {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
