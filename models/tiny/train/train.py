"""Trains one seed of the embedded model on one CPU thread: `python3 train.py --seed 0 --out DIR`. Data is made on the fly."""
import argparse
import json
import math
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from conversation import Encoder, copy_drill, dialogue, random_prefix
from network import Llama, structured_start
from rollouts import evaluate
from tasks import KINDS, Maker, is_held_out

torch.set_num_threads(1)
HERE = Path(__file__).resolve().parent


def fresh_tasks(seed, count, words="known", held_out=True, kinds=None):
    maker, found = Maker(random.Random(seed), words), []
    while len(found) < count:
        task = maker.task(kinds)
        if is_held_out(task.prompt) == held_out:
            found.append(task)
    return found


def pool_of(rng, encode, size, share_drill, share_one, use_prefix, vocab, slips=0.0, wide=0):
    """`size` examples that share one prefix, sorted by length: (prefix ids or [], [(ids, mask)])."""
    text, allowed = random_prefix(rng) if use_prefix else ("", "both")
    maker, examples = Maker(rng, wild=True, wide=wide), []
    start, opened, closed = encode("<|im_start|>user\n"), encode("<|im_end|>\n<|im_start|>assistant\n<tool_call>"), encode("</tool_call><|im_end|>")
    kinds = [k for k in KINDS if allowed != "file" or k in ("text", "lines", "number")]
    while len(examples) < size:
        if rng.random() < share_drill:
            ids = copy_drill(rng, vocab)
            times = rng.randint(1, 2)
            examples.append((start + ids + opened + ids * times + closed, [False] * (len(start) + len(ids) + len(opened)) + [True] * (len(ids) * times + len(closed))))
            continue
        task = maker.task(kinds, allowed)
        if not is_held_out(task.prompt):
            examples.append(encode.example(dialogue(maker, task, 1 if rng.random() < share_one else 2, slips)))
    examples.sort(key=lambda e: len(e[0]))
    return encode(text) if text else [], examples


def loss_of(net, prefix, batch):
    width = max(len(ids) for ids, _ in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    target = torch.full((len(batch), width), -100)
    for row, (tokens, mask) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        target[row, : len(tokens) - 1] = torch.tensor([t if m else -100 for t, m in zip(tokens[1:], mask[1:])])
    if prefix:
        _, past = net(torch.tensor([prefix]))  # run once; its keys and values are shared by the batch, gradient included
        n = len(prefix)
        mask = torch.cat((torch.ones(width, n, dtype=torch.bool), torch.ones(width, width, dtype=torch.bool).tril()), 1)
        logits, _ = net(ids, torch.arange(n, n + width), mask, past)
    else:
        logits, _ = net(ids)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--prefix-from", type=int, default=1500, help="every batch has the system block from here on")
    p.add_argument("--init", help="continue from this state: no drills, the system block from the start, the rate falling from the start")
    p.add_argument("--resume", nargs=2, metavar=("STATE", "STEP"), help="go on with an interrupted run (the optimizer starts afresh)")
    p.add_argument("--wide", type=int, default=0, help="1: paths and contents beyond the environment's own; 2: more quotes and symbols; 3: the words of requests")
    p.add_argument("--slips", type=float, default=0.0, help="share of the demonstrations with a mistake in the call")
    p.add_argument("--evaluate-every", type=int, default=750)
    a = p.parse_args()
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(a.seed * 1_000_003 + 17)
    torch.manual_seed(a.seed)
    tokenizer = Tokenizer.from_file(str(HERE.parent / "tokenizer.json"))
    encode = Encoder(tokenizer)
    net = Llama()
    structured_start(net, a.seed)
    if a.init:
        net.load_state_dict(torch.load(a.init))
        a.prefix_from = 0
    first = 0
    if a.resume:
        net.load_state_dict(torch.load(a.resume[0]))
        first = int(a.resume[1])
        rng.seed(a.seed * 1_000_003 + 17 + first)
    optimizer = torch.optim.AdamW(net.parameters(), lr=a.lr, betas=(0.9, 0.95), weight_decay=0.02)
    known, unseen = fresh_tasks(11, 125), fresh_tasks(12, 125, "unseen")
    log = (out / "log.jsonl").open("a")
    began, queue, recent = time.time(), [], []
    for step in range(first, a.steps):
        if not queue:
            early = step < a.prefix_from
            use_prefix = not early or (step > 200 and rng.random() < 0.12)
            prefix, examples = pool_of(rng, encode, a.batch * 6, 0.0 if a.init else max(0.0, 0.6 * (1 - step / 900)), 0.7 if early else 0.5, use_prefix, 512, a.slips, a.wide)
            queue = [(prefix, examples[i:i + a.batch]) for i in range(0, len(examples), a.batch)]
            rng.shuffle(queue)
        constant = 0 if a.init else a.steps / 2
        rate = min(1, (step - first + 1) / 60) * (1 if step < constant else 1 - 0.95 * (step - constant) / (a.steps - constant))
        for group in optimizer.param_groups:
            group["lr"] = a.lr * rate
        loss = loss_of(net, *queue.pop())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        record = None
        if (step + 1) % 50 == 0 or step + 1 == a.steps:
            record = {"step": step + 1, "loss": round(sum(recent) / len(recent), 4), "seconds": round(time.time() - began, 1)}
            recent = []
        if (step + 1) % a.evaluate_every == 0 or step + 1 == a.steps:
            for name, tasks in (("known", known), ("unseen", unseen)):
                for temperature in (0.0, 1.0):
                    won, _ = evaluate(net, tokenizer, tasks, temperature, seed=step)
                    record[f"{name}_T{temperature:.0f}"] = round(sum(won) / len(won), 3)
        if (step + 1) % 100 == 0 or step + 1 == a.steps:
            torch.save(net.state_dict(), out / f"step{step + 1}.pt")
        if record:
            log.write(json.dumps(record) + "\n")
            log.flush()
            print(json.dumps(record), flush=True)
    torch.save(net.state_dict(), out / "final.pt")


if __name__ == "__main__":
    main()
