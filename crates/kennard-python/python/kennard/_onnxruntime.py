"""The ONNX Runtime of this Python, which need not be that of the shell it was started from."""

import importlib.util
import os
from pathlib import Path


def choose() -> None:
    """Names its library in `ORT_DYLIB_PATH`, unless that names one."""
    if os.environ.get("ORT_DYLIB_PATH"):
        return
    spec = importlib.util.find_spec("onnxruntime")
    for place in (spec and spec.submodule_search_locations) or []:
        names = ("libonnxruntime.so*", "onnxruntime.dll", "libonnxruntime.*.dylib")
        found = sorted(file for name in names for file in Path(place, "capi").glob(name))
        if found:
            os.environ["ORT_DYLIB_PATH"] = str(found[-1])
            return
