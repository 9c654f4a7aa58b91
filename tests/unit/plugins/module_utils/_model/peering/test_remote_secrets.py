# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remote secrets: what is decided about each key, and what is written."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    MANAGED_BY,
    MANAGER,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import kubeconfig, remote_secrets
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ANNOTATION,
    LABEL,
    Peer,
    decide,
    read_entries,
    unproven,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.secret_writes import (
    BUNDLE,
    RESOLVED,
    SOFT_LIMIT,
    Writes,
    compose,
)

NOW = 1_800_000_000.0
DAY = 86400.0
ACCOUNT = "istio-system/istio-reader-service-account"
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").decode()


def jwt(claims: dict[str, t.Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def bound(
    expires: float = NOW + 20 * DAY, uid: str = "u1", name: str = "istio-reader-service-account", **more: t.Any
) -> str:
    account = {"name": name, "uid": uid}
    claims = {"exp": int(expires), "kubernetes.io": {"namespace": "istio-system", "serviceaccount": account}}
    return jwt({**claims, **more})


def static(uid: str = "u1") -> str:
    prefix = "kubernetes.io/serviceaccount/"
    return jwt(
        {
            prefix + "namespace": "istio-system",
            prefix + "secret.name": "x",
            prefix + "service-account.name": "istio-reader-service-account",
            prefix + "service-account.uid": uid,
        }
    )


def peer(name: str, **more: t.Any) -> Peer:
    return Peer(
        **{
            "cluster": name,
            "server": f"https://{name}.example:6443",
            "ca": CA,
            "account": ACCOUNT,
            "account_uid": "u1",
            **more,
        }
    )


def text(name: str, token: str, **more: t.Any) -> str:
    server = more.get("server", f"https://{name}.example:6443")
    ca = more.get("ca", CA)
    return kubeconfig.render(kubeconfig.RemoteAccess(name, server, ca, token, more.get("tls_server_name", "")))


def secret(name: str, keys: dict[str, str], *, ours: bool = False, **more: t.Any) -> dict[str, t.Any]:
    labels = {
        LABEL: "true",
        **(owner_labels("peering", "prod") if ours else {}),
        **more.get("labels", {}),
    }
    annotations = more.get("annotations", {ANNOTATION: ",".join(keys)})
    return {
        "metadata": {"name": name, "labels": labels, "annotations": annotations, **more.get("meta", {})},
        "type": more.get("type", "Opaque"),
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()},
    }


def istioctls(name: str, token: str) -> dict[str, t.Any]:
    return secret(f"istio-remote-secret-{name}", {name: text(name, token)})


class Run:
    """decide and compose, as the action does."""

    def __init__(self, live: list[dict[str, t.Any]], wanted: t.Iterable[str], **more: t.Any) -> None:
        self.live = live
        peers = {name: peer(name) for name in wanted} | more.get("peers", {})
        gone = more.get("unwanted")
        everything = {e.cluster for e in read_entries(live, "prod")}
        self.plans = decide(
            read_entries(live, "prod"),
            peers,
            everything - set(peers) if gone is None else gone,
            static=more.get("static", False),
            renew_before=10 * DAY,
            now=NOW,
            run_every=more.get("run_every", 0),
            refused=more.get("refused", ()),
        )
        tokens = {p.cluster: bound(NOW + 30 * DAY) for p in self.plans if p.needs_token}
        limit = more.get("limit", SOFT_LIMIT)
        known = {name: p for name, p in peers.items() if p is not None}
        self.writes = compose(
            live, self.plans, known, tokens, namespace="istio-system", fleet="prod", now="T", soft_limit=limit
        )

    @property
    def actions(self) -> dict[str, str]:
        return {p.cluster: p.action for p in self.plans}

    @property
    def after(self) -> list[dict[str, t.Any]]:
        """The Secrets as they are once everything is written."""
        state = {s["metadata"]["name"]: s for s in self.live}
        for obj in self.writes.first:
            state[obj["metadata"]["name"]] = obj
        for name in [*self.writes.delete_first]:
            del state[name]
        for obj in self.writes.apply:
            state[obj["metadata"]["name"]] = obj
        for name in self.writes.delete:
            del state[name]
        return list(state.values())

    @property
    def homes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in read_entries(self.after, "prod"):
            found.setdefault(entry.cluster, []).append(entry.home)
        return found


def test_the_kubeconfig_says_what_istioctls_says() -> None:
    document = yaml.safe_load(text("on", "a.b.c"))
    assert document == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "on",
        "clusters": [
            {"name": "on", "cluster": {"certificate-authority-data": CA, "server": "https://on.example:6443"}}
        ],
        "contexts": [{"name": "on", "context": {"cluster": "on", "user": "on"}}],
        "users": [{"name": "on", "user": {"token": "a.b.c"}}],
    }


@pytest.mark.parametrize("name", ["", "api.inside"])
def test_a_kubeconfig_comes_back_as_it_was(name: str) -> None:
    access = kubeconfig.RemoteAccess("on", "https://on.example:6443", CA, "a.b.c", name)
    assert kubeconfig.parse(kubeconfig.render(access), "on") == access


def test_each_part_of_a_kubeconfig_is_found_by_its_name() -> None:
    document = yaml.safe_load(text("a", "mine"))
    for part, inner in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        other = dict.fromkeys(document[part][0][inner], "other")
        document[part].insert(0, {"name": "other", inner: other})
    assert kubeconfig.parse(yaml.safe_dump(document), "a") == kubeconfig.parse(text("a", "mine"), "a")
    document["users"].pop()
    assert kubeconfig.parse(yaml.safe_dump(document), "a") is None
    assert kubeconfig.parse("current-context: a\ncontexts: []\n", "a") is None


def test_without_pyyaml_no_kubeconfig_is_called_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "yaml", None)
    with pytest.raises(RuntimeError, match="PyYAML is needed"):
        kubeconfig.parse(text("a", bound()), "a")


def test_new_edges_share_one_secret() -> None:
    run = Run([], ["b", "a"])
    assert run.actions == {"a": "add", "b": "add"}
    assert run.homes == {"a": [BUNDLE], "b": [BUNDLE]}
    (made,) = run.writes.apply
    assert made["metadata"]["labels"][LABEL] == "true"
    assert made["metadata"]["annotations"][ANNOTATION] == "a,b"


def test_a_second_run_has_nothing_to_do() -> None:
    again = Run(Run([], ["a", "b"]).after, ["a", "b"])
    assert again.actions == {"a": "keep", "b": "keep"}
    assert again.writes == Writes([], [], [], [])


@pytest.mark.parametrize(
    ("token", "more", "why", "needs"),
    [
        (bound(NOW + 9 * DAY), {}, "ends in 216 h", True),
        (bound(NOW - 1), {}, "has expired", True),
        (bound(uid="old"), {}, "was recreated", True),
        (static(), {}, "never expires", True),
        ("opaque", {}, "is not one of", True),
        (bound(name="default"), {}, "is not one of", True),
        (bound(NOW), {}, "has expired", True),
        (bound(), {"server": "https://elsewhere"}, "API address was", False),
        (bound(), {"tls_server_name": "inside"}, "API address was", False),
        (bound(), {"ca": base64.b64encode(b"other").decode()}, "CA has changed", True),
    ],
)
def test_a_key_is_renewed_when(token: str, more: dict[str, t.Any], why: str, needs: bool) -> None:
    live = [secret(BUNDLE, {"a": text("a", token), "b": text("b", bound())}, ours=True)]
    run = Run(live, ["b"], peers={"a": peer("a", **more)})
    plan = run.plans[0]
    assert (plan.action, plan.needs_token) == ("renew", needs)
    assert why in plan.reason
    (written,) = run.writes.apply
    assert written["data"]["b"] == live[0]["data"]["b"], "the other key keeps its bytes"
    access = kubeconfig.parse(base64.b64decode(written["data"]["a"]).decode(), "a")
    assert access is not None
    assert (access.token == token) is (not needs)


def held_ca(run: Run, key: str = "a") -> str:
    """Of the one key that a run writes."""
    (written,) = run.writes.apply
    text = base64.b64decode(written["data"][key]).decode()
    access = kubeconfig.parse(text, key)
    assert access is not None
    return access.ca


OTHER = base64.b64encode(b"other").decode()


@pytest.mark.parametrize("other", [OTHER, ""])
def test_a_ca_that_nothing_shows_to_be_wrong_stays(other: str) -> None:
    """Whichever of those that may be right: else a key would change with what the controller happens to reach."""
    live = [secret(BUNDLE, {"a": text("a", bound())}, ours=True)]
    unseen = peer("a", ca=other, other_cas=(CA, "x"))
    assert Run(live, ["a"], peers={"a": unseen}).actions == {"a": "keep"}
    seen = Run(live, ["a"], peers={"a": dataclasses.replace(unseen, other_cas=())})
    assert seen.plans[0].reason == "the cluster's CA has changed" and held_ca(seen) == other
    assert Run(seen.after, ["a"], peers={"a": unseen}).actions == {"a": "keep"}
    assert Run(seen.after, ["a"], peers={"a": peer("a", other_cas=(other,))}).actions == {"a": "keep"}


def test_a_ca_stays_with_a_token_and_goes_with_an_address() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound(NOW))}, ours=True)]
    unseen = peer("a", ca=OTHER, other_cas=(CA,))
    assert held_ca(Run(live, ["a"], peers={"a": unseen})) == CA
    elsewhere = dataclasses.replace(unseen, server="https://elsewhere")
    assert held_ca(Run(live, ["a"], peers={"a": elsewhere})) == OTHER


def test_without_a_ca_it_is_left_to_the_roots_of_istiod() -> None:
    run = Run([], ["a"], peers={"a": peer("a", ca="")})
    (written,) = run.writes.apply
    config = yaml.safe_load(base64.b64decode(written["data"]["a"]))
    assert config["clusters"] == [{"cluster": {"server": "https://a.example:6443"}, "name": "a"}]
    assert Run(run.after, ["a"], peers={"a": peer("a", ca="")}).actions == {"a": "keep"}


@pytest.mark.parametrize("line", ["insecure-skip-tls-verify: true", "certificate-authority: /etc/ca.crt"])
def test_an_unchecked_certificate_is_not_a_key_without_a_ca(line: str) -> None:
    run = Run([], ["a"], peers={"a": peer("a", ca="")})
    spoiled = run.after
    config = base64.b64decode(spoiled[0]["data"]["a"]).decode().replace("    server:", f"    {line}\n    server:")
    spoiled[0]["data"]["a"] = base64.b64encode(config.encode()).decode()
    assert Run(spoiled, ["a"], peers={"a": peer("a", ca="")}).actions == {"a": "renew"}


def test_a_token_that_its_cluster_refuses_is_renewed() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound(NOW + 21 * DAY))}, ours=True)]
    run = Run(live, ["a", "b"], refused={bound()})
    assert run.actions == {"a": "renew", "b": "keep"}
    assert run.plans[0].needs_token and run.plans[0].reason == "the cluster refuses its token"
    assert Run([istioctls("a", bound())], ["a"], refused={bound()}).actions == {"a": "renew"}


def test_only_tokens_that_look_good_are_asked_about() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound()), "b": text("b", "x"), "c": text("c", bound(uid="old"))}, ours=True)]
    live += [istioctls("d", static()), secret("a-secret-of-mine", {"e": text("e", bound())})]
    live += [secret(f"{BUNDLE}-2", {"f": "no kubeconfig"}, ours=True)]
    wanted = {name: peer(name) for name in "abcdef"}
    entries = read_entries(live, "prod")
    assert unproven(entries, wanted) == {"a": {bound()}, "d": {static()}}
    assert unproven(entries, {"a": None}) == {}, "a cluster that could not be read"
    secret_token = {"a": peer("a", static_token=static())}
    assert unproven(entries, secret_token) == {}, "another token than the Secret's is replaced anyway"


def test_a_token_that_ends_before_the_run_after_next_is_renewed() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound())}, ours=True)]
    assert Run(live, ["a"], run_every=7 * DAY).actions == {"a": "keep"}
    assert Run(live, ["a"], run_every=10 * DAY).actions == {"a": "renew"}


def test_a_plan_knows_when_the_token_of_after_the_run_ends() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound(NOW))}, ours=True)]
    kept, renewed = Run(live, ["a", "b"]).plans
    assert kept.life is not None and kept.life.ends == NOW + 20 * DAY
    assert renewed.life is None, "not that of the token that goes"
    (moved,) = Run(live, [], peers={"a": peer("a", server="https://new")}, unwanted=set()).plans
    assert moved.life == kept.life
    (new,) = Run([], [], peers={"a": peer("a", static_token=bound())}, static=True).plans
    assert new.action == "add" and new.life == kept.life, "of a token Secret too, if it ends"
    (fixed,) = Run(live, [], peers={"a": peer("a", static_token=static())}, static=True, unwanted=set()).plans
    assert fixed.action == "renew" and fixed.life is None


def test_a_secret_of_istioctl_is_adopted_in_place() -> None:
    in_its_own_form = yaml.safe_dump(yaml.safe_load(text("a", bound())))
    assert in_its_own_form != text("a", bound())
    live = [secret("istio-remote-secret-a", {"a": in_its_own_form})]
    run = Run(live, ["a", "b"])
    assert run.actions == {"a": "adopt", "b": "add"}
    assert run.homes == {"a": ["istio-remote-secret-a"], "b": [BUNDLE]}
    adopted = next(o for o in run.writes.apply if o["metadata"]["name"] == "istio-remote-secret-a")
    assert adopted["data"] == live[0]["data"], "same bytes: istiod sees no change"
    assert Run(run.after, ["a", "b"]).actions == {"a": "keep", "b": "keep"}


def test_of_duplicates_istioctls_stays_and_ours_goes_first() -> None:
    live = [
        istioctls("a", bound()),
        secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound())}, ours=True),
    ]
    run = Run(live, ["a", "b"])
    assert run.homes == {"a": ["istio-remote-secret-a"], "b": [BUNDLE]}
    assert [o["metadata"]["name"] for o in run.writes.first] == [BUNDLE]
    assert run.writes.apply[-1]["metadata"]["annotations"][RESOLVED] == "T", "istiod has to see an event"
    assert Run(run.after, ["a", "b"]).actions == {"a": "keep", "b": "keep"}


@pytest.mark.parametrize(
    "foreign",
    [
        secret("asm-a", {"a": text("a", static())}, labels={"istio.io/owned-by": "mesh.googleapis.com"}),
        secret("mine", {"a": text("a", static())}),
        secret("istio-remote-secret-a", {"a": text("a", static())}, labels={"istio.io/owned-by": "x"}),
        secret("istio-remote-secret-a", {"a": text("a", static())}, labels={MANAGED_BY: "argocd"}),
        secret("istio-remote-secret-a", {"a": text("a", static())}, annotations={ANNOTATION: "b"}),
        secret(
            "istio-remote-secret-a", {"a": text("a", static())}, annotations={ANNOTATION: "a", "istio.io/owned-by": "x"}
        ),
        secret(
            "istio-remote-secret-a", {"a": text("a", static())}, meta={"ownerReferences": [{"kind": "RemoteSecret"}]}
        ),
        secret("istio-remote-secret-a", {"a": "x", "c": "y"}, annotations={ANNOTATION: "a"}),
    ],
)
def test_secrets_of_others_stay_as_they_are(foreign: dict[str, t.Any]) -> None:
    run = Run([foreign], ["a"], unwanted={"c"})
    assert run.actions["a"] == "provided"
    assert run.writes == Writes([], [], [], [])


def test_our_key_goes_where_a_foreign_secret_holds_it() -> None:
    run = Run([secret("mine", {"a": "x"}), secret(BUNDLE, {"a": text("a", bound())}, ours=True)], ["a"])
    assert run.homes == {"a": ["mine"]}


def test_of_two_foreign_holders_none_is_touched() -> None:
    live = [
        secret("mine", {"a": "x"}),
        istioctls("a", bound()),
        secret(BUNDLE, {"a": text("a", bound())}, ours=True),
    ]
    (plan,) = Run(live, ["a"]).plans
    assert (plan.action, plan.duplicates) == ("provided", (BUNDLE,))
    # Nor where a plan says so: what is written decides by itself whose a Secret is, and goes on with the next.
    wrong = dataclasses.replace(plan, duplicates=("istio-remote-secret-a", BUNDLE))
    writes = compose(live, [wrong], {}, {}, namespace="istio-system", fleet="prod")
    assert writes == Writes([], [BUNDLE], [], [])
    assert Run(live, [], unwanted={"a"}).writes == Writes([], [], [], [BUNDLE])


def test_of_our_own_duplicates_one_stays_and_is_written() -> None:
    live = [
        secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound())}, ours=True),
        secret(f"{BUNDLE}-2", {"a": text("a", bound())}, ours=True),
        secret("a-secret-not-for-istiod", {"a": "x"}, labels={LABEL: "false"}),
        secret(f"{BUNDLE}-3", {"c": text("c", bound())}, ours=True),
    ]
    run = Run(live, ["a", "b", "c"])
    (plan, *others) = run.plans
    assert (plan.action, plan.home, plan.duplicates) == ("adopt", BUNDLE, (f"{BUNDLE}-2",))
    assert [other.action for other in others] == ["keep", "keep"]
    assert run.writes.delete_first == [f"{BUNDLE}-2"]
    (written,) = run.writes.apply
    assert written["metadata"]["annotations"][RESOLVED] == "T"
    # Later writes keep the mark, so that istiod sees no event without a reason.
    (later,) = Run(run.after, ["a", "b", "c", "d"]).writes.apply
    assert later["metadata"]["annotations"] == {ANNOTATION: "a,b,d", RESOLVED: "T"}
    # An unwanted key goes from all of them.
    gone = Run(live, ["b", "c"]).plans[0]
    assert (gone.action, gone.home, gone.duplicates) == ("remove", BUNDLE, (f"{BUNDLE}-2",))
    assert set(Run(live, ["b", "c"]).homes) == {"b", "c"}


def test_what_is_written_is_a_whole_secret() -> None:
    live = [secret(BUNDLE, {"b": text("b", bound())}, ours=True, type="example.com/theirs")]
    (written,) = Run(live, ["a", "b"]).writes.apply
    assert (written["apiVersion"], written["kind"], written["type"]) == ("v1", "Secret", "example.com/theirs")
    labels = {LABEL: "true", **owner_labels("peering", "prod")}
    notes = {ANNOTATION: "a,b"}
    about = {"name": BUNDLE, "namespace": "istio-system", "labels": labels, "annotations": notes}
    assert written["metadata"] == about
    (new,) = Run([], ["a"]).writes.apply
    assert new["type"] == "Opaque"


def test_a_new_key_goes_past_a_foreign_secret_of_our_name() -> None:
    foreign = secret(BUNDLE, {"z": "x"})
    assert Run([foreign], ["a"]).homes == {"z": [BUNDLE], "a": [f"{BUNDLE}-2"]}


def test_the_end_of_a_token_is_told() -> None:
    plan = Run([secret(BUNDLE, {"a": text("a", bound(NOW + 20 * DAY))}, ours=True)], ["a"]).plans[0]
    assert plan.life is not None and plan.life.ends == NOW + 20 * DAY
    foreign = Run([secret("mine", {"a": text("a", bound(NOW + 5 * DAY))})], ["a"]).plans[0]
    assert foreign.life is not None and foreign.life.ends == NOW + 5 * DAY
    assert Run([secret("mine", {"a": "x"})], ["a"]).plans[0].life is None


@pytest.mark.parametrize(("left", "action"), [(25, "keep"), (24, "keep"), (23, "renew")])
def test_a_shortened_token_is_renewed_in_its_last_third(left: int, action: str) -> None:
    hour = 3600.0
    token = bound(NOW + left * hour, iat=int(NOW + (left - 72) * hour))
    assert Run([secret(BUNDLE, {"a": text("a", token)}, ours=True)], ["a"]).actions == {"a": action}


@pytest.mark.parametrize(("days", "action"), [(10, "keep"), (9.99, "renew")])
def test_a_token_is_renewed_ten_days_before_its_end(days: float, action: str) -> None:
    for more in ({}, {"iat": int(NOW - 300 * DAY)}):
        token = bound(NOW + days * DAY, **more)
        assert Run([secret(BUNDLE, {"a": text("a", token)}, ours=True)], ["a"]).actions == {"a": action}


def test_the_same_ca_in_another_form_is_no_change() -> None:
    pem = base64.b64decode(CA).replace(b"\n", b"\r\n") + b"\n"
    live = [secret(BUNDLE, {"a": text("a", bound())}, ours=True)]
    assert Run(live, [], peers={"a": peer("a", ca=base64.b64encode(pem).decode())}).actions == {"a": "keep"}
    assert Run(live, [], peers={"a": peer("a", ca="not base64")}).actions == {"a": "renew"}


def test_a_key_that_is_no_kubeconfig_is_made_anew() -> None:
    (plan,) = Run([secret(BUNDLE, {"a": "x"}, ours=True)], ["a"]).plans
    assert (plan.action, plan.reason, plan.needs_token) == ("renew", "its kubeconfig cannot be read", True)


def test_an_unwanted_key_goes_and_an_empty_secret_with_it() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound())}, ours=True)]
    run = Run(live, ["b"])
    assert run.actions == {"a": "remove", "b": "keep"}
    assert run.plans[0].reason == "the graph has no such edge any more"
    assert run.homes == {"b": [BUNDLE]}
    assert Run(run.after, []).writes.delete == [BUNDLE]


def test_what_is_out_of_scope_stays() -> None:
    live = [secret(BUNDLE, {"a": text("a", static("old")), "b": text("b", bound())}, ours=True)]
    run = Run(live, ["b"], unwanted=set())
    assert run.actions == {"b": "keep"}
    assert run.writes == Writes([], [], [], [])


@pytest.mark.parametrize(
    ("token", "access", "action"),
    [
        (bound(uid="u1"), {"server": "https://192.0.2.99:6443"}, "remove"),
        (bound(uid="old"), {"server": "https://today.example:6443"}, "remove"),
        (bound(uid="other"), {"server": "https://192.0.2.99:6443"}, "unnamed"),
        (bound(uid="other"), {"server": "https://today.example:6443", "ca": "b3RoZXI="}, "unnamed"),
        ("opaque", {"server": "https://today.example:6443"}, "remove"),
        ("opaque", {"server": "https://192.0.2.99:6443"}, "unnamed"),
    ],
    ids=[
        "the same account",
        "the same API server",
        "another cluster",
        "the same address, another CA",
        "the same API server, no token of an account",
        "no token of an account",
    ],
)
def test_the_former_name_of_a_cluster_goes(token: str, access: dict[str, t.Any], action: str) -> None:
    live = secret(BUNDLE, {"former": text("former", token, **access)}, ours=True)
    plans = decide(
        read_entries([live], "prod"),
        {"unread": None, "today": peer("today")},
        (),
        {"former"},
        static=False,
        renew_before=DAY,
        now=NOW,
    )
    assert {plan.cluster: plan.action for plan in plans} == {"today": "add", "former": action}
    assert action == "unnamed" or plans[0].reason == "a former name of today"


@pytest.mark.parametrize(("held", "uid"), [("no kubeconfig", "u1"), (text("former", bound(uid="")), "")])
def test_what_says_nothing_of_a_cluster_is_no_former_name(held: str, uid: str) -> None:
    entries = read_entries([secret(BUNDLE, {"former": held}, ours=True)], "prod")
    wanted = {"today": peer("today", account_uid=uid)}
    plans = decide(entries, wanted, (), {"former"}, static=False, renew_before=DAY, now=NOW)
    assert {plan.cluster: plan.action for plan in plans} == {"today": "add", "former": "unnamed"}


def test_others_may_watch_what_the_inventory_does_not_name() -> None:
    entries = read_entries([secret("mine", {"x": text("x", static())})], "prod")
    (plan,) = decide(entries, {}, (), {"x"}, static=False, renew_before=DAY, now=NOW)
    assert (plan.action, plan.home) == ("provided", "mine")


def test_a_cluster_that_could_not_be_read_keeps_its_key() -> None:
    live = [secret(BUNDLE, {"a": text("a", bound(NOW - 1))}, ours=True)]
    run = Run(live, ["b"], peers={"a": None})
    assert run.actions == {"b": "add"}
    assert set(run.homes) == {"a", "b"}


def test_static_tokens_follow_the_token_secret() -> None:
    mine = peer("a", static_token=static())
    live = [secret(BUNDLE, {"a": text("a", static())}, ours=True)]
    assert Run(live, [], peers={"a": mine}, static=True).actions == {"a": "keep"}
    changed = Run([secret(BUNDLE, {"a": text("a", bound())}, ours=True)], [], peers={"a": mine}, static=True)
    assert changed.actions == {"a": "renew"}
    assert changed.after == Run([], [], peers={"a": mine}, static=True).after


def test_no_secret_outgrows_its_limit_and_places_are_kept() -> None:
    names = [f"c{n:03}" for n in range(60)]
    run = Run([], names, limit=10_000)
    for made in run.after:
        size = sum(len(base64.b64decode(v)) for v in made["data"].values())
        assert size <= 10_000
    assert len(run.after) > 2
    more = Run(run.after, [*names, "aaa"], limit=10_000)
    assert {n: h for n, h in more.homes.items() if n != "aaa"} == run.homes


def test_a_secret_is_filled_up_to_its_limit() -> None:
    (both,) = Run([], ["a", "b"]).writes.apply
    size = sum(len(value) * 3 // 4 for value in both["data"].values())
    assert Run([], ["a", "b"], limit=size).homes == {"a": [BUNDLE], "b": [BUNDLE]}
    apart = {"a": [BUNDLE], "b": [f"{BUNDLE}-2"]}
    assert Run([], ["a", "b"], limit=size - 1).homes == apart
    assert Run([], ["a", "b"], limit=1).homes == apart, "a key that is too large alone has a Secret of its own"


def test_what_keeps_a_key_is_written_after_what_loses_it() -> None:
    live = [istioctls("a", bound()), secret(BUNDLE, {"a": text("a", bound()), "b": text("b", bound())}, ours=True)]
    run = Run(live, ["a", "b", "c"])
    assert (run.writes.first, run.writes.delete_first) == ([], [])
    assert [made["metadata"]["name"] for made in run.writes.apply] == [BUNDLE, "istio-remote-secret-a"]
    assert [sorted(made["data"]) for made in run.writes.apply] == [["b", "c"], ["a"]]


def test_nothing_secret_is_printed() -> None:
    run = Run([istioctls("a", static())], ["a", "b"])
    assert static() not in repr(peer("a", static_token=static()))
    assert repr(run.writes) == "Writes(delete_first=[], delete=[])"
    for token in (static(), bound(NOW + 30 * DAY)):
        assert token not in repr(run.plans) + repr(run.writes) + repr(read_entries(run.live, "prod"))
        assert token not in repr(kubeconfig.RemoteAccess("a", "s", CA, token))
        assert token not in repr(remote_secrets._Need(True, 0, 0, 0, {token}))


_NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@given(
    ours=st.dictionaries(_NAMES, st.sampled_from([bound(), bound(NOW), static(), "x"])),
    theirs=st.dictionaries(_NAMES, st.sampled_from([bound(), static()])),
    foreign=st.sets(_NAMES),
    wanted=st.sets(_NAMES),
)
def test_whatever_was_there(ours: dict[str, str], theirs: dict[str, str], foreign: set[str], wanted: set[str]) -> None:
    """Each wanted cluster ends in exactly one place, a rerun has nothing to do, and others' Secrets are untouched."""
    live = [istioctls(name, token) for name, token in theirs.items() if name not in foreign]
    live += [secret(f"foreign-{name}", {name: "x"}) for name in foreign]
    if ours:
        live.append(secret(BUNDLE, {n: text(n, token) for n, token in ours.items()}, ours=True))
    run = Run(live, wanted)
    for name in wanted:
        assert len(run.homes[name]) == 1
    for name, homes in run.homes.items():
        if name not in wanted:
            assert BUNDLE not in homes
    left = {s["metadata"]["name"]: s for s in run.after}
    for name in foreign:
        assert left[f"foreign-{name}"] in live
    again = Run(run.after, wanted)
    assert set(again.actions.values()) <= {"keep", "provided"}
    assert again.writes == Writes([], [], [], [])


@given(st.text(max_size=200))
def test_random_text_is_no_token_and_no_kubeconfig(noise: str) -> None:
    kubeconfig.read_token(noise)
    kubeconfig.read_token(f"a.{noise}.b")
    assert kubeconfig.parse(noise, "a") is None


def test_a_secret_without_a_fleet_is_recorded_as_this_fleets() -> None:
    former = secret("istio-remote-secrets", {"a": text("a", bound(NOW + 30 * DAY))}, labels={MANAGED_BY: MANAGER})
    run = Run([former], ["a"])
    assert run.actions == {"a": "adopt"}
    (written,) = run.writes.apply
    assert written["metadata"]["labels"]["mesh.fleet/fleet"] == "prod"
    assert written["data"] == former["data"]


def test_a_plan_says_why_a_secret_is_written() -> None:
    theirs, ours = istioctls("a", bound()), {"a": text("a", bound())}
    former = secret(BUNDLE, ours, labels={MANAGED_BY: MANAGER})
    second = secret(f"{BUNDLE}-2", ours, ours=True)

    def reason(*live: dict[str, t.Any]) -> str:
        return Run(list(live), ["a"]).plans[0].reason

    adopted = "made by istioctl, adopted in place as Secret istio-remote-secret-a"
    assert reason(secret(BUNDLE, ours, ours=True)) == ""
    assert reason(theirs) == adopted
    assert reason(former) == "recorded as this fleet's"
    assert reason(secret(BUNDLE, ours, ours=True), second) == f"also in {BUNDLE}-2"
    assert reason(theirs, second) == f"{adopted}; also in {BUNDLE}-2"
    assert reason(former, second) == f"recorded as this fleet's; also in {BUNDLE}-2"


def test_a_secret_of_another_fleet_is_not_ours() -> None:
    other = secret("istio-remote-secrets", {"a": text("a", bound(NOW))}, labels=owner_labels("peering", "staging"))
    assert Run([other], ["a"]).actions == {"a": "provided"}
    assert Run([other], [], unwanted={"a"}).actions == {"a": "provided"}
