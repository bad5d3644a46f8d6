"""Models of tables as people export them, with the answers of the programs that trained them.

    python tabular.py    # writes fixtures/tabular

Iris, and four columns of breast cancer: 60 samples that no model was trained on, as CSV, and classifiers of scikit-learn, LightGBM and
XGBoost, exported by skl2onnx and onnxmltools; the names of the classes in the models' order. `accuracy.json` has how many of the 60 each trainer's own `predict` gets right.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

OUT = Path(__file__).parent / "../fixtures/tabular"
COLUMNS, KEPT = 4, 60
MODELS = {
    "svc": lambda: SVC(),
    "pipeline": lambda: make_pipeline(StandardScaler(), SVC(kernel="poly")),
    "mlp": lambda: make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=2000, random_state=0)),
    "forest": lambda: RandomForestClassifier(5, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3, max_depth=2, random_state=0),
    "lightgbm": lambda: LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, random_state=0),
    "xgboost": lambda: XGBClassifier(n_estimators=3, max_depth=2, random_state=0),
}


def export(name: str, model, x: np.ndarray):
    kinds = [("x", FloatTensorType([None, x.shape[1]]))]
    if name == "lightgbm":
        return convert_lightgbm(model, initial_types=kinds, zipmap=False, target_opset=15)
    if name == "xgboost":
        return convert_xgboost(model, initial_types=kinds, target_opset=15)
    return to_onnx(model, x[:1], options={id(model): {"zipmap": False}}, target_opset=17)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    right = {}
    for data, loaded in (("iris", load_iris()), ("cancer", load_breast_cancer())):
        names = [name.replace(" (cm)", "") for name in loaded.feature_names[:COLUMNS]]
        x, y = loaded.data[:, :COLUMNS].astype(np.float32), loaded.target
        x, y = [array[np.random.default_rng(0).permutation(len(array))] for array in (x, y)]
        frame = pd.DataFrame({name: [f"{value:.7g}" for value in x[:KEPT, i]] for i, name in enumerate(names)})
        frame["diagnosis" if data == "cancer" else "target"] = loaded.target_names[y[:KEPT]]
        frame.to_csv(OUT / f"{data}.csv", index=False)
        (OUT / f"{data}.txt").write_text("\n".join(loaded.target_names) + "\n")
        for name, make in MODELS.items():
            model = make().fit(x[KEPT:], y[KEPT:])
            (OUT / f"{data}_{name}.onnx").write_bytes(export(name, model, x).SerializeToString())
            right[f"{data}_{name}"] = int((model.predict(x[:KEPT]) == y[:KEPT]).sum())
    (OUT / "accuracy.json").write_text(json.dumps(right, indent=2) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
