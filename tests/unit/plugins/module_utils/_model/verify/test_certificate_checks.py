# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clocks, roots, and the time left on certificates."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import days_left, parse_certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.certificate_checks import certificate_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts

from ..trust.authorities import crl_of, issuer_of
from .test_checks import OTHER, ROOT, whole


def checks_of(*facts: Facts, group: str, days: int = 0, hours: int = 0, **more: t.Any) -> list[Check]:
    found = certificate_checks({f.cluster: f for f in facts}, leaf_hours=hours, signer_days=days, **more)
    return [check for check in found if check.group == group]


def with_roots(name: str, secret: str, config: str, proxy: str) -> Facts:
    return Facts(name, cacerts={"root-cert.pem": secret} if secret else None, root_config=config, proxy_roots=proxy)


def test_clusters_of_another_ca_have_no_root_or_clock_of_ours() -> None:
    google = with_roots("google", "", OTHER, OTHER)
    for group in ("root", "clock"):
        assert [c.name for c in checks_of(whole("west", "google"), google, group=group, foreign=("google",))] == [
            "west"
        ]


def test_a_leaf_is_looked_at_whatever_the_signer_is() -> None:
    for cacerts in (None, {"ca-cert.pem": "rubbish"}):
        for state in checks_of(Facts("west", cacerts=cacerts, proxy_chain=ROOT), group="leaf"):
            assert state.state == "ok"
        assert len(checks_of(Facts("west", cacerts=cacerts, proxy_chain=ROOT), group="leaf")) == 1
    (broken,) = checks_of(Facts("west", cacerts={"ca-cert.pem": "rubbish"}), group="intermediate CA")
    assert (broken.state, broken.means, broken.clusters) == ("failed", "it is not a certificate", ("west",))


def test_signers_count_days_and_leaves_hours() -> None:
    found = Facts("west", cacerts={"ca-cert.pem": ROOT}, proxy_chain=ROOT)
    days = days_left(parse_certificates(ROOT)[0], datetime.datetime.now(datetime.UTC))
    (signer,) = checks_of(found, group="intermediate CA", days=days)
    assert (signer.state, signer.seen) == ("ok", f"{days} days left")
    (signer,) = checks_of(found, group="intermediate CA", days=days + 1)
    assert (signer.state, signer.next_step) == ("failed", "run the trust stage with --limit west")
    (leaf,) = checks_of(found, group="leaf", hours=days * 24 + 48)
    left, _blank, unit = leaf.seen.partition(" ")
    assert int(left) // 24 == days and unit == "hours left"
    assert (leaf.state, leaf.next_step) == ("failed", "see the proxy's log and istiod's")


def test_clocks_may_differ_by_what_istiod_backdates() -> None:
    for seconds, state in ((120, "ok"), (-120, "ok"), (121, "failed")):
        found = Facts("west", ahead=datetime.timedelta(seconds=seconds))
        assert [c.state for c in checks_of(found, group="clock")] == [state]


def test_a_place_without_a_root_is_not_compared() -> None:
    (check,) = checks_of(with_roots("west", ROOT, ROOT, ""), group="root")
    assert check.state == "ok" and check.seen.endswith("in Secret cacerts, ConfigMap istio-ca-root-cert")
    (check,) = checks_of(Facts("west"), group="root")
    assert (check.state, check.seen) == ("skipped", "nothing to compare yet")


def test_a_root_that_nobody_has_is_still_the_fleets() -> None:
    (check,) = checks_of(with_roots("west", OTHER, OTHER, OTHER), group="root", fleet_root=ROOT)
    assert check.state == "failed" and "it is not of the fleet's root" in check.means
    ours = checks_of(with_roots("west", ROOT, ROOT, ROOT), group="root", fleet_root=ROOT)[0].seen.split()[0]
    assert check.seen.endswith(f", the fleet {ours}")


def test_while_a_root_is_rotated_all_have_both() -> None:
    both = ROOT + OTHER
    west, east = (with_roots(name, both, both, both) for name in ("west", "east"))
    assert [c.state for c in checks_of(west, east, group="root", fleet_root=ROOT)] == ["ok", "ok"]
    late = with_roots("late", ROOT, ROOT, ROOT)
    assert [c.state for c in checks_of(west, late, east, group="root", fleet_root=ROOT)] == ["ok", "failed", "ok"]


def test_the_secret_says_what_a_cluster_was_given() -> None:
    (check,) = checks_of(with_roots("west", ROOT, OTHER, OTHER), group="root", fleet_root=ROOT)
    assert "cacerts was written after istiod started" in check.means
    unsigned = with_roots("east", "", OTHER, OTHER)
    checks = checks_of(with_roots("west", ROOT, ROOT, ROOT), unsigned, group="root")
    assert [c.state for c in checks] == ["failed", "failed"]
    assert all("in west; " in c.seen and c.seen.endswith("in east") for c in checks)


def test_roots_are_listed_by_secret_where_none_is_called_right() -> None:
    west, east = with_roots("west", ROOT, ROOT, ROOT), with_roots("east", OTHER, ROOT, "")
    seen = checks_of(west, east, Facts("north"), group="root")[0].seen
    assert "in west; " in seen and seen.endswith("in east")


def test_a_root_that_cannot_be_read_fails() -> None:
    (check,) = checks_of(with_roots("west", ROOT, ROOT, "rubbish"), group="root")
    assert check.state == "failed" and "live proxy has unreadable" in check.seen


def test_revocation_lists_last_and_cover_every_cluster() -> None:
    now = datetime.datetime.now(datetime.UTC)
    policy = certificates.Policy("shop.example", "istio-system", "default", now)
    key = certificates.new_key()
    root = certificates.Authority(certificates.make_root(key, policy), key)
    chains = {name: decisions.issue(name, root, policy) for name in ("west", "east")}

    def checked(ends: datetime.timedelta, *of: str, text: str = "") -> list[tuple[str, str, str]]:
        crls = "".join(
            crl_of(a, begins=now - ends, ends=now + ends) for a in (root, *(issuer_of(chains[name]) for name in of))
        )
        facts = [
            Facts("west", cacerts={**chains["west"].data, "ca-crl.pem": text or crls}),
            Facts("east", cacerts=chains["east"].data),
        ]
        return [(c.name, c.state, c.seen) for c in checks_of(*facts, group="revocation lists")]

    day = datetime.timedelta(days=1)
    assert checked(9.5 * day, "west", "east") == [("west", "ok", "3, the first ends in 9 days")]
    assert [c[1] for c in checked(1.9 * day, "west", "east")] == ["failed"]
    ((_name, state, seen),) = checked(9.5 * day, "west")
    assert state == "failed" and "L=east" in seen, "west's proxies would refuse east's calls"
    assert [c[1] for c in checked(day, text="rubbish")] == ["failed"]
    assert checks_of(Facts("west", cacerts={**chains["west"].data, "ca-crl.pem": ""}), group="revocation lists") == []
