# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations of all services, and when to ask again."""

from __future__ import annotations

import email.utils
import time

import pytest
import requests

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.answers import (
    check_operation,
    decode,
    describe,
    is_done,
    retry_after,
    says_not_found,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError, explain


def answer(content: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code, made.url, made._content = 200, "https://container.googleapis.com/v1", content
    made.headers["Content-Type"] = "text/html"
    return made


def test_an_answer_of_a_proxy_is_reported_without_its_text() -> None:
    assert decode(answer(b"")) == {}
    assert decode(answer(b'{"name": "west"}')) == {"name": "west"}
    for foreign in (b"<html>sesame</html>", b"[]"):
        with pytest.raises(GoogleError) as caught:
            decode(answer(foreign), "west")
        assert caught.value.seen == "200 text/html from https://container.googleapis.com/v1"
        assert (caught.value.cluster, "sesame" in str(caught.value)) == ("west", False)
    said = explain(403, b'{"error": "access_denied"}', "container.projects.zones.list", "shop-prod")
    assert said.seen == '403 {"error": "access_denied"} (container.projects.zones.list)'


def test_an_operation_is_over_in_the_words_of_each_service() -> None:
    assert is_done({"done": True})
    assert is_done({"status": "DONE"})
    assert is_done({"status": "ABORTED"})
    assert not is_done({"status": "RUNNING"})
    assert not is_done({})
    hub = {"name": "operations/1", "metadata": {"verb": "create"}}
    assert describe(hub) == "operation operations/1 create RUNNING"


def test_every_error_of_an_operation_is_reported() -> None:
    errors = {"errors": [{"code": "A", "message": "no quota"}, {"code": "B", "message": "no room"}]}
    with pytest.raises(GoogleError) as caught:
        check_operation({"name": "o", "status": "DONE", "error": errors})
    assert caught.value.seen.startswith("no quota; no room (")
    with pytest.raises(GoogleError, match="Google could not do it"):
        check_operation({"name": "o", "status": "ABORTED"})
    check_operation({"name": "o", "status": "DONE"})


def test_a_quota_of_an_operation_is_reported_once() -> None:
    said = "Not all instances running. QUOTA_EXCEEDED: Quota 'CPUS' exceeded. Limit: 8.0 in region us-west1."
    operation = {"name": "o", "operationType": "CREATE_CLUSTER", "status": "DONE", "statusMessage": said}
    with pytest.raises(GoogleError, match="a quota of the project is used up") as caught:
        check_operation({**operation, "error": {"code": 8, "message": said}}, "west")
    assert caught.value.seen == f"{said} (operation o CREATE_CLUSTER DONE)"
    assert "ask for more" in caught.value.next_step


def test_when_to_ask_again_is_a_number_or_a_time() -> None:
    assert retry_after("1.5") == 1.5
    assert retry_after(None) == retry_after("soon") == retry_after("-3") == 0.0
    assert 3000 < retry_after(email.utils.formatdate(time.time() + 3600, usegmt=True)) <= 3600


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (404, b'{"error": {"code": 404, "message": "Not found"}}', True),
        (403, b'{"error": {"code": 404}}', False),
        (404, b'{"error": {"code": 403}}', False),
        (404, b'{"error": "not found"}', False),
        (404, b'{"kind": "Status"}', False),
        (404, b"<html>No such page</html>", False),
        (404, b"[]", False),
        (404, b"", False),
    ],
)
def test_only_google_says_that_it_has_no_such_thing(status: int, content: bytes, said: bool) -> None:
    given = answer(content)
    given.status_code = status
    assert says_not_found(given) is said
