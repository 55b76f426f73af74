"""Train ResNet8 on the digits and write ``resnet8.onnx``: ``python examples/train_resnet8.py``.

About a minute on two cores (``pip install 'qreg[torch]' scikit-learn``). Seeds are fixed; another machine or thread count may round
differently, so the committed file is the one the pipelines use.
"""

import argparse
from pathlib import Path

import onnx_ir
import torch
from digits import load_split
from resnet8 import INPUT_SHAPE, ResNet8
from torch.nn import functional

import qreg

HERE = Path(__file__).parent
BATCH, LEARNING_RATE = 64, 3e-3


def train(epochs: int) -> ResNet8:
    """A trained network in evaluation mode; images are shifted by up to two pixels."""
    torch.manual_seed(0)
    train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in load_split())
    model = ResNet8()
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    steps = epochs * -(-len(train_y) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        for picked in torch.randperm(len(train_y)).split(BATCH):
            shift = tuple(torch.randint(-2, 3, (2,)).tolist())
            images = torch.roll(train_x[picked], shift, (2, 3))
            loss = functional.cross_entropy(model(images), train_y[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = int((model(test_x).argmax(1) == test_y).sum())
        print(f"epoch {epoch + 1}/{epochs}: {right} of {len(test_y)} test images right", flush=True)
    return model


def export(model: ResNet8, path: Path) -> None:
    """Batch norms folded, layers named by module path, nothing of this machine kept."""
    onnx_ir.save(qreg.load(model, shape={"image": INPUT_SHAPE}), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--output", type=Path, default=HERE / "resnet8.onnx")
    args = parser.parse_args()
    export(train(args.epochs), args.output)


if __name__ == "__main__":
    main()
