"""Every command block of the documentation is run verbatim, in a scratch checkout."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, blocks, commands, python

TABLES = tomllib.loads(Path(__file__).with_name("commands.toml").read_text())
INSTEAD, BEFORE, AFTER = (
    {entry["line"]: entry["run"] for entry in TABLES[name]}
    for name in ("instead", "before", "after")
)
NOT_RUN = TABLES["not_run"]
#: Functions for the latest run, for servers, and for runs of which the first step is enough.
PREAMBLE = r"""
CHECKOUT="$PWD"
# Metaflow's file latest_run names a spun step as well.
latest() {
    ls "$CHECKOUT/.metaflow/$1" | grep -E '^[0-9]+$' | sort -n | tail -n 1
}
start() {
    setsid "${@:2}" > server.txt 2>&1 &
    for _ in $(seq 900); do
        curl -sf "http://127.0.0.1:$PORT/$1" > /dev/null && return
        sleep 0.1
    done
    cat server.txt
    return 1
}
ask() {
    curl -sf "http://127.0.0.1:$PORT/invocations" -H "Content-Type: application/json" \
        -d @request.json | grep '"predictions": \[{"class": '
}
begin() {
    # Emptied here: the job of an earlier command may have left a finished task in it, and the
    # background process empties it only once it runs.
    : > begun.txt
    METAFLOW_DATASTORE_SYSROOT_LOCAL="$PWD/begun" setsid "$@" > begun.txt 2>&1 &
    until grep -q "/start/.*Task finished" begun.txt; do
        kill -0 "$!" || { cat begun.txt; return 1; }
        sleep 0.2
    done
    stop
}
stop() {
    kill -- "-$!"
    wait "$!" || true
}
trap 'kill -- "-${!:-none}" 2> /dev/null || true' EXIT
"""


def script(lines: list[str]) -> str:
    """Return a Bash script that runs the lines in order, each with its setup and checks."""
    parts = [PREAMBLE]
    for line in lines:
        parts += [f"echo $SECONDS s: {shlex.quote(line)}", BEFORE.get(line, "")]
        parts += [_filled(INSTEAD.get(line, line)), AFTER.get(line, "")]
    return "\n".join(parts)


def _filled(line: str) -> str:
    for pattern, value in TABLES["placeholders"].items():
        line = re.sub(pattern, value, line)
    return line


def new_lines(page: Path) -> list[str]:
    """Return the commands of a page that no earlier page has."""
    earlier = {line for other in PAGES[: PAGES.index(page)] for line in commands(other)}
    return [line for line in commands(page) if line not in {*earlier, *NOT_RUN}]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python(page)], ids=lambda p: p.name)
def test_the_python_blocks_of_a_page_run_as_written(page, checkout):
    done = checkout.bash(f"python - <<'END'\n{python(page)}\nEND")
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run_as_written(page, checkout):
    lines = new_lines(page)
    if any("dvc" in line for line in lines) and not (checkout.root / ".venv-dvc").exists():
        pytest.skip("needs dvc: make data-tools")
    done = checkout.bash(script(lines))
    assert done.returncode == 0, done.stdout[-8000:]


def test_the_tables_name_only_lines_that_the_pages_have():
    everywhere = {line for page in PAGES for line in commands(page)}
    assert {*INSTEAD, *BEFORE, *AFTER, *NOT_RUN} <= everywhere
    assert all(entry["why"] for entry in TABLES["instead"])


def test_every_block_of_commands_is_one_that_is_run():
    """A block of another language would not be run."""
    languages = {language for page in PAGES for language, _ in blocks(page)}
    assert languages <= {"", "bash", "sh", "python", "json", "toml", "text", "mermaid"}, (
        "write commands in blocks without a language"
    )
