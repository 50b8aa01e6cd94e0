"""A training flow in miniature: the artifacts, cards and files that a clean-up looks at.

Named like the real one, so that `flows/cleanup.py` takes its runs for training runs.
"""

import os
import sys
import time
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "flows")]

from metaflow import (  # noqa: E402 (the line above makes our packages importable)
    FlowSpec,
    Parameter,
    card,
    current,
    step,
)
from metaflow.cards import Markdown  # noqa: E402

#: Bytes of an artifact that all runs share, and of one that each run has to itself.
SHARED, OWN = 200_000, 50_000


class FashionMnistTrain(FlowSpec):
    """Read, train, publish."""

    succeeds_with = Parameter(
        "succeeds-with", type=str, default="", help="File without which `publish` fails"
    )
    late = Parameter("late", type=int, default=1, help="Bytes of an artifact of `publish`")
    waits_for = Parameter("waits-for", type=str, default="", help="File that `publish` waits for")
    monitor = Parameter("monitor", type=str, default=None, help="Run of the monitor")
    promoted_run = Parameter("promoted", is_flag=True, default=False, help="Promote the model")
    registry = Parameter("registry", type=str, default="", help="MLflow store to register in")

    @card(type="blank", id="data")
    @step
    def start(self):
        """Make the data."""
        from shared.retraining import find_challenge

        self.challenge = find_challenge(self.monitor, None)
        self.dataset, self.own = bytes(SHARED), os.urandom(OWN)
        current.card["data"].append(Markdown(f"Data of {current.run_id}"))
        self.next(self.publish)

    @step
    def publish(self):
        """Fail, wait, or write a bundle and register the model."""
        if self.succeeds_with and not Path(self.succeeds_with).exists():
            raise FileNotFoundError(self.succeeds_with)
        while self.waits_for and not Path(self.waits_for).exists():
            time.sleep(0.05)
        # The blob may exist already: Metaflow then writes the reference alone.
        self.late_artifact = bytes(self.late)
        self.promoted = self.promoted_run
        self.mlflow_run_id = self.register() if self.registry else None
        bundle = Path("bundles", f"FashionMnistTrain-{current.run_id}.zip")
        bundle.parent.mkdir(exist_ok=True)
        bundle.write_bytes(os.urandom(OWN))
        self.next(self.end)

    @step
    def end(self):
        """No-op."""

    def register(self):
        """Log a run with a file, and register it; return its id in MLflow."""
        from contextlib import suppress

        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        from fmnist_lib.registry.versions import add_version
        from shared.identity import run_identity

        client = MlflowClient(self.registry, self.registry)
        run = client.create_run("0", tags=run_identity(PROJECT_ROOT).tags)
        client.log_text(run.info.run_id, "x" * OWN, "model.txt")
        with suppress(MlflowException):  # it exists already
            client.create_registered_model("fashion-mnist")
        add_version(client, "fashion-mnist", run.info.artifact_uri, run_id=run.info.run_id)
        client.set_terminated(run.info.run_id)
        return run.info.run_id


if __name__ == "__main__":
    from scheduler import command_line

    with command_line():
        FashionMnistTrain()
