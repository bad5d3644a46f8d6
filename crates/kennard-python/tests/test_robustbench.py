"""RobustBench's own `benchmark`, with one import changed."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kennard

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision", reason="RobustBench is not tested: torchvision is not installed")
reference = pytest.importorskip("pyautoattack", reason="RobustBench is not tested: pyautoattack is not installed")
if importlib.util.find_spec("robustbench") is None:
    pytest.skip("RobustBench is not tested: robustbench is not installed", allow_module_level=True)

EPS, SAMPLES = 0.6 / 255, 40
CIFAR = Path(os.environ.get("KENNARD_SHARED", "no-such-place")) / "data/cifar-10-batches-bin/test_batch.bin"


def cifar10(n: int) -> tuple[Any, Any]:
    """The first test images where there are any, and noise otherwise."""
    if CIFAR.exists():
        rows = np.fromfile(CIFAR, np.uint8, count=n * 3073).reshape(n, 3073)
        images, labels = rows[:, 1:].reshape(n, 3, 32, 32), rows[:, 0]
    else:
        random = np.random.default_rng(0)
        images, labels = random.integers(0, 256, (n, 3, 32, 32), np.uint8), random.integers(0, 10, n)
    return torch.from_numpy(images.astype(np.float32) / np.float32(255)), torch.from_numpy(labels.astype(np.int64))


@pytest.fixture(scope="module")
def robustbench() -> Iterator[Any]:
    """RobustBench's module of evaluation as it stands, its AutoAttack imported from Kennard, its data those of here. The package
    that it names is not on PyPI; what it takes of it besides, `pyautoattack` has."""
    import pyautoattack.state

    package: Any = types.ModuleType("autoattack")
    package.AutoAttack, package.state = reference.AutoAttack, pyautoattack.state
    with pytest.MonkeyPatch.context() as patch:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        patch.setitem(sys.modules, "autoattack", package)
        patch.setitem(sys.modules, "autoattack.state", pyautoattack.state)
        import robustbench.data
        from robustbench.model_zoo.enums import BenchmarkDataset

        loaders = robustbench.data._clean_dataset_loaders
        patch.setitem(loaders, BenchmarkDataset.cifar_10, lambda n, *_: cifar10(n))
        spec = importlib.util.find_spec("robustbench.eval")
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin).read_text()
        line = "from autoattack import AutoAttack\n"
        assert source.count(line) == 1
        module = types.ModuleType("robustbench.eval")
        exec(compile(source.replace(line, "from kennard import AutoAttack\n"), spec.origin, "exec"), module.__dict__)
        yield module
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network(robustbench: Any) -> Any:
    """The smallest WideResNet of the zoo, with random weights but for the last layer: that is fitted to the samples by
    least squares, so that there is something to attack."""
    from robustbench.model_zoo.architectures.wide_resnet import WideResNet

    torch.manual_seed(0)
    network = WideResNet(depth=10, widen_factor=1).eval()
    x, y = cifar10(SAMPLES)
    features: list[Any] = []
    hook = network.fc.register_forward_pre_hook(lambda _, given: features.append(given[0]))
    with torch.no_grad():
        network(x)
        hook.remove()
        z = torch.cat([features[0], torch.ones(SAMPLES, 1)], 1).double()
        target = 10 * torch.nn.functional.one_hot(y, 10).double()
        fitted = torch.linalg.solve(z.T @ z + 1e-6 * torch.eye(z.shape[1]), z.T @ target)
        network.fc.weight.copy_(fitted[:-1].T)
        network.fc.bias.copy_(fitted[-1])
    return network


def test_benchmark_runs_with_one_import_changed(
    robustbench: Any, network: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """At an epsilon at which APGD breaks all samples, for a network that holds out costs minutes of Square: what it returns
    and prints is what the module says of the samples, and no more than the reference finds."""
    x, y = cifar10(SAMPLES)
    clean, robust = robustbench.benchmark(
        network, n_examples=SAMPLES, dataset="cifar10", threat_model="Linf", eps=4 * EPS, batch_size=20
    )
    assert clean == (network(x).argmax(1) == y).float().mean().item() > 0.5
    said = capsys.readouterr().out
    assert f"Adversarial accuracy: {robust:.2%}" in said and "robust accuracy after APGD-T" in said
    assert robust <= by_apgd(reference.AutoAttack, network, 4 * EPS) + 1 / SAMPLES


def test_robust_accuracy_is_that_of_the_reference(robustbench: Any, network: Any) -> None:
    """But for one of the samples, at an epsilon at which some are broken."""
    mine, theirs = (by_apgd(module, network, EPS) for module in (kennard.AutoAttack, reference.AutoAttack))
    assert abs(mine - theirs) <= 1 / SAMPLES + 1e-6
    assert 0 < theirs < 1 or not CIFAR.exists(), "there is something to compare"


def by_apgd(interface: Any, network: Any, eps: float) -> float:
    """What two attacks leave, by either class."""
    x, y = cifar10(SAMPLES)
    adversary = interface(network, norm="Linf", eps=eps, seed=0, device="cpu")
    adversary.verbose, adversary.attacks_to_run = False, ["apgd-ce", "apgd-t"]
    if interface is kennard.AutoAttack:
        points = adversary.run_standard_evaluation(x, y, bs=20)
    else:
        points, _ = adversary.run_standard_evaluation(x, y, batch_size=20)
    return float((network(points).argmax(1) == y).float().mean().item())


def test_the_state_file_is_the_reference_s(network: Any, tmp_path: Path) -> None:
    from pyautoattack.state import EvaluationState

    x, y = cifar10(SAMPLES)
    path = tmp_path / "state.json"
    attacks = ["apgd-ce", "apgd-dlr"]
    arguments: dict[str, Any] = {"eps": EPS, "verbose": False, "version": "custom", "attacks_to_run": attacks}
    points = kennard.AutoAttack(network, **arguments).run_standard_evaluation(x, y, bs=20, state_path=path)
    robust = network(points).argmax(1) == y
    state = EvaluationState.from_disk(path)
    assert torch.equal(state.robust_flags, robust) and set(state.run_attacks) == set(attacks)
    assert state.clean_accuracy == pytest.approx((network(x).argmax(1) == y).float().mean().item())

    def never(*_: Any) -> Any:
        raise AssertionError("an attack was run again")

    again = kennard.AutoAttack(network, **arguments)
    again._attack = never  # type: ignore[method-assign]
    assert torch.equal(again.run_standard_evaluation(x, y, bs=20, state_path=path), x)
    with pytest.raises(ValueError, match="state_path"):
        again.run_standard_evaluation(x[:5], y[:5], state_path=path)

    # One that the reference wrote in the middle: what it broke is taken over, what is left is run.
    flags = torch.zeros(SAMPLES, dtype=torch.bool)
    flags[:7] = robust[:7]
    begun = EvaluationState(set(attacks), path=path, _run_attacks={"apgd-dlr"}, _robust_flags=flags)
    begun.clean_accuracy = 0.5
    points = kennard.AutoAttack(network, **arguments).run_standard_evaluation(x, y, bs=20, state_path=path)
    assert torch.equal(EvaluationState.from_disk(path).robust_flags, flags & (network(points).argmax(1) == y))
    assert torch.equal(points[7:], x[7:])
