"""Checks that every ONNX file of a folder is valid and that ONNX Runtime loads it.

    python check_files.py FOLDER

Valid: `onnx.checker` with full shape inference. ONNX Runtime has no kernels for some operators in some types; where it
says so of a file, that alone is no fault of the file, and they are counted.
"""

import sys
from pathlib import Path

import onnx
import onnxruntime


def check(path: Path) -> bool:
    """Whether ONNX Runtime has all kernels."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return False
    return True


def main() -> None:
    files = sorted(Path(sys.argv[1]).glob("*.onnx"))
    if not files:
        sys.exit(f"no files in {sys.argv[1]}")
    failed = lacking = 0
    for path in files:
        try:
            lacking += not check(path)
        except Exception as e:  # whatever a checker throws: report it and go on
            failed += 1
            print(f"FAILED {path.name}: {type(e).__name__}: {' '.join(str(e).split())[:400]}")
    print(f"{len(files) - failed} of {len(files)} files are valid and load ({lacking} of them use types without a kernel)")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
