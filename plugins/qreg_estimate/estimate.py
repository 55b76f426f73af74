"""The estimate step: the fused network on devices, op by op and in total."""

from collections.abc import Iterable, Mapping, Sequence

from qreg.catalogue import Entry
from qreg.records import OpCall
from qreg.run import Context, Outcome
from qreg.specs import HardwareModelSpec, HardwareProfileSpec
from qreg_estimate import tables
from qreg_estimate.params import EstimateParams
from qreg_estimate.placement import placements
from qreg_estimate.profile import load_profile
from qreg_estimate.records import Estimate, Profile
from qreg_estimate.results import DeviceEstimate, Estimation, LayerEstimate, Placement
from qreg_fusion.fuse import fuse_model, needed_tensors
from qreg_fusion.records import FusedOp, Fusion

DEFAULT_MODEL = "estimate/roofline"
BOUNDS = ("compute", "memory", "overhead")
NO_SIZE = "a tensor of unknown size"


def run(context: Context, params: EstimateParams) -> Outcome:
    fusion = fuse_model(context.model, context.catalogue)
    kept = needed_tensors(context.model, [call for op in fusion.ops for call in op.calls])
    entry = params.hardware_model or context.catalogue.find(HardwareModelSpec, DEFAULT_MODEL)
    found = estimation(context.name, fusion, sorted(kept), entry, params.hardware)
    return Outcome(
        record=found,
        tables=(tables.layers(found), tables.memories(found), tables.devices(found)),
        lines=(tables.verdict(found),),
    )


def estimation(
    name: str,
    fusion: Fusion,
    outputs: Sequence[str],
    model: Entry[HardwareModelSpec],
    hardware: Iterable[Entry[HardwareProfileSpec]],
) -> Estimation:
    """The network on each device; speed-ups are over the first.

    ``outputs`` names the tensors that must be kept to the end.
    """
    found: list[DeviceEstimate] = []
    for entry in hardware:
        profile = load_profile(entry)
        layers = tuple(layer_estimate(op, profile, model) for op in fusion.ops)
        first = found[0].latency_s if found else None
        memory = placements(fusion.ops, outputs, profile, complete=not fusion.unknown)
        found.append(device_estimate(entry.id, profile, layers, fusion.unknown, memory, first))
    return Estimation(model=name, hardware_model=model.id, devices=tuple(found))


def layer_estimate(op: FusedOp, profile: Profile, model: Entry[HardwareModelSpec]) -> LayerEstimate:
    """What the hardware model says of one op; a fault of its plugin is told with its name."""
    about = f"layer {op.name!r} ({op.op})"
    estimate = model.call("estimate", op, profile, about=about)
    if not isinstance(estimate, Estimate):
        raise model.wrong("estimate", estimate, about)
    return LayerEstimate(
        name=op.name,
        op=op.op,
        dtype=op.dtype,
        macs=op.cost.macs if op.cost else None,
        elementwise_flops=op.cost.elementwise_flops if op.cost else None,
        estimate=estimate,
    )


def device_estimate(
    hardware: str,
    profile: Profile,
    layers: tuple[LayerEstimate, ...],
    sizeless: Sequence[OpCall],
    memory: tuple[Placement, ...],
    first_latency_s: float | None,
) -> DeviceEstimate:
    """Totals of one device, None where ops are ``sizeless``: of unknown size, in no layer.

    ``first_latency_s`` is the first device's, None for itself.
    """
    estimates = [layer.estimate for layer in layers]
    latency_s = None if sizeless else total(e.latency_s for e in estimates)
    first = first_latency_s if first_latency_s is not None else latency_s
    energy_j = None if sizeless else energy_by_term(estimates)
    return DeviceEstimate(
        hardware=hardware,
        title=profile.title,
        software=profile.software,
        accuracy="; ".join(dict.fromkeys(e.accuracy for e in estimates)),
        latency_s=latency_s,
        known_latency_s=sum(e.latency_s for e in estimates if e.latency_s is not None),
        speedup=first / latency_s if first and latency_s else None,
        energy_j=energy_j,
        total_energy_j=total(energy_j.values()) if energy_j is not None else None,
        bound_by={bound: sum(e.bound == bound for e in estimates) for bound in BOUNDS},
        unknown=(
            *(f"{layer.name} ({layer.op}): {layer.estimate.unknown}"
              for layer in layers if layer.estimate.latency_s is None),
            *(f"{call.name} ({call.op}): {NO_SIZE}" for call in sizeless),
        ),
        memory=memory,
        layers=layers,
    )  # fmt: skip


def energy_by_term(estimates: Sequence[Estimate]) -> Mapping[str, float | None] | None:
    """Joules by term over all ops; a term that is unknown for one op is unknown."""
    parts = [e.energy_j for e in estimates]
    terms = dict.fromkeys(term for part in parts if part is not None for term in part)
    if any(part is None for part in parts):
        return None
    return {term: total(part.get(term) for part in parts if part is not None) for term in terms}


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None where one is unknown."""
    result = 0.0
    for value in values:
        if value is None:
            return None
        result += value
    return result
