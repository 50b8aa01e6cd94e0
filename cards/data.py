"""The card of the step ``start``: which data, and what a check of them found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, percent, pictures, table
from cards.escape import code, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.audit import DataAudit, TwinCount
    from fmnist_lib.data.changes import DataChanges
    from fmnist_lib.data.version import DataVersion


def data_card(
    version: DataVersion, audit: DataAudit, changes: DataChanges | None = None
) -> list[MetaflowCardComponent]:
    """Which data the run uses, what the audit found, and how they differ from the champion's."""
    return [
        *header("Data", version),
        Markdown(
            f"This run uses **{text(version.description)}**, {_read_from(version)}. Its "
            f"fingerprint is {code(version.fingerprint)}: two runs with the same fingerprint saw "
            "the same images and labels in the same splits."
        ),
        *_dvc(version),
        *_changes(changes),
        Markdown("## Splits"),
        _splits(version, audit),
        *_files(version),
        Markdown("## What the audit found"),
        Markdown("\n".join(f"- {finding}" for finding in _findings(audit))),
        _twins(audit),
        *pictures(audit.pictures),
    ]


def rest_card(reason: str) -> list[MetaflowCardComponent]:
    """Why a run that the monitor started has nothing to train for."""
    return [
        Markdown("# Nothing to train"),
        Markdown(f"{text(reason[:1].upper() + reason[1:])}. The champion stays as it is."),
    ]


def _read_from(version: DataVersion) -> str:
    return f"read from {code(version.location)}" if version.files else "made on the spot"


def _dvc(version: DataVersion) -> list[MetaflowCardComponent]:
    return [Markdown(f"DVC knows the files as {code(version.dvc)}.")] if version.dvc else []


def _changes(changes: DataChanges | None) -> list[MetaflowCardComponent]:
    if changes is None or not changes.any:
        return []
    return [
        Markdown(
            "## What changed since the champion\n\nCompared with the data of "
            f"{text(changes.champion)}: "
            f"**{changes.added:,}** images added, **{changes.removed:,}** removed, "
            f"**{changes.relabelled:,}** with another label, {changes.kept:,} as they were."
        ),
        table(
            ["class", "images before", "images now", "difference"],
            (
                (name, f"{before:,}", f"{after:,}", f"{after - before:+,}")
                for name, before, after in changes.by_class
            ),
        ),
    ]


def _splits(version: DataVersion, audit: DataAudit) -> MetaflowCardComponent:
    uses = {
        "train": "models are fitted on it",
        "validation": "candidates are compared on it",
        "test": "touched once, for the final figure",
    }
    return table(
        ["split", "images", "what for", "mean pixel", "black pixels", "SHA-256"],
        [
            (
                split.name,
                f"{split.images:,}",
                uses.get(split.name, ""),
                f"{split.mean:.1f}",
                percent(split.zero_share),
                version.splits.get(split.name, "")[:16],
            )
            for split in audit.splits
        ],
    )


def _files(version: DataVersion) -> list[MetaflowCardComponent]:
    if not version.files:
        return []
    return [
        Markdown("## Files"),
        table(["file", "SHA-256"], version.files.items()),
        Markdown(
            "Every file has the content its publisher gives, by its checksum."
            if version.is_official
            else "At least one file differs from what the publisher of Fashion-MNIST gives."
        ),
    ]


def _findings(audit: DataAudit) -> Iterator[str]:
    yield _balance(audit)
    yield _range(audit)
    odd = sum(split.constant for split in audit.splits)
    empty = sum(split.empty for split in audit.splits)
    if odd:
        yield f"Images of one flat colour: **{odd:,}**, of which {empty:,} are empty."
    else:
        yield "No image is empty or of one flat colour."
    yield from (_copies(twins) for twins in audit.twins)
    yield from _near(audit)


def _balance(audit: DataAudit) -> str:
    uneven = [split for split in audit.splits if len(set(split.class_counts)) > 1]
    if not uneven:
        return "Every class has the same number of images in every split."
    parts = [
        f"{split.name} has {min(split.class_counts):,} to {max(split.class_counts):,}"
        for split in uneven
    ]
    return f"Images a class are not quite even: {', '.join(parts)}."


def _range(audit: DataAudit) -> str:
    low = min(split.minimum for split in audit.splits)
    high = max(split.maximum for split in audit.splits)
    if (low, high) == (0, 255):
        return "Pixels use the whole scale from 0 to 255."
    return f"Pixels run only from {low} to {high}, not over the whole scale from 0 to 255."


def _copies(twins: TwinCount) -> str:
    where = f"Exact copies {twins.scope}"
    if not twins.identical:
        return f"{where}: none among {twins.images:,} images."
    labels = (
        f"{twins.identical_conflicting:,} of them with two different labels"
        if twins.identical_conflicting
        else "all with the same label"
    )
    return f"{where}: **{twins.identical:,}** of {twins.images:,} images, {labels}."


def _near(audit: DataAudit) -> Iterator[str]:
    at_least = "" if audit.near_search_complete else "at least "
    how = (
        "Every image was compared with every other; none was missed."
        if audit.near_search_complete
        else "There are more: the search gave up, and the figures below are lower bounds."
    )
    yield (
        f"Nearly the same: {at_least}**{audit.near_pairs:,}** pairs of distinct images differ by "
        f"at most {audit.near_duplicate_distance:g} of 255 grey levels (root mean square). {how}"
    )
    leaks = audit.leaks
    if leaks.near:
        yield (
            f"Twins, exact or near, of {at_least}{leaks.near:,} of {leaks.images:,} test images "
            f"are among the images trained on: {at_least}{percent(leaks.near / leaks.images, 2)} "
            "of the test answers may be memory rather than skill."
        )


def _twins(audit: DataAudit) -> MetaflowCardComponent:
    return table(
        ["images with a twin", "looked at", "exact copy", "other label", "nearly", "other label"],
        [
            (
                twins.scope,
                f"{twins.images:,}",
                f"{twins.identical:,}",
                f"{twins.identical_conflicting:,}",
                f"{twins.near:,} ({percent(twins.near / twins.images, 2)})",
                f"{twins.near_conflicting:,}",
            )
            for twins in audit.twins
        ],
    )
