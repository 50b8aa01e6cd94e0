"""The page of a run: its cards, timeline and numbers as files that open without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cards.client.run_results import bundle_of, read_results, read_run
from cards.client.task_times import reused_tasks, task_times
from cards.pages.offline import offline_pages
from cards.pages.report import Report, build_report
from cards.parts.components import page_box, render_page
from cards.timeline import timeline_picture
from fmnist_lib.common.csv_cells import safe_cells
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import require_unused, write_atomically
from fmnist_lib.common.formatting import interval, percent
from fmnist_lib.evaluation.leaderboard import is_failed
from fmnist_lib.release.bundle_results import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from metaflow import Run

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.evaluation.run_comparison import RunResults

#: Pages in the order of the run: their names, and what they answer.
_QUESTIONS = {
    "start": ("Data", "which images were used, and do test images also occur in training?"),
    "eda": ("Exploration", "what tells the classes apart?"),
    "search": ("Search", "how did all candidates do, and which was stopped or failed?"),
    "select": ("Leaderboard", "which candidate won, and is another one as accurate?"),
    "explain": ("Explanation", "which pixels matter, and can the maps be trusted?"),
    "drift": ("Drift", "has the batch drifted, and would the test detect it?"),
    "cross_fit": ("Labels", "which training labels are wrong?"),
    "stress": ("Stress", "where does the winner fail, and what breaks it?"),
    "publish": ("Summary card", "was the model promoted, and why?"),
    "end": ("Timeline", "how long did every task take?"),
    "summary": ("Summary", "everything on one sheet of A4"),
    "sweetviz": ("Sweetviz report", "how are the named features distributed?"),
    "model-card": ("Model card", "what is the model for, and what not?"),
    "datasheet": ("Datasheet", "where do the data come from?"),
}


def write_site(name: str, directory: Path) -> Path:
    """Write the page of a run or of a bundle, and return its index.

    Parameters
    ----------
    name : str
        See `cards.client.run_results.read_results`.
    directory : Path
        Must not exist, or be empty.

    Raises
    ------
    DataError
        There is no such run, or the directory is in use.
    BundleError
        The bundle was changed.
    """
    require_unused(directory)
    results = read_results(name)
    bundle = Path(name).expanduser()
    run = None if bundle.exists() else read_run(results.name)
    pages, pdf = _of_run(run) if run else _of_bundle(bundle)
    # A bundle does not hold the tasks' times.
    times, reused = (task_times(run), reused_tasks(run)) if run else ([], None)
    directory.mkdir(parents=True, exist_ok=True)
    pages, shared = offline_pages(pages)
    for part, content in shared.items():
        write_atomically(directory / part, content)
    files = sorted(pages, key=_order)
    for file in files:
        page = _with_navigation(pages[file], file, files)
        write_atomically(directory / f"{file}.html", page.encode())
    safe_cells(results.leaderboard).to_csv(directory / "leaderboard.csv", index=False)
    if pdf:
        write_atomically(directory / "summary.pdf", pdf)
    report = build_report(results, times, reused).model_dump_json(indent=2)
    write_atomically(directory / "report.json", report.encode())
    schema = json.dumps(Report.model_json_schema(), indent=2)
    write_atomically(directory / "report.schema.json", schema.encode())
    index = directory / "index.html"
    timeline = timeline_picture(times, reused) if times else None
    write_atomically(index, _index(results, files, timeline, has_pdf=bool(pdf)).encode())
    return index


def serve_site(directory: Path, port: int, write: Callable[[str], None]) -> None:
    """Serve a directory to this machine only, until the process is interrupted.

    Parameters
    ----------
    directory : Path
    port : int
        0: any free one.
    write : callable
        Called with the address.

    Raises
    ------
    DataError
        The port is in use.
    """
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    handler = partial(SimpleHTTPRequestHandler, directory=str(directory))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise DataError(
            f"port {port}: expected a free one, got: {error.strerror}. Name another with --port."
        ) from None
    with server:
        write(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _of_bundle(path: Path) -> tuple[dict[str, str], bytes]:
    """Return HTML pages and printed summary of a bundle."""
    with open_bundle(path) as (names, read):
        pages = [name for name in names if name.endswith(".html") and "source/" not in name]
        pdf = read("summary.pdf") if "summary.pdf" in names else b""
        return {Path(name).stem: read(name).decode() for name in pages}, pdf


def _of_run(run: Run) -> tuple[dict[str, str], bytes]:
    """Return the run's HTML pages and its printed summary."""
    from cards.client.card_pages import card_pages

    pages = card_pages(run.pathspec, without="")
    for name, step, artifact in (
        ("sweetviz", "eda", "sweetviz_html"),
        ("summary", "publish", "summary_html"),
    ):
        if step in run and artifact in run[step].task:
            pages[name] = run[step].task[artifact].data
    bundle = bundle_of(run)
    pdf = Path(bundle).with_suffix(".pdf") if bundle else Path()
    return pages, pdf.read_bytes() if pdf.is_file() else b""


def _step(file: str) -> str:
    """Return the step or document of a page: "search" for the page of a candidate."""
    return "search" if file.startswith("search-") else file


def _order(file: str) -> tuple[int, str]:
    names = list(_QUESTIONS)
    return (names.index(_step(file)) if _step(file) in names else len(names), file)


def _index(
    results: RunResults, files: Sequence[str], timeline: Picture | None, *, has_pdf: bool
) -> str:
    accuracy = results.accuracy()
    reached = percent(accuracy.value, 2)
    return render_page(
        "site.html",
        title=f"{results.winner['candidate']} reaches {reached} on the test images",
        note=f"{results.name}. {results.winner['description']}.",
        boxes=list(_boxes(results, accuracy)),
        pages=[(f"{file}.html", *_named(file)) for file in files],
        candidates=list(_rows(results.leaderboard)),
        timeline=timeline,
        files=[
            *([("summary.pdf", "summary.pdf: one sheet of A4")] if has_pdf else []),
            ("report.json", "report.json: every figure, for machines"),
            ("report.schema.json", "report.schema.json: its schema"),
            ("leaderboard.csv", "leaderboard.csv"),
        ],
    )


def _boxes(results: RunResults, accuracy: Estimate) -> Iterator[dict[str, str]]:
    winner = results.winner
    yield page_box("Test accuracy", percent(accuracy.value, 2), interval(accuracy))
    validation = percent(winner["validation_accuracy"], 2)
    yield page_box("Validation accuracy", validation, "of the winner")
    prediction = f"{winner['predict_ms_per_image']:.2g} ms"
    yield page_box("Prediction", prediction, "per image, on one core")
    yield page_box("Model", f"{winner['model_mb']:.3g} MB", "size of the pickled pipeline")
    yield page_box("Candidates", str(len(results.leaderboard)), "compared")


def _named(file: str) -> tuple[str, str]:
    """Return the name of a page, and the question it answers."""
    if _step(file) != file:
        candidate = file.removeprefix("search-")
        return f"Candidate {candidate}", "what did it try, and how good is its best pipeline?"
    return _QUESTIONS.get(file, (file, ""))


def _with_navigation(page: str, file: str, files: Sequence[str]) -> str:
    """Return a page with links to the index, and to the pages before and after it."""
    at = files.index(file)
    before, after = files[at - 1 : at] if at else [], files[at + 1 : at + 2]
    links = render_page(
        "navigation.html",
        links=[("index.html", "All pages of the run")]
        + [(f"{one}.html", f"\N{LEFTWARDS ARROW} {_named(one)[0]}") for one in before]
        + [(f"{one}.html", f"{_named(one)[0]} \N{RIGHTWARDS ARROW}") for one in after],
    )
    return re.sub(r"<body\b[^>]*>", lambda body: body[0] + links, page, count=1)


def _rows(board: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for (_, row), failed in zip(board.iterrows(), is_failed(board), strict=True):
        figures = (
            f"{100 * row['validation_accuracy']:.2f}",
            f"{100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}",
            f"{row['predict_ms_per_image']:.3f}",
            f"{row['model_mb']:.1f}",
        )
        yield (row["candidate"], row["status"], *([""] * len(figures) if failed else figures))
