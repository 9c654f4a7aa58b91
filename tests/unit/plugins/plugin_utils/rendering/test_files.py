# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which file an object gets into, and how it is written."""

from __future__ import annotations

import random
import typing as t

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import SECRET, LeftOut
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rendering import Rendered
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.files import (
    PAGE,
    STAGES,
    dumped,
    envoy_files,
    files_of,
    is_file_name,
    is_marked,
    with_remedies,
)

Object = dict[str, t.Any]


def obj(kind: str, name: str, api: str = "v1", **more: t.Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


def names(text: str) -> list[str]:
    return [document["metadata"]["name"] for document in yaml.safe_load_all(text)]


CRD = obj("CustomResourceDefinition", "crd", "apiextensions.k8s.io/v1", spec={"group": "g", "names": {"kind": "Own"}})


def test_an_object_is_in_one_file_as_it_is_applied_last() -> None:
    shared = obj("Namespace", "shared")
    last = {**shared, "metadata": {"name": "shared", "labels": {"a": "b"}}}
    rendered = {
        "trust": Rendered([shared]),
        "control_plane": Rendered([shared, obj("ConfigMap", "one")]),
        "gateways": Rendered([last]),
    }
    files = files_of("shop", "west", rendered)
    assert set(files) == {"20-trust.yaml", "30-control_plane.yaml", PAGE}
    assert yaml.safe_load(files["20-trust.yaml"]) == last
    assert names(files["30-control_plane.yaml"]) == ["one"]


def test_what_needs_a_crd_of_its_file_is_in_a_later_one() -> None:
    own, alone = obj("Own", "own", "g/v1"), obj("Own", "alone", "g/v1")
    rendered = {"control_plane": Rendered([CRD, own, alone]), "gateways": Rendered([own])}
    files = files_of("shop", "west", rendered)
    assert names(files["30-control_plane.yaml"]) == ["crd", "alone"]
    assert names(files["50-gateways.yaml"]) == ["own"]


def test_the_order_within_a_file_is_that_of_an_apply() -> None:
    objects = [
        obj("Deployment", "a", "apps/v1"),
        obj("ServiceAccount", "b"),
        CRD,
        obj("Namespace", "z"),
        obj("ConfigMap", "d"),
    ]
    texts = set()
    for seed in range(5):
        random.Random(seed).shuffle(objects)
        texts.add(files_of("shop", "west", {"apps": Rendered(list(objects))})["60-apps.yaml"])
    assert len(texts) == 1
    assert names(texts.pop()) == ["z", "crd", "d", "b", "a"]


def test_what_is_left_out_is_on_the_page_with_a_remedy() -> None:
    left = [
        LeftOut("west", "Secret a/cacerts", SECRET),
        LeftOut("west", "Secret a/cacerts", SECRET),
        LeftOut("west", "release a/b", "unknown", "set it"),
    ]
    files = files_of("shop", "west", {"trust": Rendered([], left), "apps": Rendered([], left[:1])})
    assert list(files) == [PAGE]
    lines = [line for line in files[PAGE].splitlines() if line.startswith("- ")]
    assert lines == [
        "- trust: Secret a/cacerts: it holds a secret. Instead: run mesh.fleet.trust before the control plane starts, "
        "or let what manages your secrets write it.",
        "- trust: release a/b: unknown. Instead: set it.",
        "- apps: Secret a/cacerts: it holds a secret. Instead: let what manages your secrets write it, such as Sealed "
        "Secrets, External Secrets or SOPS.",
    ]


def test_a_secret_within_an_object_has_a_remedy_of_its_own() -> None:
    (left,) = with_remedies("apps", [LeftOut("west", "ConfigMap a/b", f"{SECRET} in data.config")])
    assert left.instead.startswith("keep that value in a Secret to which the object refers, or let ")


def test_nothing_gives_no_file() -> None:
    assert files_of("shop", "west", {}) == {}
    assert files_of("shop", "west", {"apps": Rendered()}) == {}


def test_each_file_is_marked_as_ours() -> None:
    files = files_of("shop", "west", {stage: Rendered([obj("ConfigMap", stage)]) for stage in STAGES})
    assert len(files) == len(STAGES) + 1
    assert list(files)[:-1] == sorted(files)[:-1]
    for name, text in files.items():
        assert is_marked(text, "shop")
        assert not is_marked(text, "sho") and not is_marked(text, "shop-two")
        assert is_file_name(name)
    assert not is_file_name("kustomization.yaml")
    assert not is_file_name("20-trust.yaml.orig")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "y",
        "No",
        "on",
        "null",
        "~",
        "1234e56",
        "0x10",
        "0644",
        "12:30",
        "1_000",
        ".inf",
        "2026-11-27",
        "=",
        "<<",
        "- a",
        "a: b",
        "a # b",
        "*",
        "{{ x }}",
        "a\nb",
        "a \nb\n",
        "\n  a\n",
        "a\tb\n",
        "x\u2028y\nz",
        "\ufeff\n",
        "é\x7f",
        "trailing ",
        "# !/bin/sh\nset -e\n",
        "plain-text/of.some_kind",
    ],
)
def test_a_text_is_read_as_it_was(text: str) -> None:
    written = dumped(obj("ConfigMap", "a", data={"k": text}))
    assert yaml.safe_load(written)["data"]["k"] == text
    assert written.isascii() or "|" in written
    assert yaml.load(written, Loader=yaml.BaseLoader)["data"]["k"] == text
    if text in ("y", "No", "on", "1234e56", "0644", "12:30", "1_000", "2026-11-27"):
        assert f'k: "{text}"' in written


def test_envoys_files_say_the_same_and_whose_they_are() -> None:
    files = {"clusters.yaml": {"resources": [{"a": "1s"}]}, "secret-shop-tls.yaml": {"resources": []}}
    texts = envoy_files("shop", files)
    assert set(texts) == {*files, PAGE}
    assert {name: yaml.safe_load(texts[name]) for name in files} == files
    assert all(is_marked(text, "shop") and not is_marked(text, "other") for text in texts.values())
    assert all(is_file_name(name) for name in (*texts, "routes-http-any.yaml")) and not is_file_name("keys.yaml")
    assert "Secret `shop-tls` go to `/etc/front-door/keys/shop-tls`" in texts[PAGE]
    assert "In no file" not in envoy_files("shop", {"clusters.yaml": {}})[PAGE]


def test_numbers_and_repeated_values_stay_what_they_are() -> None:
    one = {"a": 1, "b": True, "c": None, "d": 1.5}
    made = dumped(obj("ConfigMap", "a", spec=[one, one]))
    assert yaml.safe_load(made)["spec"] == [one, one]
    assert "&" not in made
