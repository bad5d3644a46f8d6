"""Data sets that do not fit in memory: their pixels are 1.2 GB, and a process takes little of that."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard

pytest.importorskip("onnx")

SCRIPT = """
    import sys
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper
    import kennard

    N, SHAPE = 100_000, (3, 32, 32)
    random = np.random.default_rng(0)
    noise = random.random(N % 4096 + 4096 + 3072, dtype=np.float32)

    class Images:
        '''Another window of some noise for every place.'''
        def __len__(self):
            return N
        def __getitem__(self, place):
            if place >= N:
                raise IndexError
            return noise[place % 4096 :][:3072].reshape(SHAPE) * np.float32(1 - place / (2 * N)), place % 10

    def once():
        for place in range(N):
            yield Images()[place]

    weights = numpy_helper.from_array(random.normal(size=(3072, 10)).astype(np.float32), "w")
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["z"])]
    x, z = (helper.make_tensor_value_info(n, 1, s) for n, s in (("x", ["n", *SHAPE]), ("z", ["n", 10])))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [z], [weights]), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])

    def peak():
        # That of this process; resource.getrusage would count the parent's before it.
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    kennard.audit(model, [Images()[0][0]], [0], eps=0.01, attack="fgsm", packet_samples=0, progress=False)
    before = peak()
    given = Images() if sys.argv[1] == "by-index" else once()
    result = kennard.audit(model, given, eps=0.01, attack="fgsm", packet_samples=0, progress=False, out=sys.argv[2])
    print(len(result.samples), result.clean_accuracy, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("way", ["by-index", "once"])
def test_pixels_are_not_held(way: str, tmp_path: Path) -> None:
    """What remains are records, 100 000 of them."""
    script = [sys.executable, "-c", textwrap.dedent(SCRIPT), way, str(tmp_path / "run")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    number, clean, more = map(float, done.stdout.split())
    assert number == 100_000 and 0.05 < clean < 0.15
    assert more < 300, f"{more:.0f} MiB"


def test_both_ways_are_the_array(path: Path, samples: Any) -> None:
    x, y = samples
    arguments: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "packet_samples": 0, "progress": False}
    pairs = [*zip(x, y)]
    found = [kennard.audit(path, *given, **arguments) for given in ((x, y), (pairs,), (iter(pairs),))]
    assert len({result.robust_accuracy for result in found}) == 1
    assert found[0].summary["data"] == found[1].summary["data"] == found[2].summary["data"]
    attacked = [kennard.attack(path, *given, eps=0.05, attack="fgsm", progress=False) for given in ((x, y), (pairs,))]
    np.testing.assert_array_equal(attacked[0].best, attacked[1].best)


def test_samples_that_change_or_fail_are_noticed(path: Path, samples: Any) -> None:
    x, y = samples
    random = np.random.default_rng(0)

    class Augmented:
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, place: int) -> Any:
            return x[place] * np.float32(random.random()), y[place]

    class Unreadable(Augmented):
        reads = 0

        def __getitem__(self, place: int) -> Any:
            Unreadable.reads += 1
            if Unreadable.reads > 90:
                raise OSError("the disk is gone")
            return x[place], y[place]

    arguments: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "packet_samples": 0, "progress": False}
    with pytest.raises(ValueError, match="sample 0 .*random transforms"):
        kennard.audit(path, Augmented(), **arguments)
    with pytest.raises(OSError, match="the disk is gone"):
        kennard.audit(path, Unreadable(), **arguments)
    with pytest.raises(ValueError, match="sample 1 has the shape"):
        kennard.audit(path, [(x[0], 0), (x[1, :, :27], 0)], **arguments)
    with pytest.raises(ValueError, match="no samples"):
        kennard.audit(path, [], **arguments)


def test_a_shuffling_loader_says_that_it_does_not(path: Path, samples: Any) -> None:
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(array) for array in samples)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=7, shuffle=True)
    arguments: dict[str, Any] = {"eps": 0.05, "attack": "fgsm", "packet_samples": 0, "progress": False}
    with pytest.warns(UserWarning, match="RandomSampler.*in order") as told:
        found = kennard.audit(path, loader, **arguments)
    assert told[0].filename == __file__, "it points at the caller"
    assert found.summary["data"] == kennard.audit(path, x, y, **arguments).summary["data"]

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg,name-defined,misc]
        def __len__(self) -> int:
            return 60

        def __iter__(self) -> Any:
            return iter(zip(x, y))

    batches = torch.utils.data.DataLoader(Stream(), batch_size=8)
    assert kennard.audit(path, batches, **arguments).summary["data"] == found.summary["data"]
