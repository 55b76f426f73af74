"""PyTorch modules and exported programs as models, and PyTorch's ops as a reference."""

from qreg.hooks import hookimpl
from qreg.specs import FrontendSpec, OpSpec, Spec, registry_of
from qreg_torch.specs import BitReaderSpec

QREG_API = 1
NEEDS = "pip install 'qreg[torch]'"


@hookimpl
def qreg_specs() -> tuple[Spec, ...]:
    return (
        registry_of(BitReaderSpec),
        FrontendSpec(
            name="module",
            targets=("*:*", "object torch.nn.modules.module.Module"),
            summary="an nn.Module, or package.module:callable that returns one",
            load="qreg_torch.frontend:load_module",
            trace="qreg_torch.trace:trace_module",
            needs=NEEDS,
        ),
        FrontendSpec(
            name="pt2",
            targets=("*.pt2", "object torch.export.exported_program.ExportedProgram"),
            summary="a program saved by torch.export",
            load="qreg_torch.frontend:load_program",
            trace="qreg_torch.trace:trace_program",
            needs=NEEDS,
        ),
        OpSpec(
            name="aten",
            targets=("aten.*",),
            summary="ops of PyTorch's dispatcher, computed by PyTorch",
            reference="qreg_torch.evaluate:evaluate",
            needs=NEEDS,
        ),
        *BIT_READERS,
    )


BIT_READERS = (
    BitReaderSpec(
        name="fake_quantize",
        targets=("object torch.ao.quantization.fake_quantize.FakeQuantizeBase",),
        summary="FakeQuantize of torch.ao as a parametrisation",
        read="qreg_torch.readers:fake_quantize",
        needs=NEEDS,
    ),
    BitReaderSpec(
        name="torch_ao_qat",
        targets=("object torch.ao.nn.qat.*", "object torch.ao.nn.intrinsic.qat.*"),
        summary="layers of torch.ao that quantise their weight as they run",
        read="qreg_torch.readers:quantization_aware",
        needs=NEEDS,
    ),
    BitReaderSpec(
        name="torchao",
        targets=("object torchao.*",),
        summary="weights of torchao's classes, and its layers for training",
        read="qreg_torch.readers:torchao",
        needs=NEEDS,
    ),
    BitReaderSpec(
        name="brevitas",
        targets=("object brevitas.nn.*",),
        summary="layers of Brevitas",
        read="qreg_torch.readers:brevitas",
        needs=NEEDS,
    ),
)
