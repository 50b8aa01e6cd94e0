"""Comparison of a training run with the champion, for its summary card."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import DataError

if TYPE_CHECKING:
    from fmnist_lib.evaluation.run_comparison import RunComparison, RunResults
    from fmnist_lib.registry.store import StoreAddress

logger = logging.getLogger(__name__)


def champion_results(address: StoreAddress, version: Any) -> RunResults | None:
    """Return the results of the champion's run; None without one, and for synthetic images.

    Call it before a run is published: it may become the champion then.

    Parameters
    ----------
    address : StoreAddress
    version : DataVersion
        Of the run that asks.
    """
    from cards.client.run_results import read_results
    from shared.runs import find_champion

    if version.origin == "synthetic":
        return None
    try:
        return read_results(find_champion(None, address).run)
    except DataError as error:
        logger.info("No comparison with the champion: %s", error)
    except Exception as error:  # noqa: BLE001 (damaged artifacts may raise anything)
        logger.warning("No comparison with the champion: %r", error)
    return None


def against_champion(champion: RunResults | None, name: str, flow: Any) -> RunComparison | None:
    """Compare a published run with the champion before it.

    Parameters
    ----------
    champion : RunResults or None
    name : str
        ``Flow/run`` of this run.
    flow : FlowSpec
        With the artifacts of this run.
    """
    from cards.client.run_results import results_of
    from fmnist_lib.evaluation.run_comparison import compare_runs

    if champion is None:
        return None
    return compare_runs(champion, results_of(name, flow, flow.bundle_path))
