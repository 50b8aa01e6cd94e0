"""The training run that a benchmark reads, named on its command line."""

from __future__ import annotations

import argparse

from metaflow import Flow, Run, namespace


def finished_run(description: str | None) -> Run:
    """Parse the command line; return the run it names, by default the latest successful one.

    Parameters
    ----------
    description : str or None
        For ``--help``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", help="id; default: the latest successful one")
    options = parser.parse_args()
    namespace(None)
    flow = Flow("FashionMnistTrain")
    return flow[options.run] if options.run else flow.latest_successful_run
