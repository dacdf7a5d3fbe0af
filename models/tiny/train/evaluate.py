"""Measures a checkpoint on held-out tasks, with Wilson intervals and by kind: `python3 evaluate.py FOLDER_OR_STATE [COUNT]`."""
import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
from tokenizers import Tokenizer

from export import load_shipped
from network import Llama
from rollouts import evaluate
from train import HERE, fresh_tasks


def wilson(won, count, z=1.96):
    p, n = won / count, count
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round((middle - spread) / (1 + z * z / n), 4), round((middle + spread) / (1 + z * z / n), 4)]


def load(source):
    if Path(source).is_dir():
        return load_shipped(source)
    net = Llama()
    net.load_state_dict({k: v.half().float() for k, v in torch.load(source).items()})
    return net


def main():
    net, count = load(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500
    settings = sys.argv[3].split(",") if len(sys.argv) > 3 else ["known:0", "known:1", "unseen:0", "unseen:1"]
    tokenizer = Tokenizer.from_file(str(HERE.parent / "tokenizer.json"))
    for setting in settings:
        words, temperature = setting.split(":")
        tasks = fresh_tasks(4242, count, words)
        won, texts = evaluate(net, tokenizer, tasks, float(temperature), seed=7)
        kinds = {}
        for task, good in zip(tasks, won):
            kinds.setdefault(task.kind, []).append(good)
        print(json.dumps({
            "words": words, "temperature": float(temperature), "n": count, "success": round(sum(won) / count, 4), "wilson95": wilson(sum(won), count),
            "kinds": {k: f"{sum(v)}/{len(v)}" for k, v in sorted(kinds.items())},
        }), flush=True)
        if "-v" in sys.argv:
            for task, good, text in zip(tasks, won, texts):
                if not good:
                    print("   ", repr(task.prompt), "→", repr(text[12:-13]))


if __name__ == "__main__":
    main()
