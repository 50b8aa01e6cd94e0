"""The summary as it is printed: one page, readable text, nothing cut off."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import pandas as pd
import pytest

from fmnist_lib.common.accuracy_check import AccuracyCheck
from fmnist_lib.common.run_report import Publication, RunIdentity
from fmnist_lib.common.statistics import Estimate, wilson
from fmnist_lib.data.audit_result import DuplicateCount
from fmnist_lib.release.pdf import BROWSERS, print_pdf
from fmnist_lib.release.summary import render_summary

BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
POPPLER = ("pdfinfo", "pdffonts", "pdftotext")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "\u202eevil\u2066 text",
    "x" * 10_000,
    "\N{DRESS}" * 40,
    "\N{HEBREW LETTER ALEF}" * 40,
    "W" * 30,
)
#: Smallest size of the text, and height of A4 between the margins, as in summary.css.
MIN_POINTS, MAX_MM = 9.0, 278.5
# The widest of the common fonts.
WIDE_FONT = '<style>body { font-family: "DejaVu Sans", Verdana, sans-serif !important; }</style>'
MEASURE = """<script>
addEventListener("load", () => {
  const main = document.querySelector("main"), texts = [];
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    const scale = parent.closest("svg") ? parent.getScreenCTM().a : 1;
    texts.push(0.75 * scale * parseFloat(getComputedStyle(parent).fontSize));
  }
  const top = main.children[0].getBoundingClientRect().top;
  const bottom = main.lastElementChild.getBoundingClientRect().bottom;
  document.title = JSON.stringify({
    points: Math.min(...texts),
    mm: (bottom - top) * 25.4 / 96,
    overflow: main.scrollWidth - main.clientWidth,
  });
});
</script>"""


def _usual(published):
    report = published(
        accuracy_checks=CHECKS,
        duplicates=(DuplicateCount("of test images in training", 10_000, 1, 0, 12, 0),),
        detection=_detection(("no shift", *[f"shift number {n}, of many" for n in range(7)])),
    )
    return _with_parts(report, ["patches", "gradients", "mirror images", "a", "b"])


def _one_of_many_finished(published):
    """All candidates but one failed, every name has 30 letters, every message is long."""
    usual, names = _usual(published), [f"candidate-{n}-".ljust(30, "w") for n in range(20)]
    rows = pd.concat([usual.leaderboard, *[usual.leaderboard.iloc[2:]] * 17], ignore_index=True)
    reasons = rows["status"].where(rows["status"] == "winner", f"failed: {'a long reason ' * 50}")
    report = replace(
        usual,
        data_version=replace(usual.data_version, origin="synthetic"),
        leaderboard=rows.assign(candidate=names, status=reasons),
        drift_verdict="a long verdict " * 50,
        publication=Publication(usual.publication.bundle, problem="a long problem " * 50),
        identity=replace(usual.identity, git_commit="0" * 40),
    )
    return _with_parts(report, names)


def _hostile(published):
    usual = _usual(published)
    row = usual.leaderboard.iloc[:1]
    rows = [
        row.assign(
            candidate=text,
            status="ok" if number else "winner",
            description=text + HOSTILE[4],
            p_value=0.5,
        )
        for number, text in enumerate(HOSTILE[:5])
    ]
    rows += [row.assign(candidate=text, status=f"failed: {text}") for text in HOSTILE]
    report = replace(
        usual,
        data_version=replace(usual.data_version, origin="synthetic"),
        leaderboard=pd.concat(rows, ignore_index=True),
        drift_verdict=" ".join(HOSTILE),
        identity=RunIdentity(HOSTILE[0], HOSTILE[3], "", HOSTILE[1], HOSTILE[4]),
        publication=Publication(usual.publication.bundle, problem=" ".join(HOSTILE)),
        detection=_detection(HOSTILE),
    )
    return _with_parts(report, HOSTILE)


#: As a default run has them, in the longest words.
CHECKS = tuple(
    AccuracyCheck(name, wilson(9500, 10_000), 10_000, 0, "meaning")
    for name in (
        "without near-duplicates",
        "without contested labels",
        "on other test sets",
    )
)
REPORTS = {"usual": _usual, "failed": _one_of_many_finished, "hostile": _hostile}


@pytest.fixture(params=REPORTS)
def report(request, published):
    return REPORTS[request.param](published)


@pytest.mark.skipif(
    not (BROWSER and all(map(shutil.which, POPPLER))), reason="no chromium or poppler-utils"
)
def test_the_summary_prints_on_one_page_of_selectable_text(report, tmp_path):
    path = tmp_path / "summary.pdf"
    path.write_bytes(print_pdf(render_summary(report)))
    facts, fonts = _run("pdfinfo", path), _run("pdffonts", path)
    text = _run("pdftotext", "-layout", path, "-")
    assert re.search(r"Pages: +1\n", facts)
    assert "(A4)" in facts
    rows = fonts.splitlines()[2:]
    assert rows
    assert not [row for row in rows if row.split()[-5] != "yes"], "a font is not embedded"
    assert "91.31 %" in text
    assert "90.74 % to 91.85 %" in text
    for last in ("Bundle SHA-256", "e" * 64, "Git commit"):
        assert last in text
    # Chromium shrinks a page that is too wide. The box of a line is a little higher than its font.
    assert min(_heights(path)) > MIN_POINTS


@pytest.mark.skipif(not BROWSER, reason="no chromium")
def test_no_text_is_small_or_cut_off_at_the_end_of_the_page(report, tmp_path):
    page = tmp_path / "page.html"
    html = render_summary(report).replace("</body>", f"{WIDE_FONT}{MEASURE}</body>")
    page.write_text(html, encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,1400"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [BROWSER, *flags, profile, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found = json.loads(unescape(re.search("<title>(.*?)</title>", done.stdout)[1]))
    assert found["points"] >= MIN_POINTS
    assert found["mm"] <= MAX_MM
    assert found["overflow"] == 0


@pytest.mark.parametrize("name", ["failed", "hostile"])
def test_untrusted_text_is_neither_markup_nor_template_nor_turned_around(name, published):
    html = render_summary(REPORTS[name](published))
    for markup in ("<script", "<img", "49", "\u202e", "\u2066", "x" * 200):
        assert markup not in html.replace("e" * 64, "").replace("f" * 64, "")


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _heights(path):
    """Return the height of every word in points."""
    boxes = _run("pdftotext", "-bbox", path, "-")
    found = re.findall(r'yMin="([\d.]+)".*?yMax="([\d.]+)"', boxes)
    return [float(bottom) - float(top) for top, bottom in found]


def _detection(names):
    return [
        SimpleNamespace(
            description=name, is_shift=number > 0, is_reliable=True, rate=Estimate(1.0, 0.8, 1.0)
        )
        for number, name in enumerate(names)
    ]


def _with_parts(report, names):
    parts = [SimpleNamespace(name=name, loss=Estimate(0.01, 0.005, 0.02)) for name in names]
    object.__setattr__(report, "contributions", SimpleNamespace(blocks=parts, members=[]))
    return report
