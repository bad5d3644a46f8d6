from collections.abc import Callable
from os import PathLike
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__version__: str

class KennardError(RuntimeError): ...

class InUse(KennardError): ...

class Reader(Protocol):
    def row(self, place: int) -> NDArray[np.float32]: ...

class Arrays:
    def __init__(
        self,
        inputs: NDArray[np.float32] | Reader,
        labels: list[int],
        shape: list[int],
        names: list[str],
        sha256: str,
    ) -> None: ...

class Outcome:
    @property
    def summary(self) -> str: ...
    def __len__(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...

class Found:
    @property
    def names(self) -> list[str]: ...
    @property
    def points(self) -> list[NDArray[np.float32]]: ...
    @property
    def records(self) -> str: ...

def audit(
    model: object,
    data: Arrays | None,
    options: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> Outcome: ...
def attack(
    model: object,
    data: Arrays,
    options: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> Found: ...
def merge(shards: list[str | PathLike[str]], out: str | PathLike[str]) -> Outcome: ...
def report(runs: list[str | PathLike[str]], page: str | PathLike[str]) -> None: ...
def option_names() -> list[str]: ...
def main(words: list[str]) -> int: ...
