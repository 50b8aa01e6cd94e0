"""Fuzz the readers of files that a user hands in: only documented errors, no hang, little memory.

    python benchmarks/fuzz.py --seconds 600
    python benchmarks/fuzz.py --seconds 60 idx png

Each reader of `fuzz_targets.py` runs in a process of its own, with inputs that atheris
(https://github.com/google/atheris, coverage-guided, `pip install -r
benchmarks/peers/fuzzing.txt`) makes of valid ones, or, where it is not installed, with random
changes of them. An input that raises an undocumented error, takes longer than 5 s or more than
1 GiB is a finding: it is kept in ``dist/fuzz/READER/`` and the reader is started again. Prints the
inputs and findings per reader; exit code 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from fuzz_targets import TARGETS, run  # noqa: E402 (the path is set above)

OUTPUT = ROOT / "dist" / "fuzz"
HANG_SECONDS, MEMORY_MIB, MAX_BYTES = 5, 1024, 300_000
#: A process that libFuzzer has not ended by then is killed.
GRACE_SECONDS = 180
#: Inserted by the random changes: sizes that overflow, and what formats begin with.
TOKENS = [
    *(b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"PK\x03\x04", b"\x1f\x8b\x08"),
    *(b"[" * 2000, b"9" * 5000, b"'", b'"', b"\n", b",", b"\xef\xbb\xbf", b"nan", b"-1", b"1e999"),
]


def main() -> None:
    """Fuzz the readers one after another, or one of them if this is the process for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"default: all ({', '.join(TARGETS)})")
    parser.add_argument("--seconds", type=float, default=60, help="per reader")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        fuzz(options.readers[0], options.seconds)
        return
    engine = "atheris" if find_spec("atheris") else "random changes"
    print(f"{engine}, {options.seconds:g} s per reader")
    findings = sum(watch(name, options.seconds) for name in options.readers or TARGETS)
    sys.exit(1 if findings else 0)


def watch(name: str, seconds: float) -> int:
    """Fuzz a reader in processes of its own until the time is over; return its findings."""
    directory = OUTPUT / name
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.*"):
        old.unlink()
    started, inputs, ended = time.monotonic(), 0, []
    while (left := seconds - (time.monotonic() - started)) > 1:
        command = [sys.executable, __file__, "--in-this-process", "--seconds", str(left), name]
        with (directory / "log.txt").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
            try:
                code: int | str = process.wait(left + GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = "killed: no end"
        inputs += int(_status(directory)["inputs"])
        if code != 0:
            ended.append(str(code))
    errors = sorted(path.stem for path in directory.glob("*.error"))
    spent = time.monotonic() - started
    peak = _status(directory)["peak_mib"]
    print(
        f"{name:15} {inputs:>9,} inputs in {spent:6.0f} s, peak {peak:5.0f} MiB, "
        f"findings: {', '.join(errors + ended) or 'none'}",
        flush=True,
    )
    return len(errors) + len(ended)


def _status(directory: Path) -> dict[str, float]:
    path = directory / "status.json"
    return json.loads(path.read_text()) if path.exists() else {"inputs": 0, "peak_mib": 0}


def fuzz(name: str, seconds: float) -> None:
    """Fuzz a reader in this process, in the directory for its findings."""
    reader = Reader(name)
    if find_spec("atheris"):
        _with_atheris(reader, name, seconds)
    else:
        _with_random_changes(reader, TARGETS[name].seeds(), seconds)


class Reader:
    """Calls a reader, counts the inputs, and keeps one input of every undocumented error."""

    def __init__(self, name: str) -> None:
        self._name, self._inputs, self._written = name, 0, 0.0

    def __call__(self, content: bytes) -> None:
        """Run one input."""
        start = time.process_time()
        try:
            run(self._name, content)
        except Exception as error:  # noqa: BLE001 (these are what is looked for)
            self._keep(error, content)
        if time.process_time() - start > HANG_SECONDS:
            Path("slow.error").write_bytes(content)
        self._inputs += 1
        if time.monotonic() - self._written > 1:
            self.write()

    def write(self) -> None:
        """Write how far this process is."""
        self._written = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        status = Path("status.part")
        status.write_text(json.dumps({"inputs": self._inputs, "peak_mib": peak}))
        status.replace("status.json")

    @staticmethod
    def _keep(error: Exception, content: bytes) -> None:
        places = traceback.extract_tb(error.__traceback__)
        own = [place for place in places if "fmnist_lib" in place.filename] or places
        key = f"{type(error).__name__}-{Path(own[-1].filename).stem}-{own[-1].lineno}"
        if not Path(f"{key}.error").exists():
            Path(f"{key}.error").write_bytes(content)
            traceback.print_exception(error)


def _with_atheris(reader: Reader, name: str, seconds: float) -> None:
    """Let libFuzzer make inputs that reach new branches; it ends the process."""
    import atheris

    # The readers import their modules when they are called.
    with atheris.instrument_imports(include=["fmnist_lib", "tomllib"]):
        seeds = TARGETS[name].seeds()
        for number, seed in enumerate(seeds):
            Path(f"seed{number}").write_bytes(seed)
            run(name, seed)
    limits = [
        f"-max_total_time={max(1, int(seconds))}",
        f"-timeout={4 * HANG_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={MAX_BYTES}",
        "-verbosity=0",
        f"-seed_inputs={','.join(f'seed{number}' for number in range(len(seeds)))}",
    ]
    atheris.Setup([sys.argv[0], *limits], reader)
    atheris.Fuzz()


def _with_random_changes(reader: Reader, seeds: list[bytes], seconds: float) -> None:
    chance = random.Random(0)  # noqa: S311 (no secret)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 8)):
            _change(content, chance)
        reader(bytes(content[:MAX_BYTES]))
    reader.write()


def _change(content: bytearray, chance: random.Random) -> None:
    """Change, insert, remove or repeat a few bytes; headers are short, so near the start."""
    span = len(content) if chance.random() < 1 / 2 else min(len(content), 200)
    place, length = chance.randint(0, span), chance.choice((1, 1, 2, 4, 30, 1000))
    kind = chance.randrange(4)
    if kind == 0:
        content[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 1:
        content[place:place] = chance.choice(TOKENS)
    elif kind == 2:  # noqa: PLR2004 (the third of four)
        del content[place : place + length]
    else:
        content[place:place] = content[place : place + length]


if __name__ == "__main__":
    main()
