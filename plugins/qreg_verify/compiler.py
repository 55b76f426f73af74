"""The C compiler at hand, and a program built with it and run."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from qreg.errors import QregError
from qreg.records import Array
from qreg_emit.program import Port
from qreg_emit.records import Emission
from qreg_emit.render import fill

STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
KNOWN = ("cc", "gcc", "clang")
HARNESS = "qreg_c:check.c.j2"
SHOWN_LINES = 12


@frozen
class Compiler:
    command: tuple[str, ...]
    version: str


def find_compiler(wanted: str = "") -> Compiler:
    """The compiler asked for, else the first there is. Raises QregError with the cure."""
    named = wanted or os.environ.get("CC", "")
    if named:
        command = tuple(shlex.split(named))
        if not command or shutil.which(command[0]) is None:
            place = "compiler" if wanted else "environment variable CC"
            raise QregError(f"{place}: {named!r} is not installed; name another, or install it")
        return Compiler(command, _version(command))
    for name in KNOWN:
        if shutil.which(name):
            return Compiler((name,), _version((name,)))
    if importlib.util.find_spec("ziglang"):
        zig = (sys.executable, "-m", "ziglang", "cc")
        return Compiler(zig, _version(zig))
    raise QregError(
        "no C compiler: looked for $CC, cc, gcc, clang and the package ziglang; "
        "`pip install 'qreg[mcu]'` brings one, or name yours with compiler = \"...\""
    )


def run_program(
    emission: Emission, feeds: Mapping[str, Array], compiler: Compiler, sanitize: bool
) -> dict[str, Array]:
    """Every output as (runs, *shape), of the program compiled with strict warnings as errors.

    ``feeds`` are (runs, *shape). Raises QregError with what the compiler or the program said.
    """
    with tempfile.TemporaryDirectory(prefix="qreg-") as path:
        folder = Path(path)
        for name in emission.files:
            shutil.copy(emission.folder / name, folder / name)
        (folder / "check.c").write_text(fill(HARNESS, {"program": emission}))
        flags = (*STRICT, *(SANITIZE if sanitize else ()))
        sources = ("check.c", *(f for f in emission.files if f.endswith(".c")))
        _run([*compiler.command, *flags, "-o", "check", *sources, "-lm"], folder,
             f"{compiler.version} does not compile the program")  # fmt: skip
        _write(folder / "inputs.bin", emission.inputs, feeds)
        _run(["./check", "inputs.bin", "outputs.bin"], folder, "the compiled program fails")
        return _read(folder / "outputs.bin", emission.outputs)


def _version(command: Sequence[str]) -> str:
    """The first line of ``--version``, which has no path in it."""
    try:
        said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    except OSError as exc:
        raise QregError(f"{shlex.join(command)}: cannot be run: {exc.strerror}") from exc
    return said.stdout.partition("\n")[0].strip() or Path(command[0]).name


def _run(command: Sequence[str], folder: Path, failure: str) -> None:
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        env=environment,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.replace(f"{folder}/", "").strip().splitlines()[:SHOWN_LINES]
        ending = ":" if said else " without a message"
        raise QregError("\n".join([f"{failure} (exit code {done.returncode}){ending}", *said]))


def _write(path: Path, ports: Sequence[Port], feeds: Mapping[str, Array]) -> None:
    """Run after run, the inputs in the order of the program's parameters."""
    runs = len(next(iter(feeds.values()))) if feeds else 1
    with path.open("wb") as file:
        for run in range(runs):
            for port in ports:
                file.write(feeds[port.name][run].tobytes())


def _read(path: Path, ports: Sequence[Port]) -> dict[str, Array]:
    content = np.frombuffer(path.read_bytes(), np.uint8)
    runs = content.reshape(-1, sum(p.bytes for p in ports))
    found, start = {}, 0
    for port in ports:
        part = np.ascontiguousarray(runs[:, start : start + port.bytes])
        found[port.name] = part.view(port.dtype).reshape(len(runs), *port.shape)
        start += port.bytes
    return found
