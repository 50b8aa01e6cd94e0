"""The page and the JSON of two runs compared."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from cards.__main__ import cards
from cards.pages.comparison import comparison_json, comparison_page
from fmnist_lib.evaluation.run_comparison import compare_runs

HOSTILE = "<script>document.title='executed'</script>{{ 7 * 7 }}"


def test_a_run_compared_with_itself_says_that_nothing_changed(make):
    page = comparison_page(compare_runs(make("F/1", 50), make("F/1", 50)))
    assert "<h1>Nothing changed</h1>" in page
    assert "No setting, data or code changed" in page


def test_the_title_is_the_finding_and_pictures_show_what_flipped(make):
    comparison = compare_runs(make("F/1", 200), make("F/2", 50, settings={"seed": 2}))
    page = comparison_page(comparison)
    assert "<h1>Significantly more accurate, by 7.50 points</h1>" in page
    assert "What changed: configuration" in page
    assert "newly correct: " in page
    assert 2 <= page.count('src="data:image/png;base64,') <= 7
    content = json.loads(json.dumps(comparison_json(comparison)))
    assert content["accuracy"]["difference"]["value"] == pytest.approx(0.075)
    assert len(content["flips"]) == 150
    assert content["changes"] == [
        {"area": "configuration", "name": "seed", "before": "1", "after": "2"}
    ]
    assert "No significant difference" in comparison_page(
        compare_runs(make("F/1", 50), make("F/2", 51))
    )


def test_other_test_images_name_the_data(make):
    page = comparison_page(compare_runs(make("F/1", 50), make("F/2", 50, data={"test": "b" * 64})))
    assert "on different test images" in page
    assert "What changed: data" in page


def test_hostile_text_is_shown_as_text(make):
    settings = {"seed": HOSTILE, HOSTILE: 1}
    page = comparison_page(compare_runs(make(HOSTILE, 50), make("F/2", 40, settings=settings)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "49" not in re.findall(r"<td>(.*?)</td>", page)


def test_an_unknown_run_is_one_message():
    done = CliRunner().invoke(cards, ["compare", "nowhere.zip", "FashionMnistTrain/1"])
    assert done.exit_code == 1
    assert "nowhere.zip: expected a bundle's path or a training run" in done.output
    assert "Traceback" not in done.output


def test_title_and_colour_are_of_one_test(make):
    """Nine images won and two lost: McNemar p 0.065, an interval just above zero."""
    first, second = make("F/1", 9), make("F/2", 0)
    predictions = second.predictions.copy()
    predictions[[500, 501]] = (predictions[[500, 501]] + 1) % 10
    comparison = compare_runs(first, replace(second, predictions=predictions))
    assert comparison.difference.low > 0
    page = comparison_page(comparison)
    assert "No significant difference" in page
    assert 'class="value-box success"' not in page
    assert "success" not in page.split("<h2>")[0].split("</style>")[-1]
