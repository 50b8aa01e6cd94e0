from __future__ import annotations

import logging
import shutil
import time

import pytest

from fmnist_lib.release import pdf
from fmnist_lib.release.pdf import BROWSERS, print_pdf, reproducible

needs_chromium = pytest.mark.skipif(
    not any(shutil.which(name) for name in BROWSERS), reason="no chromium"
)


def _browser(directory, monkeypatch, script):
    """Put a script named chromium on the PATH, the only one there."""
    path = directory / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(pdf.shutil, "which", lambda name: str(path) if name == "chromium" else None)


@needs_chromium
def test_the_same_page_gives_the_same_bytes_whenever_it_is_printed():
    first = print_pdf("<title>page</title><p>text")
    # The date of printing has a resolution of a second.
    time.sleep(1.1)
    assert first.startswith(b"%PDF")
    assert print_pdf("<title>page</title><p>text") == first
    assert b"CreationDate (D:19800101000000" in first


def test_dates_and_identifiers_are_replaced_and_nothing_else():
    before = b"/CreationDate (D:20261128144654+00'00') /ModDate (D:20261128144654+00'00')"
    before += b" /ID [<12ABef> <00FFaa>] 20261128144654"
    after = b"/CreationDate (D:19800101000000+00'00') /ModDate (D:19800101000000+00'00')"
    after += b" /ID [<000000> <000000>] 20261128144654"
    assert reproducible(before) == after


@pytest.mark.parametrize("shift", [0, 1, 500])
def test_structure_elements_are_numbered_in_their_order(shift):
    """A busy machine counts one node more or less before the page's own."""
    numbers = [shift + 84, shift + 83, shift + 90, shift + 84]
    before = b" ".join(b"/ID (node%08d)" % number for number in numbers)
    after = b" ".join(b"/ID (node%08d)" % number for number in (2, 1, 3, 2))
    assert reproducible(before) == after
    assert reproducible(rb"/Title (about \(node00000084\))") == rb"/Title (about \(node00000084\))"


def test_without_a_browser_there_is_no_pdf_and_one_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    with caplog.at_level(logging.INFO):
        assert print_pdf("<p>page") is None
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "no chromium or chromium-browser or google-chrome on the PATH" in record.message


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "exit code 3"),
        ("exit 0", "got 0 bytes and exit code 0"),
        ("sleep 60", "within 0.5 seconds"),
    ],
)
def test_a_browser_that_fails_or_hangs_is_a_warning(script, problem, tmp_path, monkeypatch, caplog):
    _browser(tmp_path, monkeypatch, script)
    started = time.monotonic()
    assert print_pdf("<p>page", seconds=0.5) is None
    assert time.monotonic() - started < 10
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert problem in record.message


def test_helper_processes_of_a_hanging_browser_end_with_it(tmp_path, monkeypatch):
    written = tmp_path / "written"
    _browser(tmp_path, monkeypatch, f"(sleep 2; touch {written}) & sleep 60")
    assert print_pdf("<p>page", seconds=0.5) is None
    time.sleep(2.5)
    assert not written.exists()
