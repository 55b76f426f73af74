"""Other people's packages: installed, listed, used, proven, uninstalled; and broken ones."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
BROKEN = ("qreg-old", "qreg-rude", "qreg-rusty")


class Environment:
    """A virtual environment that sees this one's packages and has its own beside them."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (site,) = folder.glob("lib/python*/site-packages")
        seen = [p for p in sys.path if (p and Path(p).is_dir() and "lib/python3" not in p)
                or "site-packages" in p]  # fmt: skip
        (site / "parent.pth").write_text("\n".join(seen) + "\n")

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def qreg(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environ = {k: v for k, v in os.environ.items() if k != "QREG_PLUGINS"}
        return subprocess.run(
            [self.python, "-m", "qreg", *arguments],
            capture_output=True, text=True, check=False, cwd=cwd, env=environ,
        )  # fmt: skip

    def listed(self) -> dict[str, Any]:
        listed: dict[str, Any] = json.loads(self.qreg("list", "--json").stdout)
        return listed


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every distribution of this folder, built from a copy so that the tree stays clean."""
    out = tmp_path_factory.mktemp("wheels")
    built = {}
    for project in sorted(HERE.glob("qreg-*")):
        copy = tmp_path_factory.mktemp("source") / project.name
        shutil.copytree(project, copy)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
                   "--no-build-isolation", "--wheel-dir", str(out), str(copy)]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        (built[project.name],) = out.glob(f"{project.name.replace('-', '_')}-*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "env")


def install(environment: Environment, *wheels: Path) -> None:
    environment.pip("install", "--quiet", "--no-deps", "--no-index", *map(str, wheels))


def network(folder: Path) -> None:
    """A network with Softsign and Mish2 (of domain com.example), each alone, and data."""
    rng = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    def save(name: str, nodes: list[onnx.NodeProto], width: int) -> None:
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, width])],
            [constant("a.weight", 6, 8), constant("a.bias", 8),
             constant("b.weight", 8, 4), constant("b.bias", 4)],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
        proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        (folder / name).write_bytes(proto.SerializeToString())

    def mish2(x: str, y: str) -> onnx.NodeProto:
        return helper.make_node("Mish2", [x], [y], name="mish", domain="com.example")

    save(
        "net.onnx",
        [
            helper.make_node("Gemm", ["x", "a.weight", "a.bias"], ["t0"], name="a"),
            helper.make_node("Softsign", ["t0"], ["t1"], name="sign"),
            mish2("t1", "t2"),
            helper.make_node("Gemm", ["t2", "b.weight", "b.bias"], ["y"], name="b"),
        ],
        4,
    )
    save("mish.onnx", [mish2("x", "t"), mish2("t", "y")], 6)
    save("sign.onnx", [helper.make_node("Softsign", ["x"], ["y"], name="sign")], 6)
    np.savez(folder / "x.npz", x=rng.normal(size=(40, 6)).astype(np.float32))


PIPELINE = """\
[model]
source = "net.onnx"
[[step]]
use = "count"
[[step]]
use = "fuse"
[[step]]
use = "estimate"
hardware = ["toy-npu"]
hardware_model = "flat"
[[step]]
use = "emit"
[[step]]
use = "verify"
data = "x.npz"
"""


def test_a_package_adds_ops_a_rule_and_an_accelerator_and_leaves_without_a_trace(
    environment: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    network(tmp_path)
    (tmp_path / "p.toml").write_text(PIPELINE)
    install(environment, wheels["qreg-softsign"])

    ids = {(e["registry"], e["id"]) for e in environment.listed()["entries"]}
    assert {r for r, i in ids if i.startswith("softsign/")} == {
        "registries", "layer_estimators", "shortcut_handlers", "ops", "c_emitters", "fusion_patterns",
        "quant_rules", "hardware_models", "hardware_profiles",
    }  # fmt: skip
    assert environment.qreg("check", "--plugins").returncode == 0

    done = environment.qreg("run", "p.toml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("verify: 40/40 images ")
    assert "reference" in done.stdout  # ONNX Runtime does not know Mish2

    count = json.loads((tmp_path / "out" / "1-count" / "count.json").read_text())
    assert count["unknown"] == []
    assert count["totals"]["macs"] == 6 * 8 + 8 * 4
    flops = {layer["op"]: layer["elementwise_flops"] for layer in count["layers"]}
    assert (flops["Softsign"], flops["Mish2"]) == (3 * 8, 4 * 8)
    fused = json.loads((tmp_path / "out" / "2-fuse" / "fuse.json").read_text())
    assert "softsign/gemm_softsign" in json.dumps(fused)
    source = (tmp_path / "out" / "4-emit" / "net.c").read_text()
    assert "const float square = x * x;" in source

    bits = environment.qreg("verify", "mish.onnx", "--data", "x.npz", cwd=tmp_path)
    assert bits.stdout.rstrip().splitlines()[-1] == "verify: 40/40 images bit-exact"
    near = environment.qreg("verify", "sign.onnx", "--data", "x.npz", "--ulp", "1", cwd=tmp_path)
    assert near.stdout.rstrip().splitlines()[-1].startswith("verify: 40/40 images within 1 ULP")

    environment.pip("uninstall", "--quiet", "--yes", "qreg-softsign")
    assert not [e for e in environment.listed()["entries"] if e["id"].startswith("softsign/")]
    gone = environment.qreg("run", "p.toml", "--out", "out2", cwd=tmp_path)
    assert gone.returncode == 1
    assert "p.toml:9: step[2].hardware[0]: no hardware profile 'toy-npu'" in gone.stderr
    counted = environment.qreg("count", "net.onnx", "--json", cwd=tmp_path)
    unknown = json.loads(counted.stdout)["unknown"]
    assert {"op": "com.example.Mish2", "count": 1, "nodes": ["mish"]} in unknown
    refused = environment.qreg("emit", "net.onnx", cwd=tmp_path)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


RULED = """\
[model]
source = "examples/resnet8.onnx"
[[step]]
use = "calibrate"
data = "examples/digits_calibration.npz"
samples = 20
[[step]]
use = "quantize"
[[step.rule]]
use = "power_of_two"
match = ".*"
[[step]]
use = "verify"
data = "examples/digits_test.npz"
images = 8
"""


def test_a_rule_of_another_package_quantises_and_the_c_is_exact(
    environment: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    install(environment, wheels["qreg-softsign"])
    (tmp_path / "examples").symlink_to(HERE.parents[1] / "examples")
    (tmp_path / "p.toml").write_text(RULED)

    done = environment.qreg("run", "p.toml", "--out", "out", cwd=tmp_path)

    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.rstrip().splitlines()[-1] == "verify: 8/8 images bit-exact"
    model = onnx.load(tmp_path / "out" / "2-quantize" / "model.onnx")
    scales = [numpy_helper.to_array(t) for t in model.graph.initializer if "scale" in t.name]
    assert scales
    for scale in scales:
        assert np.all(np.frexp(scale)[0] == 0.5)  # a power of two


def test_broken_packages_are_listed_with_their_cause_and_disturb_nobody(
    environment: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    install(environment, *(wheels[name] for name in BROKEN))

    listed = environment.qreg("list")
    assert listed.returncode == 0
    broken = {b["plugin"]: b for b in environment.listed()["broken"]}
    assert {name: b["cause"] for name, b in broken.items()} == {
        "old": "written for plugin API 0; this qreg provides 1",
        "rude": "SystemExit: no licence",
        "rusty": "ModuleNotFoundError: No module named 'qreg_nonexistent_dependency'",
    }
    assert (broken["rusty"]["distribution"], broken["rusty"]["version"]) == ("qreg-rusty", "1.4")
    assert "broken  rude" in listed.stdout

    checked = environment.qreg("check", "--plugins")
    assert checked.returncode == 1
    assert "broken: rusty (qreg-rusty 1.4): ModuleNotFoundError" in checked.stderr

    counted = environment.qreg(
        "count", str(HERE.parents[1] / "examples" / "resnet8.onnx"), "--json"
    )
    assert json.loads(counted.stdout)["totals"]["macs"] == 12_501_632

    (tmp_path / "p.toml").write_text('[model]\nsource = "m.onnx"\n[[step]]\nuse = "rusty/polish"\n')
    used = environment.qreg("check", "p.toml", cwd=tmp_path)
    assert "plugin 'rusty' is broken: ModuleNotFoundError" in used.stderr


def test_a_rival_claim_is_a_conflict_that_a_pin_settles(
    environment: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    install(environment, wheels["qreg-rival"])
    shutil.copy(HERE.parents[1] / "examples" / "resnet8.onnx", tmp_path)

    refused = environment.qreg("count", "resnet8.onnx", cwd=tmp_path)
    assert refused.returncode == 1
    assert "2 layer_estimators claim onnx.Conv:" in refused.stderr
    assert "conv/conv" in refused.stderr
    assert "rival/winograd" in refused.stderr
    assert '"onnx.Conv" = "' in refused.stderr

    pipeline = '[model]\nsource = "resnet8.onnx"\n[pin]\n"onnx.Conv" = "conv/conv"\n'
    (tmp_path / "p.toml").write_text(pipeline + '[[step]]\nuse = "count"\n')
    pinned = environment.qreg("run", "p.toml", "--json", cwd=tmp_path)
    assert pinned.returncode == 0, pinned.stderr
    assert json.loads(pinned.stdout)[0]["result"]["totals"]["macs"] == 12_501_632


def test_a_command_can_be_told_who_serves_too(
    environment: Environment, wheels: dict[str, Path]
) -> None:
    install(environment, wheels["qreg-rival"])
    model = str(HERE.parents[1] / "examples" / "resnet8.onnx")

    built_in = environment.qreg("count", model, "--json", "--pin", "onnx.Conv=conv/conv")
    rival = environment.qreg("count", model, "--json", "--pin", "onnx.Conv=rival/winograd")
    wrong = environment.qreg("count", model, "--pin", "onnx.Conv=linear/gemm")

    assert json.loads(built_in.stdout)["totals"]["macs"] == 12_501_632
    assert json.loads(rival.stdout)["totals"]["macs"] < 12_501_632
    assert "'linear/gemm' does not claim it; it claims com.microsoft.FusedGemm, " in wrong.stderr


def test_a_package_may_declare_a_registry_and_another_may_use_it(
    environment: Environment, wheels: dict[str, Path]
) -> None:
    install(environment, wheels["qreg-leaner"])
    (alone,) = environment.listed()["broken"]
    assert alone["plugin"] == "leaner"
    assert alone["cause"] == "'arithmetic' is for registry 'shifters', which no plugin declares"

    install(environment, wheels["qreg-softsign"])
    listed = environment.qreg("list", "shifters")
    assert listed.stdout.split()[:4] == ["shifters", "leaner/arithmetic", "qreg-leaner", "0.3"]
    assert environment.qreg("check", "--plugins").returncode == 0


def test_two_packages_of_one_plugin_name_are_both_refused(
    environment: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "impostor"
    shutil.copytree(HERE / "qreg-rival", copy)
    text = (copy / "pyproject.toml").read_text()
    text = text.replace('name = "qreg-rival"', 'name = "qreg-impostor"')
    text += '\n[tool.hatch.build.targets.wheel]\npackages = ["qreg_rival"]\n'
    (copy / "pyproject.toml").write_text(text)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
               "--wheel-dir", str(tmp_path), str(copy)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    install(environment, wheels["qreg-rival"], next(tmp_path.glob("*.whl")))

    causes = [b["cause"] for b in environment.listed()["broken"] if b["plugin"] == "rival"]

    assert len(causes) == 2
    assert all("qreg-impostor" in c and "qreg-rival" in c for c in causes)
