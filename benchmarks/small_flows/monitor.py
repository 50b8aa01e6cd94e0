"""The monitor in miniature: a run that names a champion; see ``train.py`` beside it."""

import sys
from pathlib import Path
from types import SimpleNamespace

PROJECT_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "flows")]

from metaflow import (  # noqa: E402 (the line above makes our packages importable)
    FlowSpec,
    Parameter,
    current,
    step,
)


class FashionMnistMonitor(FlowSpec):
    """Assess."""

    training_run = Parameter("run", type=str, default=None, help="Training run of the champion")

    @step
    def start(self):
        """Find the champion."""
        from fmnist_lib.monitor.challenge import Champion

        self.champion_run = Champion(f"FashionMnistTrain/{self.training_run}", None, "named")
        self.next(self.assess)

    @step
    def assess(self):
        """Give the verdict that `find_challenge` reads."""
        self.signal = SimpleNamespace(retrain=False, verdict="ok", reason="no drift")
        self.resolved_config = {"retrain": {"holdout_share": 0.5, "alpha": 0.05}}
        self.labelled_batch = None
        current.run.add_tags(["verdict:ok", f"champion:{self.champion_run.run}"])
        self.next(self.end)

    @step
    def end(self):
        """No-op."""


if __name__ == "__main__":
    from scheduler import command_line

    with command_line():
        FashionMnistMonitor()
