"""PyTorch modules and exported programs as models."""

from qreg.hooks import hookimpl
from qreg.specs import FrontendSpec, Spec

QREG_API = 1
NEEDS = "pip install 'qreg[torch]'"


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        FrontendSpec(
            name="module",
            targets=("*:*", "object torch.nn.modules.module.Module"),
            summary="an nn.Module, or package.module:callable that returns one",
            load="qreg_torch.frontend:load_module",
            needs=NEEDS,
        ),
        FrontendSpec(
            name="pt2",
            targets=("*.pt2", "object torch.export.exported_program.ExportedProgram"),
            summary="a program saved by torch.export",
            load="qreg_torch.frontend:load_program",
            needs=NEEDS,
        ),
    )
