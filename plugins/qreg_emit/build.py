"""A model made into a program: emitters asked, memory placed, names given."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Array, OpCall, Tensor
from qreg.specs import CEmitterSpec
from qreg_emit.arena import place
from qreg_emit.contract import NodeCode, node_code
from qreg_emit.grids import grids
from qreg_emit.literals import c_type
from qreg_emit.names import identifier, identifiers
from qreg_emit.operands import Grid
from qreg_emit.program import Arena, Buffer, Copy, Data, Function, Port, Program
from qreg_emit.storage import Storage, needs, storage
from qreg_onnx.graph import ONNX_DOMAINS, inputs_of, outputs_of, partial_op_calls

TARGETS: Mapping[str, frozenset[str]] = {"portable": frozenset()}  # target -> features it has


def program_of(
    model: ir.Model, catalogue: Catalogue, name: str = "", target: str = "portable"
) -> Program:
    """The program that computes ``model``. Raises QregError naming the node that has no C."""
    if target not in TARGETS:
        raise QregError(f"no target {target!r}; known: {', '.join(TARGETS)}")
    _check_operator_set(model)
    calls = _calls(model, catalogue)
    codes = tuple(node_code(call, catalogue, target, TARGETS[target]) for call in calls)
    known = grids(calls)
    given, wanted = inputs_of(model), outputs_of(model)
    ports = _ports((*given, *wanted), known)
    inputs, outputs = ports[: len(given)], ports[len(given) :]
    memory = storage(codes, given, wanted)
    arena = _arena(codes, memory)
    pointers = _pointers(memory, arena, inputs, outputs)
    functions, data = _functions(codes, memory, pointers, arena)
    copies, copied = _copies(memory, pointers, outputs, wanted)
    return Program(
        name=_program_name(name, str(model.graph.name or "")),
        target=target,
        codes=codes,
        inputs=inputs,
        outputs=outputs,
        functions=functions,
        copies=copies,
        data=(*data, *copied),
        arena=arena,
        grids=known,
    )


def _check_operator_set(model: ir.Model) -> None:
    newest = onnx.defs.onnx_opset_version()
    found = max(model.opset_imports.get(domain, 0) for domain in ONNX_DOMAINS)
    if found > newest:
        raise QregError(
            f"the model is of operator set {found}; the installed onnx {onnx.__version__} knows "
            f"up to {newest}, so what its ops mean is unknown: install a newer onnx, or export the "
            f"model with operator set {newest}"
        )


def _calls(model: ir.Model, catalogue: Catalogue) -> tuple[OpCall, ...]:
    """Every node. Raises QregError naming the first whose own result has no known shape."""
    calls, lacking = partial_op_calls(model)
    if not lacking:
        return calls
    first = lacking[0]  # in execution order: what it reads is known
    emitter = catalogue.choose(CEmitterSpec, first.target, first.opset)
    c = f"{emitter.id} in c_emitters" if emitter else "registry c_emitters has no entry for it"
    raise QregError(
        f"node {first.name!r} ({first.target}): the shape of what it computes is unknown, no shape "
        f"rule of registry ops gives it; its C: {c}. Nothing is written. A plugin adds both: "
        "`qreg new-plugin NAME` makes it, OpSpec declares the shape, CEmitterSpec the C"
    )


def digest(model: ir.Model) -> str:
    """What tells one model from another, to know whether C belongs to it."""
    data = ir.to_proto(model).SerializeToString(deterministic=True)
    return hashlib.sha256(data).hexdigest()


def _program_name(wanted: str, graph: str) -> str:
    if not wanted:
        return identifier(graph, "model")
    possible = identifier(wanted, "model")
    if wanted != possible:
        raise QregError(f"name {wanted!r} cannot begin the program's C names; {possible!r} can")
    return wanted


def _ports(tensors: Sequence[Tensor], known: Mapping[str, Grid]) -> tuple[Port, ...]:
    ports = []
    names = identifiers((t.name for t in tensors), "tensor")
    for tensor, name in zip(tensors, names, strict=True):
        c_type(tensor.dtype)
        if not tensor.elements:
            raise QregError(f"tensor {tensor.name!r} has no elements (shape {list(tensor.shape)})")
        grid = known.get(tensor.name)
        meaning = (float(grid.scale), grid.zero_point) if grid else (None, None)
        ports.append(Port(tensor.name, name, tensor.dtype, tensor.shape, *meaning))
    return tuple(ports)


def _arena(codes: Sequence[NodeCode], memory: Storage) -> Arena:
    wanted = needs(codes, memory)
    alignment = max((Tensor("", n.dtype, (1,)).bytes for n in wanted), default=1)
    placed = place([n.lifetime for n in wanted], alignment)
    buffers = (
        Buffer(f"b{index}", need, offset)
        for index, (need, offset) in enumerate(zip(wanted, placed.offsets, strict=True))
    )
    return Arena(tuple(buffers), placed.bytes, placed.lower_bound, alignment)


def _pointers(
    memory: Storage, arena: Arena, inputs: Sequence[Port], outputs: Sequence[Port]
) -> dict[str, str]:
    """Value -> what the run function calls its memory."""
    found = {p.name: p.identifier for p in inputs}
    found |= {root: outputs[position].identifier for root, position in memory.outputs.items()}
    found |= {b.need.name: b.identifier for b in arena.buffers if not b.need.scratch}
    return {value: found[root] for value, root in memory.root.items()}


def _functions(
    codes: Sequence[NodeCode], memory: Storage, pointers: Mapping[str, str], arena: Arena
) -> tuple[tuple[Function, ...], tuple[Data, ...]]:
    scratch = {(b.need.owner, b.need.name): b.identifier for b in arena.buffers if b.need.scratch}
    pool: dict[tuple[str, bytes], Data] = {}
    functions = []
    for index, code in enumerate(codes):
        if index in memory.silent:
            continue
        name = f"n{index}_{identifier(code.call.name, code.call.op.lower())}"
        data = {key: _pooled(pool, f"{name}_{key}", array) for key, array in code.arrays.items()}
        edges = [pointers[t.name] for _, t in (*code.parameters, *code.results)]
        working = [scratch[index, key] for key in code.scratch]
        functions.append(Function(index, name, code, data, (*edges, *working)))
    return tuple(functions), tuple(pool.values())


def _copies(
    memory: Storage, pointers: Mapping[str, str], outputs: Sequence[Port], tensors: Sequence[Tensor]
) -> tuple[tuple[Copy, ...], tuple[Data, ...]]:
    copies, data = [], []
    for value, position in memory.copies:
        port = outputs[position]
        if value not in pointers:  # a constant of the model
            stored = np.asarray(tensors[position].numpy())
            data.append(Data(f"c{position}_{port.identifier}", stored))
        copies.append(Copy(pointers[value] if value in pointers else data[-1].identifier, port))
    return tuple(copies), tuple(data)


def _pooled(pool: dict[tuple[str, bytes], Data], name: str, array: Array) -> str:
    """The identifier of the array that holds these numbers, a new one where none does."""
    return pool.setdefault((array.dtype.name, array.tobytes()), Data(name, array)).identifier
