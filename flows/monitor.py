"""Compare a new batch with the champion's reference, and give a verdict.

python flows/monitor.py run --batch FILE
python flows/monitor.py run --batch FILE --labels FILE --retrain
"""

from project import PROJECT_ROOT  # before the packages beside flows/, which it makes importable

from processes.environment import prepare_environment  # isort: skip

prepare_environment(PROJECT_ROOT)

from metaflow import (  # noqa: E402 (the line above makes the packages beside flows/ importable)
    Config,
    FlowSpec,
    Parameter,
    card,
    current,
    schedule,
    step,
)

from cards.parts.step_card import StepCard  # noqa: E402
from shared.configuration import parse_monitor, store_address  # noqa: E402
from shared.deployment import package_checkout, remote_steps  # noqa: E402
from shared.identity import this_run  # noqa: E402


@schedule(daily=True)
@package_checkout
@remote_steps(repeatable=["start", "end"])
class FashionMnistMonitor(FlowSpec):
    """Monitor the champion on a new batch: drift, accuracy, verdict, and a signal file."""

    config = Config(
        "config",
        default=str(PROJECT_ROOT / "config" / "monitor.toml"),
        parser=parse_monitor,
        help="TOML or JSON file; see docs/monitoring.md",
    )
    batch = Parameter(
        "batch", type=str, default=None, help="IDX, .npy, .npz, CSV, Parquet or a folder of PNGs"
    )
    labels = Parameter("labels", type=str, default=None, help="Labels of the batch, if known")
    label_column = Parameter(
        "label-column",
        type=str,
        default=None,
        help="first, last or none: the labels of a table without column names",
    )
    may_retrain = Parameter(
        "retrain", is_flag=True, default=False, help="Retrain when the verdict is retrain"
    )
    training_run = Parameter(
        "run", type=str, default=None, help="Training run to take the champion from"
    )

    @StepCard(card="champion")
    @card(type="blank", id="champion")
    @step
    def start(self):
        """Find the champion."""
        from cards.monitor import champion_card
        from fmnist_lib.workflows.preflight import check_exists
        from shared.runs import champion_artifact, find_champion

        self.resolved_config = self.resolve_config()
        self.started_in = this_run()
        self.champion_run = find_champion(self.training_run, store_address(self.settings.tracking))
        # Here, not where they are read: a path that is wrong ends the run in its first seconds.
        check_exists("--batch", self.settings.batch)
        check_exists("--labels", self.settings.labels)
        self.data_version = champion_artifact(self.champion_run, "data_version")
        current.card["champion"].extend(champion_card(self.champion_run, self.data_version))
        self.next(self.assess)

    @StepCard(card="monitor")
    @card(type="blank", id="monitor")
    @step
    def assess(self):
        """Compare the batch with the champion's held-out reference, and track the verdict."""
        from fmnist_lib.workflows.assess import assess, build_signal, track
        from shared.identity import run_identity
        from shared.runs import champion_artifact

        settings, new = self.settings, self.read_batch()
        identity = run_identity(PROJECT_ROOT, self.started_in)
        champion, reference = (
            champion_artifact(self.champion_run, name) for name in ("champion", "reference")
        )
        self.assessment = assess(champion, reference, new, settings)
        self.signal = build_signal(
            self.assessment,
            new,
            self.champion_run,
            batch=settings.batch,
            monitor_run=identity.key,
        )
        self.mlflow_run_id = track(self.signal, identity, store_address(settings.tracking))
        self.labelled_batch = new if self.signal.retrain and new.labels is not None else None
        current.card["monitor"].extend(self.assessment_card(new))
        self.tag_run()
        self.next_step = "retrain" if self.may_retrain else "end"
        self.next({"retrain": self.retrain, "end": self.end}, condition="next_step")

    @StepCard(card="retrain")
    @card(type="blank", id="retrain")
    @step
    def retrain(self):
        """Train on old and new images, if the verdict and the labels allow it."""
        from cards.monitor import retraining_card
        from shared.retraining import find_challenge, retrain

        challenge = find_challenge(current.run_id, None)
        outcome, self.contest = retrain(challenge, PROJECT_ROOT, self.settings.retrain)
        self.signal = self.signal.with_retraining(outcome)
        current.card["retrain"].extend(retraining_card(outcome, self.contest, self.data_version))
        self.next(self.end)

    @step
    def end(self):
        """Replace the signal file, and print the verdict.

        In the last step, so that a run which fails or is killed leaves the last signal.
        """
        self.tag_run()
        self.announce()
        print(f"Verdict: {self.signal.verdict}. {self.signal.reason}.")
        if self.signal.retraining:
            print(f"Retraining: {self.signal.retraining.reason}.")
        print(f"Signal: {self.settings.signal}. Card: python flows/monitor.py card view assess")

    @property
    def settings(self):
        """The run's configuration as the model that `fmnist_lib` takes."""
        from fmnist_lib.config.loading import validate_settings
        from fmnist_lib.config.monitor import MonitorSettings

        return validate_settings(self.resolved_config, "configuration", MonitorSettings)

    def resolve_config(self):
        """Return the configuration with the command line parameters put in."""
        from fmnist_lib.common.errors import ConfigError

        given = {"batch": self.batch, "labels": self.labels, "label_column": self.label_column}
        resolved = self.config.to_dict() | {key: value for key, value in given.items() if value}
        if not resolved["batch"]:
            raise ConfigError("batch: expected --batch FILE, or `batch` in the configuration.")
        return resolved

    def read_batch(self):
        """Read the images, and their labels if there are any."""
        from fmnist_lib.common.paths import resolve_path
        from fmnist_lib.data.formats.batch import read_batch

        settings = self.settings
        labels = resolve_path(settings.labels) if settings.labels else None
        return read_batch(
            resolve_path(settings.batch),
            labels,
            label_column=settings.label_column,
            at_most=settings.rows,
            seed=settings.seed,
        )

    def assessment_card(self, new):
        """Return the card of the assessment, with the signals of earlier runs."""
        from cards.monitor import monitor_card
        from shared.runs import earlier_signals

        earlier, unreadable = earlier_signals(self.settings.history - 1)
        return monitor_card(
            self.signal,
            self.assessment,
            [*earlier, self.signal],
            new.images,
            config=self.settings.drift.verdict,
            version=self.data_version,
            may_retrain=self.may_retrain,
            names=new.names,
            unreadable=unreadable,
        )

    def tag_run(self):
        """Tag the run for users who list runs; `resume` keeps artifacts, but no tags."""
        from shared.runs import monitor_tags

        current.run.add_tags(monitor_tags(self))

    def announce(self):
        """Replace the signal file."""
        from fmnist_lib.common.paths import resolve_path
        from fmnist_lib.monitor.signal import write_signal

        write_signal(resolve_path(self.settings.signal, PROJECT_ROOT), self.signal)


if __name__ == "__main__":
    from scheduler import start

    start(FashionMnistMonitor)
