"""Segmentation and video networks as torchvision lays them out, written from their papers."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F
from zoo_torchvision_blocks import MOBILENET_V3_LARGE, Normed, ResNet50, mobilenet_v3_features
from zoo_torchvision_convs import Side

CLASSES = 21  # Pascal VOC with the background


def fcn_head(i: int) -> nn.Module:
    """Long et al. 2015, arXiv:1411.4038, on dilated features."""
    return nn.Sequential(Normed(i, i // 4, 3), nn.Dropout(0.1), nn.Conv2d(i // 4, CLASSES, 1))


class Pooled(nn.Module):
    """Features of the whole image, at each place."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.conv = Normed(i, o)

    def forward(self, x: Tensor) -> Tensor:
        return _resized(self.conv(F.adaptive_avg_pool2d(x, 1)), x)


def deeplab_head() -> nn.Module:
    """Atrous pyramid; Chen et al. 2017, arXiv:1706.05587, section 3.3."""
    pyramid = Side(
        Normed(2048, 256), *(Normed(2048, 256, 3, dilation=rate) for rate in (12, 24, 36)),
        Pooled(2048, 256),
    )  # fmt: skip
    return nn.Sequential(
        pyramid, Normed(5 * 256, 256), nn.Dropout(0.5), Normed(256, 256, 3),
        nn.Conv2d(256, CLASSES, 1),
    )  # fmt: skip


class SegmentationResNet50(nn.Module):
    """A head on the last features and an auxiliary one on those before, which works always."""

    def __init__(self, head: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.backbone, self.head, self.aux = ResNet50(dilated=True), head(), fcn_head(1024)
        del self.backbone.fc

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b = self.backbone
        before = b.layer3(b.layer2(b.layer1(b.stem(x))))
        return _resized(self.head(b.layer4(before)), x), _resized(self.aux(before), x)


class LiteSegmentation(nn.Module):
    """LR-ASPP on MobileNetV3; Howard et al. 2019, arXiv:1905.02244, figure 10."""

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_v3_features(MOBILENET_V3_LARGE, dilated=12)
        self.wide, self.scale = Normed(960, 128), nn.Conv2d(960, 128, 1, bias=False)
        self.low, self.high = nn.Conv2d(40, CLASSES, 1), nn.Conv2d(128, CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        low = self.features[:5](image)
        high = self.features[5:](low)
        x = self.wide(high) * self.scale(F.adaptive_avg_pool2d(high, 1)).sigmoid()
        return _resized(self.low(low) + self.high(_resized(x, low)), image)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


# Video ------------------------------------------------------------------------------------------

Convolution = Callable[[int, int, int, int], nn.Module]  # input, output, middle channels, stride
Size = tuple[int, int, int]


def _conv3d(i: int, o: int, kernel: Size, stride: Size = (1, 1, 1)) -> nn.Module:
    a, b, c = kernel
    return nn.Conv3d(i, o, kernel, stride, (a // 2, b // 2, c // 2), bias=False)


def full(i: int, o: int, middle: int, stride: int) -> nn.Module:
    return _conv3d(i, o, (3, 3, 3), (stride, stride, stride))


def flat(i: int, o: int, middle: int, stride: int) -> nn.Module:
    """Each frame by itself."""
    return _conv3d(i, o, (1, 3, 3), (1, stride, stride))


def factored(i: int, o: int, middle: int, stride: int) -> nn.Module:
    """Space, then time."""
    return nn.Sequential(
        _conv3d(i, middle, (1, 3, 3), (1, stride, stride)), nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True), _conv3d(middle, o, (3, 1, 1), (stride, 1, 1)),
    )  # fmt: skip


class VideoBlock(nn.Module):
    def __init__(self, i: int, o: int, stride: int, convolution: Convolution) -> None:
        super().__init__()
        middle = i * o * 27 // (i * 9 + 3 * o)  # as many numbers as the full kernel has
        self.body = nn.Sequential(
            convolution(i, o, middle, stride), nn.BatchNorm3d(o), nn.ReLU(inplace=True),
            convolution(o, o, middle, 1), nn.BatchNorm3d(o),
        )  # fmt: skip
        self.short = nn.Sequential()
        if i != o:
            steps = (1 if convolution is flat else stride, stride, stride)
            self.short = nn.Sequential(_conv3d(i, o, (1, 1, 1), steps), nn.BatchNorm3d(o))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.short(x), inplace=True)


def video_resnet(*stages: Convolution) -> nn.Module:
    """R3D, MC3 and R(2+1)D of 18 layers; Tran et al. 2018, arXiv:1711.11248, table 1."""
    stem: list[nn.Module] = [_conv3d(3, 64, (3, 7, 7), (1, 2, 2))]
    if stages[0] is factored:
        stem = [
            _conv3d(3, 45, (1, 7, 7), (1, 2, 2)), nn.BatchNorm3d(45), nn.ReLU(inplace=True),
            _conv3d(45, 64, (3, 1, 1)),
        ]  # fmt: skip
    parts = [*stem, nn.BatchNorm3d(64), nn.ReLU(inplace=True)]
    for stage, convolution in enumerate(stages):
        o = 64 << stage
        parts += [
            VideoBlock(o // 2 if stage else o, o, 2 if stage else 1, convolution),
            VideoBlock(o, o, 1, convolution),
        ]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(512, 400))
