# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of sample-caller in a real browser.

Without SAMPLE_URL the pair runs here, on loopback. With SAMPLE_URL (the address of an ingress gateway) the
browser opens that page, and a producer has to answer over mutual TLS; SAMPLE_CALLER and SAMPLE_PRODUCERS name the
clusters (west, and east when unset; several with commas).
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from .browser import browser

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "roles" / "apps" / "files" / "sample" / "sample.py"
PICTURES = ROOT / "build" / "e2e"
CALLER = os.environ.get("SAMPLE_CALLER", "west")
PRODUCERS = os.environ.get("SAMPLE_PRODUCERS", "east").split(",")
GIVEN = os.environ.get("SAMPLE_URL", "")


def start(role: str, cluster: str, zone: str, target: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-u", str(PROGRAM)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "SAMPLE_ROLE": role,
            "SAMPLE_CLUSTER": cluster,
            "SAMPLE_ZONE": zone,
            "SAMPLE_POD": f"sample-{role}-v1-7d9c5b8f6-x2x4k",
            "SAMPLE_VERSION": "v1",
            "SAMPLE_TARGET": target,
            "SAMPLE_TARGETS": "sample-producer.nowhere.invalid",
            "SAMPLE_HOST": "127.0.0.1",
            "SAMPLE_PORT": "0",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, "http://" + json.loads(process.stdout.readline())["note"].split(" on ")[1]


@pytest.fixture(scope="module")
def url() -> t.Iterator[str]:
    if GIVEN:
        yield GIVEN
        return
    producer, target = start("producer", PRODUCERS[0], "europe-north1-a", "http://sample-producer:8080")
    caller, address = start("caller", CALLER, "us-west1-a", target)
    yield address
    for process in (caller, producer):
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def page(url: str) -> t.Iterator[WebDriver]:
    with browser() as driver:
        driver.get(url)
        yield driver


def shot(driver: WebDriver, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    assert driver.save_screenshot(str(PICTURES / f"sample-{name}.png"))


def fill(driver: WebDriver, **fields: str) -> None:
    for name, value in fields.items():
        field = driver.find_element(By.ID, name)
        field.clear()
        field.send_keys(value)


def text(driver: WebDriver, element: str) -> str:
    return driver.find_element(By.ID, element).text


def send(driver: WebDriver, **fields: str) -> str:
    """Fill the form, press Send, wait for the answer; what the page says of it."""
    fill(driver, **fields)
    button = driver.find_element(By.ID, "send")
    before = driver.execute_script("return performance.getEntriesByType('resource').length")
    button.click()
    WebDriverWait(driver, 80, poll_frequency=0.05).until(
        lambda d: (
            button.is_enabled()
            and d.execute_script("return performance.getEntriesByType('resource').length") > before
            and not text(d, "what").startswith("Sent")
        )
    )
    return text(driver, "what")


def test_page_names_its_cluster(page: WebDriver) -> None:
    assert page.title == f"sample-caller in {CALLER}"
    assert text(page, "from-cluster") == CALLER
    assert text(page, "what") == "Nothing sent yet."


def test_every_field_has_a_label_and_a_name(page: WebDriver) -> None:
    for field in page.find_elements(By.CSS_SELECTOR, "input, textarea, button"):
        assert field.accessible_name, field.get_attribute("id")
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert page.find_element(By.ID, "verdict").get_attribute("aria-live") == "polite"


def test_a_message_is_answered_by_a_producer(page: WebDriver) -> None:
    said = send(page, payload="hello from a browser", delay="40", status="200")
    cluster = text(page, "to-cluster")
    assert cluster in PRODUCERS
    assert said.startswith(f"Answered by {cluster} with 200 in ")
    assert "hello from a browser" in text(page, "received")
    assert float(text(page, "latency").removesuffix(" ms")) >= 40
    seen = text(page, "identity")
    if GIVEN:
        assert seen.startswith("spiffe://")
        assert seen.endswith("/ns/istio-apps/sa/sample-caller-sa")
    else:
        assert seen.startswith("none seen")
    shot(page, "answered")


def test_the_status_asked_for_comes_back(page: WebDriver) -> None:
    said = send(page, payload="teapot", delay="0", status="418")
    assert said == f"{text(page, 'to-cluster')} answered 418, as the message asked."
    assert text(page, "to-cluster") in PRODUCERS
    assert text(page, "got-status") == "418"
    shot(page, "status")


def test_a_timeout_is_shown_in_words(page: WebDriver) -> None:
    said = send(page, payload="slow", delay="1500", status="200", timeout="200")
    if GIVEN:
        assert said.startswith("no answer from sample-producer within 200 ms")
    else:
        assert said == "no answer from 127.0.0.1 within 200 ms"
    assert text(page, "to-cluster") == "nobody"
    fill(page, timeout="10000")


def test_a_name_that_does_not_resolve_is_shown_in_words(page: WebDriver) -> None:
    target = page.find_element(By.ID, "target").get_attribute("value") or ""
    said = send(page, payload="where", delay="0", status="200", target="http://sample-producer.nowhere.invalid:8080")
    if GIVEN:
        assert said.startswith("target: host sample-producer.nowhere.invalid is not among the allowed")
    else:
        assert "could not be resolved: no Service of that name in this cluster" in said
        assert "a stub without pods" in text(page, "next")
    shot(page, "unresolved")
    fill(page, target=target)


def test_bad_input_does_not_leave_the_page(page: WebDriver) -> None:
    fill(page, status="999")
    rows = len(page.find_elements(By.CSS_SELECTOR, "#rows tr"))
    page.find_element(By.ID, "send").click()
    assert page.execute_script("return document.getElementById('status').validity.rangeOverflow")
    assert len(page.find_elements(By.CSS_SELECTOR, "#rows tr")) == rows
    fill(page, status="200")


def test_the_text_of_a_message_is_never_markup(page: WebDriver) -> None:
    send(page, payload="<img src=x onerror=document.title='broken'>", delay="0", status="200")
    assert not page.find_elements(By.TAG_NAME, "img")
    assert page.title == f"sample-caller in {CALLER}"


def test_calls_are_remembered(page: WebDriver) -> None:
    rows = page.find_elements(By.CSS_SELECTOR, "#rows tr")
    assert len(rows) == 5
    assert any(cluster in rows[0].text for cluster in PRODUCERS)


def test_nothing_comes_from_elsewhere_and_nothing_complains(page: WebDriver, url: str) -> None:
    names = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert names
    assert all(name.startswith(url.rstrip("/") + "/") for name in names)
    entries = [e["message"] for e in t.cast(t.Any, page).get_log("browser")]
    # Answers 4xx and 5xx of our own API, and the icon that a browser asks for, are no fault of the page.
    assert not [e for e in entries if "/caller/messages" not in e and "favicon.ico" not in e]


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1200, True)])
def test_narrow_and_dark(url: str, width: int, dark: bool) -> None:
    with browser(width=width, height=1400, dark=dark) as driver:
        driver.get(url)
        send(driver, payload="hello")
        assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        shot(driver, "dark" if dark else "narrow")
