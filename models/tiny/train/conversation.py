"""Renders tool sets, tasks and conversations exactly as the chat template does, and marks the tokens that the assistant wrote.

Every piece is encoded on its own: the pre-tokenizer never joins text across a special token or a line break, so the pieces' ids
concatenate to the ids of the whole text.
"""
import json
import random

from slips import careless
from tasks import MATERIAL, Maker, call_text

TOOLS = {
    "patch": "mode,path,old_string,new_string,replace_all,patch",
    "process": "action,session_id,data,timeout,offset,limit",
    "read_file": "path,offset,limit,column",
    "search_files": "pattern,target,path,file_glob,limit,offset,output_mode,context",
    "terminal": "command,background,timeout,workdir,pty",
    "write_file": "path,content",
    "todo": "todos,merge",
    "execute_code": "code",
    "web_search": "query,limit",
    "web_extract": "urls",
    "memory": "action,target,content,old_text",
    "delegate_task": "goal,context,toolsets,tasks",
    "vision_analyze": "image_url,question",
    "browser_navigate": "url",
    "browser_click": "ref",
    "skill_view": "name,file_path",
    "session_search": "query,role_filter,limit",
    "clarify": "question,choices",
}
STANDARD = ["patch", "process", "read_file", "search_files", "terminal", "write_file"]
SYSTEM_PROMPTS = [
    "You are a helpful assistant.", "You are an agent with tools.", "Use the tools to complete the task.", "You are a careful assistant. Solve the task with your tools.",
    "Complete the user's task.", "Be brief.", "You work in a Linux sandbox.", "You can run commands and write files.", "Do what the user asks, then stop.",
]


def system_block(names, system=None, tools=TOOLS):
    """The text before the first user turn. More than eight tools are listed by name only."""
    head = (system or "") + ("\n" if system and names else "")
    if names:
        head += "Tools:" + "".join(f" {n}" if len(names) > 8 else f" {n}({tools[n]})" for n in names)
    return f"<|im_start|>system\n{head}<|im_end|>\n" if head else ""


def user(text):
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def tool_result(text):
    return f"\n<|im_start|>user\n<tool_response>\n{text}\n</tool_response><|im_end|>\n<|im_start|>assistant\n"


def random_prefix(rng: random.Random):
    """A system block and the tools that it allows: both, file or terminal. Mostly the standard one."""
    x = rng.random()
    if x < 0.55:
        return system_block(STANDARD), "both"
    names = list(STANDARD)
    allowed = "both"
    if x < 0.62:
        names, allowed = ["process", "terminal"], "terminal"
    elif x < 0.67:
        names, allowed = ["patch", "read_file", "search_files", "write_file"], "file"
    elif x < 0.80:
        names = ["terminal", "write_file"] + rng.sample([n for n in TOOLS if n not in ("terminal", "write_file")], rng.randint(0, 5))
    elif x < 0.88:
        names += rng.sample([n for n in TOOLS if n not in STANDARD], rng.randint(1, 8))
    if rng.random() < 0.6:
        names = sorted(names) if rng.random() < 0.6 else rng.sample(names, len(names))
    tools = {n: changed(p, rng) for n, p in TOOLS.items()} if rng.random() < 0.4 else TOOLS
    return system_block(names, rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.6 else None, tools), allowed


def changed(parameters, rng):
    """A parameter list as it might look after a change of the tool: one fewer or one more."""
    first, *rest = parameters.split(",")
    if rest and rng.random() < 0.3 and first not in ("path", "command"):
        rest.pop(rng.randrange(len(rest)))
    if rng.random() < 0.2:
        rest.insert(rng.randint(0, len(rest)), rng.choice(["notify_on_complete", "encoding", "watch_patterns", "mode", "cwd", "env", "append"]))
    return ",".join([first, *rest])


LINT = ["No linter for .txt files", "No linter for this file type", "No linter is configured for .md", "not a source file", "skipped", "no linter", "No linter for this kind of file."]
FAILURES = [
    "Permission denied", "No such file or directory", "Is a directory", "Read-only file system", "No space left on device", "Write denied: the path is protected",
    "The sandbox ended while it was in use.", "Operation not permitted", "The path must be a string.", "command not found", "timed out", "Invalid arguments",
]


def result_of(maker: Maker, task, fail: bool):
    """What the tool answers, in the shapes of the project's tools with some freedom."""
    rng = maker.rng
    name = task.call["name"]
    if fail:
        reason = rng.choice(FAILURES) if rng.random() < 0.8 else " ".join(maker.word() for _ in range(rng.randint(2, 6)))
        reason = rng.choice([reason, f"{task.path}: {reason}", f"bash: line {rng.randint(1, 3)}: {task.path}: {reason}", f"Failed to write file: {reason}", f"cannot create {task.path}: {reason}"])
        if name == "write_file":
            result = rng.choice([{"error": reason}, {"bytes_written": 0, "dirs_created": rng.random() < 0.5, "error": reason}, {"error": reason, "path": task.path}, {"success": False, "error": reason}])
        else:
            result = rng.choice([{"output": reason, "exit_code": rng.choice([1, 1, 2, 126, 127]), "error": None}, {"output": "", "exit_code": rng.choice([-1, 1, 124]), "error": reason}, {"error": reason}])
        return json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    if name == "write_file":
        result = {"bytes_written": len(task.expected.encode()), "dirs_created": rng.random() < 0.7}
        x = rng.random()
        if x < 0.6:
            result["lint"] = {"status": "skipped", "message": rng.choice(LINT) if rng.random() < 0.8 else " ".join(maker.word() for _ in range(rng.randint(1, 6)))}
        elif x < 0.7:
            result["lint"] = {"status": "ok", "output": ""}
        elif x < 0.8:
            result["lint"] = {"status": "skipped"}
        if rng.random() < 0.1:
            result["path"] = task.path
    else:
        result = {"output": "", "exit_code": 0, "error": None}
        x = rng.random()
        if x < 0.1:
            result = {"output": "", "exit_code": 0}
        elif x < 0.15:
            result["cwd"] = rng.choice(["/root", "/srv/app", "/home/user"])
    separators = (",", ":") if rng.random() < 0.85 else (", ", ": ")
    return json.dumps(result, ensure_ascii=False, separators=separators)


def final_text(task, fail):
    return f"Sorry, I could not write {task.path}." if fail else f"Done. I wrote {task.path}."


class Encoder:
    """Encodes pieces and remembers the ids of those that repeat."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def example(self, pieces):
        """`pieces`: [(text, is the assistant's)] → (ids, mask)."""
        ids, mask = [], []
        for encoding, (_, own) in zip(self.tokenizer.encode_batch([t for t, _ in pieces], add_special_tokens=False), pieces):
            ids += encoding.ids
            mask += [own] * len(encoding.ids)
        return ids, mask


def dialogue(maker: Maker, task, turns: int, slips=0.0):
    """The pieces after the system block: the task and its call, and with two turns the tool's answer and the closing words. `slips`
    is the share of calls with a mistake."""
    careless_now = slips > 0 and maker.chance(slips)
    call, writes = careless(maker.rng, task) if careless_now else (call_text(task.call), True)
    pieces = [(user(task.prompt), False), (call + "<|im_end|>", True)]
    if turns == 2:
        fail = maker.chance(0.12) or not writes
        pieces += [(tool_result(result_of(maker, task, fail)), False), (final_text(task, fail) + "<|im_end|>", True)]
    return pieces


def copy_drill(rng: random.Random, vocab: int):
    """A string of random tokens in the user turn and again, once or twice, in a call: teaches copying before anything else."""
    n = rng.randint(4, 40)
    pool = [rng.randrange(7, vocab) for _ in range(rng.randint(3, 60))]
    return [rng.choice(pool) for _ in range(n)] if rng.random() < 0.5 else [rng.randrange(7, vocab) for _ in range(n)]
