"""Tables: data sets of columns, and threat models that differ from column to column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import kennard
import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "tabular"
QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False, "bounds": (0, 10)}
CLASSES = ["setosa", "versicolor", "virginica"]


def iris() -> tuple[Any, Any]:
    with (FOLDER / "iris.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    x = np.array([[float(cell) for cell in row[:-1]] for row in rows], np.float32)
    return x, np.array([CLASSES.index(row[-1]) for row in rows])


def test_a_table_and_its_arrays_agree() -> None:
    model = FOLDER / "iris_mlp.onnx"
    common: dict[str, Any] = {"attack": "pgd", **QUICK}
    named = kennard.audit(
        model, f"csv:{FOLDER / 'iris.csv'}", label_column="target", eps=0.5, eps_per_feature=[1, 0.5, 2, 4],
        frozen=["petal width", "sepal length"], **common,
    )
    arrays = kennard.audit(model, *iris(), eps_per_feature=np.array([0, 0.25, 1, 0]), **common)
    right = json.loads((FOLDER / "accuracy.json").read_text())["iris_mlp"]
    assert named.clean_accuracy == arrays.clean_accuracy == pytest.approx(right / 60)
    assert named.robust_accuracy == arrays.robust_accuracy < named.clean_accuracy


def test_points_keep_to_the_epsilon_of_each_feature() -> None:
    x, y = iris()
    found = kennard.attack(
        FOLDER / "iris_svc.onnx", x, y, eps=0.5, eps_per_feature="1,1,1,0.5", frozen=[0, "1"], attack="pgd",
        progress=False, bounds=(0, 10),
    )
    moved = np.abs(np.asarray(found.best) - x).max(0)
    assert moved[0] == moved[1] == 0 and 0 < moved[2] <= 0.5 + 1e-5 and 0 < moved[3] <= 0.25 + 1e-5


def test_points_stay_valid() -> None:
    x = np.array([[3 + i % 5, 2 + i % 3, i % 2, 1 - i % 2] for i in range(36)], np.float32)
    y = np.arange(36) // 12
    found = kennard.attack(
        FOLDER / "iris_mlp.onnx", x, y, eps=3, integer=[0, "1"], one_hot=[[2, 3]], attack="pgd,square", progress=False,
        bounds=(0, 10),
    )
    points = np.asarray(found.best)
    moved = points[(points != x).any(1)]
    assert len(moved) > 3 and np.array_equal(moved, np.round(moved)) and (moved[:, 2:].sum(1) == 1).all()


def test_all_points_stay_at_levels() -> None:
    x = np.array([[(97 * i + 31 * k) % 256 for k in range(4)] for i in range(36)], np.uint8)
    y = np.arange(36) // 12
    found = kennard.attack(
        FOLDER / "iris_mlp.onnx", x, y, eps=2.5 / 255, input_scale=10, integer="all", attack="pgd", progress=False
    )
    moved = 255 * (np.asarray(found.best) - x / np.float32(255))
    assert np.abs(moved - moved.round()).max() < 1e-3 and np.abs(moved).max() < 2.1


def labelled(kind: str) -> Any:
    """A file with scores of three classes and, from other weights, a label that is a text."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    own = {"domain": "ai.onnx.ml"}
    random = np.random.default_rng(18)
    weights = {name: random.normal(size=(2, 3)).astype(np.float32) for name in ("w", "v")}
    best = [helper.make_node("MatMul", ["x", "v"], ["u"]), helper.make_node("ArgMax", ["u"], ["k"], axis=1, keepdims=0)]
    texts = {"keys_int64s": [0, 1, 2], "values_strings": ["b", "c", "a"]}
    nodes = {
        "linear": [helper.make_node(
            "LinearClassifier", ["x"], ["label", "u"], classlabels_strings=["a", "b", "c"], post_transform="NONE",
            coefficients=weights["v"].T.ravel(), intercepts=[0.0] * 3, **own,
        )],
        "trees": [helper.make_node(
            "TreeEnsembleClassifier", ["x"], ["label", "u"], classlabels_strings=["a", "b", "c"], post_transform="NONE",
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_values=[0.5, 0.0, 0.0], nodes_truenodeids=[1, 0, 0],
            nodes_falsenodeids=[2, 0, 0], class_treeids=[0, 0, 0], class_nodeids=[1, 2, 2], class_ids=[0, 1, 2],
            class_weights=[1.0, 0.25, 0.75], **own,
        )],
        "list": [*best, helper.make_node("ArrayFeatureExtractor", ["names", "k"], ["label"], **own)],
        "names": [*best, helper.make_node("LabelEncoder", ["k"], ["label"], **texts, **own)],
        "numbers": [*best, helper.make_node("LabelEncoder", ["k"], ["label"], **texts, **own)],
        "unseen": [*best, helper.make_node("Cast", ["k"], ["f"], to=1), helper.make_node(
            "LabelEncoder", ["f"], ["label"], keys_floats=[0.0, 1.0, 2.0], values_strings=["a", "b", "c"], **own,
        )],
    }[kind]
    names = helper.make_tensor("names", onnx.TensorProto.STRING, [3], [b"a", b"b", b"c"])
    graph = helper.make_graph(
        [*nodes, helper.make_node("MatMul", ["x", "w"], ["z"])], kind,
        [helper.make_tensor_value_info("x", 1, [None, 2])],
        [helper.make_tensor_value_info("label", 8, [None]), helper.make_tensor_value_info("z", 1, [None, 3])],
        [names, *(numpy_helper.from_array(array, name) for name, array in weights.items())],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("kind", ["linear", "trees", "list", "names", "numbers", "unseen"])
def test_labels_that_are_texts_are_compared_with_the_scores(kind: str, tmp_path: Path) -> None:
    """As ONNX Runtime computes both; texts of an encoder by the numbers that it takes."""
    ort = pytest.importorskip("onnxruntime")
    model = labelled(kind)
    x = np.random.default_rng(0).random((40, 2)).astype(np.float32)
    y = np.arange(40) % 3
    label, z = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    texts = np.array(["b", "c", "a"] if kind in ("names", "numbers") else ["a", "b", "c"])
    other = int((label.ravel() != texts[z.argmax(1)]).sum())
    data: tuple[Any, ...] = (x, y)
    if kind != "numbers":
        rows = [[*map(repr, map(float, point)), "abc"[k]] for point, k in zip(x, y)]
        (tmp_path / "points.csv").write_text("\n".join(",".join(row) for row in [["p", "q", "label"], *rows]))
        data = (f"csv:{tmp_path / 'points.csv'}",)
    found = kennard.audit(model.SerializeToString(), *data, eps=0.1, attack="none", runtime="onnxruntime", **QUICK)
    said = {warning["code"]: warning["message"] for warning in found.summary["warnings"]}
    if kind == "unseen":
        assert "which classes the output `label` names" in said["label-not-compared"] and "own-label" not in said
    else:
        assert 0 < other and f"for {other} of 40 samples" in said["own-label"] and "label-not-compared" not in said


def numbered(numbers: list[int], texts: list[str] | None = None) -> Any:
    """A file of a linear classifier whose classes have these labels."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    labels = {"classlabels_ints": numbers} if texts is None else {"classlabels_strings": texts}
    random = np.random.default_rng(4)
    node = helper.make_node(
        "LinearClassifier", ["x"], ["label", "z"], domain="ai.onnx.ml", post_transform="NONE", **labels,
        coefficients=random.normal(size=6), intercepts=random.normal(size=3) * 0.1,
    )
    kind = onnx.TensorProto.INT64 if texts is None else onnx.TensorProto.STRING
    graph = helper.make_graph(
        [node], "numbered", [helper.make_tensor_value_info("x", 1, [None, 2])],
        [helper.make_tensor_value_info("label", kind, [None]), helper.make_tensor_value_info("z", 1, [None, 3])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("labels", [[0, 2, 5], [1, 2, 3], [-7, 3, 10], ["ant", "bee", "cow"]])
def test_labels_are_those_that_the_file_lists(labels: list[Any], tmp_path: Path) -> None:
    """As ONNX Runtime answers; the data have not all of the classes."""
    ort = pytest.importorskip("onnxruntime")
    model = numbered(labels) if isinstance(labels[0], int) else numbered([], labels)
    random = np.random.default_rng(0)
    x, y = random.random((60, 2)).astype(np.float32), np.array(labels)[random.integers(0, 2, 60) + (labels[0] == "ant")]
    (answer, _) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    expected = (np.array(answer) == y).mean()
    rows = [[*map(repr, map(float, point)), str(label)] for point, label in zip(x, y)]
    table = tmp_path / "points.csv"
    table.write_text("\n".join(",".join(row) for row in [["p", "q", "label"], *rows]))
    for given in ((x, y), ([*zip(x, y)],), (f"csv:{table}",)):
        found = kennard.audit(model, *given, eps=0.1, attack="none", **QUICK)
        assert found.clean_accuracy == expected
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert kennard.audit(path, x, y, eps=0.1, attack="none", **QUICK).clean_accuracy == expected
    # Steps of no length leave the network, and the accuracy of the whole first epoch.
    still: Any = {"epochs": 1, "batch": 20, "held_out": 0, "learning_rate": 1e-12, "progress": False}
    for place, given in enumerate(((model, x, y), (path, f"csv:{table}"))):
        trained = kennard.train(*given, out=tmp_path / f"run{place}", **still)
        assert trained.summary["epochs"][0]["train_accuracy"] == pytest.approx(expected)
    (tmp_path / "names.txt").write_text("\n".join(map(str, reversed(labels))))
    with pytest.raises(ValueError, match=f"the model's file lists|the model's own file has {labels[0]}, {labels[1]}"):
        kennard.audit(path, f"csv:{table}", classes=tmp_path / "names.txt", eps=0.1, attack="none", **QUICK)


def test_labels_that_the_file_does_not_list_are_refused() -> None:
    x = np.random.default_rng(0).random((6, 2)).astype(np.float32)
    with pytest.raises(ValueError, match="label 0 of sample 0 is none of those that the model's file lists, 1, 2, 3"):
        kennard.audit(numbered([1, 2, 3]), x, np.arange(6) % 3, eps=0.1, attack="none", **QUICK)
    # Numbers beside texts count the outputs.
    texts = numbered([], ["ant", "bee", "cow"])
    y = np.arange(6) % 3
    counted = kennard.audit(texts, x, y, eps=0.1, attack="none", **QUICK)
    named = kennard.audit(texts, x, np.array(["ant", "bee", "cow"])[y], eps=0.1, attack="none", **QUICK)
    assert counted.clean_accuracy == named.clean_accuracy


@pytest.mark.parametrize("texts", [["1.0", "2.0", "3.0"], ["1", "2", "cow"], ["2", "1", "03"]])
def test_texts_that_are_numbers_are_these(texts: list[str], tmp_path: Path) -> None:
    """In arrays as in tables, and as ONNX Runtime answers."""
    ort = pytest.importorskip("onnxruntime")
    model = numbered([], texts)
    x, y = np.random.default_rng(0).random((60, 2)).astype(np.float32), 1 + np.arange(60) % 2
    (answer, _) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    expected = np.mean([text != "cow" and float(text) == label for text, label in zip(np.ravel(answer).tolist(), y)])
    table = tmp_path / "points.csv"
    table.write_text("p,q,label\n" + "".join(f"{float(p)!r},{float(q)!r},{label}\n" for (p, q), label in zip(x, y)))
    for given in ((x, y), (x, y.astype(float)), (x, y.astype(str)), (f"csv:{table}",)):
        assert kennard.audit(model, *given, eps=0.1, attack="none", **QUICK).clean_accuracy == expected
    # A number that is none of them counts nothing.
    with pytest.raises(ValueError, match="label 0 of sample 0 is none of those that the model's file lists"):
        kennard.audit(model, x, 0 * y, eps=0.1, attack="none", **QUICK)


def test_a_surrogate_s_classes_have_the_order_of_the_model_s(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((6, 2)).astype(np.float32)
    surrogate = tmp_path / "surrogate.onnx"
    for listed, fits in ((["3.0", "2.0", "1.0"], False), (["1.0", "2.0", "3.0"], True)):
        surrogate.write_bytes(numbered([], listed).SerializeToString())
        given: Any = (numbered([1, 2, 3]), x, 1 + np.arange(6) % 3)
        options: dict[str, Any] = {"eps": 0.1, "attack": "square", "transfer": str(surrogate), **QUICK}
        if fits:
            kennard.audit(*given, **options)
            continue
        with pytest.raises((ValueError, kennard.KennardError), match="lists its classes in the order"):
            kennard.audit(*given, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"eps_per_feature": [1, 2]}, "2 numbers, and there are 4 features"),
        ({"eps": 1, "frozen": "petal"}, "no feature `petal`"),
        ({"frozen": [0]}, "eps is missing"),
        ({"eps": 1, "integer": 0}, "sample 0 has 6.1 in element 0"),
        ({"eps": 1, "one_hot": ["kind", [0, 1]]}, "the features have no names"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, kennard.KennardError), match=says):
        kennard.audit(FOLDER / "iris_mlp.onnx", *iris(), attack="pgd", **options, **QUICK)
