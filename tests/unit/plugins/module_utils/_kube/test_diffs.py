# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as a change, and how it is shown."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import (
    change_of,
    cleaned,
    described,
    normalized,
    shown,
)

MANAGER = "mesh.fleet"


def live(
    data: dict[str, str], *, version: str = "1", owned: t.Sequence[str] = ("a",), **meta: t.Any
) -> dict[str, t.Any]:
    fields = {"f:data": {f"f:{key}": {} for key in owned}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "n",
            "namespace": "x",
            "uid": "u",
            "resourceVersion": version,
            "managedFields": [{"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}],
            **meta,
        },
        "data": data,
    }


def action(before: dict[str, t.Any] | None, after: dict[str, t.Any], desired: dict[str, str]) -> str:
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}, "data": desired}
    return change_of("west", before, after, wanted, manager=MANAGER).action


def test_created_changed_unchanged() -> None:
    assert action(None, live({"a": "1"}), {"a": "1"}) == "created"
    assert action(live({"a": "1"}), live({"a": "1"}), {"a": "1"}) == "unchanged"
    assert action(live({"a": "1"}), live({"a": "2"}, version="2"), {"a": "2"}) == "changed"


def test_a_dry_run_keeps_the_version_and_still_shows_a_change() -> None:
    assert action(live({"a": "1"}), live({"a": "2"}), {"a": "2"}) == "changed"


def test_another_writer_in_between_is_not_our_change() -> None:
    after = live({"a": "1", "b": "theirs"}, version="5", annotations={"their": "note"})
    assert action(live({"a": "1"}), after, {"a": "1"}) == "unchanged"


def test_what_we_gave_up_is_our_change() -> None:
    before = live({"a": "1", "b": "2"}, owned=("a", "b"))
    assert action(before, live({"a": "1"}, version="2"), {"a": "1"}) == "changed"


def test_owning_what_was_there_already_is_no_change() -> None:
    assert action(live({"a": "1"}, owned=()), live({"a": "1"}, version="2"), {"a": "1"}) == "unchanged"


def test_nothing_of_the_server_is_shown() -> None:
    text = shown({**live({"a": "1"}, generation=3, creationTimestamp="now"), "status": {"x": 1}})
    assert text == "apiVersion: v1\ndata:\n  a: '1'\nkind: ConfigMap\nmetadata:\n  name: n\n  namespace: x\n"
    assert shown(None) == ""


def test_kubectls_copy_is_not_shown() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    assert "annotations" not in shown(live({}, annotations=notes))


def test_unchanged_carries_no_text_and_no_diff_none() -> None:
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}, "data": {"a": "2"}}
    args: tuple[t.Any, ...] = ("west", live({"a": "1"}), live({"a": "2"}), wanted)
    assert change_of(*args, manager=MANAGER).after
    assert change_of(*args, manager=MANAGER, diff=False).after == ""


def test_normalized_moves_string_data_and_leaves_its_argument() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "n", "uid": "u"}, "data": {"a": "YQ=="}, "stringData": {"b": "b"}}
    before = copy.deepcopy(secret)
    out = normalized(secret)
    assert out["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "stringData" not in out
    assert "uid" not in out["metadata"]
    assert secret == before
    assert cleaned({"kind": "X"}) == {"kind": "X", "metadata": {}}


def test_described() -> None:
    assert described({"kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}) == "Pod b/a"
    assert described({"kind": "Node", "metadata": {"name": "a"}}) == "Node a"
    assert described({}) == "(no kind) (no name)"
