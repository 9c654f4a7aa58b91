# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An address that is far away from one container: each packet to it is on its way for a while.

Not every kernel has tc's netem. So packets are led into a TUN device, and from there on when their time has come.
Format: https://docs.kernel.org/networking/tuntap.html
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import time
import typing as t

__all__ = ["far_away"]

_DEVICE = "far"
_TABLE = "77"
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


@contextlib.contextmanager
def far_away(pid: int, address: str, seconds: float) -> t.Iterator[None]:
    """Meanwhile, packets from the network namespace of that process to the IPv4 address take so much longer."""
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, __file__, address, str(seconds)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n", "it says on stderr why not"
            yield
        finally:
            process.stdin.close()


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def _open(address: str) -> tuple[int, socket.socket]:
    """The device to which packets for the address go now, and a socket whose packets go where they went before."""
    before = _ip("route", "get", address).split()
    interface, source = before[before.index("dev") + 1], before[before.index("src") + 1]
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    onward = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    onward.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(_TABLE))
    # Answers come by another way than calls go.
    pathlib.Path(f"/proc/sys/net/ipv4/conf/{interface}/rp_filter").write_text("2")
    _ip("route", "replace", address, "dev", interface, "table", _TABLE)
    _ip("rule", "add", "fwmark", _TABLE, "table", _TABLE)
    _ip("link", "set", _DEVICE, "up")
    _ip("route", "add", address, "dev", _DEVICE, "src", source)
    return device, onward


def _run(address: str, seconds: float) -> None:
    """Lead packets on until the standard input ends; the device, and its route, end with this process."""
    device, onward = _open(address)
    try:
        print("ready", flush=True)
        under_way = collections.deque[tuple[float, bytes]]()
        while True:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            ready = select.select([device, sys.stdin], [], [], wait)[0]
            if sys.stdin in ready:
                return
            if device in ready:
                packet = os.read(device, 65535)
                if packet[16:20] == socket.inet_aton(address):  # the kernel says something of its own on a new device
                    under_way.append((time.monotonic() + seconds, packet))
            while under_way and under_way[0][0] <= time.monotonic():
                onward.sendto(under_way.popleft()[1], (address, 0))
    finally:
        _ip("rule", "del", "fwmark", _TABLE, "table", _TABLE)


if __name__ == "__main__":
    _run(sys.argv[1], float(sys.argv[2]))
