"""Train ResNet8 on the digits, then train it small: ``python examples/train_codeq_digits.py``.

A float network is trained first. Then each of its convolutions and the classifier get a dead-zone
quantiser, and training goes on while decay draws dead zones wider and weights to fewer bits. A
minute on one core (``pip install 'qreg[torch]' scikit-learn``); ``--quick`` takes seconds and
shows only that the parts work. Seeds are fixed; another machine or thread count may round
differently.
"""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from digits import load_split
from resnet8 import INPUT_SHAPE, ResNet8
from torch import Tensor, nn
from torch.nn import functional

import qreg
from qreg_codeq.attach import attach_quantizers
from qreg_codeq.regularize import parameter_groups

BATCH, LEARNING_RATE, WEIGHT_DECAY = 64, 3e-3, 0.01
PULL = 2.0  # decay alone draws each theta from 3 to 3 e^-PULL: to 0.41, a dead zone of 61 %, 4 bits
FULL_BITS = 32

Split = tuple[Tensor, Tensor, Tensor, Tensor]  # training images and labels, then the held-out ones


def train(model: nn.Module, groups: list[dict[str, Any]], split: Split, epochs: int) -> None:
    """Trains in place and leaves the model in evaluation mode; images are shifted by up to 2 pixels."""
    images, labels, *_ = split
    optimiser = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps(split, epochs)
    )
    model.train()
    for _ in range(epochs):
        for picked in torch.randperm(len(labels)).split(BATCH):
            shift = tuple(torch.randint(-2, 3, (2,)).tolist())
            answers = model(torch.roll(images[picked], shift, (2, 3)))
            optimiser.zero_grad()
            functional.cross_entropy(answers, labels[picked]).backward()
            optimiser.step()
            schedule.step()
    model.eval()


def steps(split: Split, epochs: int) -> int:
    return epochs * -(-len(split[1]) // BATCH)


def compressed(model: nn.Module, split: Split, epochs: int) -> nn.Module:
    """A copy of the trained network, trained on with quantised weights."""
    small = deepcopy(model)
    attach_quantizers(small)
    decay = PULL / (0.5 * LEARNING_RATE * steps(split, epochs))  # the schedule's mean is one half
    groups = parameter_groups(
        small, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, decay_dz=decay, decay_bit=decay
    )
    train(small, groups, split, epochs)
    return small


def right(model: nn.Module, split: Split) -> int:
    """How many of the held-out images the model names."""
    with torch.no_grad():
        return int((model(split[2]).argmax(1) == split[3]).sum())


def table(model: nn.Module) -> tuple[list[str], float]:
    """One line per layer that multiplies, and the BOPs as a share of those with 32-bit weights."""
    counted = qreg.count(model, shape={"image": INPUT_SHAPE})
    lines = [f"{'layer':18}{'bits':>5}{'density':>9}{'MACs':>12}{'BOPs':>16}{'of 32x32':>10}"]
    for row in counted.layers:
        if row["macs"]:
            share = row["bops_paper"] / (row["macs"] * FULL_BITS**2)
            lines.append(
                f"{row['name']:18}{row['weight_bits']:5}{row['density']:9.3f}{row['macs']:12,}"
                f"{row['bops_paper']:16,}{share:10.2%}"
            )
    macs, bops = counted.totals["macs"], counted.totals["bops_paper"]
    share = bops / (macs * FULL_BITS**2)
    return [*lines, f"{'total':32}{macs:12,}{bops:16,}{share:10.2%}"], share


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few images, few epochs")
    args = parser.parse_args(arguments)
    images, epochs = (256, (1, 2)) if args.quick else (None, (8, 12))
    train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in load_split())
    split = (train_x[:images], train_y[:images], test_x, test_y)

    torch.manual_seed(args.seed)
    model = ResNet8()
    base = [{"params": list(model.parameters()), "weight_decay": WEIGHT_DECAY}]
    train(model, base, split, epochs[0])
    small = compressed(model, split, epochs[1])

    lines, share = table(small)
    print("\n".join(lines))
    for name, network in (("float", model), ("dead-zone", small)):
        found = right(network, split)
        print(f"{name}: {found} of {len(test_y)} held-out images right, {found / len(test_y):.2%}")
    print(f"dead-zone: {share:.2%} of the BOPs with 32-bit weights and activations")


if __name__ == "__main__":
    main()
