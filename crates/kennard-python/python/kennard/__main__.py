"""The command: `kennard`, or `python -m kennard`."""

import os
import signal
import sys

from . import _kennard


def main() -> None:
    """Does what the words of the command line say, and ends the process with its status."""
    # The command handles ctrl-C itself, and looks for ONNX Runtime where this Python has it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.prefix != sys.base_prefix:
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)
    sys.exit(_kennard.main(["kennard", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
