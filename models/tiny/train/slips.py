"""Careless answers: the right tool call with one slip in it, of the sort that an unpractised agent makes. A model that learns from
demonstrations of which a share is careless slips by chance, in every kind of task, and knows the right answer as well: what
learning by reinforcement needs to begin with.
"""
import json
import random

from tasks import Task, call_text


def careless(rng: random.Random, task: Task):
    """(the call as text, whether a tool would write anything at all): never what was asked for."""
    call = {"name": task.call["name"], "arguments": dict(task.call["arguments"])}
    arguments = call["arguments"]
    slips = [wrong_tool, other_folder, no_extension]
    slips += [extra_end, extra_start] if call["name"] == "write_file" else [not_written, *{"range": [turned, short_range], "sum": [no_arithmetic, other_sign]}.get(task.kind, [extra_quotes, not_written])]
    while True:
        changed = rng.choice(slips)(rng, task, call["name"], dict(arguments))
        if changed is None:
            continue
        text, writes = changed
        if text != call_text(task.call):
            return text, writes


def text_of(name, arguments):
    return call_text({"name": name, "arguments": arguments})


def wrong_tool(rng, task, name, arguments):
    return text_of("read_file" if name == "write_file" else "process", arguments), False


def in_place(arguments, old, new):
    """The file's path replaced, where the call writes."""
    if "path" in arguments:
        return {**arguments, "path": new}
    head, _, tail = arguments["command"].rpartition(" > ")
    return {"command": f"{head} > {new}"} if tail == old else None


def other_folder(rng, task, name, arguments):
    start, rest = next(((s, task.path[len(s):]) for s in ("~/", "/tmp/", "./") if task.path.startswith(s)), ("", task.path))
    changed = in_place(arguments, task.path, ("/tmp/" if start != "/tmp/" else "~/") + rest)
    return changed and (text_of(name, changed), True)


def no_extension(rng, task, name, arguments):
    changed = in_place(arguments, task.path, task.path.rpartition(".")[0])
    return changed and (text_of(name, changed), True)


def extra_end(rng, task, name, arguments):
    return text_of(name, {**arguments, "content": arguments["content"] + rng.choice([".", "!", " done"])}), True


def extra_start(rng, task, name, arguments):
    return text_of(name, {**arguments, "content": rng.choice(["- ", "text: "]) + arguments["content"]}), True


def not_written(rng, task, name, arguments):
    return text_of(name, {"command": arguments["command"].rpartition(" > ")[0]}), False


def replaced(arguments, old, new):
    return {"command": arguments["command"].replace(old, new, 1)} if old in arguments["command"] else None


def turned(rng, task, name, arguments):
    first, last = task.expected.split("\n")[0], task.expected.split("\n")[-1]
    changed = replaced(arguments, f"seq {first} {last} ", f"seq {last} {first} ")
    return changed and (text_of(name, changed), True)


def short_range(rng, task, name, arguments):
    first, last = task.expected.split("\n")[0], task.expected.split("\n")[-1]
    changed = replaced(arguments, f"seq {first} {last} ", f"seq {last} ") if first != "1" else replaced(arguments, "seq 1 ", "seq 0 ")
    return changed and (text_of(name, changed), True)


def no_arithmetic(rng, task, name, arguments):
    expression = arguments["command"].partition("$((")[2].partition("))")[0]
    return text_of(name, replaced(arguments, f"$(({expression}))", f"'{expression}'")), True


def other_sign(rng, task, name, arguments):
    expression = arguments["command"].partition("$((")[2].partition("))")[0]
    wrong = expression.translate(str.maketrans({"+": "-", "-": "+", "*": "+"}))
    if expression in ("2 * 2", "2*2"):
        return None
    return text_of(name, replaced(arguments, f"$(({expression}))", f"$(({wrong}))")), True


def extra_quotes(rng, task, name, arguments):
    """The text with quotation marks around it."""
    changed = replaced(arguments, "printf '%s\\n' '", "printf '%s\\n' '\"")
    return changed and (text_of(name, changed), True)


if __name__ == "__main__":
    from tasks import Maker

    rng = random.Random(3)
    maker = Maker(rng, wild=True)
    for _ in range(40):
        task = maker.task()
        print(task.kind, "|", task.prompt, "|", careless(rng, task))
