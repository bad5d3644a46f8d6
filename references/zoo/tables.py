"""Models of tables: scikit-learn, LightGBM, XGBoost, by their converters, with the trainers' own answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from .case import Case, model

FREE = {"grad": ["gradient"]}


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Iris, four columns of breast cancer or all 30, or the 64 pixels of digits, scaled to [0, 1] as far as it goes."""
    from sklearn.datasets import load_breast_cancer, load_digits, load_iris

    load, columns = {
        "iris": (load_iris, 4),
        "cancer": (load_breast_cancer, 4),
        "whole_cancer": (load_breast_cancer, 30),
        "digits": (load_digits, 64),
    }[name]
    loaded = load()
    x, y = loaded.data[:, :columns], loaded.target
    spread = np.ptp(x, 0)
    # Some pixels are the same in all digits.
    x = 0.1 + 0.8 * (x - x.min(0)) / np.where(spread > 0, spread, 1)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order].astype(np.float32), y[order]


def log(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.float64(p), 1e-300))


def enter(
    name: str,
    make: Callable[[], object],
    of: str = "iris",
    needs: str = "",
    answers: str = "predict_proba",
    whole: bool = False,
    **settings,
) -> None:
    """A model of `whole` numbers takes integers."""

    @model(f"table_{name}", needs=f"sklearn skl2onnx {needs}".strip())
    def made() -> Case:
        x, y = data(of)
        if whole:
            x = np.rint(20 * x)
            settings["audit"] = ["--bounds", "0,20"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trained = make().fit(x[40:], y[40:])
            file = convert(name, trained, x.astype(np.int64) if whole else x, settings.pop("zipmap", False))

        def logits(at: np.ndarray) -> np.ndarray:
            z = getattr(trained, answers)(np.float64(at))
            z = log(z) if answers == "predict_proba" else z
            return np.stack([np.zeros(len(z)), z], 1) if z.ndim == 1 else z

        return Case(file, x[:40], logits, **settings)


def convert(name: str, trained, x: np.ndarray, zipmap: bool) -> bytes:
    if "lightgbm" in name or "xgboost" in name:
        from onnxmltools.convert import convert_lightgbm, convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        kinds = [("x", FloatTensorType([None, x.shape[1]]))]
        if "lightgbm" in name:
            return convert_lightgbm(trained, initial_types=kinds, zipmap=zipmap, target_opset=15).SerializeToString()
        return convert_xgboost(trained, initial_types=kinds, target_opset=15).SerializeToString()
    from skl2onnx import to_onnx

    options = None if name == "linear_svc" else {id(trained): {"zipmap": zipmap}}
    return to_onnx(trained, x[:1], options=options, target_opset=17).SerializeToString()


def models() -> None:
    def sk(module: str, name: str, *arguments, **settings):
        import importlib

        return getattr(importlib.import_module(f"sklearn.{module}"), name)(*arguments, **settings)

    def pipe(*steps):
        return sk("pipeline", "make_pipeline", *steps)

    scaler = lambda: sk("preprocessing", "StandardScaler")
    free = {"attack": "square", "within": {}, "refused": FREE, "runtimes": ["onnxruntime"]}
    enter("logistic", lambda: sk("linear_model", "LogisticRegression", C=50), answers="decision_function")
    enter("logistic_two", lambda: sk("linear_model", "LogisticRegression", C=50), of="cancer", answers="decision_function")
    enter("logistic_zipmap", lambda: sk("linear_model", "LogisticRegression", C=50), zipmap=True, answers="decision_function")
    enter(
        "pipeline",
        lambda: pipe(scaler(), sk("decomposition", "PCA", 3), sk("linear_model", "LogisticRegression", C=50)),
        answers="decision_function",
    )
    enter(
        "normalizer",
        lambda: pipe(sk("preprocessing", "Normalizer"), sk("linear_model", "LogisticRegression", C=500)),
        answers="decision_function",
    )
    enter(
        "minmax",
        lambda: pipe(
            sk("preprocessing", "MinMaxScaler"),
            sk("preprocessing", "PolynomialFeatures", 2),
            sk("linear_model", "LogisticRegression", C=50),
        ),
        answers="decision_function",
    )
    enter(
        "mlp",
        lambda: pipe(scaler(), sk("neural_network", "MLPClassifier", (8,), activation="tanh", max_iter=2000, random_state=0)),
    )
    enter(
        "mlp_two",
        lambda: pipe(scaler(), sk("neural_network", "MLPClassifier", (8,), activation="logistic", max_iter=2000, random_state=0)),
        of="cancer",
        raw=True,
    )
    enter("lda", lambda: sk("discriminant_analysis", "LinearDiscriminantAnalysis"), answers="decision_function")
    enter("naive_bayes", lambda: sk("naive_bayes", "GaussianNB"), raw=True)
    enter("svc", lambda: sk("svm", "SVC", C=10), answers="decision_function", within={})
    enter("svc_two", lambda: sk("svm", "SVC", C=10, kernel="poly"), of="cancer", answers="decision_function", within={}, apart=0.01)
    # Rounding decides where scores nearly cancel.
    for kernel in ("poly", "sigmoid"):
        machine = lambda kernel=kernel: sk("svm", "SVC", C=100, kernel=kernel)
        enter(f"svc_{kernel}", machine, answers="decision_function", within={})
    enter("linear_svc", lambda: sk("svm", "LinearSVC"), answers="decision_function", within={})
    enter("forest", lambda: sk("ensemble", "RandomForestClassifier", 5, max_depth=3, random_state=0), **free)
    enter("tree_two", lambda: sk("tree", "DecisionTreeClassifier", max_depth=3), of="cancer", **free)
    enter("boosting", lambda: sk("ensemble", "GradientBoostingClassifier", n_estimators=5, max_depth=2, random_state=0), **free)
    enter("knn", lambda: sk("neighbors", "KNeighborsClassifier", 5), **free)
    for end, of in (("_digits", "digits"), ("_wide", "whole_cancer")):
        logistic = lambda: sk("linear_model", "LogisticRegression", max_iter=2000)
        enter(f"logistic{end}", logistic, of=of, answers="decision_function")
        enter(f"forest{end}", lambda: sk("ensemble", "RandomForestClassifier", 10, max_depth=5, random_state=0), of=of, **free)
    enter("svc_digits", lambda: sk("svm", "SVC", C=10), of="digits", answers="decision_function", within={})
    enter("mlp_digits", lambda: sk("neural_network", "MLPClassifier", (16,), max_iter=200, random_state=0), of="digits")
    boosting = lambda: sk("ensemble", "GradientBoostingClassifier", n_estimators=3, max_depth=2, random_state=0)
    enter("boosting_digits", boosting, of="digits", **free)

    # Integers go in.
    enter(
        "int_scaler_mlp",
        lambda: pipe(scaler(), sk("neural_network", "MLPClassifier", (8,), activation="tanh", max_iter=2000, random_state=0)),
        whole=True,
    )
    enter("int_logistic", lambda: sk("linear_model", "LogisticRegression", C=50), answers="decision_function", whole=True)
    enter("int_svc", lambda: sk("svm", "SVC", C=10), answers="decision_function", within={}, whole=True)
    enter(
        "int_forest", lambda: sk("ensemble", "RandomForestClassifier", 5, max_depth=3, random_state=0), whole=True, **free
    )
    # What pipelines make of columns.
    enter(
        "imputer",
        lambda: pipe(sk("impute", "SimpleImputer"), scaler(), sk("linear_model", "LogisticRegression", C=50)),
        answers="decision_function",
    )

    def light():
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, random_state=0)

    def xgb():
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=3, max_depth=2, random_state=0)

    for end, of in (("", "iris"), ("_two", "cancer")):
        enter(f"lightgbm{end}", light, of=of, needs="lightgbm onnxmltools", **free)
        enter(f"xgboost{end}", xgb, of=of, needs="xgboost onnxmltools", **free)
    enter("lightgbm_digits", light, of="digits", needs="lightgbm onnxmltools", **free)
    enter("xgboost_digits", xgb, of="digits", needs="xgboost onnxmltools", **free)
    enter("lightgbm_zipmap", light, needs="lightgbm onnxmltools", zipmap=True, **free)


models()
