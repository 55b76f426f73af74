"""CPU time of commands that must be quick, beside an empty Python: ``python tests/bench/startup.py``."""

import resource
import subprocess
import sys

RUNS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import attrs, pluggy, importlib_metadata": [
        "-c",
        "import attrs, pluggy, importlib_metadata",
    ],
    "qreg --help": ["-m", "qreg", "--help"],
    "qreg list": ["-m", "qreg", "list"],
    "qreg list --json": ["-m", "qreg", "list", "--json"],
}


def cpu_ms(arguments: list[str]) -> float:
    """User and system time of one child process, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def main() -> None:
    best = {name: min(cpu_ms(args) for _ in range(RUNS)) for name, args in COMMANDS.items()}
    base = best["python -c pass"]
    print(f"{'command':<44}{'CPU ms':>8}{'x python':>10}   least of {RUNS} runs")
    for name, ms in best.items():
        print(f"{name:<44}{ms:>8.0f}{ms / base:>10.1f}")


if __name__ == "__main__":
    main()
