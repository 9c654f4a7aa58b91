# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud DNS for ``clusterset.local``: a name server for each cluster, to which its own DNS forwards that zone.

A ServiceImport has another address in each cluster, so each cluster has a zone of its own, as at Google.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import socketserver
import struct
import threading
import typing as t
import urllib.parse

import yaml

from .behind import Behind
from .kinds import CONFIG_MAP, DEPLOYMENT

__all__ = ["ZONE", "Zone"]

ZONE = "clusterset.local"
_A, _IN = 1, 1
_MARK = f"{ZONE}:53 {{"


class Zone:
    """The zone of one cluster, answered on this machine's address towards the cluster's nodes."""

    def __init__(self, kubeconfig: str) -> None:
        with open(kubeconfig, encoding="utf-8") as handle:
            server = yaml.safe_load(handle)["clusters"][-1]["cluster"]["server"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((urllib.parse.urlsplit(server).hostname, 53))
            address = probe.getsockname()[0]
        self.records: dict[str, str] = {}
        """Address by name, without the last dot."""
        zone = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ValueError, struct.error, IndexError):
                    self.request[1].sendto(answer(self.request[0], zone.records), self.client_address)

        self.server = socketserver.ThreadingUDPServer((address, 0), Handler)
        self.where = "{}:{}".format(*self.server.server_address)
        threading.Thread(target=self.server.serve_forever, args=(0.2,), daemon=True).start()

    def announce(self, behind: Behind) -> None:
        """Let the cluster's DNS forward the zone here. Its pods start anew: they look at their file rarely."""
        live = behind.get(CONFIG_MAP, "coredns", "kube-system")
        corefile = str(((live or {}).get("data") or {}).get("Corefile") or "")
        wanted = corefile.partition(_MARK)[0].rstrip("\n") + f"\n{_MARK}\n    errors\n    forward . {self.where}\n}}\n"
        if not corefile or wanted == corefile:
            return
        behind.merge(CONFIG_MAP, "coredns", "kube-system", {"data": {"Corefile": wanted}})
        now = {"kubectl.kubernetes.io/restartedAt": datetime.datetime.now(datetime.UTC).isoformat()}
        template = {"template": {"metadata": {"annotations": now}}}
        behind.merge(DEPLOYMENT, "coredns", "kube-system", {"spec": template})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def answer(question: bytes, records: t.Mapping[str, str]) -> bytes:
    """The answer to one question (RFC 1035): A records only; a known name has no others."""
    number, flags, count = struct.unpack("!HHH", question[:6])
    if count != 1:
        raise ValueError("one question at a time")
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii"))
        at += question[at] + 1
    kind, space = struct.unpack("!HH", question[at + 1 : at + 5])
    address = records.get(".".join(labels).lower())
    body = b""
    if address and (kind, space) == (_A, _IN):
        body = struct.pack("!HHHIH", 0xC00C, _A, _IN, 5, 4) + socket.inet_aton(address)
    # An answer, with authority; recursion as asked; 3: there is no such name.
    head = struct.pack("!HHHHHH", number, 0x8400 | (flags & 0x0100) | (0 if address else 3), 1, int(bool(body)), 0, 0)
    return head + question[12 : at + 5] + body
