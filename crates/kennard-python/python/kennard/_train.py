"""Networks trained by Kennard, and gradients as files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _data, _kennard, _models, _page, _prepare
from ._prepare import Progress
from ._result import Outcome

Which = Literal["best", "last"]


class Trained(Outcome):
    """A network that was trained.

    Attributes
    ----------
    summary : dict
        `epochs`, a dictionary for each: `loss`, `train_accuracy`, `validation_accuracy`,
        `robust_validation_accuracy`, `seconds`; `best`, the epoch of the best.
    epochs
        The same as a table, for whoever reads the Arrow C data interface.
    out : pathlib.Path
        The directory of the run, with `best.onnx`, `last.onnx`, `checkpoints`, `log.jsonl` and the page.
    """

    _rows = "epochs"
    epochs: _kennard.Outcome

    def __init__(
        self,
        found: _kennard.Outcome,
        out: Path,
        kept: Any = None,
        module: Any = None,
        unused: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(found, out, kept, "Kennard's own graphs")
        self._module = module
        self._unused = unused

    @property
    def warnings(self) -> list[str]:
        """What a reader should know."""
        said = [f"epoch {epoch['epoch']}: {epoch['warning']}" for epoch in self.summary["epochs"] if epoch.get("warning")]
        return [*self.summary["notes"], *said]

    def model(self, which: Which = "best") -> Path:
        """The ONNX file of the best or of the last epoch."""
        if which not in ("best", "last"):
            raise ValueError(f"which: {which!r} is unknown; give 'best' or 'last'")
        return self._place() / f"{which}.onnx"

    def weights(self, which: Which = "best") -> dict[str, NDArray[np.float32]]:
        """The weights and running statistics by their names in the file. Needs the package `onnx`."""
        return _weights(self.model(which))

    def load_into(self, module: Any = None, which: Which = "best") -> Any:
        """Loads what was trained into a PyTorch module, and returns it.

        Weights that several layers share are loaded once. Those that the network does not use stay as they are.

        Parameters
        ----------
        module : torch.nn.Module, optional
            The module that was given to :func:`train`, or one of the same architecture; the former by default.
        which : {"best", "last"}
            The epoch.

        Raises
        ------
        ValueError
            When the file has no tensor for one of the module's weights that the network uses: it is of another architecture.
        """
        module = self._module if module is None else module
        if module is None:
            raise ValueError("module: the network was no module; give one of the same architecture")
        return _load(module, self.weights(which), self._unused)

    def __repr__(self) -> str:
        best = self.summary["best"]
        epoch = self.summary["epochs"][best - 1]
        robust = epoch["robust_validation_accuracy"]
        more = "" if robust is None else f", robust {_page.percent(robust)}"
        accuracy = epoch["validation_accuracy"]
        validation = "none held out" if accuracy is None else f"validation {_page.percent(accuracy)}"
        return f"<kennard.Trained {len(self.epochs)} epochs, best {best}: {validation}{more}>"

    def _body(self) -> str:
        names = ("epoch", "loss", "train_accuracy", "validation_accuracy", "robust_validation_accuracy")
        rows = [
            ["" if epoch[name] is None else f"{epoch[name]:.4g}" for name in names] for epoch in self.summary["epochs"]
        ]
        return _page.table(names, rows)


def train(
    model: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    method: str = "standard",
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | Progress = True,
    **options: Any,
) -> Trained:
    """Trains a network by Kennard's own training: `kennard train`.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto or torch.nn.Module, optional
        The network to train further; a module is exported, and :meth:`Trained.load_into` brings the weights back. Without
        it `arch` names a new network.
    x, y
        Samples (N, ...) and labels (N,), as in :func:`audit`; or the name of a data set, of which the training split is
        taken.
    method : text
        `standard`, `gaussian-noise`, `fgsm-rs`, `pgd`, `trades`, `mart`, `ibp`, `crown-ibp`, `conjugate`, `conjmask` or `logitreg`. The same as
        losses for loops of one's own are in :mod:`kennard.torch`.
    out : path, optional
        The directory of the run, where every epoch is kept.
    resume : bool
        Go on with the run that was interrupted there.
    **options
        What else the command takes, by the same names: `arch`, `epochs`, `eps`, `norm`, `strength`, `steps`, `batch`,
        `learning_rate`, `held_out`, `seed`, ...

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        When an argument makes no sense, model and data do not go together, a module cannot be exported, or training would leave
        something of it out: dropout, stochastic depth, other random numbers.
    KennardError
        When training diverges, or something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.train(x="fashion-mnist:fixtures/fashion-mnist", split="test", arch="mlp:16", epochs=1,
    ...                       first=200, progress=False)
    >>> found.model("best").name
    'best.onnx'
    """
    settings = _prepare.options("train", options, method=method, resume=resume or None)
    if model is None and not {"arch", "init"} & settings.keys():
        raise ValueError("model: there is none to train; give one, or the architecture of a new network, for example arch='cnn'")
    _prepare.check_process()
    begun = settings.get("init") if model is None else model
    classes = None if begun is None else _models.classes(begun)
    data, inputs, settings, _ = _prepare.samples(x, y, settings, classes)
    native, module, unused = None, None, frozenset[str]()
    if model is not None:
        native, module = graph(model, inputs, trainable=True)
        if module is not None:
            unused = _unused(module, native)
    place, kept = _prepare.directory(out)
    given = json.dumps({**settings, "out": os.fspath(place)})
    found = _kennard.train(native, data, given, _prepare.hearer(progress))
    return Trained(found, place, kept, module, unused)


def grad(
    model: Any,
    x: Any = None,
    *,
    loss: str | None = None,
    of: str | None = None,
    wrt: str | list[str] | None = None,
    **options: Any,
) -> Any:
    """The gradient of a model as a graph of its own: `kennard grad`.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto or torch.nn.Module
        The model; a module is exported.
    x : array (n, ...), optional
        Samples, for the shape that a module takes.
    loss : {"cross-entropy", "log-odds", "margin", "probability-margin", "logit-difference", "dlr", "targeted-dlr"}, optional
        What to differentiate, the cross-entropy by default.
    of : text, optional
        Differentiate this tensor of the model instead: one number per sample, or a scalar.
    wrt : text or list of text, optional
        With respect to these tensors; the input by default.
    **options
        `input`, `input_shape`, `hold` and `output` of the command, for files that leave them open; `output` of a module
        is what takes the logits out of what it returns, as in :func:`audit`.

    Returns
    -------
    bytes or onnx.ModelProto
        An ONNX file; a `ModelProto` where the model is one. It takes the model's input and labels, and returns the
        logits, the loss and the gradients.

    Raises
    ------
    ValueError
        When an argument makes no sense.
    KennardError
        When the model cannot be read or differentiated.

    Examples
    --------
    >>> import kennard
    >>> file = kennard.grad("fixtures/fashion_mlp.onnx", loss="margin")
    >>> len(file) > 1000
    True
    """
    native = taken(model, x, options)
    settings = _prepare.options("grad", options, loss=loss, of=of, wrt=wrt)
    return _models.like(model, _kennard.grad(native, json.dumps(settings)))


def taken(model: Any, x: Any, options: dict[str, Any]) -> Any:
    """The model as a path or the bytes of a file. A module is exported for samples like `x`; for a module, `output` is taken out
    of `options`, since it is not the command's option of that name."""
    _prepare.check_process()
    output = options.pop("output", None) if _models.is_module(model) else None
    inputs = None if x is None else _data.floats(x)
    return graph(model, inputs, trainable=False, output=output)[0]


def graph(model: Any, x: NDArray[np.float32] | None, *, trainable: bool, output: Any = None) -> tuple[Any, Any]:
    """A model as a path or the bytes of a file, and the module that it was made from, if any. `output` takes the logits out of
    what the module returns. A file that is not to be trained is compared with the module."""
    if isinstance(model, (str, os.PathLike, bytes)):
        return model, None
    if _models.is_proto(model):
        return model.SerializeToString(), None
    if not _models.is_module(model):
        raise ValueError(
            f"model: a {type(model).__name__} is no graph; give a path, bytes, an onnx.ModelProto or a torch.nn.Module"
        )
    if x is None:
        raise ValueError("x: samples are needed to export a module, for their shape; give an array (n, ...)")
    from ._export import agreeing, traced

    if trainable:
        from ._omitted import check_trainable

        check_trainable(model, x)
        made = traced(model, x, trainable=True, output=output)
        if made.numbers:
            # The trace is trained, so it must have the module's logits.
            agreeing(model, x, output=output)
        return made.file, model
    return agreeing(model, x, output=output), model


def _weights(file: Path | bytes) -> dict[str, NDArray[np.float32]]:
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError("reading weights needs the package onnx; install it with pip install onnx") from error
    model = onnx.load_from_string(file) if isinstance(file, bytes) else onnx.load(file)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _tensors(module: Any) -> dict[str, list[str]]:
    """The weights and running statistics of a module by name, each with all names that the same tensor has."""
    # Normalisations also have integer counters of batches, which the network does not compute with.
    state = {name: tensor for name, tensor in module.state_dict(keep_vars=True).items() if tensor.is_floating_point()}
    shared: dict[int, list[str]] = {}
    for name, tensor in state.items():
        shared.setdefault(id(tensor), []).append(name)
    return {name: shared[id(tensor)] for name, tensor in state.items()}


def _unused(module: Any, file: bytes) -> frozenset[str]:
    """The names of a module's tensors that the file made of it does not have: nothing in the network depends on them."""
    there = _weights(file)
    return frozenset(name for name, names in _tensors(module).items() if not any(other in there for other in names))


def _load(module: Any, weights: dict[str, NDArray[np.float32]], unused: frozenset[str]) -> Any:
    import torch

    state, loaded = module.state_dict(), {}
    lacking = []
    for name, names in _tensors(module).items():
        found = [weights[other] for other in names if other in weights]
        if not found and name in unused:
            continue
        if not found or any(array.shape != tuple(state[name].shape) for array in found):
            lacking.append(name)
        elif not all(np.array_equal(array, found[0]) for array in found):
            raise ValueError(
                f"module: {', '.join(names)} are one tensor in it, and several in the trained network; give a module of the "
                "same architecture, the one that was trained for instance"
            )
        else:
            loaded[name] = torch.from_numpy(np.array(found[0])).to(state[name])
    if lacking:
        raise ValueError(
            f"module: the trained network has no weights for {', '.join(lacking[:5])} of this shape; give a module of the same "
            "architecture, the one that was trained for instance"
        )
    module.load_state_dict({**state, **loaded})
    return module
