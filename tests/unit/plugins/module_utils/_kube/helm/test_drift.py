# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose values stay when a release is put right; with a real API server in tests/api/test_helm_releases.py."""

from __future__ import annotations

import asyncio
import copy
import json
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import Resource
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm import drift

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    "helm.sh/resource-policy": keep
  labels:
    name: wrong
  name: wasmplugins.extensions.istio.io
spec:
  names:
    kind: WasmPlugin
"""
ENV = {'k:{"name":"BY_HAND"}': {".": {}, "f:name": {}, "f:value": {}}}
CONTAINER = {'k:{"name":"discovery"}': {"f:image": {}, "f:env": ENV}}


def entry(manager: str, fields: dict[str, t.Any], **more: str) -> dict[str, t.Any]:
    return {"manager": manager, "operation": "Update", "time": "2026-11-26T11:15:00Z", "fieldsV1": fields, **more}


def deployment(image: str, *managed: dict[str, t.Any], replicas: int = 1, env: bool = False) -> dict[str, t.Any]:
    container: dict[str, t.Any] = {"name": "discovery", "image": image}
    if env:
        container["env"] = [{"name": "BY_HAND", "value": "1"}]
    return {
        "kind": "Deployment",
        "metadata": {"name": "istiod", "resourceVersion": "7", "managedFields": list(managed)},
        "spec": {"replicas": replicas, "containers": [container]},
    }


def changed(manager: str, strict: bool, **more: t.Any) -> dict[str, t.Any]:
    """An istiod whose image and environment ``manager`` set, put right."""
    mine = entry(manager, {"f:spec": {"f:containers": CONTAINER}})
    live = deployment("theirs", mine, env=True)
    asked = copy.deepcopy(live)
    asked["spec"]["containers"][0]["image"] = "ours"
    of_helm = {"f:spec": {"f:containers": {'k:{"name":"discovery"}': {".": {}, "f:name": {}, "f:image": {}}}}}
    asked["metadata"]["managedFields"].append(entry("mesh.fleet-compare", of_helm))
    right = drift._right(live, asked, strict)
    container: dict[str, t.Any] = right["spec"]["containers"][0]
    return container


@pytest.mark.parametrize("strict", [True, False])
def test_what_a_person_changed_or_added_goes(strict: bool) -> None:
    assert changed("kubectl-edit", strict) == {"name": "discovery", "image": "ours", "env": []}


@pytest.mark.parametrize("manager", ["kube-controller-manager", "pilot-discovery", "shop-operator", "mesh.fleet"])
def test_what_a_controller_set_stays(manager: str) -> None:
    assert changed(manager, True)["image"] == "theirs"
    assert changed(manager, True)["env"]


def test_a_field_of_a_controller_that_is_not_there_is_not_set() -> None:
    live = deployment("ours", entry("shop-operator", {"f:spec": {"f:gone": {}, "f:containers": {'v:"x"': {}}}}))
    assert drift._right(live, live, True) == live


def test_unknown_programs_stay_in_charts_of_the_users_alone() -> None:
    assert changed("a-program-of-theirs", False)["image"] == "theirs"
    assert changed("a-program-of-theirs", True)["image"] == "ours"


@pytest.mark.parametrize(("replicas", "left"), [(0, None), (3, 3)])
def test_an_autoscaler_goes_on_from_anything_but_zero(replicas: int, left: int | None) -> None:
    mine = [entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")] if replicas else []
    live = deployment("ours", *mine, replicas=replicas)
    assert drift._right(live, live, True)["spec"].get("replicas") == left
    assert drift._right(live, live, False)["spec"].get("replicas") == replicas


def test_zero_counts_whoever_is_recorded_for_it() -> None:
    live = deployment("ours", entry("shop-autoscaler", {"f:spec": {"f:replicas": {}}}), replicas=0)
    assert "replicas" not in drift._right(live, live, True)["spec"]


def test_version_and_status_are_those_that_were_read() -> None:
    """Whatever somebody wrote between the two: the write is then refused."""
    live = {**deployment("ours"), "status": {"seen": 1}}
    asked = {**live, "metadata": {**live["metadata"], "resourceVersion": "8"}, "status": {"seen": 0}}
    assert drift._right(live, asked, True) == live


def test_marks_and_restarts_of_people_stay() -> None:
    restart = {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}
    live = deployment("ours", entry("kubectl", {"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": restart}))
    live["metadata"]["labels"] = {"team": "x"}
    live["spec"]["template"] = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    assert drift._right(live, live, True) == live


def test_a_crd_is_not_parsed_and_its_name_is_found() -> None:
    found = drift._manifests(f"# Source: a\n---\nkind: Service\nmetadata:\n  name: a\n---\n{CRD}\n---\n# nothing\n")
    assert [obj if isinstance(obj, str) else obj["kind"] for obj in found] == ["Service", f"\n{CRD}\n"]
    match = drift._CRD_NAME.search(CRD)
    assert match
    assert match[1] == "wasmplugins.extensions.istio.io"


@pytest.mark.parametrize(
    ("live", "wanted", "there"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "c": None, "d": {}, "e": []}, True),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": [{"x": 1}, {"x": 2}]}, {"a": [{"x": 1}]}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"cpu": "1"}, {"cpu": "1000m"}, False),
        ({"a": 1}, {"a": None}, True),
        ({"a": 1}, {"a": {"b": 1}}, False),
        ({"a": 1}, {"a": [1]}, False),
    ],
)
def test_a_manifest_that_is_in_the_object_needs_no_dry_run(live: t.Any, wanted: t.Any, there: bool) -> None:
    assert drift._contains(live, wanted) is there


# -- against an API server of one release ------------------------------------------------------


def merged(live: t.Any, wanted: t.Any) -> t.Any:
    """What a server-side apply by force makes of an object: lists of things with names are merged by these."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return {**live, **{key: merged(live.get(key), value) for key, value in wanted.items()}}
    if isinstance(wanted, list) and wanted and isinstance(live, list) and isinstance(wanted[0], dict):
        mine = {item["name"]: item for item in wanted}
        there = [merged(item, mine.pop(item["name"], {})) for item in live]
        return [*there, *mine.values()]
    return wanted


def fields(wanted: t.Any) -> dict[str, t.Any]:
    """The record of the fields that were applied."""
    if isinstance(wanted, dict):
        return {f"f:{key}": fields(value) for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **fields(item)} for item in wanted}
    return {}


class Server:
    """Objects by path; what was sent; and answers that differ, one for each write."""

    concurrency = 2

    def __init__(self, *live: dict[str, t.Any]) -> None:
        self.live = {self._path(obj): obj for obj in live}
        self.sent: list[tuple[str, str, dict[str, t.Any]]] = []
        self.errors: list[int] = []
        self.unknown: dict[str, int] = {}
        self.words: dict[str, str] = {}
        """What it writes in another way."""
        self.meanwhile: t.Callable[[], None] = lambda: None

    @staticmethod
    def _resource(api_version: str, kind: str) -> Resource:
        return Resource(api_version, kind, f"{kind.lower()}s", kind not in ("ClusterRole", "CustomResourceDefinition"))

    def _path(self, obj: dict[str, t.Any]) -> str:
        meta = obj["metadata"]
        return self._resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace", ""), meta["name"])

    @property
    def transport(self) -> Server:
        return self

    async def resource(self, api_version: str, kind: str, *, obj: str) -> Resource:
        assert obj.startswith(f"{kind} ")
        if kind in self.unknown:
            raise ApiError("no", status=self.unknown[kind])
        return self._resource(api_version, kind)

    async def get(self, api_version: str, kind: str, name: str) -> dict[str, t.Any] | None:
        return self.live.get(self._resource(api_version, kind).path("", name))

    async def get_path(self, path: str, *, obj: str) -> dict[str, t.Any] | None:
        return copy.deepcopy(self.live.get(path))

    async def request(self, method: str, path: str, *, params: t.Any, body: t.Any, **more: t.Any) -> t.Any:
        assert more["secret"] is (body["kind"] == "Secret")
        self.sent.append((method, path, {**params, **more}))
        if self.errors and (status := self.errors.pop(0)):
            self.meanwhile()
            raise ApiError("no", status=status)
        if method != "PATCH":
            assert self._path(body) == (path if method == "PUT" else f"{path}/{body['metadata']['name']}")
            self.live[self._path(body)] = body
            return body
        sent = json.dumps(body)
        for word, other in self.words.items():
            sent = sent.replace(word, other)
        asked = merged(copy.deepcopy(self.live[path]), json.loads(sent))
        managed = asked["metadata"].setdefault("managedFields", [])
        managed.append(entry(params["fieldManager"], fields(body), operation="Apply"))
        return asked

    def find(self, manifest: str, *, strict: bool = True) -> list[drift.Drift]:
        self.sent.clear()
        return asyncio.run(drift.find_drift(t.cast(t.Any, self), record(manifest), strict=strict))

    def put_right(self, found: drift.Drift, manifest: str) -> None:
        self.sent.clear()
        asyncio.run(drift.put_right(t.cast(t.Any, self), record(manifest), found, strict=True))


def record(manifest: str) -> t.Any:
    return types.SimpleNamespace(name="istiod", namespace="istio-system", manifest=manifest)


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: istiod
  creationTimestamp:
  labels:
    app: istiod
spec:
  selector:
  containers:
  - name: discovery
    image: ours
status:
  replicas: 0
"""
PATH = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
MARKS = {"meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system"}
OF_HELM = {"f:spec": {"f:containers": {'k:{"name":"discovery"}': {".": {}, "f:name": {}, "f:image": {}}}}}


def istiod(image: str = "ours", *managed: dict[str, t.Any], **spec: t.Any) -> dict[str, t.Any]:
    """As it is on the server after Helm, or somebody else, wrote it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "istiod",
            "namespace": "istio-system",
            "resourceVersion": "7",
            "labels": {"app": "istiod", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": dict(MARKS),
            "managedFields": [entry("helm", OF_HELM), *managed],
        },
        "spec": {"replicas": 1, "containers": [{"name": "discovery", "image": image}], **spec},
        "status": {"readyReplicas": 1},
    }


BY_HAND = entry("kubectl-edit", {"f:spec": {"f:containers": {'k:{"name":"discovery"}': {"f:image": {}}}}})


def test_what_is_as_helm_made_it_is_only_read() -> None:
    server = Server(istiod())
    assert server.find(MANIFEST) == [] and server.sent == []
    # Marks and restarts of a person ask for no dry run either.
    noted = entry("kubectl-edit", {"f:metadata": {"f:labels": {"f:team": {}}}})
    assert Server(istiod("ours", noted)).find(MANIFEST) == []


def test_what_was_deleted_is_made_again() -> None:
    server = Server()
    (found,) = server.find(MANIFEST)
    assert (found.live, found.by, server.sent) == (None, "it was deleted", [])
    assert found.wanted == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "istiod",
            "namespace": "istio-system",
            "labels": {"app": "istiod", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": MARKS,
        },
        "spec": {"containers": [{"name": "discovery", "image": "ours"}]},
    }
    change = found.change("west")
    assert (change.cluster, change.kind, change.name, change.namespace) == (
        "west",
        "Deployment",
        "istiod",
        "istio-system",
    )
    assert (change.action, change.before) == ("created", "# it was deleted\n") and "image: ours" in change.after
    server.put_right(found, MANIFEST)
    ((method, path, more),) = server.sent
    assert (method, path) == ("POST", "/apis/apps/v1/namespaces/istio-system/deployments")
    assert (more["fieldManager"], more["action"]) == ("helm", "create")
    assert more["obj"] == "Deployment istio-system/istiod"
    assert server.find(MANIFEST) == []


def test_what_was_changed_is_put_right() -> None:
    server = Server(istiod("theirs", BY_HAND))
    (found,) = server.find(MANIFEST)
    ((method, path, more),) = server.sent
    assert (method, path, more["action"]) == ("PATCH", PATH, "apply")
    assert {name: more[name] for name in ("fieldManager", "force", "dryRun", "content_type")} == {
        "fieldManager": "mesh.fleet-compare",
        "force": "true",
        "dryRun": "All",
        "content_type": "application/apply-patch+yaml",
    }
    assert found.by == "changed by kubectl-edit (2026-11-26T11:15:00Z)"
    right = istiod("ours", BY_HAND)
    assert found.wanted == right, "as the server keeps it: with its version, its records and its status"
    change = found.change("west")
    assert change.action == "changed" and change.before.startswith("# changed by kubectl-edit")
    assert "image: theirs" in change.before and "image: ours" in change.after
    server.put_right(found, MANIFEST)
    assert [(method, path, more["action"]) for method, path, more in server.sent] == [("PUT", PATH, "update")]


def test_a_secret_is_named_as_one() -> None:
    manifest = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  k: YQ==\n"
    server = Server()
    (found,) = server.find(manifest)
    server.put_right(found, manifest)
    server.live["/api/v1/namespaces/istio-system/secrets/a"]["metadata"]["resourceVersion"] = "1"
    server.live["/api/v1/namespaces/istio-system/secrets/a"]["data"] = {"k": "Yg=="}
    (found,) = server.find(manifest)
    assert "Yg==" not in found.change("west").before and found.by == "a field of it was removed"


def test_what_is_written_meanwhile_is_compared_anew() -> None:
    server = Server(istiod("theirs", BY_HAND))
    (found,) = server.find(MANIFEST)
    server.errors = [409]
    server.meanwhile = lambda: server.live.update({PATH: istiod("others", BY_HAND)})
    server.put_right(found, MANIFEST)
    assert [method for method, _path, _more in server.sent] == ["PUT", "PATCH", "PUT"]
    assert server.live[PATH]["spec"]["containers"] == [{"name": "discovery", "image": "ours"}]


@pytest.mark.parametrize("before", [[istiod("theirs", BY_HAND)], []], ids=["changed", "missing"])
def test_what_somebody_else_put_right_is_left(before: list[dict[str, t.Any]]) -> None:
    server = Server(*before)
    (found,) = server.find(MANIFEST)
    server.errors = [409]
    server.meanwhile = lambda: server.live.update({PATH: istiod()})
    server.put_right(found, MANIFEST)
    assert len(server.sent) == 1


def test_a_write_that_is_refused_ends() -> None:
    server = Server(istiod("theirs", BY_HAND))
    (found,) = server.find(MANIFEST)
    for errors, tries in (([409, 0, 409, 0, 409], 3), ([403], 1)):
        server.errors = list(errors)
        with pytest.raises(ApiError):
            server.put_right(found, MANIFEST)
        assert [method for method, _path, _more in server.sent].count("PUT") == tries


def test_what_cannot_be_compared_is_left() -> None:
    ends = istiod("theirs", BY_HAND)
    ends["metadata"]["deletionTimestamp"] = "now"
    assert Server(ends).find(MANIFEST) == []
    server = Server(istiod("theirs", BY_HAND))
    for status in (400, 404, 409, 422, 500):
        server.errors = [status]
        assert server.find(MANIFEST) == []
    server.errors = [403]
    with pytest.raises(ApiError):
        server.find(MANIFEST)
    # Its CRD is missing too, which Helm makes with it.
    server.unknown = {"Deployment": 404}
    assert server.find(MANIFEST) == []
    server.unknown = {"Deployment": 503}
    with pytest.raises(ApiError):
        server.find(MANIFEST)


def test_a_dry_run_that_changes_nothing_is_no_drift() -> None:
    """The same quantity in other words, for instance, or an empty list."""
    manifest = MANIFEST.replace("image: ours", "image: ours\n    cpu: 1000m")
    server = Server(istiod(containers=[{"name": "discovery", "image": "ours", "cpu": "1"}]))
    server.words = {"1000m": "1"}
    assert server.find(manifest) == []
    assert len(server.sent) == 1


def test_an_istiod_that_was_scaled_to_nothing_runs_again() -> None:
    server = Server(istiod(replicas=0))
    (found,) = server.find(MANIFEST)
    assert found.by == "it was scaled to 0" and "replicas" not in found.wanted["spec"]
    assert server.find(MANIFEST, strict=False) == [] and server.sent == []
    by_them = entry("a-program-of-theirs", {"f:spec": {"f:paused": {}}})
    (found,) = Server(istiod("ours", by_them, replicas=0, paused=True)).find(
        MANIFEST.replace("selector:", "paused: false")
    )
    assert found.by == "changed by a-program-of-theirs (2026-11-26T11:15:00Z)"
    # A manifest that asks for none gets none.
    stopped = MANIFEST.replace("selector:", "replicas: 0")
    assert Server(istiod(replicas=0)).find(stopped) == []


def test_what_others_need_comes_first() -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: istiod\n"
    server = Server()
    found = server.find(f"{MANIFEST}\n---\n{CRD}\n---\n{role}")
    kinds = [one.wanted["kind"] for one in found]
    assert kinds == ["CustomResourceDefinition", "ClusterRole", "Deployment"]
    assert "namespace" not in found[1].wanted["metadata"] and found[1].path.endswith("/v1/clusterroles")
    # A CRD that is there is left as it is, whatever is in it.
    server.live["/apis/apiextensions.k8s.io/v1/customresourcedefinitions/wasmplugins.extensions.istio.io"] = {}
    assert [one.wanted["kind"] for one in server.find(CRD)] == []
    quoted = CRD.replace("wasmplugins.extensions.istio.io", '"wasmplugins.extensions.istio.io"')
    assert server.find(quoted) == []


def test_an_object_stays_in_the_namespace_that_it_names() -> None:
    (found,) = Server().find(MANIFEST.replace("name: istiod", "name: istiod\n  namespace: elsewhere", 1))
    assert found.path == "/apis/apps/v1/namespaces/elsewhere/deployments"


def test_what_is_no_object_of_a_manifest_is_left_out() -> None:
    assert drift._manifests("---\nkind: List\n---\n- a\n---\nmetadata:\n  name: a\n---\nkind: A\nmetadata:\n") == []
    without_a_name = "kind: CustomResourceDefinition\nmetadata:\n  labels: {}\n"
    assert drift._manifests(without_a_name) == []


@pytest.mark.parametrize(
    ("manager", "person"),
    [("kubectl-client-side-apply", True), ("oc", True), ("ocean", False), ("helm", False), ("curl/8", True)],
)
def test_who_is_a_person(manager: str, person: bool) -> None:
    assert drift._by_person({"manager": manager}) is person


@pytest.mark.parametrize(
    ("manager", "strict", "left"),
    [
        ("cainjector", True, True),
        ("karpenter-autoscaler", True, True),
        ("helm", False, False),
        ("kubectl-edit", False, False),
        ("a-program-of-theirs", False, True),
        ("a-program-of-theirs", True, False),
    ],
)
def test_whose_values_stay(manager: str, strict: bool, left: bool) -> None:
    assert drift._is_left({"manager": manager}, strict) is left


def test_what_a_person_added_stays_where_others_set_it_too() -> None:
    added = {"f:spec": {"f:paused": {}, "f:minReadySeconds": {}}}
    shared = entry("a-program-of-theirs", {"f:spec": {"f:paused": {}}})
    live = istiod("ours", shared, entry("kubectl-edit", added), paused=True, minReadySeconds=7)
    (found,) = Server(live).find(MANIFEST)
    assert "minReadySeconds" not in found.wanted["spec"] and found.wanted["spec"]["paused"]
    assert found.by == "changed by kubectl-edit (2026-11-26T11:15:00Z)"


def service(*ports: dict[str, t.Any], managed: t.Sequence[dict[str, t.Any]] = ()) -> dict[str, t.Any]:
    meta = {"name": "istiod", "resourceVersion": "7", "managedFields": list(managed)}
    return {"kind": "Service", "metadata": meta, "spec": {"ports": list(ports)}}


def test_a_port_that_a_dry_run_allots_is_none() -> None:
    live = service({"port": 1, "nodePort": 30001})
    asked = service({"port": 1, "nodePort": 30001}, {"port": 2, "nodePort": 30002}, {"port": 3})
    kept = [{"port": 1, "nodePort": 30001}, {"port": 2}, {"port": 3}]
    assert drift._right(live, asked, True)["spec"]["ports"] == kept
    wish = entry("mesh.fleet-compare", {"f:spec": {"f:ports": {'k:{"port":2}': {"f:nodePort": {}}}}})
    asked["metadata"]["managedFields"] = [wish]
    assert drift._right(live, asked, True)["spec"]["ports"][1] == {"port": 2, "nodePort": 30002}
    none = service()
    none["spec"] = {"externalName": "x"}
    assert drift._right(none, none, True)["spec"] == {"externalName": "x"}
