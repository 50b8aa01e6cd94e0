"""Import rules between folders."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Modules that every folder of the library may import; they import only each other.
BASE = {
    "config",
    "config_messages",
    "config_syntax",
    "monitor_config",
    "errors",
    "labels",
    "natural_order",
    "paths",
    "plotting",
    "process",
    "statistics",
    "features",
    "models",
    "persistence",
}
#: Modules that combine folders.
COMPOSITION = {
    "lineage",
    "preflight",
    "publish",
    "retraining",
    "monitoring",
    "predict",
    "serve",
    "model_source",
}
LIBRARY = sorted((ROOT / "fmnist_lib").rglob("*.py"))
CARDS = sorted((ROOT / "cards").rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", LIBRARY, ids=names)
def test_the_library_knows_nothing_of_metaflow_or_cards(path):
    assert not {name for name in imports(path) if name.split(".")[0] in ("metaflow", "cards")}


@pytest.mark.parametrize("path", LIBRARY, ids=names)
def test_a_folder_imports_no_neighbour(path):
    own = path.relative_to(ROOT / "fmnist_lib").parts[0].removesuffix(".py")
    # The bundle's own script runs beside the packed source and may import all of it.
    if own in COMPOSITION or path.name == "reproduce.py":
        return
    used = {name.split(".")[1] for name in imports(path) if name.startswith("fmnist_lib.")}
    types = {name for name in imports(path) if name.startswith("fmnist_lib.data.version")}
    allowed = BASE | {own} | ({"data"} if types else set())
    assert used <= allowed


@pytest.mark.parametrize("path", LIBRARY, ids=names)
def test_the_library_prints_nothing(path):
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in calls


@pytest.mark.parametrize("path", CARDS, ids=names)
def test_cards_import_no_heavy_library(path):
    top = {
        name.split(".")[0]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] + [getattr(node, "module", None) or ""])
    }
    assert not top & {"sklearn", "scipy", "shap", "tpot", "optuna", "mlflow", "sweetviz", "pandas"}
