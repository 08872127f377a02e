"""A policy set loaded into a node: verified, entered, in effect; and what never becomes the law."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from tests.federation import ANNE, CAF, CNAV, Aborted, Federation, Program, run
from tests.unit.wire.policy_changes import (
    Signing,
    breaking,
    opening,
    plain,
    with_decree,
)

from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.exchange import conclude
from cloison.exchange.entries import parse_entry
from cloison.exchange.policy_manifest import MANIFEST, Manifest
from cloison.law import PolicySet
from cloison.law.set_difference import opened_promises
from cloison.ledger import Log
from cloison.v1 import decision_pb2, entry_pb2, policy_service_pb2, receipt_pb2
from cloison.wire.policy_servicers import PolicyService
from cloison.wire.policy_sets import PolicySets, loaded_set, read_signed

GRANT = "grants/caf-beneficiaries-2026.toml"
PERMIT, DENY = decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_DENY


@pytest.fixture
def signing(federation: Federation) -> Signing:
    return Signing(federation)


def load(signing: Signing, files: Mapping[str, bytes], note: bytes) -> entry_pb2.PolicyLoaded:
    return parse_entry(run(signing.desk(CNAV).load(note, files)).entry).policy_loaded


def outcome(answer: receipt_pb2.Answer) -> int:
    assert not answer.HasField("failure"), answer.failure
    return parse_entry(answer.receipt.entry).decided.decision.outcome


def test_load_takes_effect_at_once_and_is_an_entry_that_says_what_changed(
    federation: Federation, signing: Signing
) -> None:
    old, files = federation.node(CNAV).policy, with_decree()
    told = load(signing, files, signing.sign(files))
    assert federation.node(CNAV).policy.hash == PolicySet.parse(files).hash == told.policy_set
    assert (told.previous, told.number, told.notice_until_ms) == (old.hash, 2, 0)
    assert list(told.signers) == ["controle", "ministere"]
    assert list(told.changes) == [
        "+ examples decret-test",
        "+ rule decret-test/closed",
        "+ text decret-test",
    ]


def test_load_under_questions_fails_none_and_each_names_the_set_that_decided_it(
    federation: Federation, ppa: Program, signing: Signing
) -> None:
    case, files = ppa.open_case(), with_decree()
    requester = federation.requester(CAF)

    async def ask_while_loading() -> list[receipt_pb2.Answer]:
        answers: list[receipt_pb2.Answer] = []
        loading = asyncio.create_task(signing.desk(CNAV).load(signing.sign(files), files))
        while not loading.done() or len(answers) < 4:
            items = ppa.items(ppa.question(case), ppa.question(case))
            answers += await requester.ask(ppa.activity, items)
        await loading
        return answers + await requester.ask(ppa.activity, ppa.items(ppa.question(case)))

    answers = run(ask_while_loading())
    outcomes = [outcome(one) for one in answers]
    assert outcomes == sorted(outcomes)
    assert {outcomes[0], outcomes[-1]} == {outcome(answers[0]), DENY}
    assert outcomes[0] != DENY
    old, new = federation.policy, PolicySet.parse(files)
    kept = PolicySets(federation.settings(CNAV).state)
    sets = {one.hash: kept.read(one.hash) for one in (old, new)}
    for entry in federation.entries(CNAV, "decided"):
        named = entry.decided.policy_set
        assert named == (new if entry.decided.decision.outcome == DENY else old).hash
        held, again = conclude.decide_again(sets[named], entry)
        assert held == again


def test_a_call_begun_before_a_load_ends_under_the_set_it_began_with(
    federation: Federation, ppa: Program, signing: Signing
) -> None:
    item, files = ppa.item(ppa.question(ppa.open_case())), with_decree()
    holder = federation.holder(CNAV)
    call = holder.call(CAF, federation.policy.hash, b"")
    load(signing, files, signing.sign(files))
    (answer,) = holder.answer(call, [item])
    assert outcome(answer) != DENY


def altered(files: Mapping[str, bytes], path: str, content: bytes | None) -> dict[str, bytes]:
    kept = {name: data for name, data in files.items() if name != path}
    return kept if content is None else {**kept, path: content}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: altered(f, "purposes.toml", f["purposes.toml"] + b"\n"), "SET_ALTERED"),
        (lambda f: altered(f, GRANT, f[GRANT].replace(b'"4"', b'"9"')), "SET_ALTERED"),
        (lambda f: altered(f, "texts/decret-test/rules.cedar", None), "SET_ALTERED"),
        (lambda f: altered(f, "texts/decret-b/rules.cedar", b""), "SET_ALTERED"),
        (lambda f: altered(f, "../../evil.toml", b""), "SET_ALTERED"),
        (lambda _: {}, "SET_ALTERED"),
        (lambda f: altered(f, "big.toml", bytes(4_000_000)), "TOO_LARGE"),
    ],
    ids=["edited", "grant-edited", "missing", "besides", "path-out", "empty", "huge"],
)
def test_load_of_files_not_as_signed_is_refused(
    federation: Federation,
    signing: Signing,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    reason: str,
) -> None:
    files = with_decree()
    refused(federation, signing, change(files), signing.sign(files), reason)


def refused(
    federation: Federation, signing: Signing, files: Mapping[str, bytes], note: bytes, reason: str
) -> CloisonError:
    """It is refused, and nothing of the node changed."""
    node = federation.node(CNAV)
    before, size = node.policy, node.register.size
    with pytest.raises(CloisonError) as caught:
        load(signing, files, note)
    assert caught.value.reason == reason
    assert (node.policy, node.register.size) == (before, size)
    assert loaded_set(federation.settings(CNAV).state).hash == before.hash
    return caught.value


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("../out.toml", b""),
        ("texts/a/../../x.toml", b""),
        ("notes.toml", b""),
        ("texts/decret-test/rules.cedar", b"permit (principal, action, resource);"),
    ],
)
def test_load_of_a_signed_set_that_is_no_law_is_refused(
    federation: Federation, signing: Signing, path: str, content: bytes
) -> None:
    files = {**with_decree(), path: content}
    refused(federation, signing, files, signing.sign(files), "BAD_POLICY_FILE")


def test_load_of_a_set_whose_own_examples_fail_is_refused(
    federation: Federation, signing: Signing
) -> None:
    path = "texts/decret-test/examples.yaml"
    files = with_decree()
    files[path] = files[path].replace(b"reason: FORBIDDEN", b"reason: NO_TEXT")
    refused(federation, signing, files, signing.sign(files), "EXAMPLES_FAIL")


def test_load_signed_by_too_few_is_refused(federation: Federation, signing: Signing) -> None:
    files = with_decree()
    refused(federation, signing, files, signing.sign(files, "ministere"), "TOO_FEW_SIGNERS")


def test_load_of_the_set_before_is_refused(federation: Federation, signing: Signing) -> None:
    files = with_decree()
    load(signing, files, signing.sign(files))
    first = signing.note(signing.first())
    refused(federation, signing, plain(), first, "SET_OLDER")


def test_load_that_skips_a_set_is_refused(federation: Federation, signing: Signing) -> None:
    files = with_decree()
    skipped = replace(Manifest.of(files, signing.first(), signing.first().signed), number=3)
    other = replace(skipped, previous=bytes(32))
    refused(federation, signing, files, signing.note(other), "SET_NOT_NEXT")


def test_load_of_the_same_set_again_enters_nothing(
    federation: Federation, signing: Signing
) -> None:
    files = with_decree()
    note = signing.sign(files)
    load(signing, files, note)
    size = federation.node(CNAV).register.size
    again = run(signing.desk(CNAV).load(note, files))
    assert (again.repeated_load, federation.node(CNAV).register.size) == (True, size)


def test_load_of_what_breaks_a_promise_unsaid_is_refused_with_a_counterexample(
    federation: Federation, signing: Signing
) -> None:
    """Nothing of it looks like an opening: the proof alone finds it."""
    files, node = breaking(), federation.node(CNAV)
    assert opened_promises(node.policy, PolicySet.parse(files)) == ()
    error = refused(federation, signing, files, signing.sign(files), "PROMISE_BROKEN")
    assert "texts/decret-2025-1288/rules.cedar:" in error.message
    assert "promise `income-never-targets`: on 20" in error.message
    assert "`decret-2025-1288/quiet` permits it" in error.message
    assert node.policy.hash == federation.policy.hash


def test_load_of_what_opens_a_promise_needs_its_signer(
    federation: Federation, signing: Signing
) -> None:
    files = opening()
    note = signing.sign(files, "ministere", "controle", "organismes")
    refused(federation, signing, files, note, "TOO_FEW_SIGNERS")


def test_load_of_what_opens_a_promise_is_announced_and_waits_for_its_notice(
    federation: Federation, signing: Signing
) -> None:
    files, node = opening(), federation.node(CNAV)
    note = signing.sign(files, "ministere", "controle", "garant")
    told = load(signing, files, note)
    assert (list(told.opened_promises), node.policy) == (
        ["income-never-targets"],
        federation.policy,
    )
    assert told.notice_until_ms
    federation.clock.advance(days=29, hours=23)
    refused(federation, signing, files, note, "NOTICE_PERIOD")
    assert loaded_set(federation.settings(CNAV).state).hash == federation.policy.hash
    federation.clock.advance(hours=1)
    assert load(signing, files, note).notice_until_ms == 0
    assert node.policy.hash == PolicySet.parse(files).hash


def test_a_restart_takes_the_set_the_register_names(
    federation: Federation, signing: Signing
) -> None:
    files = with_decree()
    told = load(signing, files, signing.sign(files))
    federation.kill(CNAV)
    assert loaded_set(federation.settings(CNAV).state).hash == told.policy_set


def test_a_node_killed_between_keeping_and_entering_starts_with_the_set_before(
    federation: Federation, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, state = with_decree(), federation.settings(CNAV).state
    desk = signing.desk(CNAV)

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Log, "append_many", killed)
    with pytest.raises(SystemExit):
        run(desk.load(signing.sign(files), files))
    monkeypatch.undo()
    assert PolicySets(state).read(PolicySet.parse(files).hash)
    assert loaded_set(state).hash == federation.policy.hash
    federation.kill(CNAV)
    assert load(signing, files, signing.sign(files)).number == 2


def test_a_node_killed_after_entering_starts_with_the_new_set(
    federation: Federation, signing: Signing
) -> None:
    files, state = with_decree(), federation.settings(CNAV).state
    desk, node = signing.desk(CNAV), federation.node(CNAV)
    run(desk.load(signing.sign(files), files))
    node.policy = federation.policy  # as if it had not come to this
    assert loaded_set(state).hash == PolicySet.parse(files).hash


def test_a_kept_set_edited_on_disk_is_not_started_with(
    federation: Federation, signing: Signing
) -> None:
    files, settings = with_decree(), federation.settings(CNAV)
    told = load(signing, files, signing.sign(files))
    place = PolicySets(settings.state).place(told.policy_set)
    (place / "texts/decret-test/rules.cedar").write_text("")
    with pytest.raises(IntegrityError, match="decret-test") as caught:
        loaded_set(settings.state)
    assert caught.value.reason == "SET_ALTERED"


def test_a_kept_set_under_another_hash_is_not_started_with(
    federation: Federation, signing: Signing
) -> None:
    files, settings = with_decree(), federation.settings(CNAV)
    told = load(signing, files, signing.sign(files))
    sets = PolicySets(settings.state)
    shutil.rmtree(sets.place(told.policy_set))
    with pytest.raises(StorageError):
        loaded_set(settings.state)
    shutil.copytree(sets.place(federation.policy.hash), sets.place(told.policy_set))
    with pytest.raises(IntegrityError):
        loaded_set(settings.state)


def test_a_signed_folder_with_a_link_is_refused(federation: Federation) -> None:
    state = federation.settings(CNAV).state
    folder = PolicySets(state).place(federation.policy.hash)
    (folder / "purposes.toml").rename(state / "elsewhere.toml")
    (folder / "purposes.toml").symlink_to(state / "elsewhere.toml")
    with pytest.raises(IntegrityError, match=r"purposes\.toml"):
        read_signed(folder)
    with pytest.raises(IntegrityError):
        loaded_set(state)


def test_read_signed_without_manifest_says_to_sign(federation: Federation) -> None:
    folder = PolicySets(federation.settings(CNAV).state).place(federation.policy.hash)
    (folder / MANIFEST).unlink()
    with pytest.raises(StorageError) as caught:
        read_signed(folder)
    assert "law sign" in caught.value.hint


@pytest.mark.parametrize(("body", "activity"), [(CAF, None), (CAF, "caf-ppa")])
def test_load_by_anyone_but_the_nodes_own_certificate_is_refused(
    federation: Federation, signing: Signing, body: str, activity: str | None
) -> None:
    service = PolicyService(federation.node(CNAV), signing.desk(CNAV))
    context = federation.context(CAF, activity)
    with pytest.raises(Aborted) as caught:
        run(service.Load(policy_service_pb2.LoadRequest(), context))
    assert caught.value.reason == "NOT_YOURS"
    assert federation.failures(CNAV)[activity or body]["NOT_YOURS"] == 1


def test_load_with_a_path_given_twice_is_refused(federation: Federation, signing: Signing) -> None:
    service = PolicyService(federation.node(CNAV), signing.desk(CNAV))
    file = policy_service_pb2.PolicyFile(path="purposes.toml")
    request = policy_service_pb2.LoadRequest(files=[file, file])
    with pytest.raises(Aborted) as caught:
        run(service.Load(request, federation.context(CNAV)))
    assert caught.value.reason == "MALFORMED"


def test_peers_with_another_set_are_counted_and_listed_and_still_answered(
    federation: Federation, ppa: Program, signing: Signing
) -> None:
    files = with_decree()
    load(signing, files, signing.sign(files))
    item = ppa.item(ppa.question(ppa.open_case(), ANNE.member(), purpose="eligibility"))
    (answer,) = ppa.put(item)
    assert outcome(answer) in {PERMIT, DENY}
    assert federation.failures(CNAV)["caf"]["POLICY_SET_DIFFERS"] == 1
    assert federation.failures(CAF)["cnav"]["POLICY_SET_DIFFERS"] == 1
    service = PolicyService(federation.node(CAF), signing.desk(CAF))
    listed = run(service.ListSets(policy_service_pb2.ListSetsRequest(), federation.context(CAF)))
    assert [(one.body, one.policy_set) for one in listed.peers] == [
        ("cnav", PolicySet.parse(files).hash)
    ]
    assert listed.policy_set == federation.policy.hash
