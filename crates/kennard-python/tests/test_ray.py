"""Audits in parts on a Ray cluster of this machine: several nodes of one core."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import kennard
from conftest import Samples

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray", reason="audits on many machines are not tested: Ray is not installed")
import kennard.ray  # noqa: E402

QUICK: dict[str, Any] = {"packet_samples": 0, "progress": False}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A node that computes nothing, and two workers."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def means(samples: Samples, log: Path, seconds: float = 0.0) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The class whose mean is nearest; every process says in a file how many samples it was asked about."""
    x, y = samples
    centres = np.stack([x[y == label].mean(0).reshape(-1) for label in range(10)])

    def nearest(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        import os
        import time

        with open(log / str(os.getpid()), "a") as file:
            file.write(f"{len(batch)}\n")
        time.sleep(seconds)
        flat = batch.reshape(len(batch), -1)
        return -np.square(flat[:, None] - centres[None]).sum(2) / 10

    return nearest


def asked(log: Path) -> int:
    return sum(int(line) for file in log.iterdir() for line in file.read_text().split())


def same_bytes(one: Path, other: Path) -> None:
    for name in ("samples.parquet", "examples.parquet"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_parts_are_one_run(cluster: Any, path: Path, samples: Samples, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"eps": 0.05, "attack": "standard", **QUICK}
    one = kennard.audit(path, *samples, out=tmp_path / "one", **arguments)
    heard: list[tuple[str, int, int]] = []
    arguments["progress"] = lambda *told: heard.append(told)
    parts = kennard.ray.audit(path, *samples, num_shards=3, out=tmp_path / "parts", **arguments)
    same_bytes(tmp_path / "one", tmp_path / "parts")
    assert parts.robust_accuracy == one.robust_accuracy and len(parts.samples) == 60
    assert parts.summary["clean"] == one.summary["clean"] and (tmp_path / "parts" / "report.html").exists()
    assert heard and heard[-1][1:] == (heard[-1][2], heard[-1][2]) and all(done <= total for _, done, total in heard)

    with pytest.raises(ValueError, match="resume=True"):
        kennard.ray.audit(path, *samples, num_shards=3, out=tmp_path / "parts", **arguments)
    with pytest.raises(ValueError, match="1-of-3"):
        kennard.ray.audit(path, *samples, num_shards=2, out=tmp_path / "parts", resume=True, **arguments)
    again = kennard.ray.audit(path, *samples, num_shards=3, out=tmp_path / "parts", resume=True, **arguments)
    assert again.summary == parts.summary, "nothing was computed again"


def test_a_dead_machine_costs_its_unfinished_samples(cluster: Any, samples: Samples, tmp_path: Path) -> None:
    """A machine with all its processes is killed while it attacks. Its part goes on elsewhere: with micro-batches of one, three
    samples are under way in a worker, so no more than the queries of three are spent twice, and those of its start."""
    queries, alone, together = 400, tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    arguments: dict[str, Any] = {"eps": 0.02, "attack": "square", "queries": queries, "batch_size": 1, **QUICK}
    kennard.audit(means(samples, alone), *samples, out=tmp_path / "one", **arguments)
    lost = cluster.add_node(num_cpus=1, resources={"lost": 1}, object_store_memory=100 << 20)
    cluster.wait_for_nodes()
    killed: list[int] = []

    def hear(what: str, done: int, total: int) -> None:
        if what == "attacks" and done >= total / 3 and not killed:
            killed.append(done)
            cluster.remove_node(lost, allow_graceful=False)

    arguments["progress"] = hear
    model = means(samples, together, seconds=0.001)
    kennard.ray.audit(model, *samples, num_shards=3, out=tmp_path / "parts", **arguments)
    assert killed and not all(Path("/proc", process.name).exists() for process in together.iterdir())
    same_bytes(tmp_path / "one", tmp_path / "parts")
    starts = 8
    assert asked(alone) < asked(together) <= asked(alone) + 3 * queries + 4 * starts


def test_a_dead_worker_is_replaced(cluster: Any, samples: Samples, tmp_path: Path) -> None:
    """A worker is killed on a machine that lives on."""
    log = tmp_path / "log"
    log.mkdir()
    killed: list[int] = []

    def hear(what: str, done: int, total: int) -> None:
        if what == "attacks" and done >= total / 3 and not killed:
            killed.append(int(next(log.iterdir()).name))
            os.kill(killed[0], signal.SIGKILL)

    model = means(samples, log, seconds=0.001)
    arguments: dict[str, Any] = {"eps": 0.02, "attack": "square", "queries": 300, "batch_size": 2, **QUICK}
    arguments["progress"] = hear
    kennard.ray.audit(model, *samples, num_shards=2, out=tmp_path / "parts", **arguments)
    arguments["progress"] = False
    kennard.audit(means(samples, log), *samples, out=tmp_path / "one", **arguments)
    assert killed
    same_bytes(tmp_path / "one", tmp_path / "parts")


def test_modules_and_loaders_go_to_the_machines(cluster: Any, module: Any, samples: Samples, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(array) for array in samples)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=7)
    arguments: dict[str, Any] = {"eps": 0.05, "attack": "pgd", "steps": 5, "batch_size": 4, **QUICK}
    for name, model, given in (("module", module, (loader,)), ("function", lambda x: module(x), (x, y))):
        one = kennard.audit(model, *given, out=tmp_path / name, **arguments)
        parts = kennard.ray.audit(model, *given, num_shards=2, out=tmp_path / f"{name}-parts", **arguments)
        assert parts.robust_accuracy == one.robust_accuracy
        assert parts.summary["data"] == one.summary["data"] and parts.summary["model"] == one.summary["model"]


def test_what_goes_wrong_is_raised(cluster: Any, path: Path, samples: Samples, tmp_path: Path) -> None:
    def audit(model: Any, **change: Any) -> None:
        arguments: dict[str, Any] = {"num_shards": 2, "out": tmp_path / "run", "eps": 0.1, "attack": "square", **QUICK, **change}
        kennard.ray.audit(model, *samples, **arguments)

    def failing(batch: NDArray[np.float32]) -> Any:
        # Not in the trial, nor where it is told from others by its answers.
        if len(batch) > 32:
            raise ArithmeticError("the fan has stopped")
        return np.zeros((len(batch), 10), np.float32)

    def dying(batch: NDArray[np.float32]) -> Any:
        import os

        os._exit(1)

    with pytest.raises(ValueError, match="did you mean eps"):
        audit(path, epss=1)
    with pytest.raises(ValueError, match="num_shards"):
        audit(path, num_shards=0)
    with pytest.raises(ValueError, match="the whole"):
        audit(path, require="robust>=0.5")
    with pytest.raises(ValueError, match="eot: .* kennard.audit on one machine"):
        audit(path, eot=4)
    with pytest.raises(ValueError, match="norm"):
        audit(path, norm="l7")
    with pytest.raises(ValueError, match="did you mean square"):
        audit(path, attack="sqare")
    with pytest.raises(ValueError, match="out: .* is a file"):
        audit(path, out=__file__)
    assert not (tmp_path / "run").exists(), "arguments are looked at first"
    with pytest.raises(ArithmeticError, match="the fan has stopped"):
        audit(failing, out=tmp_path / "failing", queries=10)
    with pytest.raises(kennard.KennardError, match="part . of 2 .* died"):
        audit(dying, out=tmp_path / "dying", max_retries=0)


def test_parts_that_fail_at_once_are_one_exception(cluster: Any, module: Any, samples: Samples, tmp_path: Path) -> None:
    """In a process of its own, which Ray ends where a task is cancelled that is just ending."""
    pytest.importorskip("torch")
    script = f"""
        import numpy, ray, torch
        import kennard.ray
        class Noisy(torch.nn.Module):
            def forward(self, x):
                return x.flatten(1)[:, :10] + torch.randn(len(x), 10)
        ray.init(address={cluster.address!r}, log_to_driver=False)
        x, y = numpy.zeros((12, 1, 4, 4), numpy.float32), [0] * 12
        arguments = dict(num_shards=2, eps=0.1, attack="fgsm", packet_samples=0, progress=False)
        for number, model in enumerate([Noisy().train(), *(Noisy().eval() for _ in range(8))]):
            try:
                kennard.ray.audit(model, x, y, out={str(tmp_path)!r} + f"/{{number}}", **arguments)
            except ValueError as error:
                print("refused:", error, flush=True)
    """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0 and done.stdout.count("refused: model: ") == 9, done.stderr
    assert "training mode" in done.stdout and done.stdout.count("kennard.audit, which takes eot=20, on one machine") == 9


def test_what_progress_raises_ends_all_parts(cluster: Any, path: Path, samples: Samples, tmp_path: Path) -> None:
    def hear(what: str, done: int, total: int) -> None:
        raise ArithmeticError("the listener has left")

    arguments: dict[str, Any] = {**QUICK, "eps": 0.05, "attack": "square", "queries": 20000, "progress": hear}
    with pytest.raises(ArithmeticError, match="the listener has left"):
        kennard.ray.audit(path, *samples, num_shards=2, out=tmp_path / "run", **arguments)
    # Nobody works there any more.
    arguments = {**arguments, "queries": 5, "progress": False, "resume": True}
    with pytest.raises(kennard.KennardError, match="run of other settings"):
        kennard.ray.audit(path, *samples, num_shards=2, out=tmp_path / "run", **arguments)


def test_ctrl_c_keeps_what_is_finished(cluster: Any, path: Path, tmp_path: Path) -> None:
    from conftest import DATA

    arguments = f"""{str(path)!r}, {DATA!r}, num_shards=2, eps=0.05, attack="square", samples=100, packet_samples=0,
                    out={str(tmp_path / "run")!r}"""
    script = f"""
        import os, ray, signal
        import kennard.ray
        ray.init(address={cluster.address!r}, log_to_driver=False)
        def hear(what, done, total):
            if what == "attacks" and done >= 2:
                os.kill(os.getpid(), signal.SIGINT)
        try:
            kennard.ray.audit({arguments}, queries=20000, batch_size=2, progress=hear)
        except KeyboardInterrupt as error:
            print("interrupted:", error, flush=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=240, check=False
    )
    assert "interrupted:" in done.stdout and "resume=True" in done.stdout, done.stderr
    journals = [*(tmp_path / "run" / "shards").glob("*/journal.jsonl")]
    assert journals and sum(journal.read_text().count("\n") for journal in journals) > 2
