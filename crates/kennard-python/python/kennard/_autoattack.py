"""The interface of the reference implementation of AutoAttack (Croce & Hein 2020), with Kennard's engine behind it."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _calls

if TYPE_CHECKING:
    import torch

_NORMS = {"Linf": "linf", "L2": "l2", "L1": "l1"}
_VERSIONS = {
    "standard": ["apgd-ce", "apgd-t", "fab-t", "square"],
    "plus": ["apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"],
    "rand": ["apgd-ce", "apgd-dlr"],
}


class AutoAttack:
    """AutoAttack on a PyTorch classifier: code that is written for the reference runs with the import changed.

    Parameters
    ----------
    model : torch.nn.Module or callable
        From samples (n, ...) in [0, 1] to logits (n, K), in evaluation mode.
    norm : {"Linf", "L2", "L1"}
    eps : float
        The size of perturbations.
    seed : int, optional
        Of all random numbers; 0 where it is left out, so that a second run finds the same.
    verbose : bool
        Whether to print the accuracy after each attack.
    attacks_to_run : list of str, optional
        Names of attacks, with `version="custom"`.
    version : {"standard", "plus", "rand", "custom"}
    is_tf_model : bool
        Not supported.
    device : torch.device or str, optional
        Where the model computes; where its weights are by default.
    log_path : path, optional
        A file that what is printed is added to.

    Raises
    ------
    ValueError
        When an argument makes no sense.
    """

    def __init__(
        self,
        model: Any,
        norm: str = "Linf",
        eps: float = 0.3,
        seed: int | None = None,
        verbose: bool = True,
        attacks_to_run: list[str] | None = None,
        version: str = "standard",
        is_tf_model: bool = False,
        device: Any = None,
        log_path: str | os.PathLike[str] | None = None,
    ) -> None:
        if norm not in _NORMS:
            raise ValueError(f"norm: {norm!r} is none of {', '.join(_NORMS)}")
        if is_tf_model:
            raise ValueError("is_tf_model: TensorFlow is not supported; export the model to ONNX for kennard.audit")
        if version != "custom" and attacks_to_run:
            raise ValueError("attacks_to_run goes with version='custom'; the other versions have their own attacks")
        if version != "custom" and version not in _VERSIONS:
            raise ValueError(f"version: {version!r} is none of {', '.join(_VERSIONS)}, custom")
        self.model = model
        self.norm = norm
        self.epsilon = eps
        self.seed = seed
        self.verbose = verbose
        self.version = version
        self.attacks_to_run: list[str] = list(_VERSIONS.get(version, attacks_to_run or []))
        self.device = device
        self._log_path = log_path

    def run_standard_evaluation(
        self,
        x_orig: torch.Tensor,
        y_orig: torch.Tensor,
        bs: int = 250,
        return_labels: bool = False,
        state_path: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Attacks samples, each attack those that the ones before it did not break.

        Parameters
        ----------
        x_orig : tensor (N, ...)
            Samples in [0, 1].
        y_orig : tensor (N,)
            Labels.
        bs : int
            Samples per micro-batch.
        return_labels : bool
            Whether to return also what the model takes the points for.
        state_path : path, optional
            A file for the reference's `EvaluationState`. Attacks that it says were run are not run again, and the samples
            that they broke are not attacked; as with the reference, their points are those of the earlier run alone.

        Returns
        -------
        x_adv : tensor (N, ...)
            The adversarial point of each sample that was broken, the others as they are.
        y_adv : tensor (N,), with `return_labels`
        """
        import torch

        begin = time.time()
        robust = torch.ones(len(x_orig), dtype=torch.bool)
        ran: set[str] = set()
        accuracies: list[tuple[str, float]] = []
        if state_path is not None and Path(state_path).exists():
            robust, clean, ran = self._restored(Path(state_path), len(x_orig))
            accuracies.append(("", clean))
        left_to_run = [name for name in self.attacks_to_run if name not in ran]
        self._log(f"using {self.version} version including {', '.join(left_to_run) or 'no attack that was not run'}")
        x_adv = x_orig.detach().clone()
        if not ran and self.version in _VERSIONS and self.attacks_to_run == _VERSIONS[self.version]:
            found = self._attack(x_orig, y_orig, self.version, bs)
            robust &= torch.from_numpy(found.correct.copy())
            accuracies.append(("", robust.float().mean().item()))
            for name in found.points:
                robust &= self._take(x_adv, torch.arange(len(x_orig)), found, name)
                accuracies.append((name, robust.float().mean().item()))
        else:
            for name in left_to_run:
                left = torch.nonzero(robust).flatten()
                if not len(left):
                    break
                found = self._attack(x_orig[left], y_orig[left], name, bs)
                if not accuracies:
                    robust[left] &= torch.from_numpy(found.correct.copy())
                    accuracies.append(("", robust.float().mean().item()))
                for entry in found.points:
                    robust[left] &= self._take(x_adv, left, found, entry)
                accuracies.append((name, robust.float().mean().item()))
        for name, accuracy in accuracies:
            if not name:
                self._log(f"initial accuracy: {accuracy:.2%}")
            else:
                took = time.time() - begin
                self._log(f"robust accuracy after {name.upper()}: {accuracy:.2%} (total time {took:.1f} s)")
        self._final(x_adv, x_orig, robust)
        if state_path is not None:
            clean = accuracies[0][1] if accuracies else float("nan")
            self._save(Path(state_path), robust, clean)
        return (x_adv, self._predict(x_adv, bs)) if return_labels else x_adv

    def run_standard_evaluation_individual(
        self, x_orig: torch.Tensor, y_orig: torch.Tensor, bs: int = 250, return_labels: bool = False
    ) -> dict[str, Any]:
        """Runs every attack on all samples, and returns what each found, by its name."""
        found = {}
        for name in self.attacks_to_run:
            alone = AutoAttack(
                self.model,
                norm=self.norm,
                eps=self.epsilon,
                seed=self.seed,
                verbose=self.verbose,
                attacks_to_run=[name],
                version="custom",
                device=self.device,
                log_path=self._log_path,
            )
            found[name] = alone.run_standard_evaluation(x_orig, y_orig, bs=bs, return_labels=return_labels)
        return found

    def clean_accuracy(self, x_orig: torch.Tensor, y_orig: torch.Tensor, bs: int = 250) -> float:
        """The share of samples (N, ...) that the model takes for their labels (N,)."""
        right = self._predict(x_orig, bs).eq(y_orig.to("cpu"))
        accuracy = float(right.sum().item()) / len(right)
        self._log(f"clean accuracy: {accuracy:.2%}")
        return accuracy

    def _attack(self, x: torch.Tensor, y: torch.Tensor, attack: str, bs: int) -> _calls.Attacked:
        return _calls.attack(
            self.model,
            x,
            y,
            norm=_NORMS[self.norm],
            eps=float(self.epsilon),
            attack=attack,
            seed=0 if self.seed is None else int(self.seed),
            device=self.device,
            batch_size=min(bs, max(len(x), 1)),
            progress=self.verbose,
        )

    @staticmethod
    def _take(x_adv: torch.Tensor, places: torch.Tensor, found: _calls.Attacked, name: str) -> torch.Tensor:
        """Takes over what an attack found; returns which samples it did not break."""
        import torch

        broken = torch.from_numpy(np.ascontiguousarray(found.broken[name]))
        points = torch.from_numpy(np.ascontiguousarray(found.points[name]))
        x_adv[places[broken].to(x_adv.device)] = points[broken].to(x_adv.device, x_adv.dtype)
        return ~broken

    def _predict(self, x: torch.Tensor, bs: int) -> torch.Tensor:
        import torch

        with torch.no_grad():
            # Copies: a model may work in place.
            batches = (x[k : k + bs].clone() for k in range(0, len(x), bs))
            parts = [self.model(part.to(self.device or part.device)).max(dim=1)[1].cpu() for part in batches]
        return torch.cat(parts)

    def _final(self, x_adv: torch.Tensor, x_orig: torch.Tensor, robust: torch.Tensor) -> None:
        change = (x_adv - x_orig).reshape(len(x_orig), -1)
        order = {"Linf": float("inf"), "L2": 2.0, "L1": 1.0}[self.norm]
        size = change.norm(p=order, dim=1).max().item() if len(x_orig) else 0.0
        self._log(
            f"max {self.norm} perturbation: {size:.5f}, nan in tensor: {int((x_adv != x_adv).sum())}, "
            f"max: {x_adv.max().item():.5f}, min: {x_adv.min().item():.5f}"
        )
        self._log(f"robust accuracy: {robust.float().mean().item():.2%}")

    def _restored(self, path: Path, samples: int) -> tuple[torch.Tensor, float, set[str]]:
        """Which samples are robust so far, the clean accuracy, and the attacks that were run."""
        import torch

        state = json.loads(path.read_text())
        # The reference writes sets as text.
        wanted, ran = (
            set(re.findall(r"[\w-]+", names) if isinstance(names, str) else names)
            for names in (state["_attacks_to_run"], state["_run_attacks"])
        )
        robust = torch.tensor(state["_robust_flags"] or [], dtype=torch.bool)
        if wanted != set(self.attacks_to_run) or len(robust) != samples:
            raise ValueError(
                f"state_path: {path} is of {len(robust)} samples and the attacks {', '.join(sorted(wanted))}, not of this run; "
                "name another file, or remove it to begin anew"
            )
        self._log(f"restored {path}: {', '.join(sorted(ran)) or 'no attack'} were run; only the points of this run are returned")
        return robust, float(state["_clean_accuracy"]), ran

    def _save(self, path: Path, robust: torch.Tensor, clean: float) -> None:
        """Writes the state file of the reference, whole or not at all."""
        state = {
            "_attacks_to_run": list(self.attacks_to_run),
            "path": str(path),
            "_run_attacks": list(self.attacks_to_run),
            "_robust_flags": robust.tolist(),
            "_last_saved": datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f"),
            "_SAVE_TIMEOUT": 60,
            "_clean_accuracy": clean,
        }
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(state))
        beside.replace(path)

    def _log(self, text: str) -> None:
        if self.verbose:
            print(text)
            if self._log_path is not None:
                with open(self._log_path, "a", encoding="utf-8") as log:
                    log.write(text + "\n")
