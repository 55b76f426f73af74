"""The emit step: C99 files for a model, and what they need of a machine."""

from collections.abc import Mapping
from contextlib import ExitStack

from qreg.errors import QregError
from qreg.records import Table
from qreg.run import Context, Folder, Outcome
from qreg_emit.build import digest, program_of
from qreg_emit.names import identifier
from qreg_emit.params import Emit
from qreg_emit.program import Program
from qreg_emit.records import Emission, EmittedLayer, TensorPlace
from qreg_emit.render import sources


def run(context: Context, params: Emit) -> Outcome:
    """Writes ``<name>.c`` and ``<name>.h``. Raises QregError naming a node that has no C."""
    record = write(context, params)
    return Outcome(record=record, tables=_tables(record, params.report), lines=(verdict(record),))


def write(context: Context, params: Emit) -> Emission:
    """The program's files in the context's folder, and their record."""
    name = params.name or identifier(context.name, "model")
    program = program_of(context.model, context.catalogue, name, params.target)
    texts = sources(program)
    _write(texts, context.folder)
    return _emission(program, texts, context)


def _write(texts: Mapping[str, str], folder: Folder) -> None:
    """All files or none: each gets its name only when all are complete."""
    for file in texts:
        path = folder.path / file
        if path.is_dir():
            raise QregError(f"{path}: cannot be written, it is a directory; remove or rename it")
    with ExitStack() as files:
        partials = {
            file: files.enter_context(folder.writing(file)) for file in reversed(tuple(texts))
        }
        for file, path in partials.items():
            path.write_text(texts[file], "utf-8", newline="\n")


def verdict(record: Emission) -> str:
    bound = f"{record.lower_bound_bytes:,} is the lower bound"
    if record.arena_bytes == record.lower_bound_bytes:
        bound = "the least possible for these tensors"
    return (
        f"emit: {' and '.join(record.files)} ({record.target}): arena {record.arena_bytes:,} bytes "
        f"({bound}), constants {record.weight_bytes:,} bytes"
    )


def _emission(program: Program, texts: Mapping[str, str], context: Context) -> Emission:
    return Emission(
        name=program.name,
        target=program.target,
        files=tuple(texts),
        arena_bytes=program.arena.bytes,
        lower_bound_bytes=program.arena.lower_bound_bytes,
        arena_alignment=program.arena.alignment,
        weight_bytes=program.weight_bytes,
        inputs=program.inputs,
        outputs=program.outputs,
        layers=_layers(program),
        arena=_places(program),
        model_sha256=digest(context.model),
        folder=context.folder.path,
    )


def _layers(program: Program) -> tuple[EmittedLayer, ...]:
    functions = {f.index: f for f in program.functions}
    unread = {d.identifier: d.array.nbytes for d in program.data}
    layers = []
    for index, code in enumerate(program.codes):
        function = functions.get(index)
        read = sorted(set(function.data.values())) if function else []
        layer = EmittedLayer(
            name=code.call.name,
            op=code.call.target,
            emitter=code.entry.id,
            function=function.identifier if function else "",
            data_bytes=sum(unread.pop(name, 0) for name in read),
            exact=code.exact,
        )
        layers.append(layer)
    return tuple(layers)


def _places(program: Program) -> tuple[TensorPlace, ...]:
    return tuple(
        TensorPlace(
            tensor=b.need.name,
            layer=program.codes[b.need.owner].call.name,
            scratch=b.need.scratch,
            bytes=b.need.lifetime.bytes,
            offset=b.offset,
            first=b.need.lifetime.first,
            last=b.need.lifetime.last,
        )
        for b in program.arena.buffers
    )


def _tables(record: Emission, report: bool) -> tuple[Table, ...]:
    rows = tuple(
        (
            layer.name,
            layer.emitter,
            layer.function or "(shares memory)",
            layer.data_bytes,
            "yes" if layer.exact else "rounded",
        )
        for layer in record.layers
    )
    columns = ("layer", "emitter", "function", "constants", "exact")
    footer = ("total", "", "", record.weight_bytes, "")
    layers = Table(f"C of {record.name}", columns, rows, footer, optional=1)
    return (layers, _arena(record)) if report else (layers,)


def _arena(record: Emission) -> Table:
    rows = tuple(
        (
            p.tensor,
            p.layer,
            "scratch" if p.scratch else "tensor",
            p.offset,
            p.bytes,
            p.first,
            p.last,
        )
        for p in sorted(record.arena, key=lambda p: (p.first, p.offset))
    )
    columns = ("tensor", "written by", "kind", "offset", "bytes", "first node", "last node")
    peak = f"{record.arena_bytes:,} bytes, of which {record.lower_bound_bytes:,} are in use at once"
    return Table("arena", columns, rows, notes=(peak,))
