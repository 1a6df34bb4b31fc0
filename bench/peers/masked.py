"""The masked autoencoder of models/mae.h in PyTorch (He et al. 2022), with the released code's parameter names: for
parity tests and for comparing speed. A mask is the sorted list of visible patches of each sample."""

import torch
from torch import nn
from torch.nn import functional


def positions(grid, width):
    """[1, 1 + grid grid, width]: sines and cosines, half of the channels for the column, half for the row."""
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, col = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    parts = []
    for place in (col, row):
        angle = place.reshape(-1, 1).double() * omega
        parts += [angle.sin(), angle.cos()]
    return torch.cat([torch.zeros(1, width), torch.cat(parts, 1).float()])[None]


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(n, tokens, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class MaskedAutoencoder(nn.Module):
    def __init__(self, side, patch, width, depth, heads, decoder_width, decoder_depth, decoder_heads):
        super().__init__()
        self.patch = patch
        grid = side // patch
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(positions(grid, width), requires_grad=False)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_width) * 0.02)
        self.decoder_pos_embed = nn.Parameter(positions(grid, decoder_width), requires_grad=False)
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.decoder_blocks = nn.ModuleList(Block(decoder_width, decoder_heads) for _ in range(decoder_depth))
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=1e-6)
        self.decoder_pred = nn.Linear(decoder_width, patch * patch * 3)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.view(width, -1))
        nn.init.zeros_(self.patch_embed.proj.bias)

    def patchify(self, images):  # [N, 3, side, side] -> [N, patches, patch patch 3]
        n, p = images.shape[0], self.patch
        x = images.reshape(n, 3, images.shape[2] // p, p, images.shape[3] // p, p)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, p * p * 3)

    def forward(self, images, visible):
        x = self.patch_embed(images) + self.pos_embed[:, 1:]
        x = torch.gather(x, 1, visible[..., None].expand(-1, -1, x.shape[2]))
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))
        patches = self.pos_embed.shape[1] - 1
        y = self.mask_token.expand(len(x), patches, -1).scatter(1, visible[..., None].expand(-1, -1, x.shape[2]), x[:, 1:])
        x = torch.cat([x[:, :1], y], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]

    def loss(self, images, visible, normalize):
        target = self.patchify(images)
        if normalize:
            target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
        each = ((self(images, visible) - target) ** 2).mean(-1)
        hidden = torch.ones_like(each).scatter(1, visible, 0)
        return (each * hidden).sum() / hidden.sum()


class Classifier(nn.Module):
    """timm's Vision Transformer: models/vit.h with a linear head on the class token."""

    def __init__(self, side, patch, width, depth, heads, classes):
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(positions(side // patch, width), requires_grad=False)
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x)[:, 0]))


def visible_patches(batch, patches, kept, generator=None):
    """[batch, kept], sorted: as the released code draws them, by sorting noise."""
    return torch.rand(batch, patches, generator=generator).argsort(1)[:, :kept].sort(1).values


def decayed(net, decay):
    """Parameter groups of the released code: no decay of biases and other vectors."""
    named = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    return [{"params": [p for n, p in named if p.ndim <= 1], "weight_decay": 0.0},
            {"params": [p for n, p in named if p.ndim > 1], "weight_decay": decay}]
