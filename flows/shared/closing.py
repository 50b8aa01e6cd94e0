"""Last lines of a training run on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.formatting import interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator


def closing_lines(data: Any, run_id: str) -> Iterator[str]:
    """Yield the result, what was promoted and why, and the commands that open the cards.

    Parameters
    ----------
    data : object
        With the artifacts of the last step.
    run_id : str
        Of Metaflow.
    """
    accuracy = data.evaluation.accuracy
    yield f"Data: {data.data_version.description}."
    yield (
        f"Test accuracy of the winner: {percent(accuracy.value, 2)} ({interval(accuracy)}), "
        f"{data.evaluation.n_images:,} images. {data.spent}."
    )
    if data.contest:
        yield f"The new model is {data.contest.reason}."
    if data.promotion:
        verdict = "Champion" if data.promotion.promoted else "Not champion"
        yield f"{verdict}: {data.promotion.reason}."
    if getattr(data, "bundle", None) is None:
        yield f"Bundle and summary: {data.bundle_path}"
    else:
        yield "Bundle: in the datastore; `python -m cards page` below fetches it into bundles/."
    yield "Cards:"
    for step, content in (("publish", "summary"), ("select", "leaderboard"), ("explain", "SHAP")):
        yield f"  python flows/train.py card view {run_id}/{step}   # {content}"
    yield "  python flows/train.py card server   # all of them"
    yield f"  python -m cards page {run_id} --out page   # all of them as files"
