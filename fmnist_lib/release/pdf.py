"""Print an HTML page to PDF with headless Chromium, if the machine has one."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

logger = logging.getLogger(__name__)

#: Names of the browser on the PATH; the first one found is used.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Time limit of one print, which takes about a second on an idle machine.
SECONDS = 30.0
_FLAGS = (
    "--headless=new",
    # Chromium's sandbox cannot start as root, nor in most containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    # No network: no name is resolved.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
#: Date of printing, and a possible identifier made from it; the page itself names the run's date.
_DATE = re.compile(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}")
_ID = re.compile(rb"/ID \[<[0-9A-Fa-f]+>\s*<[0-9A-Fa-f]+>\]")
_HEX_DIGIT = re.compile(rb"[0-9A-Fa-f](?=[0-9A-Fa-f]*>)")
#: Identifier of a structure element, made from a counter of the browser that depends on timing.
_NODE = re.compile(rb"(?<!\\)\(node(\d{8})\)")
_FIXED_DATE = b"19800101000000"


def find_browser() -> str | None:
    """Return the path of Chromium, or None if the machine has none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_pdf(html: str, seconds: float = SECONDS) -> bytes | None:
    """Print a self-contained page to PDF; the same page gives the same bytes.

    Parameters
    ----------
    html : str
    seconds : float, default=30
        Time limit.

    Returns
    -------
    bytes or None
        None, and a message in the log, if there is no Chromium or it fails.
    """
    browser = find_browser()
    if browser is None:
        logger.info("The summary is not printed to PDF: no %s on the PATH.", " or ".join(BROWSERS))
        return None
    try:
        with TemporaryDirectory(prefix="summary-pdf-", ignore_cleanup_errors=True) as directory:
            return reproducible(_print(browser, html, Path(directory), seconds))
    except (OSError, ValueError) as error:
        logger.warning("The summary is not printed to PDF: %s failed: %s", browser, error)
        return None


def reproducible(pdf: bytes) -> bytes:
    """Return a PDF of the same length with fixed dates, and with its identifiers renumbered.

    The structure elements, which screen readers use, keep their order.
    """
    pdf = _DATE.sub(rb"\g<1>" + _FIXED_DATE, pdf)
    pdf = _ID.sub(lambda found: _HEX_DIGIT.sub(b"0", found[0]), pdf)
    order = {node: number for number, node in enumerate(sorted(set(_NODE.findall(pdf))), start=1)}
    return _NODE.sub(lambda found: b"(node%08d)" % order[found[1]], pdf)


def _print(browser: str, html: str, directory: Path, seconds: float) -> bytes:
    page, pdf = directory / "page.html", directory / "page.pdf"
    page.write_text(html, encoding="utf-8")
    profile = f"--user-data-dir={directory / 'profile'}"
    command = [browser, *_FLAGS, profile, f"--print-to-pdf={pdf}", page.as_uri()]
    process = subprocess.Popen(  # noqa: S603 (fixed words and our own paths)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise ValueError(f"expected a PDF within {seconds:g} seconds, got none") from None
    finally:
        # Chromium's helper processes too; after a success there are none.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    content = pdf.read_bytes() if pdf.is_file() else b""
    if code or not content.startswith(b"%PDF"):
        raise ValueError(f"expected a PDF, got {len(content)} bytes and exit code {code}")
    return content
