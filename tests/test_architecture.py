"""Import rules between folders."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: The folders of `fmnist_lib`, from the top floor to the ground: a module imports from its own
#: folder and from the floors below, never from above and never from a neighbour.
FLOORS = (
    ("commands",),
    ("workflows",),
    ("search", "registry", "release", "serving", "monitor"),
    ("data", "eda", "explain", "evaluation", "drift", "label_audit", "model_files"),
    ("models",),
    ("features",),
    ("config",),
    ("common",),
)
FLOOR = {folder: floor for floor, folders in enumerate(FLOORS) for folder in folders}
LIBRARY = sorted((ROOT / "fmnist_lib").glob("*/**/*.py"))
#: The same for `cards`: a module per card, over the folders that cards are made of.
CARD_FLOORS = (
    ("__main__",),
    ("pages",),
    (
        *("candidate", "data", "drift", "eda", "explain", "labels", "leaderboard"),
        *("monitor", "search", "stress", "summary", "timeline"),
    ),
    ("sections",),
    ("parts", "client"),
)
CARD_FLOOR = {name: floor for floor, names in enumerate(CARD_FLOORS) for name in names}
#: And for `flows`.
FLOW_FLOORS = (
    ("train", "monitor", "cleanup"),
    ("scheduler",),
    ("housekeeping",),
    ("shared",),
    ("processes", "project"),
)
FLOW_FLOOR = {name: floor for floor, names in enumerate(FLOW_FLOORS) for name in names}
CARDS = sorted((ROOT / "cards").rglob("*.py"))
FLOWS = sorted((ROOT / "flows").rglob("*.py"))


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


def folder(name: str) -> str:
    return name.split(".")[1]


def test_every_folder_has_a_floor():
    folders = {
        path.name for path in (ROOT / "fmnist_lib").iterdir() if (path / "__init__.py").is_file()
    }
    assert folders == set(FLOOR)


@pytest.mark.parametrize("path", LIBRARY, ids=names)
def test_a_module_imports_only_from_its_folder_and_lower_floors(path):
    own = path.relative_to(ROOT / "fmnist_lib").parts[0]
    used = {folder(name) for name in imports(path) if name.startswith("fmnist_lib.")} - {own}
    assert not {name for name in used if FLOOR[name] <= FLOOR[own]}


@pytest.mark.parametrize("path", CARDS, ids=names)
def test_a_card_imports_only_from_lower_floors(path):
    own = path.relative_to(ROOT / "cards").with_suffix("").parts[0]
    used = {folder(name) for name in imports(path) if name.startswith("cards.")} - {own}
    assert own == "__init__" or not {n for n in used if CARD_FLOOR[n] <= CARD_FLOOR[own]}


@pytest.mark.parametrize("path", FLOWS, ids=names)
def test_a_module_of_the_flows_imports_only_from_lower_floors(path):
    own = path.relative_to(ROOT / "flows").with_suffix("").parts[0]
    used = {name.split(".")[0] for name in imports(path)} & set(FLOW_FLOOR) - {own}
    assert not {name for name in used if FLOW_FLOOR[name] <= FLOW_FLOOR[own]}


def test_no_modules_import_each_other():
    """Imports for type checking count too."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in [*LIBRARY, *CARDS]
    }
    graph = {
        module: {
            found
            for name in imports(path)
            for found in (name, name.rpartition(".")[0])
            if found in modules and found != module
        }
        for module, path in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize("path", LIBRARY, ids=names)
def test_the_library_knows_nothing_of_metaflow_or_cards(path):
    assert not {name for name in imports(path) if name.split(".")[0] in ("metaflow", "cards")}


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
