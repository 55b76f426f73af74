"""Programs as text: templates found in any package, filled, indented and joined."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files

import jinja2

from qreg.errors import QregError, cause_of
from qreg.records import Tensor
from qreg_emit.contract import blame
from qreg_emit.expressions import centred, plus, sizes, times
from qreg_emit.literals import array_lines, c_type, literal
from qreg_emit.names import quoted
from qreg_emit.operands import Grid, refuse
from qreg_emit.program import Function, Program

SOURCE, HEADER = "qreg_c:program.c.j2", "qreg_c:program.h.j2"

FILTERS = {
    "c": literal,
    "c_type": c_type,
    "centred": centred,
    "plus": plus,
    "quoted": quoted,
    "shape": sizes,
    "times": times,
}


def sources(program: Program) -> dict[str, str]:
    """File name -> content: ``<name>.c`` and ``<name>.h``."""
    values = {
        "program": program,
        "prefix": program.name.upper(),
        "parameters": _parameters(program),
        "missing": _missing(program),
    }
    functions = [_function(f, program) for f in program.functions]
    helpers = [fill(h, {}) for h in program.helpers]
    return {
        f"{program.name}.c": fill(SOURCE, {**values, "functions": functions, "helpers": helpers}),
        f"{program.name}.h": fill(HEADER, values),
    }


def fill(template: str, values: dict[str, object]) -> str:
    """The text of ``package:file`` filled with ``values``. Raises QregError naming the template."""
    try:
        return environment().get_template(template).render(values)
    except jinja2.TemplateNotFound as exc:
        raise QregError(f"template {exc.name} is not in its package") from exc
    except Exception as exc:  # a template is an author's code: a wrong type raises anything
        line = getattr(exc, "lineno", None)
        place = f"template {template}{f', line {line}' if line else ''}"
        raise QregError(f"{place}: {cause_of(exc)}") from exc


@cache
def environment() -> jinja2.Environment:
    """Strict: a name that the context lacks is an error, not an empty string."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        undefined=jinja2.StrictUndefined,
        finalize=literal,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    for name, call in FILTERS.items():
        made.filters[name] = call
    made.globals |= {"array_lines": array_lines}
    return made


def _read(path: str) -> tuple[str, str, Callable[[], bool]] | None:
    package, _, name = path.partition(":")
    try:
        resource = files(package).joinpath(name)
    except ModuleNotFoundError:
        return None
    return (resource.read_text("utf-8"), path, lambda: True) if resource.is_file() else None


def _parameters(program: Program) -> list[str]:
    return [
        *(f"const {c_type(p.dtype)} *{p.identifier}" for p in program.inputs),
        *(f"{c_type(p.dtype)} *{p.identifier}" for p in program.outputs),
        "void *arena",
    ]


def _missing(program: Program) -> list[str]:
    """When nothing can be computed."""
    found = [f"{p.identifier} == NULL" for p in program.ports]
    if program.arena.bytes:
        found.append("arena == NULL")
    if program.arena.alignment > 1:
        found.append(f"(uintptr_t)arena % {program.name.upper()}_ARENA_ALIGNMENT != 0")
    return found


def _function(function: Function, program: Program) -> dict[str, object]:
    code = function.code
    edges = (*code.parameters, *code.results)
    types = {f"{name}_type": c_type(t.dtype) for name, t in edges}
    names = {name: name for name, _ in edges} | {name: name for name in code.scratch}
    values = {**code.values, **types, **names, **function.data, "function": function.identifier}
    body = fill(code.entry.spec.template, values)
    for name in code.unnamed:
        if _reads(body, name):
            why = f"input {name.removeprefix('in')} is a constant, where the template reads memory"
            raise refuse(code.call, f"{why}; compute the node before export")
    for name, data in function.data.items():
        if not _reads(body, data):
            raise blame(code.call, code.entry, f"its template does not read array {name!r}")
    parameters = [
        *(f"const {c_type(t.dtype)} *restrict {name}" for name, t in code.parameters),
        *(f"{c_type(t.dtype)} *restrict {name}" for name, t in code.results),
        *(f"{c_type(s.dtype)} *restrict {name}" for name, s in code.scratch.items()),
    ]
    unused = [name for name in names if not _reads(body, name)]
    return {
        "identifier": function.identifier,
        "comment": list(_comment(function, program)),
        "parameters": parameters,
        "body": "".join(
            _indented([*(f"(void){name};\n" for name in unused), *body.splitlines(True)])
        ),
    }


def _reads(body: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", body) is not None


def _indented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        text = line.rstrip()
        yield f"    {text}\n" if text and not text.startswith("#") else f"{text}\n"


def _comment(function: Function, program: Program) -> Iterator[str]:
    """Which node this is, and what flows through it."""
    code = function.code
    yield f"{quoted(code.call.name)} ({quoted(code.call.target)[1:-1]}), emitter {code.entry.id}"
    for name, tensor in (*code.parameters, *code.results):
        yield f"  {name:<5} {_described(tensor, program.grids.get(tensor.name))}"
    for note in code.notes:
        yield f"  {quoted(note)[1:-1]}"


def _described(tensor: Tensor, grid: Grid | None) -> str:
    text = f"{tensor.dtype} [{sizes(tensor.shape)}]"
    if grid is None:
        return text
    return f"{text}, scale {float(grid.scale):.9g}, zero point {grid.zero_point}"
