"""Append-only audit log of promotions (who, when, why), which also runs them one at a time.

The log of a model is a registered model of its own, ``<name>-promotions``; each of its versions is
an entry. MLflow numbers versions consecutively on every kind of store, so the numbers also serve
as tickets: an entry is processed when every entry before it is closed (Lamport, "A new solution of
Dijkstra's concurrent programming problem", CACM 1974).
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.registry.versions import add_version

if TYPE_CHECKING:
    from collections.abc import Iterator

Outcome = Literal["open", "promoted", "refused", "rolled back", "failed", "abandoned"]
_OPEN, _CLOSED, _ABANDONED = "open", "closed", "abandoned"
#: The first open entry times out after this: its process has died.
ABANDONED_SECONDS = 120.0
#: Timeout for all earlier promotions together.
WAIT_SECONDS = 900.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class TrailEntry:
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
        "open" while waiting or running; "failed" raised an error; "abandoned" timed out.
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


class Turn:
    """The entry that is being processed."""

    def __init__(self, registry: Any, trail: str, number: str) -> None:
        self._registry, self._trail = registry, trail
        self.number = number

    def write(self, **tags: str) -> None:
        """Set tags of the entry."""
        for key, value in tags.items():
            self._registry.set_model_version_tag(self._trail, self.number, key, value)

    def require(self) -> None:
        """Raise if another process has marked the entry abandoned: it must not move the alias."""
        entry = self._registry.get_model_version(self._trail, self.number)
        if entry.tags.get("state") != _OPEN:
            raise TrackingError(
                f"promotion {self.number} of {self._trail}: expected to finish within "
                f"{ABANDONED_SECONDS:.0f} seconds, timed out. Promote again with "
                "`python -m fmnist_lib registry promote VERSION`."
            )


def trail_name(name: str) -> str:
    """Return the name of the registered model whose versions are the entries."""
    return f"{name}-promotions"


def entries(registry: Any, name: str) -> list[TrailEntry]:
    """Return every attempt to move the alias of a model, in order."""
    found = registry.search_model_versions(f"name = '{trail_name(name)}'")
    return sorted((_entry(version) for version in found), key=lambda entry: entry.number)


@contextmanager
def turn(registry: Any, name: str, version: str, action: str, by: str) -> Iterator[Turn]:
    """Add an entry, wait until every earlier one is closed, and close it on exit.

    Raises
    ------
    TrackingError
        The earlier entries were not closed in time.
    """
    trail = trail_name(name)
    tags = {"action": action, "version": version, "by": by, "state": _OPEN}
    ticket = Turn(registry, trail, _add(registry, trail, f"models:/{name}/{version}", tags))
    try:
        _wait(registry, trail, int(ticket.number))
        yield ticket
    except BaseException as error:
        with contextlib.suppress(Exception):
            ticket.write(outcome="failed", reason=str(error)[:500], state=_CLOSED)
        raise
    ticket.write(state=_CLOSED)


def _add(registry: Any, trail: str, source: str, tags: dict[str, str]) -> str:
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException):
        registry.create_registered_model(trail, description=__doc__.partition("\n")[0])
    return add_version(registry, trail, source, tags=tags)


def _wait(registry: Any, trail: str, number: int) -> None:
    """Wait until every earlier entry is closed; mark those that time out as abandoned."""
    started = changed = time.monotonic()
    head = -1
    while (first := _first_open(registry, trail)) < number:
        now = time.monotonic()
        if first != head:
            head, changed = first, now
        elif now - changed > ABANDONED_SECONDS:
            for key, value in (("reason", "timed out"), ("state", _ABANDONED)):
                registry.set_model_version_tag(trail, str(first), key, value)
        if now - started > WAIT_SECONDS:
            raise TrackingError(
                f"{trail}: expected the promotions before {number} to end within "
                f"{WAIT_SECONDS:.0f} seconds, {first} is still open. Look at it with "
                "`python -m fmnist_lib registry log`, then promote again."
            )
        time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)


def _first_open(registry: Any, trail: str) -> int:
    found = registry.search_model_versions(f"name = '{trail}' and tags.state = '{_OPEN}'")
    return min((int(version.version) for version in found), default=sys.maxsize)


def _entry(version: Any) -> TrailEntry:
    tags = version.tags
    state = tags.get("state", _OPEN)
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return TrailEntry(
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
