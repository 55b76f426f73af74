"""The handwritten digits of scikit-learn as 32x32 colour images, split once and for all.

``python examples/digits.py`` writes the two files the pipelines read:
``digits_test.npz`` (360 held-out images) and ``digits_calibration.npz`` (100 training images).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
SIZE, UPSAMPLED, CHANNELS = 8, 32, 3
TEST_IMAGES, CALIBRATION_IMAGES = 360, 100

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


def upsampling() -> Images:
    """(32, 8) weights of bilinear interpolation with half-pixel centres, edges clamped."""
    weights = np.zeros((UPSAMPLED, SIZE), np.float32)
    for out in range(UPSAMPLED):
        position = min(max((out + 0.5) * SIZE / UPSAMPLED - 0.5, 0.0), SIZE - 1.0)
        left = min(int(position), SIZE - 2)
        weights[out, left + 1] = position - left
        weights[out, left] = 1.0 - (position - left)
    return weights


def load_split() -> tuple[Images, Labels, Images, Labels]:
    """Training images (N, 3, 32, 32) in [0, 1] and labels, then the held-out 360."""
    digits = load_digits()
    rows = upsampling()
    small = (digits.images / 16.0).astype(np.float32)
    grey = rows @ small @ rows.T  # every product is a multiple of 1/1024: exact in float32
    images = np.repeat(grey[:, None], CHANNELS, axis=1)
    train_x, test_x, train_y, test_y = train_test_split(
        images,
        digits.target.astype(np.int64),
        test_size=TEST_IMAGES,
        stratify=digits.target,
        random_state=0,
    )
    return train_x, train_y, test_x, test_y


def main() -> None:
    train_x, train_y, test_x, test_y = load_split()
    np.savez_compressed(HERE / "digits_test.npz", image=test_x, label=test_y)
    calibration = slice(0, CALIBRATION_IMAGES)
    np.savez_compressed(
        HERE / "digits_calibration.npz", image=train_x[calibration], label=train_y[calibration]
    )


if __name__ == "__main__":
    main()
