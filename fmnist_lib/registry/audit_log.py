"""Append-only audit log of promotions: who, when, why.

The log of a model is a registered model of its own, ``<name>-promotions``; each of its versions is
an entry, because MLflow numbers versions consecutively on every kind of store.
"""

from __future__ import annotations

import contextlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fmnist_lib.registry.versions import add_version

if TYPE_CHECKING:
    from collections.abc import Iterator

Outcome = Literal["open", "promoted", "refused", "rolled back", "failed", "abandoned"]
_OPEN, _CLOSED, _ABANDONED = "open", "closed", "abandoned"


@dataclass(frozen=True)
class AuditEntry:
    """One attempt to move the alias.

    Attributes
    ----------
    number : int
        From 1 on, without gaps.
    created : str
        UTC.
    action : {"promote", "rollback"}
    version : str
        Proposed champion.
    before : str or None
        Champion when the entry was processed.
    outcome : str
        "open" while running; "failed" raised an error; "abandoned": its process died.
    by, reason : str
    gates : dict of str to str
        Result of every gate.
    """

    number: int
    created: str
    action: str
    version: str
    before: str | None
    outcome: Outcome
    by: str
    reason: str
    gates: dict[str, str] = field(default_factory=dict)


class OpenEntry:
    """The entry of a promotion that is running."""

    def __init__(self, registry: Any, log: str, number: str) -> None:
        self._registry, self._log = registry, log
        self.number = int(number)

    def write(self, **tags: str) -> None:
        """Set tags of the entry."""
        for key, value in tags.items():
            self._registry.set_model_version_tag(self._log, str(self.number), key, value)


def read_audit_log(registry: Any, name: str) -> list[AuditEntry]:
    """Return every attempt to move the alias of a model, in order."""
    found = registry.search_model_versions(f"name = '{_log_name(name)}'")
    return sorted((_entry(version) for version in found), key=lambda entry: entry.number)


@contextmanager
def open_entry(registry: Any, name: str, version: str, action: str, by: str) -> Iterator[OpenEntry]:
    """Add an entry, and close it on exit, as failed if an error was raised.

    Only for the holder of the model's `promotion_lock`: an earlier entry that is still open is
    marked as abandoned.
    """
    from mlflow.exceptions import MlflowException

    log = _log_name(name)
    with contextlib.suppress(MlflowException):
        registry.create_registered_model(log, description=__doc__.partition("\n")[0])
    for earlier in registry.search_model_versions(f"name = '{log}' and tags.state = '{_OPEN}'"):
        dead = OpenEntry(registry, log, earlier.version)
        dead.write(reason="its process died", state=_ABANDONED)
    tags = {"action": action, "version": version, "by": by, "state": _OPEN}
    number = add_version(registry, log, f"models:/{name}/{version}", tags=tags)
    entry = OpenEntry(registry, log, number)
    try:
        yield entry
    except BaseException as error:
        with contextlib.suppress(Exception):
            entry.write(outcome="failed", reason=str(error)[:500], state=_CLOSED)
        raise
    entry.write(state=_CLOSED)


def _log_name(name: str) -> str:
    """Return the name of the registered model whose versions are the entries."""
    return f"{name}-promotions"


def _entry(version: Any) -> AuditEntry:
    tags = version.tags
    state = tags.get("state", _OPEN)
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return AuditEntry(
        number=int(version.version),
        created=f"{created:%Y-%m-%d %H:%M:%S}",
        action=tags.get("action", ""),
        version=tags.get("version", ""),
        before=tags.get("before") or None,
        outcome=tags.get("outcome", state) if state == _CLOSED else state,
        by=tags.get("by", ""),
        reason=tags.get("reason", ""),
        gates=_gates(tags.get("gates", "{}")),
    )


def _gates(tag: str) -> dict[str, str]:
    """Parse the gates of an entry; empty for a tag that this project did not write."""
    try:
        gates = json.loads(tag)
    except ValueError:
        return {}
    return gates if isinstance(gates, dict) else {}
