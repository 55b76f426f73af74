"""What several test modules share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture
def resnet8() -> Path:
    """The trained example network."""
    return EXAMPLES / "resnet8.onnx"
