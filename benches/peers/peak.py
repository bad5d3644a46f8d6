"""Runs a command, and prints after what it prints the largest resident size that it had, in MiB.

    python benches/peers/peak.py COMMAND …

Linux counts what a process had before it became the command, so that it must not be started by one that is large.
"""

import os
import subprocess
import sys


def peak(words: list[str]) -> tuple[str, float]:
    """What a command prints, and its largest resident size in MiB, from a process that is small."""
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{words} ended with {child.returncode}")
    return output, usage.ru_maxrss / 1024


if __name__ == "__main__":
    printed, most = peak(sys.argv[1:])
    print(printed, end="")
    print(f"{most:.0f}")
