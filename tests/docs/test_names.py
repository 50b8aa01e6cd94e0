"""The documentation names only commands, options, targets and files that exist."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from fmnist_lib.commands.main import fmnist
from tests.docs.pages import PAGES, ROOT, commands

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


OURS = [
    pytest.param(line, id=f"{page.stem}: {line}")
    for page in PAGES
    for line in commands(page)
    if re.match(r"python -m fmnist_lib\b|fmnist\b", line)
]


@pytest.mark.parametrize("line", OURS)
def test_a_command_and_its_options_exist(line):
    words = shlex.split(line.removeprefix("python -m fmnist_lib").removeprefix("fmnist"))
    context = fmnist.make_context("fmnist", words[:1])
    command = fmnist
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
    # Parses the arguments, and fails with what is wrong about them.
    command.make_context(name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_and_files_that_a_page_names_exist(page):
    for line in commands(page):
        if line.startswith("make "):
            assert line.split()[1] in TARGETS, line
        for flow in re.findall(r"\bflows/\w+\.py", line):
            assert (ROOT / flow).is_file(), line
    named = re.findall(
        r"`((?:benchmarks|cards|config|docs|fmnist_lib|tests|requirements|flows)/[\w./-]+)`",
        page.read_text(),
    )
    linked = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert not missing
