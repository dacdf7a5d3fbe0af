"""Samples a batch of conversations with the network and judges them by really running the call against an imitation of the tools."""
import json
import random
import re
import shlex

import torch

from conversation import Encoder, Maker, STANDARD, result_of, system_block, tool_result, user
from tasks import call_text  # noqa: F401

END = 2


@torch.no_grad()
def sample(net, prompts, temperature=0.0, max_new=120, generator=None):
    """Continues each prompt until <|im_end|>; gives the new ids."""
    batch = len(prompts)
    lengths = torch.tensor([len(p) for p in prompts])
    width = int(lengths.max())
    ids = torch.zeros(batch, width, dtype=torch.long)
    for row, p in enumerate(prompts):
        ids[row, width - len(p):] = torch.tensor(p)
    pad = torch.arange(width)[None] >= (width - lengths)[:, None]
    positions = (torch.arange(width)[None] - (width - lengths)[:, None]).clamp(min=0)
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    logits, past = net(ids, positions, (causal[None] & pad[:, None, :] | torch.eye(width, dtype=torch.bool)[None])[:, None])
    logits, done, out = logits[:, -1], torch.zeros(batch, dtype=torch.bool), [[] for _ in prompts]
    next_position = lengths.clone()
    for _ in range(max_new):
        if temperature == 0:
            token = logits.argmax(-1)
        else:
            token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        for row in range(batch):
            if not done[row]:
                out[row].append(int(token[row]))
        done |= token == END
        if bool(done.all()):
            break
        pad = torch.cat((pad, torch.ones(batch, 1, dtype=torch.bool)), 1)
        logits, past = net(token[:, None], next_position[:, None], pad[:, None, None, :], past)
        logits, next_position = logits[:, -1], next_position + 1
    return out


def run_shell(command):
    """The few commands that the model may use, as {path: content}; None for anything else."""
    made = {"", "~", ".", "/tmp"}
    match = re.fullmatch(r"(?:mkdir -p (\S+) && )?(.+) > (\S+)", command, re.S)
    if not match:
        return None
    folder, body, path = match.groups()
    if folder:
        made.add(folder)
    if path.rpartition("/")[0] not in made:
        return None
    arithmetic = re.fullmatch(r"echo \$\(\(\s*(\d+)\s*([-+*])\s*(\d+)\s*\)\)", body)
    if arithmetic:
        a, sign, b = arithmetic.groups()
        if re.match(r"0\d", a) or re.match(r"0\d", b):
            return None
        return {path: str({"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign])}
    try:
        words = shlex.split(body)
    except ValueError:
        return None
    if len(words) == 3 and words[0] == "seq" and words[1].isdigit() and words[2].isdigit():
        return {path: "\n".join(map(str, range(int(words[1]), int(words[2]) + 1)))}
    if len(words) == 3 and words[:2] == ["printf", "%s\\n"] and re.fullmatch(r"printf '%s\\n' '[^']*'(\\''[^']*')*", body):
        return {path: words[2]}
    return None


def judge(text, task):
    """The call's effect: does the right file hold exactly the right content (after trimming)?"""
    match = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", text, re.S)
    try:
        call = json.loads(match[1]) if match else None
        if call["name"] == "write_file":
            files = {call["arguments"]["path"]: call["arguments"]["content"]}
        elif call["name"] == "terminal":
            files = run_shell(call["arguments"]["command"])
        else:
            return False
        return files is not None and files.get(task.path, "").strip() == task.expected.strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def evaluate(net, tokenizer, tasks, temperature, seed=0, prefix=None, batch=125):
    """Success per task: the call works, and after the tool's answer the model ends without another call."""
    net.eval()
    encode = Encoder(tokenizer)
    prefix = encode(prefix if prefix is not None else system_block(STANDARD))
    generator = torch.Generator().manual_seed(seed)
    maker, results, texts = Maker(random.Random(seed)), [], []
    for start in range(0, len(tasks), batch):
        part = tasks[start:start + batch]
        prompts = [prefix + encode(user(t.prompt)) for t in part]
        outs = sample(net, prompts, temperature, generator=generator)
        first = [tokenizer.decode([i for i in o if i != END], skip_special_tokens=False) for o in outs]
        good = [judge(x, t) and o[-1] == END for x, t, o in zip(first, part, outs)]
        seconds = [p + o + encode(tool_result(result_of(maker, t, False))) for p, o, t in zip(prompts, outs, part)]
        ends = sample(net, seconds, temperature, max_new=60, generator=generator)
        results += [g and e[-1] == END and 3 not in e for g, e in zip(good, ends)]
        texts += first
    net.train()
    return results, texts
