"""The runtimes of this Python, which need not be those of the shell it was started from."""

import importlib.util
import os
from pathlib import Path

# The variable that names a library, the package that has it, the folder there, and the library's name.
RUNTIMES = (
    ("ORT_DYLIB_PATH", "onnxruntime", "capi", "onnxruntime"),
    ("OPENVINO_DYLIB_PATH", "openvino", "libs", "openvino_c"),
)


def choose() -> None:
    """Names their libraries in environment variables, unless these name some."""
    for variable, package, folder, stem in RUNTIMES:
        if os.environ.get(variable):
            continue
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or []:
            names = (f"lib{stem}.so*", f"{stem}.dll", f"lib{stem}.*dylib")
            found = sorted(file for name in names for file in Path(place, folder).glob(name))
            if found:
                os.environ[variable] = str(found[-1])
                break
