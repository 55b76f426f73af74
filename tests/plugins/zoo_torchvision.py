"""torchvision's networks, each with the cost that torchvision publishes beside its weights.

Source: torchvision weight metadata, ``num_params`` and ``_ops`` (multiply-accumulates of one image
in units of 10⁹, to three decimals).
"""

from collections.abc import Callable

import zoo_sequences as sequences
import zoo_torchvision_blocks as blocks
import zoo_torchvision_convs as convs
import zoo_torchvision_dense as dense
import zoo_torchvision_windows as windows
import zoo_vision as vision
from attrs import frozen
from torch import nn


@frozen
class Published:
    """``unread`` parameters are stored, but for training only."""

    gmacs: float
    params: int
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (1, 3, 224, 224)
    unread: int = 0


VOC = (1, 3, 520, 520)
CLIP = (1, 3, 16, 112, 112)
# pointwise from 768 to 128, 5 by 5 to 768, each with a batch norm, and the classes
INCEPTION_AUX = 768 * 128 + 2 * 128 + 128 * 768 * 25 + 2 * 768 + 768 * 1000 + 1000

TORCHVISION: dict[str, Published] = {
    "alexnet": Published(0.714, 61_100_840, convs.alexnet),
    "vgg11": Published(7.609, 132_863_336, lambda: convs.vgg(convs.VGG_11)),
    "vgg11_bn": Published(7.609, 132_868_840, lambda: convs.vgg(convs.VGG_11, True)),
    "vgg16": Published(15.47, 138_357_544, lambda: convs.vgg(convs.VGG_16)),
    "vgg16_bn": Published(15.47, 138_365_992, lambda: convs.vgg(convs.VGG_16, True)),
    "squeezenet1_0": Published(
        0.819, 1_248_424, lambda: convs.squeezenet((96, 7), convs.SQUEEZENET_1_0)
    ),
    "squeezenet1_1": Published(
        0.349, 1_235_496, lambda: convs.squeezenet((64, 3), convs.SQUEEZENET_1_1)
    ),
    "densenet121": Published(2.834, 7_978_856, convs.densenet),
    "googlenet": Published(1.498, 6_624_904, convs.googlenet),
    "inception_v3": Published(
        5.713, 27_161_264, convs.InceptionV3, (1, 3, 299, 299), INCEPTION_AUX
    ),
    "resnet18": Published(1.814, 11_689_512, lambda: vision.ResNet(vision.Basic, (2, 2, 2, 2))),
    "resnet50": Published(
        4.089, 25_557_032, lambda: vision.ResNet(vision.Bottleneck, (3, 4, 6, 3))
    ),
    "resnext50_32x4d": Published(4.23, 25_028_904, lambda: blocks.ResNet50(32, 4)),
    "wide_resnet50_2": Published(11.398, 68_883_240, lambda: blocks.ResNet50(1, 128)),
    "regnet_x_400mf": Published(
        0.414, 5_495_976, lambda: blocks.regnet(22, 24, 24.48, 2.54, 16, False)
    ),
    "regnet_y_400mf": Published(
        0.402, 4_344_144, lambda: blocks.regnet(16, 48, 27.89, 2.09, 8, True)
    ),
    "shufflenet_v2_x1_0": Published(0.145, 2_278_604, blocks.shufflenet_v2),
    "mnasnet1_0": Published(0.314, 4_383_312, blocks.mnasnet),
    "mobilenet_v2": Published(0.301, 3_504_872, vision.MobileNetV2),
    "mobilenet_v3_large": Published(
        0.217, 5_483_032, lambda: blocks.mobilenet_v3(blocks.MOBILENET_V3_LARGE, 1280)
    ),
    "mobilenet_v3_small": Published(
        0.057, 2_542_856, lambda: blocks.mobilenet_v3(blocks.MOBILENET_V3_SMALL, 1024)
    ),
    "efficientnet_b0": Published(0.386, 5_288_548, vision.EfficientNetB0),
    "convnext_tiny": Published(4.456, 28_589_128, windows.convnext_tiny),
    "swin_t": Published(4.491, 28_288_354, windows.Swin),
    "swin_v2_t": Published(5.94, 28_351_570, lambda: windows.Swin(v2=True), (1, 3, 256, 256)),
    "maxvit_t": Published(5.558, 30_919_624, windows.maxvit_tiny),
    "vit_b_16": Published(17.564, 86_567_656, lambda: sequences.ViT(False)),
    "vit_b_32": Published(4.409, 88_224_232, windows.ViTB32),
    "fcn_resnet50": Published(
        152.717, 35_322_218, lambda: dense.SegmentationResNet50(lambda: dense.fcn_head(2048)), VOC
    ),
    "deeplabv3_resnet50": Published(
        178.722, 42_004_074, lambda: dense.SegmentationResNet50(dense.deeplab_head), VOC
    ),
    "lraspp_mobilenet_v3_large": Published(2.086, 3_221_538, dense.LiteSegmentation, VOC),
    "r3d_18": Published(40.697, 33_371_472, lambda: dense.video_resnet(*[dense.full] * 4), CLIP),
    "mc3_18": Published(
        43.343, 11_695_440, lambda: dense.video_resnet(dense.full, *[dense.flat] * 3), CLIP
    ),
    "r2plus1d_18": Published(
        40.519, 31_505_325, lambda: dense.video_resnet(*[dense.factored] * 4), CLIP
    ),
}
