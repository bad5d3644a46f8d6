"""Small models of every kind that people have, made here, with what is expected of each.

    python references/zoo FOLDER [NAME…]    # writes NAME.onnx, NAME.npz, NAME.gradient.npz and expected.json

Gradients of the cross-entropy are PyTorch's of the module in double precision, held against central differences, or central differences of
the onnx package's reference evaluator in double precision, or of the trainer's own answers. Answers of a file come from the
module, the evaluator, or ONNX Runtime. `crates/kennard-python/tests/test_zoo.py` makes the models and holds Kennard to them; a model is one
function here, entered by `@model(NAME)`, see `case.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.make import main  # noqa: E402

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
