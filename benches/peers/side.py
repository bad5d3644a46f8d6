"""What the scripts of this folder share: where things are, options, the first line that is printed, and Kennard's side."""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KENNARD_SHARED", ROOT / "../shared")).resolve()


def find(model: str) -> Path:
    for directory in (ROOT / "fixtures", SHARED / "models"):
        if (path := directory / f"{model}.onnx").exists():
            return path
    raise SystemExit(f"{model}.onnx is neither in fixtures/ nor in {SHARED / 'models'}; is KENNARD_SHARED set?")


def parser(description: str, threads: bool = False, rounds: int = 0, rows: int = 0) -> argparse.ArgumentParser:
    """With the options that are asked for, `rounds` by default, and with that many rows to pick from."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if threads:
        found.add_argument("--threads", type=int, default=os.cpu_count())
    if rounds:
        found.add_argument("--rounds", type=int, default=rounds)
    if rows:
        found.add_argument("--rows", type=int, nargs="*", default=range(1, rows + 1))
    return found


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return f"{names[0]}, {len(names)} logical processors" if names else platform.processor()


def versions(*packages: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


def begin(what: str, threads: int) -> None:
    """Sets PyTorch's threads, and prints what is compared, and on what."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    print(f"{what} ({threads} threads); {processor()}; load average {os.getloadavg()[0]:.2f}")


def filled(command: str, replacements: dict[str, str]) -> list[str]:
    """The words of a command, {name} replaced by its value."""
    for name, value in replacements.items():
        command = command.replace(f"{{{name}}}", shlex.quote(value))
    return shlex.split(command)


def run(command: str, replacements: dict[str, str]) -> tuple[float, str]:
    """Seconds of the whole process, and what it prints."""
    start = time.perf_counter()
    done = subprocess.run(filled(command, replacements), stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def audited(command: str, replacements: dict[str, str]) -> tuple[float, float, str]:
    """Seconds of an audit that prints JSON, robust accuracy in percent, and what it ran on."""
    seconds, output = run(command, replacements)
    summary = json.loads(output)
    return seconds, 100 * summary["robust"]["robust_accuracy"], summary["runtime"]


def attacked(attack, model, x, y, eps: float) -> tuple[float, float]:
    """Seconds of an attack in linf on images x with labels y, and robust accuracy at its points in percent."""
    import torch

    start = time.perf_counter()
    points = attack(x, y)
    seconds = time.perf_counter() - start
    assert (points - x).abs().max() <= eps + 1e-6 and points.min() >= 0 and points.max() <= 1
    with torch.inference_mode():
        return seconds, 100 * (model(points).argmax(1) == y).float().mean().item()
