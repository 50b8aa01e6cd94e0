"""Train, compare, explain and register a Fashion-MNIST classifier.

python flows/train.py run
python flows/train.py --config config config/quick.toml run
python flows/train.py resume

Started by the monitor (`--monitor RUN`, or when a deployed monitor run finishes), it adds the
monitor's new labelled images to those of the champion, which stays unless the new model beats it.
"""

import os

from project import PROJECT_ROOT  # before the packages beside flows/, which it makes importable

from processes.environment import prepare_environment  # isort: skip

prepare_environment(PROJECT_ROOT)

from metaflow import (  # noqa: E402 (the line above makes the packages beside flows/ importable)
    Config,
    FlowSpec,
    Parameter,
    card,
    catch,
    current,
    step,
)

from cards.parts.step_card import StepCard  # noqa: E402
from shared.configuration import parse_training, resolve_training, store_address  # noqa: E402
from shared.deployment import package_checkout, remote_steps, triggered_by_monitor  # noqa: E402
from shared.identity import this_run  # noqa: E402
from shared.searches import OVERVIEW  # noqa: E402
from shared.training_run import TrainingRun  # noqa: E402

#: Steps that may be repeated: not `select`, which evaluates the winner once on the test images, nor
#: `publish`, which registers it.
REPEATABLE = [
    *("start", "eda", "prepare", "search", "examine"),
    *("explain", "drift", "cross_fit", "stress", "end"),
]


@triggered_by_monitor
@package_checkout
@remote_steps(repeatable=REPEATABLE)
class FashionMnistTrain(TrainingRun, FlowSpec):
    """Train, compare and register classifiers of the images, with a card per step."""

    config = Config(
        "config",
        default=str(PROJECT_ROOT / "config" / "train.toml"),
        parser=parse_training,
        help="TOML or JSON file; every key: python -m fmnist_lib config train",
    )
    minutes = Parameter("minutes", type=float, default=None, help="Budget, from features to refit")
    early_stop = Parameter(
        "early-stop", type=bool, default=None, help="false: use the whole budget"
    )
    seed = Parameter("seed", type=int, default=None, help="Seed of everything random")
    rows = Parameter("rows", type=int, default=None, help="Training images to use")
    data_dir = Parameter("data-dir", type=str, default=None, help="Directory of the four IDX files")
    corrections = Parameter(
        "corrections", type=str, default=None, help="CSV table of corrected training labels"
    )
    study_storage = Parameter(
        "study-storage",
        type=str,
        default=None,
        help="Optuna storage that workers on other hosts may join: its address without password",
    )
    batch = Parameter(
        "batch",
        type=str,
        default=None,
        help="Images to test for drift: IDX, .npy, .npz, CSV, Parquet, PNG folder",
    )
    label_column = Parameter(
        "label-column",
        type=str,
        default=None,
        help="Labels of a --batch without column names: first, last or none",
    )
    monitor = Parameter(
        "monitor", type=str, default=None, help="Run of the monitor that requests retraining"
    )

    @StepCard(card="data")
    @card(type="blank", id="data")
    @step
    def start(self):
        """Find, verify, audit and split the data."""
        from cards.data import data_card, skipped_card
        from fmnist_lib.common.cache import prune_cache
        from shared.retraining import find_challenge
        from shared.runs import training_tags

        self.resolved_config = resolve_training(
            self.config.to_dict(),
            minutes=self.minutes,
            early_stop=self.early_stop,
            seed=self.seed,
            rows=self.rows,
            data_dir=self.data_dir,
            corrections=self.corrections,
            study_storage=self.study_storage,
        )
        # The parent is Metaflow's process, which lives as long as the run.
        prune_cache(self.cache, self.settings.search.cache_gib, os.getppid())
        self.challenge = find_challenge(self.monitor, getattr(current, "trigger", None))
        self.decision = "skip" if self.challenge and not self.challenge.needed else "train"
        if self.decision == "train":
            self.read_data()
            content = data_card(self.data_version, self.data_audit, self.data_changes)
        else:
            content = skipped_card(self.challenge.reason)
        current.card["data"].extend(content)
        current.run.add_tags(training_tags(self))
        self.next({"train": self.eda, "skip": self.end}, condition="decision")

    @StepCard(card="eda")
    @card(type="blank", id="eda")
    @step
    def eda(self):
        """Explore the images before modelling them."""
        from cards.eda import eda_card
        from fmnist_lib.eda.report import explore

        train, test = self.dataset.train, self.dataset.test
        self.eda_report = explore(
            train.images,
            train.labels,
            test.images,
            test.labels,
            self.settings.eda,
            self.settings.seed,
        )
        self.sweetviz_html = self.eda_report.sweetviz_html
        current.card["eda"].extend(eda_card(self.eda_report, self.data_version))
        self.next(self.prepare)

    @step
    def prepare(self):
        """Compute the features that candidates share, and divide the budget among them."""
        from fmnist_lib.workflows.search import prepare_search

        self.budget = prepare_search(self.dataset, self.settings, self.cache)
        self.share_features()
        self.candidates = list(self.budget.shares)
        # A resumed run continues the studies of this one.
        self.searched_in = this_run()
        self.searches = [OVERVIEW, *self.candidates]
        self.next(self.search, foreach="searches")

    @catch(var="search_failure", print_exception=False)
    @StepCard(card="candidate")
    @card(type="blank", id="candidate", refresh_interval=2.4)
    @step
    def search(self):
        """Search one candidate and refit its best pipeline on all training images.

        One task searches nothing: its card shows all candidates.
        """
        from fmnist_lib.workflows.search import candidate_job
        from shared.searches import SearchDisplay, current_budget

        settings, budget = self.settings, current_budget(self.budget)
        directory = self.cache / "progress" / current.run_id
        display = SearchDisplay(current.card["candidate"], directory, self.data_version)
        if self.input == OVERVIEW:
            display.follow(self.candidates, budget, settings.search)
        else:
            self.candidate = self.input
            cache, studies = self.restore_features(), self.searched_in
            job = candidate_job(self.candidate, self.dataset, settings, budget, cache, studies)
            self.result = display.search(job)
        self.next(self.select)

    @StepCard(card="leaderboard")
    @card(type="blank", id="leaderboard")
    @step
    def select(self, inputs):
        """Select the winner by validation, refit it, and evaluate it once on the test images."""
        from cards.client.card_pages import search_command
        from cards.leaderboard import leaderboard_card
        from fmnist_lib.workflows.select import select
        from shared.searches import current_budget, results_of

        self.merge_artifacts(inputs, exclude=["candidate", "result", "search_failure"])
        settings, budget = self.settings, current_budget(self.budget)
        results = results_of(inputs, settings.search)
        selection = select(results, self.dataset, settings, budget, self.restore_features())
        self.keep(selection)
        # An alias of `winner`, the artifact's name before: clients may still read it.
        self.champion = self.winner
        print(f"{self.spent}.")
        self.searched_run = this_run()
        command = search_command(self.searched_run, selection.winner_id)
        content = leaderboard_card(selection, self.data_version, command)
        current.card["leaderboard"].extend(content)
        self.next(self.examine)

    @step
    def examine(self):
        """No-op: fans out to the next steps, which a Metaflow join cannot do."""
        self.next(self.explain, self.drift, self.cross_fit, self.stress)

    @StepCard(card="explain")
    @card(type="blank", id="explain")
    @step
    def explain(self):
        """Compute the winner's SHAP attributions, and how reliable they are."""
        from cards.explain import explain_card
        from fmnist_lib.explain.explainer import explain

        self.explanation = explain(
            self.winner,
            self.dataset.test.images,
            self.dataset.test.labels,
            self.dataset.train.images,
            self.settings.explain,
            self.settings.seed,
            probabilities=self.test_probabilities,
        )
        current.card["explain"].extend(explain_card(self.explanation, self.data_version))
        self.next(self.publish)

    @StepCard(card="drift")
    @card(type="blank", id="drift")
    @step
    def drift(self):
        """Compare the current batch with the winner's held-out reference."""
        from cards.drift import drift_card
        from fmnist_lib.drift.batch import Batch
        from fmnist_lib.drift.report import detect_drift

        observe = self.winner.predict_proba
        batch = self.held_back
        if self.batch_images is not None:
            batch = Batch(self.batch_images, observe(self.batch_images))
        self.drift_report = detect_drift(
            self.reference,
            batch,
            observe,
            self.settings.drift,
            self.settings.seed,
            held_back=self.held_back,
        )
        content = drift_card(self.drift_report, self.data_version, self.batch)
        current.card["drift"].extend(content)
        self.next(self.publish)

    @StepCard(card="labels")
    @card(type="blank", id="labels")
    @step
    def cross_fit(self):
        """Predict every training image by a fit without it, and audit the training labels."""
        from cards.labels import labels_card
        from fmnist_lib.workflows.cross_fit import cross_fit_and_audit

        self.out_of_fold = self.label_audit = self.conformal = self.prediction_sets = None
        if self.settings.cross_fit.enabled:
            found = cross_fit_and_audit(
                self.results,
                self.dataset,
                self.settings,
                self.restore_features(),
                test_probabilities=self.test_probabilities,
            )
            self.keep(found)
        current.card["labels"].extend(labels_card(self.label_audit, self.data_version))
        self.next(self.publish)

    @StepCard(card="stress")
    @card(type="blank", id="stress")
    @step
    def stress(self):
        """Measure on which images the winner fails, and which changes of the images break it."""
        from cards.stress import stress_card
        from fmnist_lib.workflows.stress import measure_stress
        from shared.searches import pipeline_reader

        self.stress_report = measure_stress(
            self.results,
            pipeline_reader(self.searched_run),
            self.dataset,
            self.test_probabilities,
            self.settings,
        )
        current.card["stress"].extend(stress_card(self.stress_report, self.data_version))
        self.next(self.publish)

    @StepCard(card="summary")
    @card(type="blank", id="summary")
    @step
    def publish(self, inputs):
        """Write the bundle and the summary, track the run, register and promote the winner."""
        from cards.client.card_pages import card_pages
        from cards.summary import summary_card
        from fmnist_lib.workflows.publish import Published
        from shared.champion import against_champion, champion_results
        from shared.retraining import compare_with_champion

        # The same model may pickle differently in two processes, which is a conflict in a merge.
        self.winner, self.results = inputs.drift.winner, inputs.drift.results
        self.merge_artifacts(inputs)
        self.contest = compare_with_champion(
            self.challenge, self.dataset.test, self.test_probabilities, self.n_new_held_out
        )
        champion = champion_results(store_address(self.settings.tracking), self.data_version)
        name = this_run()
        report = self.published(card_pages(name, current.step_name))
        self.keep(Published.of(report))
        self.share_bundle()
        comparison = against_champion(champion, name, self)
        current.card["summary"].extend(summary_card(report, comparison))
        self.next(self.end)

    @StepCard(card="timeline")
    @card(type="blank", id="timeline")
    @step
    def end(self):
        """Show when every task ran; print the results and where they are."""
        from cards.client.run_results import read_run
        from cards.client.task_times import reused_tasks, task_times
        from cards.data import skipped_card
        from cards.timeline import timeline_card
        from shared.closing import closing_lines
        from shared.runs import training_tags

        current.run.add_tags(training_tags(self))
        if self.decision == "skip":
            current.card["timeline"].extend(skipped_card(self.challenge.reason))
            print(f"Training skipped: {self.challenge.reason}.")
            return
        run = read_run(this_run())
        content = timeline_card(task_times(run), self.data_version, reused_tasks(run))
        current.card["timeline"].extend(content)
        for line in closing_lines(self, current.run_id):
            print(line)


if __name__ == "__main__":
    from scheduler import start

    start(FashionMnistTrain)
