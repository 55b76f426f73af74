"""What a module or an exported program runs, as the steps see it that need no graph."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter, Node
from torch.utils._pytree import tree_flatten

from qreg.catalogue import Catalogue
from qreg.errors import QregError
from qreg.records import Trace
from qreg_torch.capture import Captured, captured
from qreg_torch.observe import observed
from qreg_torch.places import Places
from qreg_torch.sources import Arguments, Shapes, module_of, program_of, resized


def trace_module(source: object, shapes: Shapes, catalogue: Catalogue) -> Trace:
    """Of an nn.Module or ``package.module:callable``. Example inputs that it gives are used as they
    are; without them ``shapes`` must name every argument of ``forward``.
    """
    module, examples = module_of(source)
    return captured(module, examples, shapes, catalogue).trace()


def trace_program(source: object, shapes: Shapes, catalogue: Catalogue) -> Trace:
    """Of a ``.pt2`` file or an ExportedProgram, at the sizes it was exported with or ``shapes``."""
    program = program_of(source)
    module = program.module(check_guards=False)
    arguments = _arguments(program, module, shapes)
    found = observed(module, arguments, node_by_node)
    return Captured(module, arguments, catalogue, node_by_node, found).trace()


def node_by_node(
    module: nn.Module, places: Places, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Runs a program's graph; its nodes say which part of the exported module they come from."""
    assert isinstance(module, GraphModule)
    flat, _ = tree_flatten((args, dict(kwargs)))
    return _Follower(module, places).run(*flat, enable_io_processing=False)


class _Follower(Interpreter):
    def __init__(self, module: GraphModule, places: Places) -> None:
        super().__init__(module)
        self.places = places

    def run_node(self, node: Node) -> Any:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        self.places.stack.append(str(stack[-1][0]) if stack else "")
        try:
            return super().run_node(node)
        finally:
            self.places.stack.pop()


def _arguments(program: ExportedProgram, module: GraphModule, shapes: Shapes) -> Arguments:
    """The inputs it was exported with; where ``shapes`` names one, zeros of that size."""
    examples = program.example_inputs
    if examples is None:
        raise QregError("the program was exported without example inputs; export it again")
    args, kwargs = examples
    return resized(Arguments(tuple(args), dict(kwargs)), module.forward, shapes)
