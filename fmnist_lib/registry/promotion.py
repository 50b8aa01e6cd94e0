"""Promote a registered version to champion if it passes the gates, or roll back."""

from __future__ import annotations

import json
from itertools import starmap
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.credentials import without_credentials
from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.promotion_decision import GateResult, PromotionDecision
from fmnist_lib.registry.audit_log import AuditEntry, open_entry, read_audit_log
from fmnist_lib.registry.gates import MEASURES, TEST_SET, Measures, Rival, check_gates
from fmnist_lib.registry.promotion_lock import promotion_lock
from fmnist_lib.registry.store import client, mlflow_calls
from fmnist_lib.registry.versions import CHAMPION, find_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from fmnist_lib.config.release import GatesConfig
    from fmnist_lib.registry.store import TrackingStore
    from fmnist_lib.registry.versions import RegisteredVersion

    #: From the champion's version to whether it classifies each challenger's image correctly.
    Compare = Callable[[str], NDArray[Any]]

#: Tag of a version with the result of its last promotion; those of the gates begin with GATE.
PROMOTION, GATE = "promotion", "gate."
#: Outcomes of entries of the audit log whose gates were checked.
_DECIDED = ("promoted", "refused")


def promote(
    store: TrackingStore,
    name: str,
    version: str,
    measures: Measures,
    gates: GatesConfig,
    *,
    compare: Compare | None = None,
    extra: Iterable[GateResult] = (),
    by: str = "",
) -> PromotionDecision:
    """Make a version the champion if it passes every gate.

    Promotions of a model run one at a time, so of two concurrent ones the second is compared with
    the champion that the first may have become.

    Parameters
    ----------
    store : TrackingStore
    name, version : str
    measures : Measures
        Of the version.
    gates : GatesConfig
    compare : callable, optional
        Evaluates the champion on the challenger's held-out images, when it was tested on others.
        Without it such a challenger is refused.
    extra : iterable of GateResult
        Gates that only the caller can evaluate.
    by : str
        User, for the audit log.

    Raises
    ------
    TrackingError
        The store does not answer, or earlier promotions did not end in time.
    """
    extra = tuple(extra)
    with mlflow_calls(store.uri):
        registry = client(store.uri)
        # Evaluating the champion may take a while, so it happens before the lock is taken.
        rival = _rival(registry, name, measures, compare)
        with (
            promotion_lock(store.uri, name) as check_lock,
            open_entry(registry, name, version, "promote", by) as entry,
        ):
            before = _champion(registry, name)
            if before == version:
                # An earlier attempt was killed after it had moved the alias: gates that compare
                # the version with the champion before, which it beat, would do so with itself.
                rival, extra = Rival(version, measures.correct), ()
            elif before != (rival and rival.version):
                rival = _rival(registry, name, measures, compare)
            results = check_gates(measures, gates, rival, extra)
            promoted = all(result.passed for result in results)
            decision = PromotionDecision(
                name=name,
                version=version,
                promoted=promoted,
                gates=results,
                before=before,
                champion=version if promoted else before,
                entry=entry.number,
            )
            entry.write(
                outcome="promoted" if promoted else "refused",
                before=before or "",
                reason=decision.reason,
                gates=json.dumps({gate.name: _gate_text(gate) for gate in results}),
            )
            if promoted:
                check_lock()
                registry.set_registered_model_alias(name, CHAMPION, version)
            _tag(registry, decision)
    return decision


def recorded_decision(store: TrackingStore, name: str, version: str) -> PromotionDecision | None:
    """Return the last decision on a version, as the audit log has it; None if there is none."""
    with mlflow_calls(store.uri):
        registry = client(store.uri)
        if PROMOTION not in registry.get_model_version(name, version).tags:
            return None
        log = read_audit_log(registry, name)
    decided = [one for one in log if one.version == version and one.outcome in _DECIDED]
    if not decided:
        return None
    entry, promoted = decided[-1], decided[-1].outcome == "promoted"
    return PromotionDecision(
        name=name,
        version=version,
        promoted=promoted,
        gates=tuple(starmap(_recorded_gate, entry.gates.items())),
        before=entry.before,
        champion=version if promoted else entry.before,
        entry=entry.number,
    )


def is_champion(store: TrackingStore, version: RegisteredVersion) -> bool:
    """Return whether the champion's alias points to a version."""
    with mlflow_calls(store.uri):
        return _champion(client(store.uri), version.name) == version.version


def rollback(
    store: TrackingStore, name: str, to: str | None = None, *, by: str = "", reason: str = ""
) -> AuditEntry:
    """Move the alias back to the previous champion, or to any version.

    Parameters
    ----------
    store : TrackingStore
    name : str
    to : str, optional
        Version; default: the previous champion.
    by, reason : str
        For the audit log.

    Raises
    ------
    TrackingError
        There is no previous champion, the version does not exist or was trained on synthetic
        images, or the store does not answer.
    """
    with mlflow_calls(store.uri):
        registry = client(store.uri)
        target = to or previous_champion(registry, name)
        _require_real(registry, name, target)
        with (
            promotion_lock(store.uri, name) as check_lock,
            open_entry(registry, name, target, "rollback", by) as entry,
        ):
            before = _champion(registry, name)
            if to is None and target != previous_champion(registry, name):
                raise TrackingError(
                    f"{name}: another promotion came first. Look at "
                    "`python -m fmnist_lib registry log`, then roll back again."
                )
            entry.write(outcome="rolled back", before=before or "", reason=reason)
            check_lock()
            registry.set_registered_model_alias(name, CHAMPION, target)
        return next(one for one in read_audit_log(registry, name) if one.number == entry.number)


def previous_champion(registry: Any, name: str) -> str:
    """Return the version that was champion before the current one, by the audit log.

    Raises
    ------
    TrackingError
        There is none, or the alias was moved by other means.
    """
    history = champions(read_audit_log(registry, name))
    present = _champion(registry, name)
    if len(history) > 1 and history[-1] == present:
        return history[-2]
    before = f"before version {present} " if present else ""
    raise TrackingError(
        f"{name}: expected a champion {before}in the audit log, got "
        f"{' then '.join(history) or 'none'}. Name one: "
        "`python -m fmnist_lib registry rollback --to VERSION`."
    )


def champions(log: Sequence[AuditEntry]) -> list[str]:
    """Return the champions that a rollback can go back to, and the current one last.

    Examples
    --------
    >>> def entry(version, outcome):
    ...     return AuditEntry(0, "", "", version, None, outcome, "", "")
    >>> moves = [entry("1", "promoted"), entry("2", "promoted"), entry("3", "refused")]
    >>> champions(moves)
    ['1', '2']
    >>> champions([*moves, entry("1", "rolled back")])
    ['1']
    >>> again = [*moves, entry("1", "promoted"), entry("4", "promoted"), entry("1", "rolled back")]
    >>> champions(again)
    ['1', '2', '1']
    """
    history: list[str] = []
    for entry in log:
        if entry.outcome == "rolled back" and entry.version in history:
            del history[len(history) - history[::-1].index(entry.version) :]
        elif entry.outcome in {"promoted", "rolled back"} and history[-1:] != [entry.version]:
            history.append(entry.version)
    return history


def _champion(registry: Any, name: str) -> str | None:
    found = find_version(registry, name, alias=CHAMPION)
    return str(found.version) if found else None


def _rival(registry: Any, name: str, measures: Measures, compare: Compare | None) -> Rival | None:
    """Evaluate the current champion on the challenger's held-out images."""
    found = find_version(registry, name, alias=CHAMPION)
    if found is None:
        return None
    version, tags = str(found.version), found.tags
    if tags.get(TEST_SET) == measures.test_set and MEASURES in tags:
        return Rival(version, Measures.from_tags(tags, f"{name} {version}").correct)
    if compare is None:
        problem = f"the champion, version {version}, was tested on other images"
        return Rival(version, None, problem)
    try:
        return Rival(version, compare(version))
    except Exception as error:  # noqa: BLE001 - a champion that can't be evaluated stays
        problem = f"the champion, version {version}, could not be evaluated: {error}"
        return Rival(version, None, problem)


def _require_real(registry: Any, name: str, version: str) -> None:
    found = find_version(registry, name, number=version)
    if found is None:
        raise TrackingError(
            f"{name}: expected a version to go back to, got {version}, which does not exist. "
            "`python -m fmnist_lib registry log` lists those that have been champion."
        )
    if found.tags.get("data.origin") == "synthetic":
        raise TrackingError(
            f"{name} {version}: expected a model trained on real images, got one trained on "
            "SYNTHETIC ones, which never becomes champion. Name another version."
        )


def _tag(registry: Any, decision: PromotionDecision) -> None:
    """Tag the version with the result of every gate."""
    failed = ", ".join(gate.name for gate in decision.failed)
    tags = {f"{GATE}{gate.name}": _gate_text(gate) for gate in decision.gates}
    tags[PROMOTION] = "promoted" if decision.promoted else f"refused: {failed}"
    for key, value in tags.items():
        registry.set_model_version_tag(decision.name, decision.version, key, value)


def _gate_text(gate: GateResult) -> str:
    return f"{'passed' if gate.passed else 'FAILED'}: {gate.measured} ({gate.required})"


def _recorded_gate(name: str, gate_text: str) -> GateResult:
    """Return what `_gate_text` was called on."""
    result, _, rest = gate_text.partition(": ")
    measured, _, required = rest.removesuffix(")").partition(" (")
    explanation = "recorded in the audit log of the registry"
    return GateResult(name, result == "passed", measured, required, explanation)


def read_measures(store: TrackingStore, name: str, version: str) -> Measures:
    """Return the measures of a version, from its tags.

    Raises
    ------
    TrackingError
        There is no such version, or it has none.
    """
    with mlflow_calls(store.uri):
        found = find_version(client(store.uri), name, number=version)
    address = without_credentials(store.uri)
    if found is None:
        raise TrackingError(
            f"{address}: expected a version of {name}, got {version}, which does not exist. "
            "`python -m fmnist_lib registry log` lists those that were tried."
        )
    return Measures.from_tags(found.tags, f"{address}: {name} {version}")
