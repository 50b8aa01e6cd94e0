"""Untrusted text on real card pages, in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from metaflow.plugins.cards.card_modules.basic import BlankCard

from cards.candidate import result_card
from cards.data import skipped_card
from cards.monitor import champion_card, retraining_card
from cards.parts.components import header, pictures, table
from cards.parts.escape import code, paragraphs, text
from cards.parts.step_card import failure
from cards.search import SearchCard
from cards.sections.gates import gates_section
from fmnist_lib.common.data_version import DataVersion
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.plotting import new_figure, picture
from fmnist_lib.common.promotion_decision import GateResult, PromotionDecision
from fmnist_lib.monitor.challenge import Champion
from fmnist_lib.monitor.signal import Retraining
from fmnist_lib.search.engines.result import CandidateResult
from fmnist_lib.search.execution.progress_files import CandidateProgress
from tests.data_versions import OFFICIAL

RUN = "document.title='executed'"
HOSTILE = [
    f'<img src=x onerror="{RUN}">',
    f"<svg/onload={RUN}>",
    f"<script>{RUN}</script>",
    f"</code><img src=x onerror={RUN}>",
    f"a`b <img src=x onerror={RUN}> `c",
    f"`` <img src=x onerror={RUN}> `d",
    f"x\n\n<img src=x onerror={RUN}>",
    f"``` <iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"[click](javascript:{RUN})",
    f"![x](x) <a href=javascript:{RUN}>y</a>",
    "*.csv and **all** __init__ _x_ ~~old~~ a_b.npy",
    "C:\\new\\*.npy \\_x\\_",
    "a & b &lt; c < d > e",
    "# no title",
    "- no item",
    "1. no list",
    "me@example.org",
    "http://example.org/a_b_c www.example.org",
    "$x$ half $ of a formula",
]


def everywhere(value):
    """Components of every card that shows such text."""
    gate = GateResult(value, passed=False, measured=value, required=value, explanation=value)
    decision = PromotionDecision(
        value, "5", promoted=False, gates=(gate,), before=None, champion=None, entry=1
    )
    drawn = picture(new_figure(1, 1), "name", value, value)
    return [
        *header(value, DataVersion("custom", value, value, {})),
        *failure("start", DataError(f"expected a column, got {value}"), f"python {value} resume"),
        *champion_card(Champion(value, None, value), OFFICIAL),
        *retraining_card(Retraining(value, promoted=False, reason=value), None, OFFICIAL),
        *skipped_card(value),
        *result_card(CandidateResult("fast", "optuna", error=value), OFFICIAL),
        *search_card(value).components,
        *gates_section(decision),
        *pictures([drawn]),
        table([value, value], [(value, value)]),
    ]


def search_card(note):
    card = SearchCard(["fast"], [], OFFICIAL)
    failed = CandidateProgress("fast", 1, 0.0, phase="failed", note=note)
    card.update({"fast": failed}, 1.0)
    return card


class Page(HTMLParser):
    """Text and tags of a page, without its scripts and style sheets."""

    def __init__(self, source):
        super().__init__()
        self.text, self.tags, self._skip = "", [], 0
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self._skip += tag in {"script", "style"}
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self._skip -= tag in {"script", "style"}

    def handle_data(self, data):
        self.text += "" if self._skip else data


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Return a function from a card to what a browser shows of it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")

    def show(components):
        source = BlankCard(options={"title": ""}).render(
            SimpleNamespace(pathspec="Flow/1/step/1"), [part.render() for part in components]
        )
        directory = tmp_path_factory.mktemp("card")
        (directory / "card.html").write_text(source, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
        done = subprocess.run(
            [
                browser,
                *options,
                "--disable-background-networking",
                f"--user-data-dir={directory / 'profile'}",
                "--dump-dom",
                (directory / "card.html").as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return Page(done.stdout.partition('data-component="page"')[2]), done.stdout

    return show


def visible(value):
    """Return a value as shown: on one line, backticks replaced by a similar character."""
    return " ".join(value.replace("`", "\N{MODIFIER LETTER GRAVE ACCENT}").split())


def test_nothing_from_outside_is_executed_and_all_of_it_is_shown(browse):
    page, source = browse([part for value in HOSTILE for part in everywhere(value)])
    assert "<title>executed" not in source
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all(image["src"].startswith("data:image/png") for image in images)
    assert f"<script>{RUN}" not in source
    assert not {"iframe", "em", "del", "ul", "ol"} & {tag for tag, _ in page.tags}
    assert not [attributes for tag, attributes in page.tags if tag == "a"]
    shown = visible(page.text)
    for value in HOSTILE:
        # The failure's message keeps its lines; table, label and path show the value whole.
        assert shown.count(visible(value)) >= 8, value


def test_the_old_way_would_have_been_executed(browse):
    from metaflow.cards import Markdown

    assert "<title>executed" in browse([Markdown(HOSTILE[0])])[1]


def test_ordinary_sentences_stay_as_they_are():
    for sentence in (
        'p = 0.03 < 0.05, [0.91, 0.93] & more; a_b, 50 %, it\'s "fine"',
        "run it: `python flows/train.py run`",
        "models:/fashion-mnist/3",
    ):
        assert text(sentence) == sentence


@pytest.mark.parametrize(
    ("value", "markdown"),
    [
        ("see <b> there", "see `<b>` there"),
        ("<a> or <b> there", "`<a> or <b>` there"),
        ("`run` <b>", "`run` `<b>`"),
        ("<b>`run`", "`<b>` `run`"),
        ("odd ` one", "odd `\N{MODIFIER LETTER GRAVE ACCENT}` one"),
    ],
)
def test_only_the_words_with_markup_become_code(value, markdown):
    assert text(value) == markdown


def test_code_is_one_line_and_never_empty():
    assert code("a\n\nb") == "`a b`"
    assert code("") == "` `"
    assert paragraphs("one\n\ntwo") == "one\n\ntwo"


def test_a_dollar_sign_in_a_figure_is_no_formula():
    import numpy as np

    from fmnist_lib.common.montage import gallery

    image = np.zeros((1, 28, 28), np.uint8)
    drawn = gallery("name", image, ["a$b_{$.png $\\frac$"], "title", "caption")
    assert json.dumps(drawn.title) == '"title"'
    assert drawn.png
