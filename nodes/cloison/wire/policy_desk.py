"""Loading a policy set into a running node: verified whole, stored, entered, then in effect.

A question takes the set that holds when its call begins, and finishes under it. Verifying runs
beside the questions; entering and taking effect are one step between two of them.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from multiprocessing import get_context

from cloison.errors import InputError, IntegrityError, PolicyDenied, StorageError
from cloison.exchange import limits
from cloison.exchange.entries import entry_of
from cloison.exchange.policy_manifest import SET_BYTES, Quorum, SignedManifest, verify_manifest
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.law import PolicySet, run_examples
from cloison.law.prove import broken_promises
from cloison.law.set_difference import difference, may_open, opened_promises
from cloison.v1 import entry_pb2, policy_service_pb2
from cloison.wire.node import Node
from cloison.wire.policy_sets import PolicySets, entered_sets

_LISTED_CHANGES = 200
_CHANGE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CheckedSet:
    """A signed set that may be loaded but for its place in the order."""

    signed: SignedManifest
    files: Mapping[str, bytes]
    policy: PolicySet


def check_set(note: bytes, files: Mapping[str, bytes], quorum: Quorum) -> CheckedSet:
    """Signatures, every file, the law itself and its own examples.

    Raises:
        IntegrityError: as `verify_manifest`; `SET_ALTERED`.
        InputError: `BAD_POLICY_FILE`, with file and line; `EXAMPLES_FAIL`; `TOO_LARGE`.
    """
    limits.check_count("bytes of a policy set", sum(map(len, files.values())), 0, SET_BYTES)
    signed = verify_manifest(note, quorum)
    signed.manifest.check(files)
    return CheckedSet(signed, files, check_law(files))


def check_law(files: Mapping[str, bytes]) -> PolicySet:
    """The law itself and its own examples, signed or not.

    Raises:
        InputError: `BAD_POLICY_FILE`, with file and line; `EXAMPLES_FAIL`.
    """
    policy = PolicySet.parse(files)
    if policy.witnesses is None:
        # An old set may lack it and is decided by again as it was; none is loaded any more.
        why = "policy file `witnesses.toml`: missing: no limit would hold anybody to a witness"
        raise InputError("BAD_POLICY_FILE", why, "every set a node loads has one")
    failed = [f"{text}: {one.name}" for text, one, wrong in run_examples(policy) if wrong]
    if failed:
        raise InputError(
            "EXAMPLES_FAIL",
            f"policy set: {len(failed)} of its own examples decide otherwise, first `{failed[0]}`",
            "run `cloison law test` on it",
        )
    return policy


def require_kept(files: Mapping[str, bytes]) -> None:
    """No promise is broken undeclared, proved in a process of its own.

    Some seconds of Python: in a thread of the node, every question would wait for its turn.

    Raises:
        InputError: `PROMISE_BROKEN`, with a counterexample.
        StorageError: `NO_PROOF`: the process ended before it had proved anything.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            broken = pool.submit(broken_promises, dict(files)).result()
    except BrokenExecutor as error:
        raise StorageError(
            "NO_PROOF", "policy set: its proof ended early", "load it again; nothing has changed"
        ) from error
    if broken:
        raise InputError(
            "PROMISE_BROKEN",
            f"policy set: {broken[0]}",
            "mend the rule, or say `opens` with its days in the text (policy/README.md); "
            "`cloison law prove` shows the rest",
        )


def told_of(
    checked: CheckedSet, old: PolicySet | None, opened: tuple[str, ...]
) -> entry_pb2.PolicyLoaded:
    """What the register says of a set: who signed it, and what it changes."""
    manifest, changes = checked.signed.manifest, difference(old, checked.policy)
    return entry_pb2.PolicyLoaded(
        policy_set=manifest.set_hash,
        previous=b"" if old is None else old.hash,
        number=manifest.number,
        signed_day=manifest.signed.isoformat(),
        manifest_hash=sha256(manifest.text().encode()).digest(),
        signers=checked.signed.signers,
        changes=[one[:_CHANGE_CHARACTERS] for one in changes[:_LISTED_CHANGES]],
        change_count=len(changes),
        changes_hash=sha256("".join(f"{one}\n" for one in changes).encode()).digest(),
        opened_promises=opened,
    )


def require_promise_signer(checked: CheckedSet, opened: tuple[str, ...], quorum: Quorum) -> None:
    """What opens a promise has its own signer. Raises `IntegrityError` (`TOO_FEW_SIGNERS`)."""
    if opened and not checked.signed.for_promises:
        raise IntegrityError(
            "TOO_FEW_SIGNERS",
            f"policy set: opens {', '.join(f'`{one}`' for one in opened)}, "
            f"and `{quorum.promise_signer.name}` did not sign it",
            "have it signed by the signer of promises",
        )


class PolicyDesk:
    """Loads sets into one node, one at a time.

    Args:
        node: Whose law it is.
        quorum: The signers this node trusts.
    """

    def __init__(self, node: Node, sets: PolicySets, quorum: Quorum) -> None:
        self._node, self._sets, self._quorum = node, sets, quorum
        self._one_at_a_time = asyncio.Lock()
        self._proved = b""  # the set last found to keep its promises: announced, then loaded

    async def load(
        self, note: bytes, files: Mapping[str, bytes]
    ) -> policy_service_pb2.LoadResponse:
        """The set is in effect, or announced; its entry is on disk.

        Raises:
            InputError, IntegrityError: as `check_set`, `require_promise_signer`, `require_kept`,
                where the set could permit what the one before did not; `SET_OLDER`,
                `SET_NOT_NEXT`: not the set that follows the one loaded.
            PolicyDenied: `NOTICE_PERIOD`: announced, and not yet long enough.
            StorageError: it cannot be kept or entered; then nothing changed.
        """
        async with self._one_at_a_time:
            checked = await asyncio.to_thread(check_set, note, files, self._quorum)
            old = self._node.policy
            before = self._entered(checked)
            if before is not None and checked.policy.hash == old.hash:
                return before
            self._require_next(checked)
            opened = opened_promises(old, checked.policy)
            require_promise_signer(checked, opened, self._quorum)
            if opened and before is not None:
                self._require_noticed(before)
            if may_open(old, checked.policy) and self._proved != checked.policy.hash:
                await asyncio.to_thread(require_kept, files)
                self._proved = checked.policy.hash
            told = told_of(checked, old, opened)
            if opened and before is None:
                days = timedelta(days=self._quorum.notice_days)
                told.notice_until_ms = to_milliseconds(self._node.clock() + days)
            await asyncio.to_thread(self._sets.keep, note, checked.policy.hash, files)
            return self._enter(told, checked.policy)

    def _enter(
        self, told: entry_pb2.PolicyLoaded, policy: PolicySet
    ) -> policy_service_pb2.LoadResponse:
        # INVARIANT: entry, then effect, with nothing between: no decision names a set that no
        # entry loaded, and after a crash the register says which of the two it was.
        entry = entry_of(told, self._node.clock())
        appended = self._node.register.append_many([entry])
        if not told.notice_until_ms:
            self._node.policy = policy
        return policy_service_pb2.LoadResponse(entry=entry, leaf_index=appended.first_index)

    def _sets_entered(self) -> list[tuple[int, bytes, entry_pb2.Entry]]:
        register = self._node.register
        return list(entered_sets(iter(register.entries(0, register.size))))

    def _entered(self, checked: CheckedSet) -> policy_service_pb2.LoadResponse | None:
        """The last entry of this very manifest."""
        wanted = sha256(checked.signed.manifest.text().encode()).digest()
        for index, data, entry in reversed(self._sets_entered()):
            if entry.policy_loaded.manifest_hash == wanted:
                return policy_service_pb2.LoadResponse(
                    entry=data, leaf_index=index, repeated_load=True
                )
        return None

    def _require_noticed(self, before: policy_service_pb2.LoadResponse) -> None:
        until = entry_pb2.Entry.FromString(before.entry).policy_loaded.notice_until_ms
        if to_milliseconds(self._node.clock()) < until:
            day = from_milliseconds(until).isoformat(timespec="minutes")
            raise PolicyDenied(
                "NOTICE_PERIOD",
                f"policy set: opens a promise, announced, not to be loaded before {day}",
                "load it again then",
            )

    def _require_next(self, checked: CheckedSet) -> None:
        entered = [entry.policy_loaded for _, _, entry in self._sets_entered()]
        held = [one for one in entered if not one.notice_until_ms]
        if not held:
            raise StorageError("NO_POLICY_SET", "policy: the register names no set loaded before")
        last = held[-1]
        manifest = checked.signed.manifest
        if manifest.number <= last.number:
            raise InputError(
                "SET_OLDER",
                f"policy set: number {manifest.number}, where number {last.number} is loaded",
                "sign what is wanted as a new set; an older one never comes back by itself",
            )
        if manifest.previous != last.policy_set:
            raise InputError(
                "SET_NOT_NEXT",
                f"policy set: follows `{manifest.previous.hex() or 'none'}`, and "
                f"`{last.policy_set.hex()}` is loaded",
                "load the sets between first, or sign it with `--after` the manifest loaded",
            )
