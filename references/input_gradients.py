"""Gradients of the cross-entropy with respect to the input, by PyTorch in double precision.

    python references/input_gradients.py            # computes, checks and writes input_gradients.npz
    python references/input_gradients.py --check    # computes and compares with the stored file

Needs references/requirements.txt. The models and the data are those of $KENNARD_SHARED (default ../shared
beside the repository) and of fixtures/; Fashion-MNIST images come from the slice in fixtures/.

For every model and the first three images of its test set, in file order, the file holds, in float32:
    MODEL.label [3] (int64), MODEL.logits [3, 10], MODEL.loss [3], MODEL.gradient [3, C, H, W];
    MODEL.other_loss [1], MODEL.other_gradient [1, C, H, W].
loss[i] is the cross-entropy (natural logarithm) of image i with its true label and gradient[i] its
derivative with respect to the pixels in [0, 1]. Where the model is sure of itself that gradient is a small
difference of large numbers, or zero (cntk_mnist): in float32 its error is about 1e-7 of the gradient of a
logit, whatever its own size. Therefore the other_ pair, on the first image with the label (label + 1) % 10,
which is well-conditioned: compare that one relatively, and the first with its largest entry as the scale.

cntk_mnist takes pixels in 0..255: there the gradient goes through x * 255, so it too is with respect to
[0, 1]. ReLU has derivative 0 at 0; a tie in max pooling gives the gradient to the first of the window.

The table printed compares the logits with ONNX Runtime's and, as a measure of what float32 can give, the
float64 gradients with PyTorch's own in float32 (largest difference over largest entry of other_gradient).
"""

import argparse
import gzip
import os
import platform
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

from onnx_torch import image_name, run

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KENNARD_SHARED", ROOT / "../shared"))
STORED = ROOT / "references/input_gradients.npz"
COUNT = 3


def idx(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    images = gzip.decompress((directory / "t10k-images-idx3-ubyte.gz").read_bytes())[16:16 + COUNT * 784]
    labels = gzip.decompress((directory / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:8 + COUNT]
    return np.frombuffer(images, np.uint8).reshape(COUNT, 1, 28, 28), np.frombuffer(labels, np.uint8)


def cifar(file: Path) -> tuple[np.ndarray, np.ndarray]:
    records = np.fromfile(file, np.uint8, COUNT * 3073).reshape(COUNT, 3073)
    return records[:, 1:].reshape(COUNT, 3, 32, 32), records[:, 0]


def data_of(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels 0..255 [3, C, H, W] and labels [3] of the data set a model is for, read off its name."""
    if "fashion" in model:
        return idx(ROOT / "fixtures/fashion-mnist")
    if "cifar" in model or "resnet" in model:
        return cifar(SHARED / "data/cifar-10-batches-bin/test_batch.bin")
    return idx(SHARED / "data/mnist")


def differentiate(graph: onnx.GraphProto, pixels: np.ndarray, labels: np.ndarray, scale: float,
                  dtype: torch.dtype) -> dict[str, np.ndarray]:
    """Logits [n, 10], losses [n] and input gradients [n, C, H, W], image by image (cntk_mnist has a fixed
    batch of 1); the model's input is `scale` times [0, 1]."""
    parts = []
    for image, label in zip(pixels, labels):
        x = (torch.from_numpy(image[None].copy()).to(dtype) / 255).requires_grad_()
        logits = run(graph, x * scale)[graph.output[0].name]
        loss = F.cross_entropy(logits, torch.tensor([int(label)]))
        gradient, = torch.autograd.grad(loss, x)
        parts.append((logits.detach()[0], loss.detach(), gradient[0]))
    return {name: torch.stack(part).numpy() for name, part in zip(("logits", "loss", "gradient"), zip(*parts))}


def reference(path: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(path).graph
    images, labels = data_of(path.stem)
    scale = 255.0 if path.stem == "cntk_mnist" else 1.0
    double, single = (differentiate(graph, images, labels, scale, dtype) for dtype in (torch.float64, torch.float32))
    other, other_single = (differentiate(graph, images[:1], (labels[:1] + 1) % 10, scale, dtype)
                           for dtype in (torch.float64, torch.float32))

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = images.astype(np.float32) / np.float32(255) * np.float32(scale)
    runtime = np.concatenate([session.run(None, {image_name(graph): x[None]})[0] for x in inputs])
    logits = np.abs(runtime - double["logits"]).max() / np.abs(double["logits"]).max()
    largest = np.abs(other["gradient"]).max()
    rounding, other_rounding = (np.abs(s["gradient"] - d["gradient"]).max() / largest
                                for s, d in ((single, double), (other_single, other)))
    print(f"{path.stem:27} {logits:9.1e} {np.abs(double['gradient']).max():12.3g} {largest:12.3g} "
          f"{rounding:10.1e} {other_rounding:10.1e}")
    assert logits < 1e-5, f"{path.stem}: logits differ from ONNX Runtime's"

    values = double | {"other_loss": other["loss"], "other_gradient": other["gradient"]}
    return {f"{path.stem}.{name}": value.astype(np.float32) for name, value in values.items()} \
        | {f"{path.stem}.label": labels.astype(np.int64)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, "
          f"Python {platform.python_version()}")
    print(f"{'':27} {'logits':>9} {'largest':>12} {'largest':>12} {'float32':>10} {'float32':>10}\n"
          f"{'':27} {'vs. ORT':>9} {'gradient':>12} {'other':>12} {'gradient':>10} {'other':>10}")
    paths = sorted((SHARED / "models").glob("*.onnx")) + sorted((ROOT / "fixtures").glob("fashion_*.onnx"))
    references = {key: value for path in paths for key, value in reference(path).items()}
    if not arguments.check:
        np.savez(STORED, **references)
        print(f"wrote {STORED.relative_to(ROOT)}: {len(paths)} models, {STORED.stat().st_size} bytes")
        return
    with np.load(STORED) as stored:
        assert sorted(stored) == sorted(references), "the stored file has other models"
        for key, value in references.items():
            np.testing.assert_allclose(value, stored[key], rtol=1e-5, atol=1e-6 * np.abs(value).max(), err_msg=key)
    print("the stored references agree")


if __name__ == "__main__":
    main()
