# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of a trust run: what is asked and said before anything is signed."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import run
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.issuers import OwnRoot
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

ARGS = {"root": "generated", "root_cert": "", "root_key": "", "timeout": 1.0}
POLICY = certificates.Policy("shop.example", "istio-system", "default", datetime.datetime.now(datetime.UTC))
SHORT = dataclasses.replace(POLICY, lifetime=datetime.timedelta(days=35))


@dataclasses.dataclass
class Clusters:
    """Two clusters without an istiod, and what happened, in its order."""

    directory: Path
    west: ClusterTrust = dataclasses.field(default_factory=lambda: ClusterTrust("west"))
    east: ClusterTrust = dataclasses.field(default_factory=lambda: ClusterTrust("east"))
    happened: list[str] = dataclasses.field(default_factory=list)
    chains: dict[str, SigningChain] = dataclasses.field(default_factory=dict)
    reads: list[tuple[str, bool, bool]] = dataclasses.field(default_factory=list)
    """Who was read, whether it may be absent, and whether the run may sign for it."""
    failing: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    unwritten: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    written: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def run(
        self,
        *names: str,
        play: t.Sequence[str] | None = None,
        policy: certificates.Policy = POLICY,
        args: t.Mapping[str, t.Any] | None = None,
        check_mode: bool = False,
        hosts: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
        **more: t.Any,
    ) -> run.TrustRun:
        hosts = hosts or {name: {"cluster_region": "here"} for name in ("west", "east")}
        fleet = read_fleet(hosts, environment())
        clusters = [fleet.clusters[name] for name in (names or hosts if play is None else play)]
        box = VaultBox(str(self.directory / "password"), create=True, check_mode=check_mode)
        directory = str(self.directory / "trust")
        given = {**ARGS, **(args or {})}
        done = run.TrustRun(fleet, clusters, given, policy, directory, box, check_mode, self.happened.append, **more)
        asyncio.run(done.run())
        return done


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    made = Clusters(tmp_path)

    async def read(_fleet: t.Any, cluster: t.Any, absent_ok: bool, *, to_sign: bool = False) -> ClusterTrust:
        made.reads.append((cluster.name, absent_ok, to_sign))
        if cluster.name in made.failing:
            raise made.failing[cluster.name]
        return t.cast(ClusterTrust, getattr(made, cluster.name))

    async def write(_fleet: t.Any, cluster: t.Any, chain: t.Any, *, renewed: bool, **more: t.Any) -> list[t.Any]:
        if cluster.name in made.unwritten:
            raise made.unwritten[cluster.name]
        made.written[cluster.name] = more
        made.happened.append(f"{cluster.name} {'renewed' if renewed else 'signed'}")
        made.chains[cluster.name] = chain
        return ["written"]

    monkeypatch.setattr(run, "read_trust", read)
    monkeypatch.setattr(run, "write_cacerts", write)
    monkeypatch.setattr(run, "ephemeral", lambda _folder: "")
    return made


def test_a_folder_that_ends_is_warned_of_first(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ephemeral", lambda folder: f"{folder} is in memory")
    done = clusters.run("west")
    warning, signed = clusters.happened
    assert "will not last" in warning
    assert signed == "west signed"
    assert done.warnings == [warning]
    # The root is there by now, so that it has a copy where it came from.
    assert clusters.run("east").warnings == []


def test_an_istiod_that_runs_picks_up_what_is_renewed(clusters: Clusters) -> None:
    clusters.run()
    for name in ("west", "east"):
        setattr(clusters, name, ClusterTrust(name, clusters.chains[name].data, istiod=name == "west"))
    clusters.happened.clear()
    clusters.run()
    assert clusters.happened == []
    clusters.run(policy=dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=710)))
    assert sorted(clusters.happened) == ["east signed", "west renewed"]
    # An istiod that waits for its first one has no earlier chain.
    clusters.west = ClusterTrust("west", istiod=True)
    clusters.happened.clear()
    clusters.run("west")
    assert clusters.happened == ["west signed"]


def test_a_clock_that_is_behind_makes_no_root(clusters: Clusters) -> None:
    clusters.west = ClusterTrust("west", ahead=-datetime.timedelta(hours=1))
    done = clusters.run("west")
    assert done.failures["west"].what == "its clock differs from the controller's"
    assert clusters.happened == []
    assert not (clusters.directory / "trust" / "root-key.vault").exists()


def test_a_self_signed_istiod_elsewhere_is_asked_first(clusters: Clusters) -> None:
    key = certificates.new_key()
    root = certificates.certificate_pem(certificates.make_root(key, POLICY))
    clusters.east = ClusterTrust("east", istiod=True, published_root=root)
    with pytest.raises(FleetError, match="a live istiod uses another root") as refused:
        clusters.run("west")
    assert refused.value.cluster == "east"
    assert clusters.happened == []
    assert not (clusters.directory / "trust" / "root-key.vault").exists()


def test_whom_a_run_reads_and_how(clusters: Clusters) -> None:
    """The play for signing; others only before a root is made, or where a first chain is signed by an old one."""
    clusters.run("west", check_mode=True)
    assert clusters.reads == [("west", True, True), ("east", True, False)]
    clusters.reads.clear()
    clusters.run("west")
    assert clusters.reads == [("west", False, True), ("east", True, False)], "east is made by a run: it may not exist"
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    clusters.reads.clear()
    assert clusters.run("west").decisions[0].action == "keep"
    assert clusters.reads == [("west", False, True)]
    clusters.reads.clear()
    clusters.run()
    assert sorted(clusters.reads) == [("east", False, True), ("west", False, True)]


def test_a_primary_that_exists_already_must_answer(clusters: Clusters) -> None:
    hosts = {"west": {"cluster_region": "here"}, "east": {"cluster_provider": "kubeconfig"}}
    clusters.run("west", hosts=hosts)
    assert clusters.reads[1] == ("east", False, False)
    (clusters.directory / "trust").rename(clusters.directory / "lost")
    clusters.failing = {"east": FleetError("no answer")}
    with pytest.raises(FleetError, match="no root is made"):
        clusters.run("west", hosts=hosts)
    clusters.failing, clusters.east = {}, ClusterTrust("east", clusters.chains["west"].data)
    done = clusters.run("west", hosts=hosts)
    assert done.failures["west"].what == "the fleet's root is not on this controller"


def test_a_root_that_is_given_waits_for_nobody(clusters: Clusters) -> None:
    key = certificates.new_key()
    root = certificates.certificate_pem(certificates.make_root(key, POLICY))
    args = {"root": "provided", "root_cert": root, "root_key": certificates.key_pem(key)}
    clusters.failing = {"east": FleetError("no answer")}
    done = clusters.run("west", args=args)
    assert clusters.happened == ["west signed"] and done.failures == {}


def test_where_nobody_of_the_play_answers_no_root_is_made(clusters: Clusters) -> None:
    clusters.failing = {"west": FleetError("no answer"), "east": FleetError("no answer")}
    done = clusters.run()
    assert sorted(done.failures) == ["east", "west"]
    assert clusters.happened == [] and not (clusters.directory / "trust").exists()
    assert (done.root, done.root_is_planned, done.decisions, done.changes) == (None, False, [], [])


def test_a_play_without_primaries_makes_nothing(clusters: Clusters) -> None:
    done = clusters.run(play=())
    assert (clusters.reads, done.failures, done.decisions, done.changes) == ([], {}, [], [])
    assert not (clusters.directory / "trust").exists()
    assert done.root_is_planned, "a root would be made for the first primary"


@pytest.mark.parametrize("who", ["east", "west"], ids=["outside the play", "in the play"])
def test_a_silent_primary_is_named_before_a_root_is_made(clusters: Clusters, who: str) -> None:
    clusters.failing = {who: FleetError("no answer")}
    with pytest.raises(FleetError, match="no root is made") as refused:
        clusters.run("west" if who == "east" else "east", "west")
    assert refused.value.seen == f"{who}: no answer"
    assert not (clusters.directory / "trust").exists()


def test_a_root_found_elsewhere_is_kept_and_warned_of(clusters: Clusters) -> None:
    clusters.run()
    (clusters.directory / "trust").rename(clusters.directory / "lost")
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    clusters.happened.clear()
    done = clusters.run()
    assert done.failures["east"].what == "the fleet's root is not on this controller"
    assert [(d.cluster, d.action) for d in done.decisions] == [("west", "keep")]
    (warning,) = done.warnings
    assert "nothing can be signed or renewed here" in warning
    assert clusters.happened == [] and not done.root_is_planned
    # Also where only a cluster outside the play shows it.
    clusters.east = ClusterTrust("east", clusters.chains["east"].data)
    clusters.west = ClusterTrust("west")
    clusters.reads.clear()
    assert clusters.run("west").failures["west"].what == "the fleet's root is not on this controller"
    assert [read[0] for read in clusters.reads] == ["west", "east"], "once"


def test_a_second_root_signs_nothing(clusters: Clusters, tmp_path: Path) -> None:
    elsewhere = Clusters(tmp_path / "elsewhere")
    elsewhere.directory.mkdir()
    clusters.run()
    first = clusters.chains["east"].data
    clusters.east = ClusterTrust("east", first)
    (clusters.directory / "trust").rename(clusters.directory / "lost")
    key = certificates.new_key()
    root = certificates.certificate_pem(certificates.make_root(key, POLICY))
    args = {"root": "provided", "root_cert": root, "root_key": certificates.key_pem(key)}
    clusters.happened.clear()
    done = clusters.run("west", args=args)
    assert done.failures["west"].what == "the other clusters have another root"
    assert done.failures["west"].cluster == "west"
    assert clusters.happened == [] and done.decisions == []
    # What is wrong with another cluster is said of that one.
    clusters.east = ClusterTrust("east", {**first, "ca-cert.pem": "x"})
    assert clusters.run("west", args=args).failures["west"].cluster == "east"


def test_what_cannot_be_written_was_not_decided(clusters: Clusters) -> None:
    clusters.unwritten = {"west": FleetError("no space")}
    done = clusters.run()
    assert {name: error.what for name, error in done.failures.items()} == {"west": "no space"}
    assert [(d.cluster, d.action) for d in done.decisions] == [("east", "issue")]
    assert [str(change) for change in done.changes if change == "written"] == ["written"]
    assert len(done.changes) == 4, "password, key, root, and what was written to east"
    assert done.root is not None and not done.root_is_planned


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_written_is_told_how(clusters: Clusters, check_mode: bool) -> None:
    done = clusters.run("west", check_mode=check_mode)
    assert clusters.written == {"west": {"dry_run": check_mode, "timeout": 1.0, "listed": False}}
    assert done.root_is_planned is check_mode
    assert (clusters.directory / "trust").exists() is not check_mode


def test_a_corporate_ca_is_waited_for(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ephemeral", lambda _folder: "it is in memory")
    with pytest.raises(FleetError, match="2 signing requests wait for your CA"):
        clusters.run(args={"root": "external"})
    assert len(clusters.happened) == 1 and "will not last" in clusters.happened[0]
    assert [read[0] for read in clusters.reads] == ["west", "east"], "its root is never a second one"
    # Until its root is known nothing that clusters hold can be judged.
    clusters.west = ClusterTrust("west", {"root-cert.pem": "x"})
    with pytest.raises(FleetError, match="1 signing request waits for your CA"):
        clusters.run("west", args={"root": "external"})


def test_a_renewal_that_waits_for_its_signature_is_warned_of(clusters: Clusters) -> None:
    key = certificates.new_key()
    corporate = certificates.Authority(certificates.make_root(key, POLICY), key)
    external = clusters.directory / "trust" / "external"
    external.mkdir(parents=True)
    (external / "root-cert.pem").write_text(certificates.certificate_pem(corporate.certificate))
    chain = decisions.issue("west", corporate, POLICY)
    clusters.west = ClusterTrust("west", chain.data)

    def after(days: int) -> run.TrustRun:
        later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=days))
        return clusters.run("west", args={"root": "external"}, policy=later)

    assert (after(0).decisions[0].action, after(0).warnings) == ("keep", [])
    due = after(719)
    request = external / "west.csr.pem"
    assert [(d.action, d.days) for d in due.decisions] == [("keep", 10)]
    ends = f"west: its intermediate CA ends in 10 days; have {request} signed and run again"
    assert due.warnings == [ends] and due.decisions[0].warning == ends
    (last,) = after(728).decisions
    assert (last.action, last.days) == ("keep", 1)
    assert after(729).decisions[0].days == 0, "in its last hours it is still used"
    ended = after(730)
    assert ended.decisions == [] and clusters.happened == []
    refused = ended.failures["west"]
    assert refused.what == "its intermediate CA has expired, and the new one is not signed yet"
    assert (refused.cluster, refused.obj) == ("west", str(request))


def test_what_a_decision_warns_of_is_told(clusters: Clusters) -> None:
    clusters.run()
    clusters.west = ClusterTrust("west", clusters.chains["west"].data, owner="istioctl")
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=710))
    done = clusters.run("west", policy=later)
    (warning,) = done.warnings
    assert warning == done.decisions[0].warning and "of istioctl" in warning


def test_each_refusal_names_its_cluster(clusters: Clusters) -> None:
    clusters.run()
    clusters.west = ClusterTrust("west", {"ca-cert.pem": "x"})
    done = clusters.run()
    assert [(name, error.cluster) for name, error in done.failures.items()] == [("west", "west")]
    assert [d.cluster for d in done.decisions] == ["east"]


def test_a_defect_about_one_cluster_leaves_the_others_their_ca(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch, defects: list[str]
) -> None:
    def decide(found: ClusterTrust, *more: t.Any) -> t.Any:
        if found.cluster == "west":
            raise KeyError("metadata")
        return decisions.decide(found, *more)

    monkeypatch.setattr(run, "decide", decide)
    done = clusters.run("west", "east")
    assert list(done.failures) == ["west"]
    assert done.failures["west"].cluster == "west"
    assert "KeyError" in done.failures["west"].seen
    assert clusters.happened == ["east signed"]
    assert len(defects) == 1
    defects.clear()


def test_what_is_kept_elsewhere_is_kept_before_any_chain(clusters: Clusters) -> None:
    async def keep() -> None:
        assert (clusters.directory / "trust" / "root-key.vault").exists()
        clusters.happened.append("kept")

    clusters.run("west", keep=keep)
    assert clusters.happened == ["kept", "west signed"]

    async def fail() -> None:
        raise FleetError("somebody else wrote the fleet's state at the same time")

    clusters.happened.clear()
    with pytest.raises(FleetError, match="somebody else"):
        clusters.run("west", "east", keep=fail)
    assert clusters.happened == []


def test_no_root_is_made_while_a_place_of_one_is_silent(clusters: Clusters) -> None:
    """Also where that cluster is no primary, or not in the play."""
    with pytest.raises(FleetError, match="no root is made"):
        clusters.run("west", unsearched={"edge": FleetError("no answer")})
    assert clusters.happened == []
    assert not (clusters.directory / "trust").exists()


def crl_of(
    chain: SigningChain | certificates.Authority, *, key_id: bool = True, begins: datetime.datetime | None = None
) -> str:
    """An empty revocation list of a chain's intermediate CA, or of a root."""
    if isinstance(chain, SigningChain):
        found = certificates.parse_certificates(chain.certificate)[0]
        chain = certificates.Authority(found, certificates.key_from_pem(chain.key))
    named = x509.AuthorityKeyIdentifier.from_issuer_public_key(chain.certificate.public_key())  # type: ignore[arg-type]
    builder = x509.CertificateRevocationListBuilder().issuer_name(chain.certificate.subject)
    builder = builder.last_update(begins or POLICY.now - datetime.timedelta(hours=1))
    builder = builder.next_update(POLICY.now + datetime.timedelta(days=9000))
    if key_id:
        builder = builder.add_extension(named, critical=False)
    return builder.sign(chain.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_renewal_waits_for_its_revocation_list(clusters: Clusters) -> None:
    key = certificates.new_key()
    root = certificates.Authority(certificates.make_root(key, POLICY), key)
    chains = {name: decisions.issue(name, root, POLICY) for name in ("west", "east")}
    clusters.west = ClusterTrust("west", chains["west"].data, istiod=True)
    clusters.east = ClusterTrust("east", chains["east"].data)
    pem = {"root_cert": certificates.certificate_pem(root.certificate), "root_key": certificates.key_pem(root.key)}
    args = {**pem, "root": "provided"}
    lists = [crl_of(root), crl_of(chains["west"]), crl_of(chains["east"])]
    with pytest.raises(FleetError, match="L=west"):
        clusters.run("east", args={**args, "crl": [lists[0], lists[2]]})
    assert clusters.written == {}, "nothing was written"

    done = clusters.run("west", "east", args={**args, "crl": lists})
    assert {name: more["listed"] for name, more in clusters.written.items()} == {"west": True, "east": False}
    assert clusters.happened == ["west signed", "east signed"], "as the stand-in calls what is not renewed"
    assert done.crl_days == 8999 and {d.action for d in done.decisions} == {"keep"}

    # Its renewed chain would have no list: the one before stays while it is valid, and is never written beside it.
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    clusters.written.clear()
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=710))
    for crl in ([], lists):
        kept = clusters.run("west", policy=later, args={**args, "crl": crl})
        assert [d.action for d in kept.decisions] == ["keep"] and clusters.written == {}
        assert any("its new intermediate CA has no certificate revocation list" in w for w in kept.warnings)
    ended = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=731))
    refused = clusters.run("west", policy=ended, args=args)
    assert list(refused.failures) == ["west"] and clusters.written == {} and refused.decisions == []
    # The run signs it where it is asked to, beside the lists that are given.
    for crl in (["generated"], [lists[0], "generated"]):
        clusters.written.clear()
        renewed = clusters.run("west", policy=later, args={**args, "crl": crl})
        assert [d.action for d in renewed.decisions] == ["renew"] and renewed.failures == {} and renewed.warnings == []
        text = clusters.chains["west"].crl
        assert text.count("BEGIN X509 CRL") == 4 and renewed.crl_days == 30, "the former one's too"


def signing_lists() -> tuple[certificates.Authority, dict[str, SigningChain], dict[str, t.Any]]:
    """A root, the clusters' chains under it, and the arguments of a run that signs the lists."""
    key = certificates.new_key()
    root = certificates.Authority(certificates.make_root(key, POLICY), key)
    chains = {name: decisions.issue(name, root, POLICY) for name in ("west", "east")}
    pem = {"root_cert": certificates.certificate_pem(root.certificate), "root_key": certificates.key_pem(root.key)}
    return root, chains, {**pem, "root": "provided", "crl": ["generated"]}


@pytest.mark.parametrize("theirs", [{"owner": "somebody else"}, {"tls_form": True}], ids=["owner", "cert-manager"])
def test_no_list_is_signed_with_a_key_of_somebody_else(clusters: Clusters, theirs: dict[str, t.Any]) -> None:
    _root, chains, args = signing_lists()
    clusters.east = ClusterTrust("east", chains["east"].data)
    clusters.west = ClusterTrust("west", chains["west"].data, **theirs)
    with pytest.raises(FleetError, match="has no certificate revocation list") as caught:
        clusters.run("west", "east", args=args)
    assert "L=west" in caught.value.seen and "L=east" not in caught.value.seen
    assert clusters.written == {}
    clusters.run("west", "east", args={**args, "crl": ["generated", crl_of(chains["west"])]})
    assert clusters.chains["east"].crl.count("BEGIN X509 CRL") == 3, "who holds the key gives its list"


def test_lists_of_a_silent_primary_last_while_others_are_renewed(clusters: Clusters) -> None:
    _root, chains, args = signing_lists()
    clusters.west, clusters.east = (ClusterTrust(name, chain.data) for name, chain in chains.items())
    clusters.run("west", "east", args=args)
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    clusters.failing["east"] = FleetError("it does not answer", cluster="east")
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=16))
    done = clusters.run("west", policy=later, args=args)
    assert done.failures == {} and any("east: did not answer" in one for one in done.warnings)
    text = clusters.chains["west"].crl
    assert text.count("BEGIN X509 CRL") == 3, "east's proxies still need the list of its CA"


def test_lists_of_a_primary_that_cannot_be_read_last(clusters: Clusters) -> None:
    """Also in the days in which that of a former CA would go."""
    _root, chains, args = signing_lists()
    clusters.west, clusters.east = (ClusterTrust(name, chain.data) for name, chain in chains.items())
    clusters.run(args=args)
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    clusters.east = ClusterTrust("east", {"ca-cert.pem": "rubbish"})
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=22))
    done = clusters.run(play=["west"], policy=later, args=args)
    assert done.failures == {} and clusters.chains["west"].crl.count("BEGIN X509 CRL") == 3


def test_who_has_no_lists_beside_silence_fails_alone(clusters: Clusters) -> None:
    _root, chains, args = signing_lists()
    clusters.west, clusters.east = (ClusterTrust(name, chain.data) for name, chain in chains.items())
    clusters.run(args=args)
    clusters.west = ClusterTrust("west", clusters.chains["west"].data)
    hosts = {name: {"cluster_region": "here"} for name in ("west", "east", "north")}
    clusters.failing["north"] = FleetError("it does not answer", cluster="north")
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=16))
    # East has none: neither a chain of its own nor one that would be its first.
    for clusters.east in (ClusterTrust("east", chains["east"].data), ClusterTrust("east")):
        clusters.written.clear()
        done = clusters.run(play=["west", "east"], policy=later, args=args, hosts=hosts)
        assert done.failures["east"].what == "no first CRLs are written to it as long as a primary does not answer"
        assert list(done.failures) == ["east"] and list(clusters.written) == ["west"]
        assert [d.cluster for d in done.decisions] == ["west"]
        assert clusters.chains["west"].crl.count("BEGIN X509 CRL") == 3, "none is signed of a CA that nobody gets"


def test_a_list_that_is_not_kept_is_warned_of(clusters: Clusters) -> None:
    root, chains, args = signing_lists()
    former = crl_of(decisions.issue("west", root, POLICY), key_id=False)
    clusters.west = ClusterTrust("west", dataclasses.replace(chains["west"], crl=former).data)
    clusters.east = ClusterTrust("east", chains["east"].data)
    (said,) = clusters.run(args=args).warnings
    assert "L=west" in said and "is not kept" in said and former not in clusters.chains["west"].crl


def test_lists_are_signed_by_a_clock_that_agrees(clusters: Clusters) -> None:
    _root, chains, args = signing_lists()
    hour = datetime.timedelta(hours=1)
    clusters.west = ClusterTrust("west", chains["west"].data, ahead=-hour)
    clusters.east = ClusterTrust("east", chains["east"].data)
    done = clusters.run(args=args)
    assert done.failures["west"].what == "its clock differs from the controller's" and list(done.failures) == ["west"]
    assert [d.cluster for d in done.decisions] == ["east"] and list(clusters.written) == ["east"]
    assert clusters.chains["east"].crl.count("BEGIN X509 CRL") == 3, "the CAs of who is refused count"
    # What is signed already has not begun there either, whoever signed it.
    clusters.east = ClusterTrust("east", clusters.chains["east"].data)
    clusters.written.clear()
    soon = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(minutes=2))
    done = clusters.run(args=args, policy=soon)
    assert done.failures["west"].what == "by its clock a certificate revocation list is not valid yet"
    assert (
        list(done.failures) == ["west"] and clusters.written == {} and [d.cluster for d in done.decisions] == ["east"]
    )
    # A cluster that has the lists is left as it is, and an hour later they have begun everywhere.
    clusters.east = ClusterTrust("east", clusters.chains["east"].data, ahead=-hour)
    assert clusters.run(args=args, policy=dataclasses.replace(POLICY, now=POLICY.now + hour)).failures == {}
    assert list(clusters.written) == ["west"]
    # The clock of the controller is wrong.
    clusters.west = ClusterTrust("west", clusters.chains["west"].data, ahead=hour)
    clusters.written.clear()
    later = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=16))
    done = clusters.run(args=args, policy=later)
    assert done.failures.keys() == {"west", "east"} and clusters.written == {}
    assert done.warnings == [] and done.crl_days is None


def test_with_limit_a_new_chain_waits_for_the_other_clusters(clusters: Clusters) -> None:
    root, chains, args = signing_lists()
    clusters.west = ClusterTrust("west", decisions.issue("west", root, SHORT).data)
    clusters.east = ClusterTrust("east", chains["east"].data)
    clusters.run(args=args)
    for name in ("west", "east"):
        setattr(clusters, name, ClusterTrust(name, clusters.chains[name].data))
    clusters.happened.clear()
    due = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=10))
    kept = clusters.run(play=["west"], policy=due, args=args)
    assert [d.action for d in kept.decisions] == ["keep"] and clusters.happened == [], "nor is a list of it written"
    (said,) = kept.warnings
    assert "could not be renewed: clusters outside the play" in said and "--limit west,east" in said
    before, clusters.west = clusters.west, ClusterTrust("west")
    refused = clusters.run(play=["west"], policy=due, args=args)
    assert list(refused.failures) == ["west"] and clusters.happened == [] and refused.warnings == []
    # In a whole run every cluster has the list before a chain is written that needs it.
    clusters.west = before
    assert [d.action for d in clusters.run(policy=due, args=args).decisions] == ["renew", "keep"]
    assert clusters.happened == ["west signed", "east signed", "west signed"], "its own proxies have it first too"
    assert clusters.chains["east"].crl == clusters.chains["west"].crl


@dataclasses.dataclass
class Due:
    """West's intermediate CA is due, east's is not, and both have lists."""

    clusters: Clusters
    args: dict[str, t.Any]
    old: SigningChain

    def run(self, *, days: int = 10, **more: t.Any) -> run.TrustRun:
        """``days`` of 35 later."""
        self.clusters.happened.clear()
        policy = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=days))
        return self.clusters.run(policy=policy, args=self.args, **more)

    @property
    def renewed(self) -> bool:
        return "west signed" in self.clusters.happened and self.clusters.chains["west"].key != self.old.key


def issuing(args: t.Mapping[str, t.Any]) -> certificates.Authority:
    """The root of these arguments."""
    found = certificates.parse_certificates(args["root_cert"])[0]
    return certificates.Authority(found, certificates.key_from_pem(args["root_key"]))


@pytest.fixture
def due(clusters: Clusters) -> Due:
    root, chains, args = signing_lists()
    chains["west"] = decisions.issue("west", root, SHORT)
    clusters.west, clusters.east = (ClusterTrust(name, chain.data) for name, chain in chains.items())
    clusters.run(args=args)
    clusters.west, clusters.east = (ClusterTrust(name, clusters.chains[name].data) for name in ("west", "east"))
    return Due(clusters, args, chains["west"])


def unwritten_east(clusters: Clusters) -> None:
    clusters.unwritten["east"] = FleetError("no space", cluster="east")


def silent_east(clusters: Clusters) -> None:
    clusters.failing["east"] = FleetError("no answer", cluster="east")


def late_east(clusters: Clusters) -> None:
    clusters.east = dataclasses.replace(clusters.east, ahead=-datetime.timedelta(hours=1))


def foreign_east(clusters: Clusters) -> None:
    clusters.east = dataclasses.replace(clusters.east, owner="vault")


@pytest.mark.parametrize(
    ("east", "says"),
    [
        (unwritten_east, "east: no space"),
        (silent_east, "east: no answer"),
        (late_east, "east: its clock differs"),
        (foreign_east, "of vault: write key ca-crl.pem there"),
    ],
)
def test_a_renewal_waits_for_who_gets_no_list(due: Due, east: t.Callable[[Clusters], None], says: str) -> None:
    """East's proxies would refuse every call of pods with the new chain; but not until the present one ends."""
    east(due.clusters)
    done = due.run()
    assert not due.renewed and [d.action for d in done.decisions if d.cluster == "west"] == ["keep"]
    (said,) = [one for one in done.warnings if "could not be renewed" in one]
    assert said.startswith("west: its intermediate CA ends in 24 days") and says in said and "run again" in said
    signed = due.clusters.chains["west"].crl.count("BEGIN X509 CRL")
    assert signed == (4 if east is unwritten_east else 3), "where it is known before, no list is signed of it"
    done = due.run(days=22)
    assert due.renewed and [d.action for d in done.decisions if d.cluster == "west"] == ["renew"]
    (said,) = [one for one in done.warnings if "cannot wait" in one]
    assert said.startswith("west: its new intermediate CA") and says in said


def test_what_waits_gets_its_lists(due: Due) -> None:
    """A cluster that cannot be written for weeks would have the others' lists end."""
    unwritten_east(due.clusters)
    due.run()
    chain = due.clusters.chains["west"]
    assert due.clusters.happened == ["west signed"] and chain.key == due.old.key
    assert chain.crl.count("BEGIN X509 CRL") == 4 and due.clusters.written["west"]["listed"] is False
    due.run(check_mode=True)
    assert due.clusters.happened == [], "what is planned is told once"


def test_of_two_that_are_due_none_is_first(due: Due) -> None:
    """Each has the other's list before one of them has a new chain."""
    due.clusters.east = ClusterTrust("east", decisions.issue("east", issuing(due.args), SHORT).data)
    due.clusters.run(args=due.args)
    for name in ("west", "east"):
        setattr(due.clusters, name, ClusterTrust(name, due.clusters.chains[name].data))
    done = due.run()
    assert sorted(due.clusters.happened[:2]) == sorted(due.clusters.happened[2:]) == ["east signed", "west signed"]
    assert [d.action for d in done.decisions] == ["renew", "renew"]
    unwritten_east(due.clusters)
    done = due.run()
    assert due.clusters.happened == ["west signed"] and [d.action for d in done.decisions] == ["keep"]


def test_who_fails_with_its_lists_gets_no_chain(due: Due) -> None:
    class Once(dict[str, FleetError]):
        def __getitem__(self, name: str) -> FleetError:
            return self.pop(name)

    due.clusters.unwritten = Once(west=FleetError("no space", cluster="west"))
    done = due.run()
    assert due.clusters.happened == ["east signed"] and list(done.failures) == ["west"]
    assert due.clusters.unwritten == {} and not any(d.cluster == "west" for d in done.decisions)


def test_lists_cover_the_ca_of_who_is_refused(due: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its present chain stays in use: with lists for the new one alone, the others would refuse its calls."""
    renewed = decisions.issue("west", issuing(due.args), POLICY)
    monkeypatch.setattr(OwnRoot, "chain", lambda *_args: renewed)
    now, minute = POLICY.now + datetime.timedelta(days=10), datetime.timedelta(minutes=1)
    due.clusters.west = dataclasses.replace(due.clusters.west, ahead=-4 * minute)
    east = SigningChain.from_data(due.clusters.east.data or {})
    due.args["crl"] = [crl_of(issuing(due.args), begins=now - minute), crl_of(renewed), crl_of(east)]
    with pytest.raises(FleetError, match="has no certificate revocation list") as caught:
        due.run()
    assert "L=west" in caught.value.seen and due.clusters.happened == []
    due.args["crl"].append(crl_of(SigningChain.from_data(due.clusters.west.data or {})))
    done = due.run()
    assert due.clusters.happened == ["east signed"] and list(done.failures) == ["west"]
    assert done.failures["west"].what == "by its clock a certificate revocation list is not valid yet"


def test_a_first_chain_waits_for_no_list(due: Due) -> None:
    """It has no calls yet that could be lost."""
    due.clusters.west = ClusterTrust("west")
    unwritten_east(due.clusters)
    done = due.run()
    assert due.renewed and [(d.cluster, d.action) for d in done.decisions] == [("west", "issue")]
    assert any("west: its new intermediate CA cannot wait" in one for one in done.warnings)
    # Nor does a mesh that begins for a cluster that is refused.
    due.clusters.east = ClusterTrust("east", ahead=-datetime.timedelta(hours=1))
    done = due.run()
    assert list(done.failures) == ["east"] and due.renewed and done.warnings == []


def test_no_renewal_waits_for_lists_that_it_cannot_have(due: Due) -> None:
    """Without any, and beside a silent primary, it gets no first ones; its CA would end."""
    due.clusters.west = ClusterTrust("west", due.old.data)
    silent_east(due.clusters)
    assert not due.run().decisions and not due.renewed
    done = due.run(days=22)
    assert due.renewed and due.clusters.chains["west"].crl == "" and list(done.failures) == ["east"]
    assert [d.action for d in done.decisions] == ["renew"]
    assert any(one.startswith("west: no first CRLs are written to it") for one in done.warnings)


def test_without_lists_a_chain_waits_for_nobody(clusters: Clusters) -> None:
    _root, chains, args = signing_lists()
    clusters.east = ClusterTrust("east", chains["east"].data)
    assert clusters.run(play=["west"], args={**args, "crl": []}).failures == {} and clusters.happened == ["west signed"]
    # Where no run writes lists, another --limit would not help.
    clusters.east = ClusterTrust("east", dataclasses.replace(chains["east"], crl=crl_of(chains["east"])).data)
    failed = clusters.run(play=["west"], args={**args, "crl": []}).failures["west"]
    assert "name generated in trust_crl" in failed.next_step


def test_a_replaced_ca_of_another_owner_is_a_former_one(clusters: Clusters) -> None:
    """Its key signs nothing here, so its list without a key ID would stop every run."""
    root, chains, args = signing_lists()
    theirs = decisions.issue("west", root, SHORT)
    held = dataclasses.replace(theirs, crl=crl_of(theirs, key_id=False)).data
    clusters.west = ClusterTrust("west", held, owner="vault", take_over=True)
    clusters.east = ClusterTrust("east", chains["east"].data)
    due = dataclasses.replace(POLICY, now=POLICY.now + datetime.timedelta(days=10))
    done = clusters.run(policy=due, args=args)
    assert [d.action for d in done.decisions] == ["renew", "keep"] and "is not kept" in done.warnings[0]
