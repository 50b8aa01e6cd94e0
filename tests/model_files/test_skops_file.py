from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from fmnist_lib.common.errors import ModelError
from fmnist_lib.features.block import FeatureBlock
from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.features.patch_scales import PatchScales
from fmnist_lib.features.patches import PatchDictionary
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.model_files import skops_file
from fmnist_lib.model_files.skops_file import read_skops, write_skops
from fmnist_lib.models.kernel import KernelClassifier
from fmnist_lib.search.engines.ensemble import vote


def _lightgbm():
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=2, verbose=-1)


def _blocks():
    patches = FeatureBlock(PatchScales(PatchDictionary(atoms=6, cells=3), (3, 5)), 6, 3)
    blocks = [("patches", patches), ("gradients", FeatureBlock(OrientedGradients(), 6, 3))]
    return FeatureUnion(blocks, transformer_weights={"patches": 0.5, "gradients": 0.5})


PIPELINES = {
    "kernel": lambda: make_pipeline(_blocks(), KernelClassifier(random_state=0)),
    "neural": lambda: make_pipeline(Pixels(), MLPClassifier((8,), max_iter=1)),
    "logistic": lambda: make_pipeline(Pixels(), StandardScaler(), LogisticRegression(max_iter=5)),
    "boosting": lambda: make_pipeline(Pixels(), HistGradientBoostingClassifier(max_iter=1)),
    "trees": lambda: make_pipeline(Pixels(), ExtraTreesClassifier(3)),
    "lightgbm": lambda: make_pipeline(Pixels(), _lightgbm()),
    "nystroem": lambda: make_pipeline(
        Pixels(), Nystroem(n_components=10), Normalizer(), LinearDiscriminantAnalysis()
    ),
    "neighbours": lambda: make_pipeline(_blocks(), KNeighborsClassifier(p=1)),
    "quadratic": lambda: make_pipeline(_blocks(), QuadraticDiscriminantAnalysis(reg_param=0.5)),
    "vote": None,
}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_family_of_the_search_is_kept_bit_for_bit(name, train_images, train_labels, tmp_path):
    images, labels = train_images[:300], train_labels[:300]
    if name == "vote":
        members = [PIPELINES[one]().fit(images, labels) for one in ("logistic", "trees")]
        pipeline = vote([("a", members[0], 0.4), ("b", members[1], 0.6)])
    else:
        pipeline = PIPELINES[name]().fit(images, labels)
    path = tmp_path / "model.skops"
    assert write_skops(pipeline, path) == ()
    copy, again = read_skops(path), tmp_path / "again.skops"
    assert np.abs(copy.predict_proba(images) - pipeline.predict_proba(images)).max() < 1e-5
    # A copy has other memory addresses, but gives the same file.
    write_skops(copy, again)
    assert again.read_bytes() == path.read_bytes()


def test_a_foreign_type_is_refused_by_name_before_its_module_is_imported(tmp_path, champion):
    schema, arrays = _parts(skops.io.dumps(champion))
    schema["content"]["content"]["steps"]["content"].append(
        {"__class__": "Thing", "__module__": "evil_module", "__loader__": "ObjectNode"}
    )
    marker = tmp_path / "ran"
    (tmp_path / "evil_module.py").write_text(f"open({str(marker)!r}, 'w')\nclass Thing: pass\n")
    path = _written(tmp_path, schema, arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        with pytest.raises(ModelError, match=r"evil_module\.Thing"):
            read_skops(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (LinearRegression(), "sklearn.linear_model._base.LinearRegression"),
        (FunctionTransformer(np.sum), "FunctionTransformer"),
        (make_pipeline(FunctionTransformer(np.linalg.inv)), "by FunctionNode"),
    ],
)
def test_types_trusted_by_skops_alone_are_refused(estimator, name, tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump(estimator, path)
    with pytest.raises(ModelError, match=name):
        read_skops(path)
    assert name in ", ".join(write_skops(estimator, tmp_path / "other.skops"))
    assert not (tmp_path / "other.skops").exists()


@pytest.mark.parametrize("key", ["__class__", "__module__", "__loader__"])
def test_a_node_without_a_type_is_refused(key, tmp_path, champion):
    schema, arrays = _parts(skops.io.dumps(champion))
    del schema["content"][key]
    with pytest.raises(ModelError, match="None"):
        read_skops(_written(tmp_path, schema, arrays))


def test_a_zip_bomb_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("1.npy", bytes(5_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(ModelError, match="expected at most 2 MB unpacked, got 5 MB in 2 parts"):
        read_skops(path, max_mb=2)


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x03\x04 cut", b"\x80\x04\x95pickle"], ids=repr
)
def test_other_files_are_named(content, tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.skops: expected an intact skops file"):
        read_skops(path)


@pytest.mark.parametrize("member", ["../schema.json", "evil.py", "schema.json.pkl"])
def test_foreign_members_are_named(member, tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr(member, "")
    with pytest.raises(ModelError, match=member):
        read_skops(path)


@pytest.mark.parametrize(
    "schema", ["[" * 100_000, "{}", "null", '{"__class__": []}', '{"__loader__": []}']
)
def test_an_invalid_schema_is_a_model_error(schema, tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(ModelError):
        read_skops(path)


def _parts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {n: archive.read(n) for n in archive.namelist() if n != "schema.json"}
        return json.loads(archive.read("schema.json")), arrays


def _written(directory, schema, arrays):
    path = directory / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in arrays.items():
            archive.writestr(name, content)
        archive.writestr("schema.json", json.dumps(schema))
    return path


@pytest.mark.parametrize("shape", [(50,), (5, 10)])
def test_padding_of_a_structured_dtype_is_zeroed(shape):
    record = np.dtype({"names": ["a", "b"], "formats": ["f8", "u1"], "itemsize": 16})
    chance = np.random.default_rng(0).bytes(50 * record.itemsize)
    array = np.frombuffer(chance, record).reshape(shape)
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    header = file.getvalue()
    content = skops_file._without_padding(header + chance)
    assert content.startswith(header)
    assert len(content) == len(header) + len(chance)
    written = np.frombuffer(content[len(header) :], np.uint8).reshape(50, record.itemsize)
    assert not written[:, 9:].any()
    found = np.load(io.BytesIO(content))
    for field in record.names:
        np.testing.assert_array_equal(found[field], array[field])
