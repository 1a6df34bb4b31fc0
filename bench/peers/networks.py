"""The networks of models/ in PyTorch, for parity tests and for comparing speed: torchvision's
ResNets with either stem and any width, ResNet-26 of Test-Time Training, the NIN of RotNet.
Parameter names are those of torchvision and of the released code."""

import math

import torchvision
from torch import nn


def initialise(net):
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
    return net


class ResNet(torchvision.models.ResNet):
    def blocks(self, x):
        """stem, layer1 .. layer4."""
        outputs = [self.maxpool(self.relu(self.bn1(self.conv1(x))))]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            outputs.append(stage(outputs[-1]))
        return outputs


def resnet(depth=18, width=64, imagenet_stem=False, classes=10, groups=0):
    """torchvision's, with channels scaled to `width` in the first stage and, for small images, a
    3x3 stem without the max-pool. groups: of GroupNorm; 0: BatchNorm."""
    kind, depths = {18: (torchvision.models.resnet.BasicBlock, [2, 2, 2, 2]),
                    34: (torchvision.models.resnet.BasicBlock, [3, 4, 6, 3]),
                    50: (torchvision.models.resnet.Bottleneck, [3, 4, 6, 3])}[depth]
    net = ResNet(kind, depths, num_classes=classes, norm_layer=lambda c: norm(groups, c))
    if width != 64:
        net.inplanes = width
        net.bn1 = norm(groups, width)
        for i, blocks in enumerate(depths):
            stage = net._make_layer(kind, width << i, blocks, stride=1 if i == 0 else 2)
            setattr(net, f"layer{i + 1}", stage)
        net.fc = nn.Linear((width << 3) * kind.expansion, classes)
    if imagenet_stem:
        net.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
    else:
        net.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        net.maxpool = nn.Identity()
    return initialise(net)


def norm(groups, channels):
    return nn.GroupNorm(groups, channels) if groups else nn.BatchNorm2d(channels)


class PreActivationBlock(nn.Module):
    def __init__(self, channels_in, channels_out, stride, groups):
        super().__init__()
        self.bn1 = norm(groups, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn2 = norm(groups, channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.relu = nn.ReLU()
        self.stride, self.more = stride, channels_out - channels_in

    def forward(self, x):
        h = self.conv1(self.relu(self.bn1(x)))
        h = self.conv2(self.relu(self.bn2(h)))
        if self.stride > 1:
            x = nn.functional.avg_pool2d(x, self.stride)
        if self.more:
            x = nn.functional.pad(x, (0, 0, 0, 0, 0, self.more))
        return x + h


class ResNet26(nn.Module):
    def __init__(self, width=16, groups=8, classes=10):
        super().__init__()
        channels = min(width, 16)
        self.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        for i in range(3):
            blocks = []
            for b in range(4):
                stride = 2 if i > 0 and b == 0 else 1
                blocks.append(PreActivationBlock(channels, width << i, stride, groups))
                channels = width << i
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.bn = norm(groups, channels)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(channels, classes)
        initialise(self)

    def blocks(self, x):
        """stem, layer1, layer2, layer3; the last after the norm and ReLU that close the trunk."""
        outputs = [self.conv1(x)]
        for stage in (self.layer1, self.layer2, self.layer3):
            outputs.append(stage(outputs[-1]))
        outputs[-1] = self.relu(self.bn(outputs[-1]))
        return outputs

    def forward(self, x):
        return self.fc(self.blocks(x)[-1].mean((2, 3)))


class Nin(nn.Module):
    def __init__(self, stages=4, width=192, classes=4):
        super().__init__()
        sequences, channels = [], 3
        for s in range(stages):
            inner = [(width, 5 if s < 2 else 3), (width * 5 // 6 if s == 0 else width, 1),
                     (width // 2 if s == 0 else width, 1)]
            sequence = nn.Sequential()
            for i, (out, kernel) in enumerate(inner):
                layers = nn.Sequential()
                layers.add_module("Conv", nn.Conv2d(channels, out, kernel, 1, kernel // 2,
                                                    bias=False))
                layers.add_module("BatchNorm", nn.BatchNorm2d(out))
                layers.add_module("ReLU", nn.ReLU())
                block = nn.Module()
                block.layers = layers
                block.forward = layers.forward
                sequence.add_module(f"Block{s + 1}_ConvB{i + 1}", block)
                channels = out
            if s == 0:
                sequence.add_module("Block1_MaxPool", nn.MaxPool2d(3, 2, 1))
            elif s == 1:
                sequence.add_module("Block2_AvgPool", nn.AvgPool2d(3, 2, 1))
            sequences.append(sequence)
        head = nn.Sequential()
        head.add_module("Classifier", nn.Linear(channels, classes))
        self._feature_blocks = nn.ModuleList(sequences + [head])
        initialise(self)

    def forward(self, x):
        for sequence in self._feature_blocks[:-1]:
            x = sequence(x)
        return self._feature_blocks[-1](x.mean((2, 3)))


def build(name, width=0, classes=10, imagenet_stem=False, groups=8, own_norm=True):
    """The network that EncoderOptions of models/encoder.h names, with its linear head."""
    if name == "resnet26":
        return ResNet26(width or 16, groups, classes)
    if name.startswith("resnet"):
        return resnet(int(name[6:]), width or 64, imagenet_stem, classes, 0 if own_norm else groups)
    return Nin(int(name[3:]), width or 192, classes)
