"""The documentation names only commands, options, targets and files that exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache

import pytest

from tests.docs.pages import DOCS, OTHERS, ROOT, commands

PAGES = [*DOCS, *OTHERS]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@cache
def usage(*command: str) -> str:
    """Return the help of a command; empty when there is no such command."""
    done = subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=ROOT,
        env=os.environ | {"METAFLOW_USER": "tester", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


OURS = [
    pytest.param(page, line, id=f"{page.stem}: {line}")
    for page in PAGES
    for line in commands(page)
    if re.match(r"python -m fmnist_lib\.[a-z_.]+", line)
]


@pytest.mark.parametrize(("page", "line"), OURS)
def test_a_command_and_its_options_exist(page, line):
    words = shlex.split(line)[1:]
    module = words[:2]
    about = usage(*module)
    assert about, f"{page.name}: {' '.join(module)} does not run"
    choices = [
        word for word in words[2:] if re.search(rf"^    {re.escape(word)}\b", about, re.MULTILINE)
    ]
    if choices:
        about += usage(*module, choices[0])
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{re.escape(option)}\b", about), f"{page.name}: no {option} in {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_and_files_that_a_page_names_exist(page):
    for line in commands(page):
        if line.startswith("make "):
            assert line.split()[1] in TARGETS, line
        for flow in re.findall(r"\bflows/\w+\.py", line):
            assert (ROOT / flow).is_file(), line
    named = re.findall(
        r"`((?:config|docs|fmnist_lib|tests|requirements|flows)/[\w./-]+)`", page.read_text()
    )
    linked = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert not missing
