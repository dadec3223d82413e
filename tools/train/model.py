# SPDX-License-Identifier: MIT
"""A small BitNet b1.58 transformer in PyTorch, and its float twin.

The architecture is that of BitNet b1.58 2B4T (arXiv 2504.12285): RMSNorm
before and after attention and in the feed-forward block, squared ReLU gate,
rotary positions (arXiv 2104.09864), grouped key/value heads, tied head.
Linear layers are ternary with 8-bit activations (arXiv 2402.17764), trained
through straight-through estimators on float latent weights.  The embedding,
which is also the head, is trained as the Q8_0 blocks it is exported in.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass
class Config:
    """Shape of the model; `ternary` False gives the float baseline."""

    vocab: int = 512
    context: int = 256
    embd: int = 256
    layers: int = 2
    heads: int = 8
    kv_heads: int = 2
    ff: int = 256
    rope_theta: float = 10000.0
    eps: float = 1e-5
    ternary: bool = True

    @property
    def head_dim(self):
        return self.embd // self.heads


class QuantizeActivations(torch.autograd.Function):
    """Round each row (..., K) to int8 by its largest magnitude; the gradient is passed on as is."""

    @staticmethod
    def forward(ctx, x):
        scale = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp_min(1e-5)
        return (x * scale).round_().clamp_(-128, 127).div_(scale)

    @staticmethod
    def backward(ctx, grad):
        return grad


def ternary_parts(weight):
    """Split latent weights (N, K) into {-1, 0, 1} and the mean magnitude, rounded to a half."""
    scale = weight.abs().mean().half().float()
    return (weight / scale).round_().clamp_(-1, 1), scale


class QuantizeTernary(torch.autograd.Function):
    """Latent weights (N, K) to scale * {-1, 0, 1}; the gradient is passed on as is."""

    @staticmethod
    def forward(ctx, weight):
        trits, scale = ternary_parts(weight)
        return trits.mul_(scale)

    @staticmethod
    def backward(ctx, grad):
        return grad


def q8_0_parts(weight):
    """Split rows (N, K) into int8-valued blocks (N, K/32, 32) and half scales (N, K/32, 1)."""
    blocks = weight.view(weight.shape[0], -1, 32)
    scale = (blocks.abs().amax(dim=-1, keepdim=True) / 127.0).half().float()
    inverse = torch.where(scale > 0, 1.0 / scale, torch.zeros_like(scale))
    return (blocks * inverse).round_().clamp_(-127, 127), scale


class QuantizeQ8(torch.autograd.Function):
    """Rows (N, K) through Q8_0 and back; the gradient is passed on as is."""

    @staticmethod
    def forward(ctx, weight):
        quants, scale = q8_0_parts(weight)
        return quants.mul_(scale).view_as(weight)

    @staticmethod
    def backward(ctx, grad):
        return grad


class RMSNorm(nn.Module):
    """Scale rows (..., K) to unit mean square, then by a learned gain."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.weight


def rotary_tables(config):
    """cos and sin (context, head_dim/2) of position * theta^(-2i/head_dim)."""
    half = config.head_dim // 2
    freq = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(config.context, dtype=torch.float64)[:, None] * freq
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Turn pairs (i, i + head_dim/2) of x (B, T, H, head_dim) by the position's angles."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    """One transformer block on (B, T, embd)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        kv = config.kv_heads * config.head_dim
        self.attn_norm = RMSNorm(config.embd, config.eps)
        self.attn_q = nn.Linear(config.embd, config.embd, bias=False)
        self.attn_k = nn.Linear(config.embd, kv, bias=False)
        self.attn_v = nn.Linear(config.embd, kv, bias=False)
        self.attn_sub_norm = RMSNorm(config.embd, config.eps)
        self.attn_output = nn.Linear(config.embd, config.embd, bias=False)
        self.ffn_norm = RMSNorm(config.embd, config.eps)
        self.ffn_gate = nn.Linear(config.embd, config.ff, bias=False)
        self.ffn_up = nn.Linear(config.embd, config.ff, bias=False)
        self.ffn_sub_norm = RMSNorm(config.ff, config.eps)
        self.ffn_down = nn.Linear(config.ff, config.embd, bias=False)

    def linear(self, x, *layers):
        """Apply layers that share the input x (..., K); returns one output (..., N) each."""
        weights = [layer.weight for layer in layers]
        if self.config.ternary:
            x = QuantizeActivations.apply(x)
            weights = [QuantizeTernary.apply(w) for w in weights]
        out = F.linear(x, torch.cat(weights) if len(weights) > 1 else weights[0])
        return out.split([w.shape[0] for w in weights], dim=-1)

    def attention(self, q, k, v, tables):
        """Causal attention of q (B, T, embd) on k, v (B, T, kv_heads * head_dim)."""
        c = self.config
        batch, length, _ = q.shape
        group = c.heads // c.kv_heads
        q = rotate(q.view(batch, length, c.heads, c.head_dim), *tables)
        k = rotate(k.view(batch, length, c.kv_heads, c.head_dim), *tables)
        v = v.view(batch, length, c.kv_heads, c.head_dim)
        # The query heads of one key head are stacked along time: no copies of k and v.
        q = q.permute(0, 2, 1, 3).reshape(batch * c.kv_heads, group * length, c.head_dim)
        k = k.permute(0, 2, 3, 1).reshape(batch * c.kv_heads, c.head_dim, length)
        v = v.permute(0, 2, 1, 3).reshape(batch * c.kv_heads, length, c.head_dim)
        score = torch.bmm(q * (1.0 / math.sqrt(c.head_dim)), k).view(-1, group, length, length)
        future = torch.full((length, length), -math.inf).triu_(1)
        share = (score + future).softmax(dim=-1).view(-1, group * length, length)
        out = torch.bmm(share, v).view(batch, c.heads, length, c.head_dim)
        return out.permute(0, 2, 1, 3).reshape(batch, length, c.embd)

    def forward(self, x, tables):
        q, k, v = self.linear(self.attn_norm(x), self.attn_q, self.attn_k, self.attn_v)
        mixed = self.attn_sub_norm(self.attention(q, k, v, tables))
        x = x + self.linear(mixed, self.attn_output)[0]
        gate, up = self.linear(self.ffn_norm(x), self.ffn_gate, self.ffn_up)
        hidden = self.ffn_sub_norm(F.relu(gate).square() * up)
        return x + self.linear(hidden, self.ffn_down)[0]


class Model(nn.Module):
    """Token ids (B, T) to logits (B, T, vocab)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab, config.embd)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config.embd, config.eps)
        cos, sin = rotary_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.initialize()

    def initialize(self):
        """Normal latents; the projections back into the residual start smaller."""
        for name, p in self.named_parameters():
            if p.dim() == 2:
                back = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * self.config.layers) if back else 0.02)

    def forward(self, ids):
        table = self.token_embd.weight
        if self.config.ternary:
            table = QuantizeQ8.apply(table)
        x = F.embedding(ids, table)
        tables = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blk:
            x = block(x, tables)
        x = self.output_norm(x)
        if self.config.ternary:
            x = QuantizeActivations.apply(x)
        return F.linear(x, table)
