"""Step quantize: an integer network from a float one, by rules and ranges."""

from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir

from qreg.errors import Mistakes, QregError, hint
from qreg.records import OpCall
from qreg.run import Context, Outcome
from qreg_onnx.graph import name_layers, op_call, target_of
from qreg_onnx.shapes import infer_shapes
from qreg_quant.coverage import closing_lines, float_layer, followed, quantised_layer, tables
from qreg_quant.fold import fold_batch_norms
from qreg_quant.follow import behind_clamps, follower
from qreg_quant.forms import check_plan, refusal
from qreg_quant.params import Quantize
from qreg_quant.ranges import Ranges, quoted, read_ranges
from qreg_quant.records import Calibration, LayerReport, NodePlan, QParams, Quantization, Range
from qreg_quant.rewrite import Rewrite
from qreg_quant.rules import NumberedRule, assign, coverage, rules_of

LEAST_OPSET = 10  # of QuantizeLinear and QLinearConv
INTEGER_OPS = (
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger",
    "QGemm",
)  # fmt: skip


def run(context: Context, params: Quantize) -> Outcome:
    """The model in QOperator form, and what every rule did."""
    model = context.model.clone()
    name_layers(model)
    _refuse(model)
    folded = fold_batch_norms(model)
    calls = tuple(op_call(node, model) for node in model.graph)
    rules = rules_of(params, context.catalogue)
    taken, faults = assign(rules, calls, folded)
    warnings = _raise_or_warn(faults, params)
    rewrite = Rewrite(model)
    ranges = _ranges_by_rule(context, params, rules, behind_clamps(model), rewrite.known)
    _refuse_misnamed(ranges, context.model)
    layers: dict[str, LayerReport] = {}
    for node, call in zip(list(model.graph), calls, strict=True):
        rule = taken.get(call.name)
        layers[call.name] = _layer(rewrite, call, node, rule, ranges[rule.number] if rule else None)
        context.progress(len(layers), len(calls), "layers")
    rows, faults = coverage(rules, calls, taken, layers)
    warnings += _raise_or_warn(faults, params)
    rewrite.finish()
    infer_shapes(model, context.catalogue)
    folds = [f"BatchNormalization {a!r} is folded into {b!r}" for a, b in folded.items()]
    record = Quantization(
        model=context.name,
        rules=rows,
        layers=tuple(layers.values()),
        changes=(*folds, *rewrite.changes),
        warnings=tuple(warnings),
        quantize_nodes=_count(model, "QuantizeLinear"),
        dequantize_nodes=_count(model, "DequantizeLinear"),
        float_bytes=_size(context.model),
        model_bytes=_size(model),
    )
    return Outcome(record=record, tables=tables(record), lines=closing_lines(record), model=model)


def _refuse(model: ir.Model) -> None:
    """Raise QregError for a model that is no float model, or too old for 8-bit ops."""
    for node in model.graph:
        if node.op_type in INTEGER_OPS or node.op_type.startswith("QLinear"):
            raise QregError(
                f"the model is quantised already: node {node.name!r} is {target_of(node)}; "
                "quantize takes the float model it was made from"
            )
    opset = model.opset_imports.get("", LEAST_OPSET)
    if opset < LEAST_OPSET:
        raise QregError(
            f"the model has operator set {opset}; 8-bit ops exist from {LEAST_OPSET} on: "
            "export it anew, or use onnx.version_converter"
        )


def _raise_or_warn(faults: list[str], params: Quantize) -> list[str]:
    if faults and params.unmatched == "error":
        cure = 'unmatched = "warn" makes this a warning'
        raise QregError("\n".join((*faults, cure)))
    return faults


def _ranges_by_rule(
    context: Context,
    params: Quantize,
    rules: tuple[NumberedRule, ...],
    behind: Mapping[str, str],
    known: Mapping[str, QParams],
) -> dict[int, Ranges]:
    """Rule number -> the ranges it reads: its own file, the step's, or those of this run."""
    read: dict[Path, Mapping[str, Range]] = {}
    found = {}
    for rule in rules:
        path: Path | None = getattr(rule.use.params, "ranges", None) or params.ranges
        measured = context.result("calibrate")
        if path is not None:
            if path not in read:
                read[path] = read_ranges(path, context.catalogue)
            found[rule.number] = Ranges(read[path], str(path), behind, known)
        elif isinstance(measured, Calibration):
            tensors = {r.tensor: r for r in measured.tensors}
            found[rule.number] = Ranges(tensors, str(measured.file), behind, known)
        else:
            found[rule.number] = Ranges({}, "", behind, known)
    return found


def _layer(
    rewrite: Rewrite, call: OpCall, node: ir.Node, rule: NumberedRule | None, ranges: Ranges | None
) -> LayerReport:
    """Quantise one node, let it follow its input, or leave it float."""
    number = rule.number if rule else None
    plan = _plan(rule, call, ranges) if rule and ranges else None
    if plan and plan.mode == "float":
        return float_layer(call, number, "the rule leaves it float", asked=True)
    if follower(call) is not None:
        return _follow(rewrite, call, node, number)
    if rule is None:
        return float_layer(call, number, "no rule matches", asked=True)
    if plan is None:
        return float_layer(call, number, refusal(call), asked=False)
    fault = check_plan(call, plan)
    if fault:
        raise QregError(f"{rule.title}, {rule.use.entry.id}, {fault} of layer {call.name!r}")
    return quantised_layer(call, number, rewrite.quantize(call, node, plan))


def _follow(rewrite: Rewrite, call: OpCall, node: ir.Node, rule: int | None) -> LayerReport:
    """Run on 8-bit data where the input is; without a rule only where nothing is rounded."""
    follow, edge = follower(call), rewrite.edge(node.inputs[0])
    if follow is None or edge is None:
        why = "no rule matches" if rule is None else "its input is float"
        return float_layer(call, rule, why, asked=rule is None)
    following = follow(call, edge.params, rule is None)
    if isinstance(following, str):
        return float_layer(call, rule, following, asked=rule is None)
    host = rewrite.follow(call, node, following)
    return followed(call, rule, following, host, edge.params)


def _plan(rule: NumberedRule, call: OpCall, ranges: Ranges) -> NodePlan | None:
    """What the rule decides; None for a node it cannot be asked about."""
    if refusal(call) and follower(call) is None:
        return None
    entry = rule.use.entry
    try:
        plan = entry.call("apply", rule.use.params, call, ranges)
    except QregError as exc:
        kind = Mistakes if isinstance(exc, Mistakes) else QregError
        raise kind(f"{exc} (for layer {call.name!r}, {rule.title})") from exc
    if not isinstance(plan, NodePlan):
        raise entry.wrong("apply", plan, f"layer {call.name!r}")
    return plan


def _refuse_misnamed(ranges: Mapping[int, Ranges], model: ir.Model) -> None:
    """Raise Mistakes for ranges of tensors that do not exist: another model's file, or a slip."""
    names = {
        str(v.name) for v in (*model.graph.inputs, *(v for n in model.graph for v in n.outputs))
    }
    files = {r.origin: r.tensors for r in ranges.values()}
    found = [
        f"{item.place or origin}: tensor.{quoted(name)}: the model has no such tensor{hint(name, names)}"
        for origin, tensors in files.items()
        for name, item in tensors.items()
        if name not in names
    ]
    if found:
        raise Mistakes("\n".join(found))


def _count(model: ir.Model, op: str) -> int:
    return sum(n.op_type == op for n in model.graph)


def _size(model: ir.Model) -> int:
    return len(ir.to_proto(model).SerializeToString())
