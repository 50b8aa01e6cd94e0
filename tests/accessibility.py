"""Check the pages of a run with axe-core in a browser, light and dark.

npm pack axe-core && tar xzf axe-core-*.tgz
python -m cards page RUN --out page
python tests/accessibility.py page package/axe.min.js

Prints every violation of impact "serious" or "critical" and ends with 1 if there is one. By hand:
axe-core is a package of npm, which the tests do not need otherwise.
"""

# ruff: noqa: T201 (a script)
from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SEVERE = ("serious", "critical")
#: Runs when the page and its charts are drawn; the iframe of Sweetviz is not ours.
CHECK = """
<script>%s</script><script>
setTimeout(() => axe.run({exclude: ["iframe"]}).then(found => {
  const bytes = new TextEncoder().encode(JSON.stringify(found.violations));
  const letters = Array.from(bytes, byte => String.fromCharCode(byte)).join("");
  document.body.textContent = `RESULT${btoa(letters)}END`;
}), 4000);
</script>
"""
BROWSER = [
    "chromium",
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--allow-file-access-from-files",
    "--window-size=1440,1000",
    "--virtual-time-budget=20000",
    "--dump-dom",
]
THEMES: dict[str, list[str]] = {"light": [], "dark": ["--blink-settings=preferredColorScheme=0"]}


def violations(page: Path, axe: str, theme: str) -> list[dict[str, Any]]:
    """Return what axe-core finds on a page."""
    content = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", page.read_text())
    before, body, after = content.rpartition("</body>")
    # Beside the page, so that its scripts are found.
    copy = page.with_name(f"axe-{page.name}")
    copy.write_text(f"{before}{CHECK % axe}{body}{after}")
    with tempfile.TemporaryDirectory() as profile:
        command = [*BROWSER, f"--user-data-dir={profile}", *THEMES[theme], copy.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    copy.unlink()
    result = re.search("RESULT(.*?)END", done.stdout)
    assert result, f"{page.name}: no result from axe-core: {done.stdout[-500:]}"
    return json.loads(base64.b64decode(result[1]))


def main(directory: str, axe: str) -> int:
    """Check every page of a directory, except those that Sweetviz wrote."""
    script, severe = Path(axe).read_text(), 0
    for page in sorted(Path(directory).glob("*.html")):
        if page.stem == "sweetviz":
            continue
        for theme in THEMES:
            found = violations(page, script, theme)
            bad = [one for one in found if one["impact"] in SEVERE]
            severe += len(bad)
            print(f"{page.name} ({theme}): {len(bad)} severe, {len(found) - len(bad)} other")
            for one in bad:
                print(f"  {one['impact']} {one['id']}: {one['help']}")
                print(*(f"    {node['html'][:150]}" for node in one["nodes"][:3]), sep="\n")
    return int(severe > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
