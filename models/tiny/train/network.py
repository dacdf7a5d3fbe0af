"""A plain Llama in torch (parameter names are Hugging Face's) and its structured start: before any training the first layer already
looks one, two and three tokens back, and the later layers find an earlier occurrence of the current context and copy what followed.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = dict(vocab_size=512, hidden_size=96, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3, intermediate_size=256,
              rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=2048)


def rope_tables(positions, head_dim, theta, dtype):
    """cos and sin with float32 angles, as the common implementations have them."""
    inverse = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim))
    angles = positions.float()[..., None] * inverse
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["hidden_size"]
        self.heads, self.size = c["num_attention_heads"], d // c["num_attention_heads"]
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x, cos, sin, mask, past):
        batch, length, d = x.shape
        split = lambda y: y.view(batch, length, self.heads, self.size).transpose(1, 2)
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if past is not None:
            k = torch.cat((past[0].expand(batch, -1, -1, -1), k), 2)
            v = torch.cat((past[1].expand(batch, -1, -1, -1), v), 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, d)), (k, v)


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, m = c["hidden_size"], c["intermediate_size"]
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(d, m, bias=False), nn.Linear(d, m, bias=False), nn.Linear(m, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = (Norm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, cos, sin, mask, past):
        y, present = self.self_attn(self.input_layernorm(x), cos, sin, mask, past)
        x = x + y
        return x + self.mlp(self.post_attention_layernorm(x)), present


class Body(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])


class Llama(nn.Module):
    def __init__(self, c=CONFIG):
        super().__init__()
        self.c, self.model = c, Body(c)

    def forward(self, ids, positions=None, mask=None, past=None):
        """ids [batch][length] → logits, and per layer (k, v). Without a mask: causal, positions from 0."""
        if positions is None:
            positions = torch.arange(ids.shape[1])
        weight = self.model.embed_tokens.weight
        cos, sin = rope_tables(positions, self.c["hidden_size"] // self.c["num_attention_heads"], self.c["rope_theta"], weight.dtype)
        if positions.dim() == 2:
            cos, sin = cos[:, None], sin[:, None]
        x, presents = self.model.embed_tokens(ids), []
        for index, layer in enumerate(self.model.layers):
            x, present = layer(x, cos, sin, mask, past[index] if past else None)
            presents.append(present)
        return F.linear(self.model.norm(x), weight), presents


def orthonormal(rows, columns, generator):
    matrix = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q = torch.linalg.qr(matrix)[0]
    return q if rows >= columns else q.T


@torch.no_grad()
def structured_start(net: Llama, seed: int):
    g = torch.Generator().manual_seed(seed)
    c = net.c
    d, heads = c["hidden_size"], c["num_attention_heads"]
    hd = d // heads
    half = hd // 2
    frequencies = c["rope_theta"] ** (-torch.arange(half).float() / half)
    for p in net.parameters():
        if p.dim() == 2:
            p.copy_(torch.randn(p.shape, generator=g) * 0.02)
    embedding = net.model.embed_tokens.weight
    embedding.copy_(torch.randn(embedding.shape, generator=g) * 0.1)
    embedding[:, 0] = 0.3  # a constant direction: what looks at a fixed offset reads it
    fast = int(half * 0.6)
    amplitude = torch.where(torch.arange(half) < fast, 1.8, 1.8 * 0.2)
    value = orthonormal(hd, d, g)
    value[:, 0] = 0
    outs = []
    first = net.model.layers[0].self_attn
    first.q_proj.weight.mul_(0.25), first.k_proj.weight.mul_(0.25)
    for h in range(heads):
        rows = slice(h * hd, (h + 1) * hd)
        offset = h + 1
        q = torch.cat((amplitude, torch.zeros(half)))
        k = torch.cat((amplitude * torch.cos(frequencies * offset), amplitude * torch.sin(frequencies * offset)))
        first.q_proj.weight[rows, 0], first.k_proj.weight[rows, 0] = q, k
        first.v_proj.weight[rows] = value
        out = orthonormal(d, hd, g)
        out[0] = 0
        outs.append(out)
        first.o_proj.weight[:, rows] = out * 0.1
    slow = torch.cat((torch.arange(half // 2, half), torch.arange(half // 2, half) + half))
    for layer in list(net.model.layers)[1:]:
        a = layer.self_attn
        a.q_proj.weight.mul_(0.25), a.k_proj.weight.mul_(0.25)
        for h in range(heads):
            q, k = torch.zeros(hd, d), torch.zeros(hd, d)
            # what the current place says of itself, of its predecessor …: codes[i] reads "the token i places back"
            codes = [value] + [out.T for out in outs]
            for back in range(min(h + 1, heads)):
                mix = orthonormal(len(slow), hd, g) * (hd / len(slow)) ** 0.5
                strength = 1.7 if back == 0 else 1.2
                q[slow] += strength * mix @ codes[back]
                k[slow] += strength * mix @ codes[back + 1]
            rows = slice(h * hd, (h + 1) * hd)
            a.q_proj.weight[rows] += q
            a.k_proj.weight[rows] += k
            v = orthonormal(hd, d, g)
            v[:, 0] = 0
            a.v_proj.weight[rows] = v
            a.o_proj.weight[:, rows] = 0.2 * v.T
