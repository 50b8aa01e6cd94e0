import io

import numpy as np
import pytest
from PIL import Image

from fmnist_lib.common.errors import DataError
from fmnist_lib.config.drift import DriftConfig
from fmnist_lib.drift.batch import Batch
from fmnist_lib.drift.report import detect_drift
from fmnist_lib.drift.shifts.catalogue import simulate
from fmnist_lib.features.named import FEATURES

CONFIG = DriftConfig(
    batch_rows=300,
    repeats=4,
    shift_rows=600,
    shifts=("gaussian_noise", "translation", "class_knockout"),
)
BRIEF = DriftConfig(batch_rows=50, repeats=1, shift_rows=50, shifts=("darker",))


@pytest.fixture(scope="module")
def report(held_out, champion):
    return detect_drift(*held_out, champion.predict_proba, CONFIG, seed=0)


def _scored(champion, images):
    return Batch(images, champion.predict_proba(images))


def test_the_other_half_of_the_test_images_has_not_drifted(report):
    assert not report.ks.drifted
    assert report.finding.startswith("no drift found: none of 33 columns")
    assert (report.ks.n_reference, report.ks.n_current) == (1000, 1000)


def test_outputs_and_named_features_are_corrected_together(report):
    assert report.ks.columns[:2] == ("p(T-shirt/top)", "p(Trouser)")
    assert report.ks.columns[10:] == tuple(FEATURES)
    expected = np.minimum(report.ks.p_values * 33, 1)
    assert report.ks.adjusted_p_values == pytest.approx(expected)


def test_strong_noise_is_drift(champion, held_out):
    reference, held_back = held_out
    noisy = simulate("gaussian_noise", held_back.images, held_back.classes, 0, severity=100).images
    result = detect_drift(
        reference, _scored(champion, noisy), champion.predict_proba, BRIEF, 0, held_back=held_back
    )
    assert result.ks.drifted
    assert result.finding.startswith("drift: ")
    assert result.ks.rejected[:10].any()
    assert result.ks.columns[result.ks.by_effect[0]] in result.finding
    # Simulated on the images held back, not on the noisy ones.
    assert not result.detection[1].examples[:, 0, 0].any()


def test_a_missing_class_is_drift_of_its_own_output(champion, held_out):
    reference, held_back = held_out
    rest = held_back.images[held_back.classes != 1]
    result = detect_drift(reference, _scored(champion, rest), champion.predict_proba, BRIEF, 0)
    assert result.ks.drifted
    assert "p(Trouser)" in [result.ks.columns[i] for i in np.flatnonzero(result.ks.rejected)]


def test_shifts_are_detected_and_no_shift_mostly_not(report):
    rates = {rate.name: rate for rate in report.detection}
    assert list(rates) == ["no shift", *CONFIG.shifts]
    assert report.false_alarms is rates["no shift"]
    assert not rates["no shift"].is_shift
    assert rates["gaussian_noise"].alarms == rates["translation"].alarms == 4
    for rate in report.detection:
        assert rate.rate.low <= rate.rate.value == rate.alarms / 4 <= rate.rate.high
        assert rate.statistic.shape == (33,)
    assert report.ks.columns[rates["translation"].strongest] == "centre_x"


def test_the_false_alarm_rate_is_about_alpha(held_out, champion):
    config = DriftConfig(
        alpha=0.1, batch_rows=300, repeats=100, shift_rows=50, shifts=("class_knockout",)
    )
    reference, held_back = (Batch(half.images[:600], half.probabilities[:600]) for half in held_out)
    rate = detect_drift(reference, held_back, champion.predict_proba, config, 0).false_alarms
    # Bonferroni over correlated columns is conservative: never above alpha.
    assert rate.rate.low <= 0.1


def test_only_the_configured_number_of_shifted_images_is_scored(held_out, champion):
    scored = []

    def observe(images):
        scored.append(len(images))
        return champion.predict_proba(images)

    config = DriftConfig(
        batch_rows=50, repeats=1, shift_rows=70, shifts=("darker", "rotation", "class_knockout")
    )
    detect_drift(*held_out, observe, config, seed=0)
    # The images of a changed class mix were scored before.
    assert scored == [70, 70]


def test_the_same_seed_gives_the_same_report(report, held_out, champion):
    again = detect_drift(*held_out, champion.predict_proba, CONFIG, seed=0)
    for first, second in zip(report.detection, again.detection, strict=True):
        assert (first.statistic == second.statistic).all()
    assert [one.png for one in report.pictures] == [one.png for one in again.pictures]


def test_a_batch_of_a_few_images_can_be_tested(held_out, champion):
    few = _scored(champion, held_out[1].images[:5])
    result = detect_drift(held_out[0], few, champion.predict_proba, BRIEF, 0, held_back=held_out[1])
    assert result.ks.n_current == 5


def test_a_champion_that_returns_nan_is_refused(held_out, champion):
    reference, held_back = held_out
    broken = Batch(held_back.images, np.full_like(held_back.probabilities, np.nan))
    with pytest.raises(DataError, match="NaN or infinity in current"):
        detect_drift(reference, broken, champion.predict_proba, BRIEF, seed=0)


def test_every_figure_is_a_png_with_something_on_it(report):
    assert [one.name for one in report.pictures] == [
        "drift-distributions",
        "drift-signatures",
        "drift-shifts",
    ]
    for one in report.pictures:
        assert np.asarray(Image.open(io.BytesIO(one.png)).convert("L")).std() > 5


def test_simulated_batches_are_at_most_half_of_the_images_they_are_drawn_from(held_out, champion):
    config = DriftConfig(batch_rows=1000, repeats=4, shift_rows=600, shifts=("darker",))
    report = detect_drift(*held_out, champion.predict_proba, config, seed=0)
    assert report.batch_rows == 300
