"""The documentation names only commands, options, targets and files that exist."""

from __future__ import annotations

import re
import shlex
import tomllib

import click
import pytest

from fmnist_lib.commands.main import fmnist
from fmnist_lib.common.errors import ConfigError
from fmnist_lib.config.loading import validate_settings
from fmnist_lib.config.monitor import MonitorSettings
from fmnist_lib.config.training import Settings
from tests.docs.pages import PAGES, ROOT, blocks, commands

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


def merged(settings, changes):
    """Return the settings with the changes put in, table by table."""
    both = settings | changes
    tables = [key for key in settings.keys() & changes.keys() if isinstance(changes[key], dict)]
    return both | {key: merged(settings[key], changes[key]) for key in tables}


TOML = [
    pytest.param(text, id=f"{page.stem}: {text.splitlines()[0]}")
    for page in PAGES
    for language, text in blocks(page)
    if language == "toml"
]


@pytest.mark.parametrize("text", TOML)
def test_a_block_of_toml_can_be_put_into_a_configuration(text):
    problems = []
    for name, model in (("train.toml", Settings), ("monitor.toml", MonitorSettings)):
        settings = tomllib.loads((ROOT / "config" / name).read_text())
        try:
            validate_settings(merged(settings, tomllib.loads(text)), name, model)
        except ConfigError as error:
            problems.append(str(error))
    assert len(problems) < 2, "\n".join(problems)


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
