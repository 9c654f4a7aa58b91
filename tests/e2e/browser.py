# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real browser for the tests: Debian's chromium with its driver, headless, with a profile of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import typing as t

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PACKAGES = ("chromium", "chromium-driver")
PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",  # chromium refuses its sandbox to root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--force-color-profile=srgb",
)


def ensure_browser() -> None:
    """Install what is missing when root on Debian or Ubuntu; otherwise say in one line what is needed."""
    missing = [package for package, program in zip(PACKAGES, PROGRAMS, strict=True) if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise RuntimeError(f"a browser is missing; install the system packages: {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another program of this machine may be at it.
    patient = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    subprocess.run([*patient, "update"], check=True, env=env)
    subprocess.run([*patient, "install", "-y", "--no-install-recommends", *missing], check=True, env=env)


@contextlib.contextmanager
def browser(width: int = 1200, height: int = 1000, dark: bool = False) -> t.Iterator[webdriver.Chrome]:
    ensure_browser()
    with tempfile.TemporaryDirectory(prefix="mesh-fleet-browser-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = t.cast(str, shutil.which("chromium"))
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            # Headless windows have a least width; the emulated screen has not.
            screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            yield driver
        finally:
            driver.quit()
