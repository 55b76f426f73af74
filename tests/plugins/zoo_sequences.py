"""Transformers and recurrent networks written out with torch.nn alone, and their MACs by hand."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention_macs(tokens: int, width: int) -> int:
    """Of scores and weighted values, all heads together: each token meets each other twice."""
    return 2 * tokens * tokens * width


class PackedAttention(nn.Module):
    """Self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, s, d = x.shape
        q, k, v = self.qkv(x).reshape(b, s, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(b, s, d))


class Encoder(nn.Module):
    """A layer of ViT: norms before, with torch's own attention module or a packed one."""

    def __init__(self, width: int, heads: int, hidden: int, packed: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.attention: nn.Module
        if packed:
            self.attention = PackedAttention(width, heads)
        else:
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.packed = packed
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        y = self.attention(y) if self.packed else self.attention(y, y, y, need_weights=False)[0]
        x = x + y
        return x + self.mlp(self.ln_2(x))


class ViT(nn.Module):
    """B/16 at 224 × 224 pixels; Dosovitskiy et al. 2021, arXiv:2010.11929, table 1."""

    def __init__(self, packed: bool) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, 768, 16, 16)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 768))
        self.positions = nn.Parameter(torch.zeros(1, 197, 768))
        self.layers = nn.Sequential(*(Encoder(768, 12, 3072, packed) for _ in range(12)))
        self.ln = nn.LayerNorm(768, eps=1e-6)
        self.head = nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.ln(self.layers(x))[:, 0])


def vit_macs() -> int:
    layer = 4 * 768 * 768 * 197 + 2 * 768 * 3072 * 197 + attention_macs(197, 768)
    return 3 * 16 * 16 * 768 * 196 + 12 * layer + 768 * 1000


class BertLayer(nn.Module):
    """Norms behind, three projections; Devlin et al. 2019, arXiv:1810.04805."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)
        self.intermediate, self.output = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        b, s, d = x.shape
        q, k, v = (
            f(x).view(b, s, self.heads, d // self.heads).transpose(1, 2)
            for f in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, s, d)
        x = self.norm1(x + self.dense(y))
        return self.norm2(x + self.output(F.gelu(self.intermediate(x))))


class Bert(nn.Module):
    """The base model with its pooler."""

    def __init__(self, layers: int = 12) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, 768, padding_idx=0)
        self.positions = nn.Embedding(512, 768)
        self.kinds = nn.Embedding(2, 768)
        self.norm = nn.LayerNorm(768, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(768, 12, 3072) for _ in range(layers))
        self.pooler = nn.Linear(768, 768)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        at = torch.arange(ids.shape[1], device=ids.device)
        x = self.words(ids) + self.positions(at) + self.kinds(torch.zeros_like(ids))
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x)
        return x, torch.tanh(self.pooler(x[:, 0]))


def bert_macs(tokens: int = 128, layers: int = 12) -> int:
    linear = (4 * 768 * 768 + 2 * 768 * 3072) * tokens
    return layers * (linear + attention_macs(tokens, 768)) + 768 * 768


class Addmm(nn.Module):
    """A linear layer whose weight lies the other way round, as GPT-2 published it."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(i, o).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(o))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return y.view(*x.shape[:-1], self.bias.numel())


class GptLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = Addmm(width, 3 * width), Addmm(width, width)
        self.fc, self.fc_proj = Addmm(width, 4 * width), Addmm(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, s, d = x.shape
        q, k, v = (
            t.view(b, s, self.heads, -1).transpose(1, 2)
            for t in self.c_attn(self.ln_1(x)).split(d, dim=2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(b, s, d))
        return x + self.fc_proj(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    """The small model; its head is the embedding's weight. Radford et al. 2019, table 2."""

    def __init__(self, layers: int = 12) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.h = nn.ModuleList(GptLayer(768, 12) for _ in range(layers))
        self.ln_f = nn.LayerNorm(768)
        self.lm_head = nn.Linear(768, 50257, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.h:
            x = layer(x)
        return self.lm_head(self.ln_f(x))


def gpt2_macs(tokens: int = 128, layers: int = 12) -> int:
    """Attention is counted in full: the causal mask throws products away, the kernel may not."""
    layer = 12 * 768 * 768 * tokens + attention_macs(tokens, 768)
    return layers * layer + 768 * 50257 * tokens


class LlamaLayer(nn.Module):
    """RMS norms, rotated positions, fewer key than query heads, a gated MLP.

    Touvron et al. 2023, arXiv:2302.13971; Ainslie et al. 2023, arXiv:2305.13245.
    """

    def __init__(self, width: int, heads: int, shared: int, hidden: int) -> None:
        super().__init__()
        self.size = width // heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, shared * self.size, bias=False)
        self.v_proj = nn.Linear(width, shared * self.size, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)

    def _turned(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, s, d = x.shape
        y = self.norm1(x)
        q, k, v = (
            f(y).view(b, s, -1, self.size).transpose(1, 2)
            for f in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = self._turned(q, cos, sin), self._turned(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(b, s, d))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """Four layers of width 512, eight query heads for two key heads."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(32000, 512)
        self.layers = nn.ModuleList(LlamaLayer(512, 8, 2, 1376) for _ in range(4))
        self.norm = nn.RMSNorm(512)
        self.lm_head = nn.Linear(512, 32000, bias=False)
        self.register_buffer("frequency", 10000.0 ** (-torch.arange(32) / 32), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        at = torch.arange(ids.shape[1], device=ids.device)[:, None] * self.frequency
        at = torch.cat((at, at), -1)
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, at.cos(), at.sin())
        return self.lm_head(self.norm(x))


def llama_macs(tokens: int = 256) -> int:
    linear = 2 * 512 * 512 + 2 * 512 * 128 + 3 * 512 * 1376
    return 4 * (tokens * linear + attention_macs(tokens, 512)) + tokens * 512 * 32000


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(256, 512, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def lstm_macs() -> int:
    """Four gates from input and state, in two layers, on 50 steps of a batch of 4."""
    return 4 * 50 * (4 * 512 * (256 + 512) + 4 * 512 * (512 + 512))
