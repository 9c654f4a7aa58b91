# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stand-in checks: requests by the documents, refusals in Google's words, pages."""

from __future__ import annotations

import json
import re
import threading
import typing as t
import urllib.request

import hypothesis
import pytest
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .bodies import bodies, broken
from .caller import Caller, error
from .contract import json_schema
from .standin.discovery import Method, Refused, services
from .standin.schema import Wrong, scalar
from .standin.server import HANDLERS, StandIn

Json = dict[str, t.Any]

WRITING = [m for s in services() for m in s.methods if m.id in HANDLERS and m.request]


@pytest.fixture
def ask(google_cloud: StandIn) -> Caller:
    google_cloud.cloud.duration = 0.01
    return Caller(google_cloud)


# The documents decide.


def fitting(method: Method) -> st.SearchStrategy[Json]:
    schemas = method.service.schemas
    needed = {
        name: schemas[method.request]["properties"][name]
        for name, part in schemas[method.request]["properties"].items()
        if method.id in ((part.get("annotations") or {}).get("required") or ())
    }
    texts = {name: st.from_regex(part.get("pattern", "[a-z]{3}"), fullmatch=True) for name, part in needed.items()}
    return st.builds(lambda body, more: {**body, **more}, bodies(schemas, method.request), st.fixed_dictionaries(texts))


def judge(method: Method, body: Json) -> None:
    method.service.check_schema(method.request, body, "")


@pytest.mark.parametrize("method", WRITING, ids=lambda m: f"{m.id}-{m.service.version}")
@hypothesis.settings(max_examples=12, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(data=st.data())
def test_a_valid_body_is_accepted_and_one_error_refused(method: Method, data: st.DataObject) -> None:
    body = data.draw(fitting(method))
    judge(method, body)
    spoilt, fault = broken(data.draw, method.service.schemas, method.request, body)
    hypothesis.note(f"{fault}: {json.dumps(spoilt)}")
    with pytest.raises(Refused) as refused:
        judge(method, spoilt)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("google-datetime", "2026-01-01T00:00:00.5+01:00", "yesterday"),
        ("google-duration", "-3.5s", "5m"),
        ("google-fieldmask", "a,bC.d", "a b"),
        ("byte", "AAA_", "!"),
        ("int64", str(2**63 - 1), str(2**63)),
        ("uint64", "0", "-1"),
    ],
)
def test_formats(form: str, good: str, bad: str) -> None:
    assert scalar({"type": "string", "format": form}, good) == good
    with pytest.raises(Wrong):
        scalar({"type": "string", "format": form}, bad)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/nodePools/n:setSize", {"nodeCount": 2**31}, "TYPE_INT32"),
        ("/nodePools/n:setSize", {"nodeCount": 1.5}, "TYPE_INT32"),
        ("", {"update": {"desiredReleaseChannel": {"channel": 2}}}, "TYPE_ENUM"),
        ("", {"update": {"desiredReleaseChannel": []}}, "Proto field is not repeating, cannot start list"),
        ("", {"update": [], "zone": 3}, "cannot start list"),
        ("", {}, "update is required"),
        ("", ["update"], "cannot start list"),
        (":setResourceLabels", {"resourceLabels": {}}, "labelFingerprint is required"),
    ],
)
def test_bodies_of_the_wrong_form(ask: Caller, path: str, body: t.Any, said: str) -> None:
    verb = "POST" if ":" in path else "PUT"
    found = error(ask(verb, f"/v1/projects/p/locations/us-west1/clusters/c{path}", body), 400)
    assert said in found["message"]
    assert found["status"] == "INVALID_ARGUMENT"


def test_all_errors_are_reported_at_once_by_field(ask: Caller) -> None:
    body = {"cluster": {"nam": "x", "autopilot": {"enabled": "yes"}}}
    found = error(ask("POST", "/v1/projects/p/locations/us-west1/clusters", body), 400)
    (detail,) = found["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [v["field"] for v in detail["fieldViolations"]] == ["cluster", "cluster.autopilot.enabled"]
    assert found["message"].count("\n") == 1


@pytest.mark.parametrize(
    ("verb", "host", "path"),
    [
        ("GET", "container.googleapis.com", "/v1/projects/p/locations/l/clusterz"),
        ("PATCH", "container.googleapis.com", "/v1/projects/p/locations/l/clusters/c"),
        ("POST", "gkehub.googleapis.com", "/v1/projects/p/locations/l/memberships/m"),
        ("GET", "gkehub.googleapis.com", "/v2/projects/p/locations/l/memberships/m"),
        ("DELETE", "compute.googleapis.com", "/compute/v1/projects/p/global/networks"),
    ],
)
def test_a_path_or_verb_that_does_not_exist_is_a_page(ask: Caller, verb: str, host: str, path: str) -> None:
    answer = ask(verb, path, host=host)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("verb", "host", "path", "body", "said"),
    [
        ("GET", "gkehub", "/v1/projects/p/locations/l/memberships?size=3", None, 'Unknown name "size"'),
        ("GET", "gkehub", "/v1/projects/p/locations/l/memberships?pageSize=all", None, "'pageSize' (TYPE_INT32)"),
        ("POST", "gkehub", "/v1/projects/p/locations/us-west1/memberships", {}, "missing: membershipId"),
        ("PATCH", "gkehub", "/v1/projects/p/locations/us-west1/memberships/m", {}, "missing: updateMask"),
        (
            "PATCH",
            "gkehub",
            "/v1/projects/p/locations/global/features/servicemesh?updateMask=specs",
            {},
            "specs is not a field of Feature",
        ),
        ("GET", "compute", "/compute/v1/projects/p/global/networks?maxResults=-1", None, "maxResults"),
        ("GET", "compute", "/compute/v1/projects/Shop_Prod/global/networks", None, "regular expression"),
        ("POST", "compute", "/compute/v1/projects/p/global/firewalls", {}, "'resource.name' not specified"),
        ("POST", "compute", "/compute/v1/projects/p/global/networks", {"name": "Mesh"}, "Must be a match of regex"),
    ],
)
def test_parameters_are_checked(ask: Caller, verb: str, host: str, path: str, body: t.Any, said: str) -> None:
    assert said in error(ask(verb, path, body, host=f"{host}.googleapis.com"), 400)["message"]


def test_what_only_google_writes_is_ignored(ask: Caller) -> None:
    ask.done(
        "POST", "/compute/v1/projects/p/global/networks", {"name": "mesh", "kind": "x", "id": "3", "selfLink": "y"}
    )
    found = ask("GET", "/compute/v1/projects/p/global/networks/mesh").json()
    assert found["kind"] == "compute#network"
    assert found["selfLink"].endswith("/projects/p/global/networks/mesh")
    assert ask.standin.cloud.log[0]["ignored"] == ["resource.kind", "resource.id", "resource.selfLink"]


def test_the_second_reader_forbids_what_the_first_ignores() -> None:
    properties = json_schema("compute", "v1", "Network")["$defs"]["Network"]["properties"]
    assert properties["selfLink"] == {"not": {}}
    assert properties["name"]["pattern"]


# Refusals in the words of each service.


@pytest.mark.parametrize(
    ("host", "path", "older", "newer"),
    [
        ("container", "/v1/projects/p/locations/us-west1/clusters/c", "notFound", "NOT_FOUND"),
        ("compute", "/compute/v1/projects/p/global/networks/n", "notFound", None),
        ("gkehub", "/v1/projects/p/locations/us-west1/memberships/m", None, "NOT_FOUND"),
    ],
)
def test_each_service_has_its_form_of_an_error(
    ask: Caller, host: str, path: str, older: str | None, newer: str | None
) -> None:
    found = error(ask("GET", path, host=f"{host}.googleapis.com"), 404)
    assert found["code"] == 404
    assert found.get("status") == newer
    assert [e["reason"] for e in found.get("errors", [])] == ([older] if older else [])


@pytest.mark.parametrize(
    ("host", "path", "said"),
    [
        ("container", "/v1/projects/p/locations/-/clusters", 'Required "a.b.c" permission(s) for "projects/p".'),
        ("compute", "/compute/v1/projects/p/global/networks", "Required 'a.b.c' permission for 'projects/p'"),
        ("gkehub", "/v1/projects/p/locations/-/memberships", "Permission 'a.b.c' denied on resource"),
        ("cloudresourcemanager", "/v1/projects/p", "The caller does not have permission"),
        ("serviceusage", "/v1/projects/p/services", "Permission denied to enable service"),
    ],
)
def test_a_missing_permission_in_each_services_words(ask: Caller, host: str, path: str, said: str) -> None:
    ask.standin.cloud.deny("a.b.c")
    found = error(ask("GET", path, host=f"{host}.googleapis.com"), 403)
    assert said in found["message"]
    infos = [d for d in found.get("details", []) if d["@type"].endswith("ErrorInfo")]
    named = [i["metadata"]["permission"] for i in infos if i["metadata"]]
    assert named == (["a.b.c"] if host == "gkehub" else [])


@pytest.mark.parametrize(
    ("service", "method", "params", "permission"),
    [
        (
            "container",
            "projects.locations.clusters.list",
            {"parent": "projects/p/locations/-"},
            "container.clusters.list",
        ),
        (
            "gkehub",
            "projects.locations.features.list",
            {"parent": "projects/p/locations/global"},
            "gkehub.features.list",
        ),
        ("compute", "networks.list", {"project": "p"}, "compute.networks.list"),
        ("cloudresourcemanager", "projects.get", {"projectId": "p"}, "resourcemanager.projects.get"),
        (
            "cloudresourcemanager",
            "projects.setIamPolicy",
            {"resource": "p", "body": {}},
            "resourcemanager.projects.setIamPolicy",
        ),
        (
            "serviceusage",
            "services.batchEnable",
            {"parent": "projects/p", "body": {"serviceIds": ["x"]}},
            "serviceusage.services.enable",
        ),
    ],
)
def test_our_client_names_the_permission_whatever_google_says(
    google_cloud: StandIn, options: Json, service: str, method: str, params: Json, permission: str
) -> None:
    google_cloud.cloud.deny(permission)
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args(options), patience=1).call(service, method, **params)
    assert caught.value.what == f"permission {permission} is missing"


def test_an_api_that_is_off_is_named_with_the_projects_number(ask: Caller) -> None:
    ask.standin.cloud.disabled.add("compute.googleapis.com")
    found = error(ask("GET", "/compute/v1/projects/p/global/networks"), 403)
    (info,) = found["details"]
    assert (info["reason"], info["metadata"]["service"]) == ("SERVICE_DISABLED", "compute.googleapis.com")
    assert info["metadata"]["consumer"] == f"projects/{ask.standin.cloud.number('p')}"
    assert found["errors"][0]["reason"] == "accessNotConfigured"


def test_a_rate_limit_says_when_to_come_back(ask: Caller) -> None:
    ask.standin.cloud.fail("container.*", 429, "slow down", retry_after=7)
    answer = ask("GET", "/v1/projects/p/locations/-/clusters")
    assert (error(answer, 429)["status"], answer.headers["Retry-After"]) == ("RESOURCE_EXHAUSTED", "7")


# Pages.


def test_a_page_leads_to_the_next_and_nothing_else_does(ask: Caller) -> None:
    names = [f"n{i}" for i in range(5)]
    for name in names:
        ask.done("POST", "/compute/v1/projects/p/global/networks", {"name": name})
    base = "/compute/v1/projects/p/global/networks?maxResults=2"
    seen, more = [], ""
    for _page in range(3):
        found = ask("GET", f"{base}&pageToken={more}" if more else base).json()
        seen += [n["name"] for n in found["items"]]
        more = found.get("nextPageToken", "")
    assert (seen, more) == (names, "")
    assert "pageToken" in error(ask("GET", f"{base}&pageToken=2"), 400)["message"]


def test_an_empty_list_has_no_items(ask: Caller) -> None:
    assert "items" not in ask("GET", "/compute/v1/projects/p/global/networks").json()
    assert ask("GET", "/v1/projects/p/locations/-/clusters").json() == {}
    hub = "gkehub.googleapis.com"
    assert ask("GET", "/v1/projects/p/locations/-/memberships", host=hub).json() == {}


def test_names_in_bodies_match_patterns_of_the_documents() -> None:
    # The generator draws texts from these patterns: they must be Python's too.
    compute = next(s for s in services() if s.name == "compute")
    patterns = {
        p["pattern"] for m in compute.schemas.values() for p in (m.get("properties") or {}).values() if "pattern" in p
    }
    assert patterns
    for pattern in patterns:
        re.compile(pattern)


class _OnceRead(threading.Event):
    """Waits, when set, until the caller has the answer; then says in ``was_read`` whether that came."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()
        self.was_read: bool | None = None

    def set(self) -> None:
        self.was_read = self.read.wait(10)
        super().set()


def test_who_stops_the_standin_has_an_answer_first(google_cloud: StandIn) -> None:
    over = google_cloud.over = _OnceRead()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(f"{google_cloud.endpoint}/standin/stop", method="POST")
    with direct.open(asked, timeout=30) as answer:
        assert (answer.status, answer.read()) == (200, b"{}")
    over.read.set()
    assert over.wait(30)
    assert over.was_read
