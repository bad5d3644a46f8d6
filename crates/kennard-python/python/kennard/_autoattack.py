"""The interface of the reference implementation of AutoAttack (Croce & Hein 2020), with Kennard's engine behind it."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _calls, _data, _kennard, _norms, _prepare
from ._random import AnswersAtRandom

if TYPE_CHECKING:
    import torch

# Norms as the reference spells them.
_NORMS = {name.capitalize(): name for name in _norms.ORDERS}

# The versions that have attacks of their own.
_VERSIONS = ("standard", "plus", "rand")

# For each attack object of the reference, the attacks that use it, and its settings: the name of each in Kennard's attack, and
# the usual value.
_SETTINGS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, float]]]] = {
    "apgd": (
        ("apgd-ce", "apgd-dlr"),
        {"n_iter": ("steps", 100), "n_restarts": ("restarts", 1), "eot_iter": ("averaged", 1)},
    ),
    "apgd_targeted": (
        ("apgd-t",),
        {
            "n_iter": ("steps", 100), "n_restarts": ("restarts", 1), "eot_iter": ("averaged", 1),
            "n_target_classes": ("targets", 9),
        },
    ),
    "fab": (
        ("fab", "fab-t"),
        {
            "n_iter": ("steps", 100), "n_restarts": ("restarts", 1), "n_target_classes": ("targets", 9),
            "alpha_max": ("bias", 0.1), "eta": ("overshoot", 1.05), "beta": ("back", 0.9),
        },
    ),
    "square": (("square",), {"n_queries": ("queries", 5000), "n_restarts": ("restarts", 1), "p_init": ("share", 0.8)}),
}

# What to do about a model that answers at random.
_AT_RANDOM = (
    "call model.eval(), or, where it is meant to answer at random, take version='rand', which averages 20 passes; of a module, "
    "call model.eval(), and .train() of the parts alone that are to be random"
)


@dataclass
class _Known:
    """What is known of samples so far."""

    # Which samples no attack has broken, and which are known to be misclassified to begin with, (N,).
    robust: torch.Tensor
    wrong: torch.Tensor
    clean: float | None = None
    ran: list[str] = field(default_factory=list)
    begin: float = field(default_factory=time.time)


class _Settings:
    """The settings of an attack under the reference's names: those of the version, or what is set in their place."""

    def __init__(self, name: str, known: dict[str, tuple[str, float]], version: dict[str, Any]) -> None:
        own = {"_name": name, "_known": known, "_version": version, "_given": {}}
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if name not in own.get("_known", {}):
            raise AttributeError(self._unknown(name) if "_known" in own else name)
        key, usual = own["_known"][name]
        return own["_given"].get(key, own["_version"].get(key, usual))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._known:
            raise AttributeError(self._unknown(name))
        key, usual = self._known[name]
        self._given[key] = _prepare.whole(f"{self._name}.{name}", value) if isinstance(usual, int) else float(value)

    def _unknown(self, name: str) -> str:
        known = ", ".join(vars(self)["_known"])
        return f"{vars(self)['_name']}.{name}: Kennard's attack has no such setting; it has {known}"

    def __repr__(self) -> str:
        return f"<{self._name}: {', '.join(f'{name} = {getattr(self, name)}' for name in self._known)}>"


def _rounded(points: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Points (n, ...) in [0, 1] in the precision of the samples `origin`, rounded towards their samples."""
    import torch

    near = points.to(origin.dtype)
    if near.element_size() >= points.element_size():
        return near
    away = (points.double() - origin.double()).sign()
    beyond = (near.double() - points.double()) * away > 0
    # Numbers of one sign are in the order of their bits.
    return (near.view(torch.int16) - (away * beyond).to(torch.int16)).view(near.dtype)


def _interrupted(path: Path | None) -> str:
    """What the message after ctrl-C says was kept."""
    if path is None:
        return "interrupted; nothing is kept without state_path, a file from which the same call goes on"
    if not path.exists():
        return f"interrupted before an attack was finished; {path} was not written"
    return f"interrupted; {path} has the attacks that were run, and the same call goes on"


class AutoAttack:
    """AutoAttack on a PyTorch classifier: code that is written for the reference runs with the import changed.

    Parameters
    ----------
    model : torch.nn.Module or callable
        From samples (n, ...) in [0, 1] to logits (n, K), in evaluation mode.
    norm : {"Linf", "L2", "L1"}
    eps : float or text
        The size of perturbations, `8 / 255` or `"8/255"`.
    seed : int, optional
        The seed of all random numbers; 0 by default, so that a second run finds the same.
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

    Attributes
    ----------
    attacks_to_run : list of str
        Names of attacks.
    apgd, apgd_targeted, fab, square
        The attacks' settings under the reference's names, `adversary.apgd.n_restarts = 5`: `n_iter`, `n_restarts`, `eot_iter`,
        `n_target_classes`, `n_queries`, `p_init`, `alpha_max`, `eta`, `beta`, each where the attack has it.

    Raises
    ------
    ValueError
        When an argument makes no sense.
    """

    def __init__(
        self,
        model: Any,
        norm: str = "Linf",
        eps: float | str = 0.3,
        seed: int | None = None,
        verbose: bool = True,
        attacks_to_run: list[str] | None = None,
        version: str = "standard",
        is_tf_model: bool = False,
        device: Any = None,
        log_path: str | os.PathLike[str] | None = None,
    ) -> None:
        norm = {name: own for own, name in _NORMS.items()}.get(_prepare.norm_of(norm), norm)
        if norm not in _NORMS:
            raise ValueError(f"norm: {norm!r} is not one of {', '.join(_NORMS)}")
        if is_tf_model:
            raise ValueError("is_tf_model: TensorFlow is not supported; export the model to ONNX for kennard.audit")
        if version != "custom" and attacks_to_run:
            raise ValueError("attacks_to_run goes with version='custom'; the other versions have their own attacks")
        if version != "custom" and version not in _VERSIONS:
            raise ValueError(f"version: {version!r} is not one of {', '.join(_VERSIONS)}, custom")
        self.model = model
        self.norm = norm
        self.epsilon = eps
        self.seed = seed
        self.verbose = verbose
        self.version = version
        self.attacks_to_run: list[str] = self._usual() if version in _VERSIONS else list(attacks_to_run or [])
        self.device = device
        self._log_path = log_path
        self.apgd, self.apgd_targeted, self.fab, self.square = (
            _Settings(holder, settings, next(filter(None, map(self._own, names)), {}))
            for holder, (names, settings) in _SETTINGS.items()
        )

    def run_standard_evaluation(
        self,
        x_orig: torch.Tensor,
        y_orig: torch.Tensor,
        bs: int = 250,
        return_labels: bool = False,
        state_path: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Attacks samples, each attack those that the ones before it did not break.

        Without attacks (`version="custom"`) the model is asked about the samples as they are.

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
            A file for the reference's `EvaluationState`, written after each attack. Attacks that it says were run are not run
            again, and the samples that they broke are not attacked; as with the reference, their points are those of the
            earlier run alone.

        Returns
        -------
        x_adv : tensor (N, ...)
            The adversarial point of each sample that was broken, the others as they are.
        y_adv : tensor (N,), with `return_labels`

        Raises
        ------
        ValueError
            When an argument makes no sense, or the state file is of another run.
        KeyboardInterrupt
            After ctrl-C; the state file has the attacks that were run.
        """
        y_orig = self._pairs(x_orig, y_orig, bs)
        self._check_units(x_orig)
        path = None if state_path is None else Path(state_path)
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            place = f"{path} is a directory; give a file" if path.is_dir() else f"there is no directory {path.parent}; make it first"
            raise ValueError(f"state_path: {place}")
        known = self._begun(path, len(x_orig))
        left_to_run = [name for name in self.attacks_to_run if name not in known.ran]
        self._log(f"using {self.version} version including {', '.join(left_to_run) or 'no attack that was not run'}")
        if known.clean is not None:
            self._log(f"initial accuracy: {known.clean:.2%}")
        x_adv = x_orig.detach().clone()
        try:
            # Without a state file all attacks run at once: where a sample is broken, the next one takes its place in the batch.
            as_published = not any(getattr(self, holder)._given for holder in _SETTINGS)
            # A point that is no longer adversarial in less precision leaves its sample to the next attack.
            precise = x_orig.element_size() >= 4
            if path is None and left_to_run and as_published and precise and self._is_whole():
                self._run(known, self.version, x_orig, y_orig, x_adv, bs)
            else:
                self._one_by_one(known, left_to_run, x_orig, y_orig, x_adv, bs, path)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_interrupted(path)) from None
        self._final(x_adv, x_orig, known.robust)
        return (x_adv, self._predict(x_adv, bs)) if return_labels else x_adv

    def run_standard_evaluation_individual(
        self, x_orig: torch.Tensor, y_orig: torch.Tensor, bs: int = 250, return_labels: bool = False
    ) -> dict[str, Any]:
        """Runs every attack on all samples, with its version's budget, and returns what each found, by its name."""
        found = {}
        for name in self.attacks_to_run:
            # It keeps the version, and with it the budgets of the attacks.
            alone = copy.copy(self)
            alone.attacks_to_run = [name]
            found[name] = alone.run_standard_evaluation(x_orig, y_orig, bs=bs, return_labels=return_labels)
        return found

    def clean_accuracy(self, x_orig: torch.Tensor, y_orig: torch.Tensor, bs: int = 250) -> float:
        """The share of samples (N, ...) that the model takes for their labels (N,)."""
        y_orig = self._pairs(x_orig, y_orig, bs)
        right = self._predict(x_orig, bs).eq(y_orig)
        accuracy = float(right.sum().item()) / len(right)
        self._log(f"clean accuracy: {accuracy:.2%}")
        return accuracy

    def _one_by_one(
        self,
        known: _Known,
        names: list[str],
        x: torch.Tensor,
        y: torch.Tensor,
        x_adv: torch.Tensor,
        bs: int,
        path: Path | None,
    ) -> None:
        """Runs attacks one after the other, each on what is left; the state file has each as soon as it is done."""
        if known.ran or not known.robust.all():
            # The state file does not say which samples are misclassified to begin with; these are not attacked either.
            correct = self._predict(x, bs).eq(y)
            known.wrong = ~known.robust & ~correct
            if known.clean is None:
                known.clean = correct.float().mean().item()
        elif not names:
            # No attack asks the model then.
            self._ask(known, self._attack(x, y, "none", bs))
            self._save(path, known)
        for name in names:
            if known.robust.any():
                self._run(known, self._budgeted(name), x, y, x_adv, bs)
            known.ran.append(name)
            self._save(path, known)

    def _run(self, known: _Known, attack: Any, x: torch.Tensor, y: torch.Tensor, x_adv: torch.Tensor, bs: int) -> None:
        """Runs one attack, or a whole version, on what is left, and takes over what it found."""
        import torch

        # All samples are given, since random numbers depend on their places; a broken sample gets another label, so that it
        # counts as misclassified and is not attacked.
        found = self._attack(x, torch.where(known.robust | known.wrong, y, (y == 0).to(y.dtype)), attack, bs)
        self._ask(known, found)
        for name in found.points:
            self._take(known, x_adv, y, found, name, bs)
            accuracy = known.robust.float().mean().item()
            self._log(f"robust accuracy after {name.upper()}: {accuracy:.2%} (total time {time.time() - known.begin:.1f} s)")

    def _ask(self, known: _Known, found: _calls.Attacked) -> None:
        """Takes over what the model said of the samples as they are."""
        import torch

        correct = torch.from_numpy(np.ascontiguousarray(found.correct))
        if known.clean is None:
            known.clean = correct.float().mean().item()
            self._log(f"initial accuracy: {known.clean:.2%}")
        known.wrong |= known.robust & ~correct
        # In later attacks too: a sample that the model misclassifies when it is asked again is not robust.
        known.robust &= correct

    def _budgeted(self, name: str) -> Any:
        """An attack with the budget that the version gives it, or else its usual one; settings that were set take precedence."""
        own = self._own(name)
        given = {
            key: value
            for holder, (names, _) in _SETTINGS.items()
            if name in names
            for key, value in getattr(self, holder)._given.items()
            # Without targets FAB goes towards all classes; towards targets the reference always starts once.
            if (name, key) not in {("fab", "targets"), ("fab-t", "restarts")}
        }
        return {**(own or {"name": name}), **given} if own or given else name

    def _of_version(self) -> list[dict[str, Any]]:
        """The attacks of the version with the version's budgets; none of `custom`."""
        if self.version not in _VERSIONS:
            return []
        own: list[dict[str, Any]] = json.loads(_kennard.version_attacks(self.version, _NORMS[self.norm]))
        return own

    def _usual(self) -> list[str]:
        """The names of the version's attacks."""
        return [attack["name"] for attack in self._of_version()]

    def _is_whole(self) -> bool:
        """Whether the attacks to run are those of the version."""
        return self.version in _VERSIONS and self.attacks_to_run == self._usual()

    def _own(self, name: str) -> dict[str, Any] | None:
        """An attack of the version with the version's budget; None where the version does not have it."""
        return next((attack for attack in self._of_version() if attack["name"] == name), None)

    def _attack(self, x: torch.Tensor, y: torch.Tensor, attack: Any, bs: int) -> _calls.Attacked:
        try:
            return _calls.attack(
                self.model,
                x,
                y,
                norm=_NORMS[self.norm],
                eps=self.epsilon,
                attack=attack,
                seed=0 if self.seed is None else self.seed,
                device=self.device,
                batch_size=min(bs, len(x)),
                progress=self.verbose,
            )
        except AnswersAtRandom as error:
            # Other calls have the argument eot for such models.
            raise ValueError(f"{error.args[0]}; {_AT_RANDOM}") from None

    @staticmethod
    def _pairs(x: Any, y: Any, bs: Any) -> torch.Tensor:
        """Refuses invalid samples; returns the labels as a tensor."""
        import torch

        _prepare.whole("bs", bs)
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim < 2:
            kind = f"a {type(x).__name__} of {x.dtype}" if hasattr(x, "dtype") else f"a {type(x).__name__}"
            raise ValueError(f"x_orig: it is {kind}; give a tensor (N, ...) of floats in [0, 1]")
        if not len(x):
            raise ValueError("x_orig: there are no samples; give at least one")
        labels = y if isinstance(y, torch.Tensor) else torch.from_numpy(_data.labels_of(y))
        if labels.ndim != 1:
            raise ValueError(f"y_orig: its shape is {tuple(labels.shape)}; give one integer per sample, (N,)")
        if len(x) != len(labels):
            raise ValueError(f"x_orig, y_orig: {len(x)} samples and {len(labels)} labels; give one label for each sample")
        return labels.detach().cpu()

    @staticmethod
    def _check_units(x: torch.Tensor) -> None:
        """Refuses samples that are not in [0, 1]."""
        import torch

        flat = x.detach().reshape(len(x), -1)
        outside = torch.nonzero((flat < 0) | (flat > 1))
        if len(outside):
            sample, place = outside[0].tolist()
            raise ValueError(
                f"x_orig: sample {sample} has the value {flat[sample, place].item():g}, and AutoAttack takes samples in [0, 1]; "
                "scale them, and let the model scale them back, or call kennard.attack, which takes bounds=(0, 255)"
            )

    def _take(
        self, known: _Known, x_adv: torch.Tensor, y: torch.Tensor, found: _calls.Attacked, name: str, bs: int
    ) -> None:
        """Takes over what an attack found of the samples that were left."""
        import torch

        broken = torch.from_numpy(np.ascontiguousarray(found.broken[name])) & known.robust
        points = torch.from_numpy(np.ascontiguousarray(found.points[name]))[broken].to(x_adv.device)
        near = _rounded(points, x_adv[broken.to(x_adv.device)])
        if near.element_size() < points.element_size() and len(near):
            # A point that was moved nearer may no longer be adversarial.
            fooled = self._predict(near, bs) != y[broken]
            near = near[fooled.to(near.device)]
            broken[broken.clone()] = fooled
        x_adv[broken.to(x_adv.device)] = near
        known.robust &= ~broken

    def _predict(self, x: torch.Tensor, bs: int) -> torch.Tensor:
        import torch

        module = self.model if isinstance(self.model, torch.nn.Module) else torch.nn.Identity()
        weight = next((weight for weight in module.parameters() if weight.is_floating_point()), x)
        with torch.no_grad():
            # Copies: a model may work in place.
            batches = (x[k : k + bs].clone() for k in range(0, len(x), bs))
            parts = [
                self.model(part.to(self.device or weight.device, weight.dtype)).max(dim=1)[1].cpu() for part in batches
            ]
        return torch.cat(parts)

    def _final(self, x_adv: torch.Tensor, x_orig: torch.Tensor, robust: torch.Tensor) -> None:
        change = (x_adv.double() - x_orig.double()).reshape(len(x_orig), -1)
        size = change.norm(p=_norms.ORDERS[_NORMS[self.norm]], dim=1).max().item() if len(x_orig) else 0.0
        self._log(
            f"max {self.norm} perturbation: {size:.5f}, nan in tensor: {int((x_adv != x_adv).sum())}, "
            f"max: {x_adv.max().item():.5f}, min: {x_adv.min().item():.5f}"
        )
        self._log(f"robust accuracy: {robust.float().mean().item():.2%}")

    def _begun(self, path: Path | None, samples: int) -> _Known:
        """What is known of samples to begin with: nothing, or what the state file has."""
        import torch

        nothing = _Known(torch.ones(samples, dtype=torch.bool), torch.zeros(samples, dtype=torch.bool))
        if path is None or not path.exists():
            return nothing
        try:
            state = json.loads(path.read_text())
            # The reference writes sets as text.
            wanted, ran = (
                set(re.findall(r"[\w-]+", names) if isinstance(names, str) else names)
                for names in (state["_attacks_to_run"], state["_run_attacks"])
            )
            flags = [bool(flag) for flag in state["_robust_flags"] or []]
            clean = float(state["_clean_accuracy"]) if flags else math.nan
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"state_path: {path} is no state file of AutoAttack; name another, or remove it") from None
        if wanted != set(self.attacks_to_run) or len(flags or nothing.robust) != samples:
            raise ValueError(
                f"state_path: {path} is of {len(flags)} samples and the attacks {', '.join(sorted(wanted))}, not of this "
                "run; name another file, or remove it to begin anew"
            )
        # The reference writes the file before it runs any attack.
        if not flags:
            return nothing
        self._log(f"restored {path}: {', '.join(sorted(ran)) or 'no attack'} were run; only the points of this run are returned")
        named = [name for name in self.attacks_to_run if name in ran]
        return _Known(torch.tensor(flags, dtype=torch.bool), nothing.wrong, None if math.isnan(clean) else clean, named)

    def _save(self, path: Path | None, known: _Known) -> None:
        """Writes the state file of the reference, whole or not at all; nothing where `path` is None."""
        if path is None:
            return
        state = {
            "_attacks_to_run": list(self.attacks_to_run),
            "path": str(path),
            "_run_attacks": known.ran,
            "_robust_flags": known.robust.tolist(),
            "_last_saved": datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f"),
            "_SAVE_TIMEOUT": 60,
            "_clean_accuracy": known.clean,
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
