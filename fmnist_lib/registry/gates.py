"""Gates that a model must pass to become champion."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import TrackingError
from fmnist_lib.common.formatting import distinct, percent
from fmnist_lib.common.promotion_decision import GateResult
from fmnist_lib.common.statistics import Estimate, mcnemar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from fmnist_lib.common.data_version import Origin
    from fmnist_lib.config.release import GatesConfig

#: Tags of a model version: measures, correctness on every test image, hash of the test images.
MEASURES, CORRECT, TEST_SET = "measures", "test.correct", "test.sha256"


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures of a model that the gates check.

    Attributes
    ----------
    accuracy : Estimate
        On the held-out images.
    lowest_class : str
        Class with the lowest recall.
    lowest_recall : float
        Its recall.
    calibration_error : float
        Expected calibration error, in [0, 1].
    ms_per_image, model_mb : float
        Wall time on one processor core in a batch of 1,000; the file's size in 10**6 bytes.
    origin : {"official", "custom", "synthetic"}
    test_set : str
        SHA-256 of the held-out images and labels.
    correct : ndarray of bool, shape (n_images,)
        Whether each held-out image was classified correctly.
    unsafe : str or None
        Why loading the model file requires running its code; None when it is safe.
    git_commit : str or None
        Ends in "-dirty" when files differed from the commit.
    """

    accuracy: Estimate
    lowest_class: str
    lowest_recall: float
    calibration_error: float
    ms_per_image: float
    model_mb: float
    origin: Origin
    test_set: str
    correct: NDArray[np.bool_]
    unsafe: str | None = None
    git_commit: str | None = None

    def as_tags(self) -> dict[str, str]:
        """Return the measures as tags of a model version, for `from_tags`."""
        values = vars(self) | {"accuracy": vars(self.accuracy)}
        packed = zlib.compress(np.packbits(self.correct).tobytes())
        plain = {k: v for k, v in values.items() if k not in {"correct", "test_set"}}
        return {
            MEASURES: json.dumps(plain | {"n_images": len(self.correct)}),
            CORRECT: base64.b85encode(packed).decode(),
            TEST_SET: self.test_set,
        }

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], model: str) -> Measures:
        """Read what `as_tags` wrote.

        Parameters
        ----------
        tags : mapping of str to str
        model : str
            Its address, for the message.

        Raises
        ------
        TrackingError
            The tags are missing or damaged.
        """
        try:
            values: dict[str, Any] = json.loads(tags[MEASURES])
            packed = zlib.decompress(base64.b85decode(tags[CORRECT]))
            bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=values.pop("n_images"))
            accuracy = Estimate(**values.pop("accuracy"))
            return cls(
                accuracy=accuracy, test_set=tags[TEST_SET], correct=bits.astype(bool), **values
            )
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise TrackingError(
                f"{model}: expected the measures that a training run writes to its tags, got none "
                f"that can be read ({type(error).__name__}: {error}). Train again, or move the "
                "alias yourself with `python -m fmnist_lib registry rollback --to VERSION`."
            ) from None


@dataclass(frozen=True, eq=False)
class Rival:
    """The current champion, as a challenger is compared with it.

    Attributes
    ----------
    version : str
    correct : ndarray of bool, shape (n_images,), or None
        Whether it classifies each of the challenger's held-out images correctly; None when it
        could not be evaluated.
    problem : str
        Why not.
    """

    version: str
    correct: NDArray[np.bool_] | None
    problem: str = ""


def check_gates(
    measures: Measures,
    gates: GatesConfig,
    rival: Rival | None,
    extra: Iterable[GateResult] = (),
) -> tuple[GateResult, ...]:
    """Check a model's measures against every gate.

    Parameters
    ----------
    measures : Measures
    gates : GatesConfig
    rival : Rival or None
        None when there is no champion yet.
    extra : iterable of GateResult
        Gates that only the caller can evaluate.
    """
    return (
        _real_data(measures),
        *_bounds(measures, gates),
        _not_worse(measures, gates.alpha, rival),
        _loads_safely(measures, gates),
        *([_clean_git(measures)] if gates.clean_git else []),
        *extra,
    )


def _bounds(measures: Measures, gates: GatesConfig) -> Iterator[GateResult]:
    """Yield the results of the gates that compare a number with a bound."""
    accuracy = measures.accuracy
    n_images = f"{len(measures.correct):,} held-out images"
    yield _at_least("accuracy", accuracy.value, gates.min_accuracy, f"accuracy on {n_images}")
    yield _at_least(
        "accuracy-low",
        accuracy.low,
        gates.min_accuracy_low,
        f"lower end of the {percent(accuracy.confidence, 0)} interval",
    )
    yield _at_least(
        "every-class",
        measures.lowest_recall,
        gates.min_class_recall,
        f"recall of {measures.lowest_class}, the lowest of all classes",
    )
    yield _at_most(
        "calibration",
        measures.calibration_error,
        gates.max_calibration_error,
        "expected calibration error: mean gap between confidence and accuracy",
    )
    yield _at_most(
        "latency",
        measures.ms_per_image,
        gates.max_ms_per_image,
        "ms per image, on one processor core in a batch of 1,000",
    )
    yield _at_most("size", measures.model_mb, gates.max_model_mb, "MB of the model file")


def _at_least(name: str, value: float, bound: float, explanation: str) -> GateResult:
    # Not `value < bound`: NaN must fail.
    measured = distinct(value, bound, 4, "g")
    return GateResult(name, value >= bound, measured, f"at least {bound:g}", explanation)


def _at_most(name: str, value: float, bound: float, explanation: str) -> GateResult:
    measured = distinct(value, bound, 4, "g")
    return GateResult(name, value <= bound, measured, f"at most {bound:g}", explanation)


def _real_data(measures: Measures) -> GateResult:
    real = measures.origin != "synthetic"
    why = "trained on real images" if real else "trained on SYNTHETIC images"
    return GateResult("real-data", real, measures.origin, "official or custom", why)


def _not_worse(measures: Measures, alpha: float, rival: Rival | None) -> GateResult:
    """Compare with the current champion on the same images (McNemar, Psychometrika 1947)."""
    passed, measured, explanation = _compare(measures, alpha, rival)
    required = f"no fewer correct, or p at least {alpha:g}"
    return GateResult("not-worse", passed, measured, required, explanation)


def _compare(measures: Measures, alpha: float, rival: Rival | None) -> tuple[bool, str, str]:
    if rival is None:
        return True, "no champion yet", "nothing to compare with"
    if rival.correct is None:
        return False, "not comparable", rival.problem
    test = mcnemar(measures.correct, rival.correct)
    explanation = (
        f"{test.only_first:,} images correct only for this model, {test.only_second:,} only for "
        f"the champion, version {rival.version}"
    )
    measured = f"{100 * test.difference:+.2f} points, p {test.p_value:.3g}"
    return test.difference >= 0 or test.p_value >= alpha, measured, explanation


def _loads_safely(measures: Measures, gates: GatesConfig) -> GateResult:
    safe = measures.unsafe is None
    return GateResult(
        "loads-safely",
        safe or gates.allow_pickle,
        "no code" if safe else "any code",
        "any code" if gates.allow_pickle else "no code",
        "what loading the model file can run" + ("" if safe else f": {measures.unsafe}"),
    )


def _clean_git(measures: Measures) -> GateResult:
    commit = measures.git_commit or "no commit"
    clean = measures.git_commit is not None and not commit.endswith("-dirty")
    return GateResult("clean-git", clean, commit, "a commit", "the source can be checked out again")
