"""Writes a trained state as float16 safetensors with its config.json, and reference log-probabilities computed in float64.

    python3 export.py STATE.pt FOLDER [--mix OTHER.pt SHARE]   # SHARE of OTHER is mixed into the weights; to a .pt: as a state
    python3 export.py --reference                              # reference.json for the shipped weights
"""
import argparse
import hashlib
import json
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from conversation import STANDARD, Encoder, dialogue, system_block
from network import CONFIG, Llama
from tasks import Maker

HERE = Path(__file__).resolve().parent
HF_CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0,
    "tie_word_embeddings": True, "rope_scaling": None, "torch_dtype": "float16", "bos_token_id": None, "eos_token_id": [2, 0], "pad_token_id": 0,
    "head_dim": CONFIG["hidden_size"] // CONFIG["num_attention_heads"], "initializer_range": 0.02, "use_cache": True,
}


def half(state):
    return {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}


def load_shipped(folder, dtype=torch.float32):
    net = Llama()
    net.load_state_dict({k: v.float() for k, v in load_file(str(Path(folder) / "model.safetensors")).items()})
    return net.to(dtype)


def write(state, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(half(state), str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**CONFIG, **HF_CONFIG}, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if folder.resolve() != HERE.parent:
            (folder / name).write_text((HERE.parent / name).read_text())
    print(folder, hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())


@torch.no_grad()
def reference():
    """A few conversations: every token's log-probability and the three likeliest tokens at some places, in float64."""
    tokenizer = Tokenizer.from_file(str(HERE.parent / "tokenizer.json"))
    encode, net = Encoder(tokenizer), load_shipped(HERE.parent, torch.float64)
    maker, rows = Maker(random.Random(2024), "mixed", wild=True), []
    for index in range(6):
        pieces = [(system_block(STANDARD, "Be brief." if index % 2 else None), False)] + dialogue(maker, maker.task(), 2)
        ids = encode.example(pieces)[0]
        if index == 5:  # noise, where the distribution is flat
            ids = [maker.rng.randrange(512) for _ in range(300)]
        logits, _ = net(torch.tensor([ids]))
        logs = logits[0].log_softmax(-1)
        places = list(range(9, len(ids) - 1, 40))
        top = logs[places].topk(3)
        rows.append({
            "tokens": ids, "logprobs": [round(logs[i, ids[i + 1]].item(), 9) for i in range(len(ids) - 1)],
            "top": [{"position": p + 1, "ids": i.tolist(), "logprobs": [round(x, 9) for x in v.tolist()]} for p, i, v in zip(places, top.indices, top.values)],
        })
    weights = hashlib.sha256((HERE.parent / "model.safetensors").read_bytes()).hexdigest()
    text = json.dumps({"weights_sha256": weights, "sequences": rows}, separators=(",", ":"))
    (HERE / "reference.json").write_text(text + "\n")
    print("reference.json", len(text))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("state", nargs="?")
    p.add_argument("folder", nargs="?")
    p.add_argument("--mix", nargs=2)
    p.add_argument("--reference", action="store_true")
    a = p.parse_args()
    if a.reference:
        reference()
    else:
        state = torch.load(a.state)
        if a.mix:
            other, share = torch.load(a.mix[0]), float(a.mix[1])
            state = {k: v * (1 - share) + other[k] * share for k, v in state.items()}
        torch.save(state, a.folder) if a.folder.endswith(".pt") else write(state, a.folder)
