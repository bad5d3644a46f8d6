"""Packets and temperatures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import _kennard, _page, _prepare
from ._prepare import Progress
from ._result import Outcome


class Uncertainty(Outcome):
    """The conjugate spreads of packets.

    Attributes
    ----------
    summary : dict
        All figures, as in `summary.json`.
    packets
        A row per packet, for whoever reads the Arrow C data interface: `pyarrow.record_batch(u.packets)`.
    out : pathlib.Path
        The directory with the files of the command: tables, maps of spreads and modes, curves, page.
    engine : text
        What computed the model, and why.
    """

    _rows = "packets"
    packets: _kennard.Outcome

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The mean over packets at each scale: σ_x in input units, σ_p in their inverse, their product, ..."""
        found: list[dict[str, Any]] = self.summary["curve"]
        return found

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The fitted temperature, with the calibration error `before` and `after` it, as :attr:`Result.calibration` has it."""
        found: dict[str, Any] | None = self.summary.get("calibration")
        return found

    @property
    def trusted(self) -> bool:
        """Whether every packet has enough effective samples, was reached wholly, and meets Stein's identities."""
        return all(bool(self.column(name).all()) for name in ("enough_samples", "reached", "valid"))

    def __repr__(self) -> str:
        products = ", ".join(f"{figures['product']['value']:.4g}" for figures in self.curve)
        doubt = "" if self.trusted else ", NOT ALL TO BE TRUSTED"
        return f"<kennard.Uncertainty {len(self.packets)} packets: product {products}{doubt}>"

    def _body(self) -> str:
        names = ("scale", "packets", "sigma_x", "sigma_p", "product", "drift")
        return _page.table(names, ([_cell(figures.get(name)) for name in names] for figures in self.curve))


def _cell(value: Any) -> str:
    """A figure with its interval, or a plain number."""
    if isinstance(value, dict):
        low, high = value["interval"]
        return f"{value['value']:.4g} [{low:.4g}, {high:.4g}]"
    return "" if value is None else f"{value:.4g}"


def uncertainty(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    scale: Any = None,
    packet: str = "gaussian",
    out: str | os.PathLike[str] | None = None,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    eot: int | None = None,
    autocast: str | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Uncertainty:
    """Measures packets and their conjugate spreads: `kennard uncertainty`.

    Parameters
    ----------
    scale : number, text, or list of them
        Widths of the window in input units, for a curve over them: `[1 / 255, "2/255"]`.
    packet : {"gaussian", "data", "box", "empirical"}
        The packet, by the points at which the loss is evaluated.
    out : path, optional
        Where to keep manifest.json, packets.parquet, summary.json, report.html and pictures.
    temperature : float, path, "fit" or Calibration
        Also measure the packets with the logits divided by this temperature; where it was fitted, :attr:`Uncertainty.calibration` has
        the expected calibration error before and after.
    **options
        What else the command takes, by the same names: `centres`, `first`, `label`, `draws`, `max_draws`, `rel_tol`,
        `temperatures`, `tensor`, `seed`, ... The others are those of :func:`audit`.

    Returns
    -------
    Uncertainty
        Packets with too few effective samples are marked, and `warnings` says so.

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together.
    KennardError
        When no packet can be measured, or something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.uncertainty("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", scale=1 / 255,
    ...                             centres=1, draws=500, progress=False)
    >>> found.curve[0]["product"]["value"] > 0.49
    True
    """
    wanted = {"device": device, "output": output, "engine": engine, "eot": eot, "autocast": autocast}
    if isinstance(options.get("temperature"), Calibration):
        options["temperature"] = options["temperature"].file()
    settings = _prepare.options("uncertainty", options, scale=scale, packet=packet, micro_batch=batch_size)
    run = _prepare.ready(model, x, y, settings, **wanted)
    if not getattr(run.model.live, "differentiable", True):
        raise ValueError(
            "model: packets need its gradient, which a function of arrays does not have; give a torch.nn.Module, an ONNX file, "
            "or x as a tensor where it is a function of tensors"
        )
    return run.outcome(Uncertainty, _kennard.uncertainty, _prepare.directory(out), progress)


class Calibration(Outcome):
    """The temperature at which a network is as confident as it is right.

    Attributes
    ----------
    summary : dict
        All figures, as in the file of the command.
    bins
        A row per bin of confidence, before and after, for whoever reads the Arrow C data interface.
    """

    _rows = "bins"
    bins: _kennard.Outcome

    @property
    def temperature(self) -> float:
        """The temperature T that maximises the likelihood."""
        return float(self.summary["temperature"]["value"])

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the temperature, over samples."""
        low, high = self.summary["temperature"]["interval"]
        return float(low), float(high)

    def file(self) -> Path:
        """The file with the temperature, as the command writes it, for `temperature=` and `--temperature`."""
        return self._place()

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the table of the figures as an HTML file."""
        path = _page.target(path)
        head = '<!doctype html><meta charset="utf-8"><title>calibration</title>'
        path.write_text(head + self._body() + _page.notes(self.warnings), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        low, high = self.interval
        return f"<kennard.Calibration T = {self.temperature:.4g} [{low:.4g}, {high:.4g}]>"

    def _repr_html_(self) -> str:
        return self._body() + _page.notes(self.warnings)

    def _body(self) -> str:
        before, after = self.summary["before"], self.summary["after"]
        rows = [("temperature", "1", _cell(self.summary["temperature"]))]
        rows += [
            (said, _cell(before[name]), _cell(after[name]))
            for name, said in (("log_loss", "log-loss"), ("calibration_error", "calibration error"))
        ]
        return _page.table(("", "as it is", "fitted"), rows)


def _file(out: str | os.PathLike[str] | None) -> tuple[Path, Any]:
    """The file that is asked for, with None; or a temporary one, with the object that keeps it."""
    if out is None:
        place, kept = _prepare.directory(None)
        return place.with_suffix(".json"), kept
    if Path(out).is_dir():
        raise ValueError(f"out: {out} is a directory; give a file, {Path(out) / 'temperature.json'} for example")
    return Path(out), None


def calibrate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    device: Any = None,
    output: Any = None,
    batch_size: int | None = None,
    engine: str = "live",
    eot: int | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Calibration:
    """Fits the temperature of the largest likelihood to half of the samples, and measures it on the others.

    It is `kennard calibrate`.

    Parameters
    ----------
    out : path, optional
        The file to write, for `temperature` of other calls and commands.
    **options
        What else the command takes, by the same names: `samples`, `first`, `seed`, ... The others are those of
        :func:`audit`.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        When an argument makes no sense, or model and data do not go together; where there is no temperature to fit.
    KennardError
        When something else goes wrong.

    Examples
    --------
    >>> import kennard
    >>> found = kennard.calibrate("fixtures/fashion_mlp.onnx", "fashion-mnist:fixtures/fashion-mnist", progress=False)
    >>> found.interval[0] < found.temperature < found.interval[1]
    True
    """
    settings = _prepare.options("calibrate", options, micro_batch=batch_size)
    run = _prepare.ready(model, x, y, settings, device=device, output=output, engine=engine, eot=eot)
    return run.outcome(Calibration, _kennard.calibrate, _file(out), progress)
