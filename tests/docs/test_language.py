"""Phrases that read oddly to an ML engineer, each with what to write instead; none may occur."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".py", ".md", ".toml", ".html"}
#: A regular expression (case is ignored, a space matches a line break too), and its replacement.
PHRASES = {
    # "per", not "an".
    r"\b(ms|seconds|MB|megabytes|milliseconds) an? (image|row|batch|trial|fit)\b": "ms per image",
    r"\bone an? (column|row|image|class|run|step|batch|file|trial|seed)\b": "one per column",
    r"\ba (child|zip|file|card|row|figure|process|line) an? (candidate|run|image|step|class)\b": (
        "a child run per candidate"
    ),
    r"\bone (idea|thing|transformer) a file\b": "one idea per file",
    # Terms that exist.
    r"\blets? go of the interpreter\b": "releases the GIL",
    r"\bsigns? of life\b": "timed out; heartbeat",
    r"\bwhether to doubt\b": "out-of-distribution flag",
    r"\b(the|their|no|exact|near|of) twins?\b": "near-duplicates",
    r"\btaken for\b": "predicted as; confusion matrix",
    r"\bwhat is taken for what\b": "confusion matrix",
    r"\bhangs? together\b": "feature correlations",
    r"\bwhat the (champion|model|winner) looks at\b": "SHAP attributions",
    r"\bquiet (years?|nights?|months?)\b": "a year without a shift; false-alarm budget",
    r"\bfalse calls?\b": "false alarm",
    r"\b(images|predictions) right\b|% right\b": "test accuracy; % correct",
    r"\bworth retraining\b": "minimum loss of accuracy for `retrain`",
    r"\byardsticks?\b": "baseline",
    # Nobody leads, waits, speaks, or has been here.
    r"\bwhoever\b": "the candidate that ...; the current best candidate",
    r"\bnobody (has|knows?|timed|waits?|calls?|else|leads?)\b": "no candidate; not measured",
    r"\bsomebody\b": "a worker; another process",
    r"\b(is|are|was|were|be|been|gets?) beaten\b|\bbeats nobody\b": "was pruned; ranks below",
    r"\bhas been here\b": "has started",
    r"\bthe leader\b|\b(who|that|candidate) leads\b": "the current best candidate",
    r"\bthings of its own\b": "name the things",
    r"\bto whoever acts on it\b|\bmonitor's word\b": "machine-readable verdict",
    r"\btells? the outside\b": "report progress to the parent process",
    r"\bhow far (it|this one|a candidate) has come\b": "progress",
    r"\bwhose turn\b": "the next candidate",
    r"\bwho(se)? asks first\b|\band never again\b": "cache on disk",
    r"\bin whose place\b|\bcome to its turn\b": "say what is replaced",
    # Riddles.
    r"\bwould be again\b": "retrying a fit that timed out would time out again",
    r"\btaken times this\b": "safety factor",
    r"\ba place that\b": "a free worker",
    r"\bcannot be a split as well\b": "no-op step: Metaflow joins cannot fan out",
    r"\bof which nobody\b": "without a measured ...",
    r"\blet a run wait\b|\bkept waiting\b": "spool; enqueue",
    r"\b(not|is|are) through (after|by|with)\b": "finished",
    r"\bstands in the\b": "is in the",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bhurting (shifts?|batch(es)?|ones?)\b": "a shift that lowers accuracy",
    r"\bas long as it takes\b": "without a time limit",
    r"\bkept from run to run\b": "cached across runs",
    r"\bwhat (it|a run|a candidate|a search) (leaves|left)( behind)?\b": "results; name them",
    r"\bhow (it|a search|a run) came to\b": "name what was recorded",
    r"\b(anything|something) useful\b": "name it",
    # Docstrings and comments of constants open with what is returned or done.
    r'("""|#: )(What|Which|How|Whether|Why|Where|Who|When)\b(?! to\b)': "Return ...; True if ...",
}
COMPILED = {
    re.compile(phrase.replace(" ", r"\s+(?:#:?\s+)?"), re.IGNORECASE): better
    for phrase, better in PHRASES.items()
}


def pages() -> list[Path]:
    """Return the files that Git tracks or would track, except this one."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no Git checkout")
    found = [ROOT / name for name in listed.stdout.split("\0") if Path(name).suffix in SUFFIXES]
    return [path for path in found if path.is_file() and path != Path(__file__).resolve()]


def hits(text: str) -> list[tuple[int, str, str]]:
    """Return line, words and replacement of every phrase in a text."""
    return sorted(
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), better)
        for pattern, better in COMPILED.items()
        for match in pattern.finditer(text)
    )


def test_no_page_has_a_phrase_that_the_field_says_otherwise():
    found = [
        f'{path.relative_to(ROOT)}:{line}: "{words}": write "{better}"'
        for path in pages()
        for line, words, better in hits(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_a_phrase_is_found_across_lines_and_named_with_its_replacement():
    text = "# Kept for whoever\n#: one a\n#: column\n"
    assert hits(text) == [
        (1, "whoever", "the candidate that ...; the current best candidate"),
        (2, "one a #: column", "one per column"),
    ]
