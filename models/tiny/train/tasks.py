"""Makes file-writing tasks: what is asked, which file must exist, what it must hold, and the tool call that does it.

The words and phrasings are those of environments/terminal-test/material.json; the environment's own generator draws from the same
distribution. Prompts whose hash falls into the evaluation tenth are never given for training.
"""
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import wide

ROOT = Path(__file__).resolve().parents[3]
MATERIAL = json.loads((ROOT / "environments/terminal-test/material.json").read_text())
TOKENIZER = Path(__file__).resolve().parents[1] / "tokenizer.json"
PIECES: list[str] = []
UNSEEN = set(MATERIAL["unseen"])
CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
KINDS = {"text": 0.42, "terminal": 0.16, "lines": 0.09, "number": 0.06, "range": 0.13, "sum": 0.14}


def pieces():
    """The vocabulary's tokens that are lower-case letters, once there is a vocabulary."""
    if not PIECES and TOKENIZER.exists():
        PIECES.extend(t for t in json.loads(TOKENIZER.read_text())["model"]["vocab"] if t.isascii() and t.isalpha() and t.islower())
    return PIECES or list("abcdefghijklmnopqrstuvwxyz")


@dataclass
class Task:
    kind: str
    prompt: str
    path: str
    expected: str
    call: dict  # the tool call that solves it


def is_held_out(prompt: str) -> bool:
    return hashlib.sha256(prompt.encode()).digest()[0] < 26


class Maker:
    """Draws tasks from one random generator. `words` is known, unseen or mixed; `wild` adds the odd contents that only training uses,
    `wide` (0 to 3) more of them and paths beyond the environment's own: any extension, any folder, dates, code, addresses."""

    def __init__(self, rng: random.Random, words="known", wild=False, wide=0):
        self.rng, self.words, self.wild, self.wide = rng, words, wild, wide

    def pick(self, values):
        return values[self.rng.randrange(len(values))]

    def chance(self, p):
        return self.rng.random() < p

    def pseudo_word(self):
        r = self.rng
        x = r.random() if self.wild else 1.0
        if x < 0.3:  # any letters of the vocabulary: a token that words seldom hold must be copied as surely as others
            parts = [self.pick(pieces()) for _ in range(r.randint(1, 3))]
            if r.random() < 0.25:
                parts.append(parts[-1])
            word = "".join(parts)
            return "zu" + word if word in UNSEEN else word
        if x < 0.65:  # halves of two known words: cut into tokens much as any other English word
            a, b = self.pick(MATERIAL["known"]), self.pick(MATERIAL["known"])
            word = a[: r.randint(1, len(a))] + b[r.randint(0, len(b) - 1):]
            if r.random() < 0.2:  # a doubled letter, as in "puzzle"
                at = r.randrange(len(word))
                word = word[:at] + word[at] + word[at:]
            return "zu" + word if word in UNSEEN else word
        word = "".join(self.pick(CONSONANTS) + self.pick(VOWELS) + (self.pick(CONSONANTS) if r.random() < 0.35 else "") for _ in range(r.randint(1, 3)))
        return "zu" + word if word in UNSEEN else word

    def random_letters(self):
        return "".join(self.pick("abcdefghijklmnopqrstuvwxyz") for _ in range(self.rng.randint(2, 7)))

    def plain_word(self):
        if self.words == "unseen" or (self.words == "mixed" and self.chance(0.5)):
            return self.pick(MATERIAL["unseen"])
        x = self.rng.random() + (0.15 if self.wild else 0)
        if self.words == "mixed" or x < 0.55:
            return self.pick(MATERIAL["known"])
        return self.pseudo_word() if x < (1.0 if self.wild else 0.85) else self.random_letters()

    def word(self):
        word = self.plain_word()
        x = self.rng.random()
        return word.capitalize() if x < 0.25 else word.upper() if x < 0.28 else word

    def number(self):
        r = self.rng
        return str(r.randint(0, 10 ** r.randint(1, 5) - 1))

    def odd(self):
        """A date, version, price, address or similar."""
        r = self.rng
        n = lambda top: str(r.randint(0, top))
        return self.pick([
            lambda: f"20{n(9)}{n(9)}-0{n(9)}-{r.randint(10, 28)}", lambda: f"v{n(9)}.{n(20)}.{n(9)}", lambda: f"{n(999)}.{n(99)}",
            lambda: f"{r.randint(10, 23)}:{r.randint(10, 59)}", lambda: f"{n(100)}%", lambda: f"{self.plain_word()}-{self.plain_word()}",
            lambda: f"{self.plain_word()}_{n(99)}", lambda: f"({self.plain_word()})", lambda: f"{self.plain_word()}@{self.plain_word()}.com",
            lambda: f"#{n(999)}", lambda: f"{self.plain_word()}={n(99)}", lambda: f"{self.plain_word()}/{self.plain_word()}",
            lambda: f"[{self.plain_word()}]", lambda: f"{self.plain_word()}:", lambda: f"${n(99)}", lambda: "&", lambda: "-", lambda: f"{n(9)}+{n(9)}",
        ])()

    def backslashed(self):
        w = self.plain_word
        return self.pick([lambda: f"C:\\{w()}", lambda: f"C:\\{w()}\\{w()}", lambda: f"{w()}\\{w()}", lambda: f"\\{w()}", lambda: f"\\d+",
                          lambda: f"{w()}\\n{w()}", lambda: f"\\{self.pick('nrtwsdb')}", lambda: f"D:\\{w()}\\{w()}.txt"])()

    def words_list(self, count):
        if count >= 2 and self.chance(0.34 if self.wild else 0.22):  # repeated words are what a copying network finds hard
            pool = [self.word() for _ in range(self.rng.randint(1 if self.chance(0.15) else 2, max(2, count - 1)))]
            return [self.pick(pool) for _ in range(count)]
        return [self.word() for _ in range(count)]

    def content(self, kind="text"):
        r = self.rng
        if self.wide and self.chance(0.3 if self.wide == 1 else 0.45):
            return wide.content(self)
        count = self.pick([1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7]) if not (self.wild and self.chance(0.1)) else r.randint(6, 12)
        words = self.words_list(count)
        if self.chance(0.14):
            words[r.randrange(count)] = self.number()
        if self.chance(0.10):
            words[r.randrange(count)] = self.odd()
        if self.wild and self.chance(0.03):
            words[r.randrange(count)] = self.pick(MATERIAL["accented"])
        x = r.random()
        if self.wild and x > 0.90:  # backslashes need more practice than their share of the tasks
            words[r.randrange(count)] = self.backslashed()
        elif x < 0.10:
            words[r.randrange(count)] = self.pick([lambda: self.pick(MATERIAL["contractions"]), lambda: self.plain_word().capitalize() + "'s"])()
        elif x < 0.19:
            at = r.randrange(count)
            words[at] = f'"{words[at]}"' if count < 3 or self.chance(0.6) or at + 1 >= count else f'"{words[at]}'
            if words[at][-1] != '"' or words[at] == '"':
                words[at + 1] += '"'
        elif x < 0.26:
            words[r.randrange(count)] = self.backslashed()
        if self.chance(0.08) and count > 1:
            words[r.randrange(count - 1)] += self.pick([",", ",", ";", ":"])
        text = " ".join(words)
        if self.chance(0.14):
            text += self.pick([".", "!", "?", "..."])
        return text

    def path(self):
        r = self.rng
        if self.wide and self.chance(0.5):
            return wide.path(self)
        x = r.random()
        stem = self.pick(MATERIAL["stems"]) if x < 0.3 and self.words != "unseen" else self.plain_word()
        if self.chance(0.25):
            stem += self.pick(["_", "-"]) + (self.plain_word() if self.chance(0.6) else str(r.randint(1, 99)))
        elif self.chance(0.1):
            stem += str(r.randint(1, 99))
        x = r.random()
        base = "~/" if x < 0.42 else "/tmp/" if x < 0.68 else "./" if x < 0.83 else ""
        depth = self.pick([0, 0, 0, 1, 1, 2, 3, 3] if self.wild else [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
        middle = "".join((self.pick(MATERIAL["directories"]) if self.words != "unseen" and self.chance(0.5) else self.plain_word()) + "/" for _ in range(depth))
        return f"{base}{middle}{stem}.{self.pick(MATERIAL['extensions'])}"

    def task(self, kinds=None, tools="both"):
        """`tools`: both, file (no terminal) or terminal (no write_file)."""
        kinds = kinds or list(KINDS)
        kind = self.rng.choices(kinds, [KINDS[k] * (1.5 if self.wild and k == "terminal" else 1) for k in kinds])[0]
        path, templates = self.path(), MATERIAL["templates"]
        if kind == "range":
            first = self.pick([1, 1, 1, 0, self.rng.randint(2, 30)])
            last = first + self.rng.randint(2, 12) if self.chance(0.7) else first + self.rng.randint(2, 60)
            prompt = self.pick(templates["range"]).replace("{path}", path).replace("{first}", str(first)).replace("{last}", str(last))
            return self.done(kind, prompt, path, "\n".join(map(str, range(first, last + 1))), shell(path, f"seq {first} {last}"))
        if kind == "sum":
            sign = self.pick("++-*")
            a, b = (self.rng.randint(1, 12), self.rng.randint(1, 12)) if sign == "*" or self.chance(0.3) else (self.rng.randint(1, 999), self.rng.randint(1, 999))
            expression = f"{a}{sign}{b}" if self.chance(0.12) else f"{a} {sign} {b}"
            prompt = self.pick(templates["sum"]).replace("{path}", path).replace("{expression}", expression)
            return self.done(kind, prompt, path, str(a + b if sign == "+" else a - b if sign == "-" else a * b), shell(path, f"echo $(({expression}))"))
        if kind == "number":
            content = self.number()
            prompt = self.pick(templates["number"]).replace("{path}", path).replace("{content}", content)
        elif kind == "lines":
            items = [" ".join(self.word() for _ in range(self.pick([1, 1, 1, 2]))) if self.chance(0.9) else self.number() for _ in range(self.rng.randint(2, 5))]
            content = "\n".join(items)
            prompt = self.pick(templates["lines"]).replace("{path}", path).replace("{items}", ", ".join(items))
        else:
            content = self.content()
            quoted = '"' not in content and self.chance(0.35)
            prompt = self.pick(templates["quoted" if quoted else "open"]).replace("{path}", path).replace("{content}", content)
            if kind == "terminal":
                prefix = self.pick(MATERIAL["terminal_prefixes"])
                prompt = prefix + (prompt[0].lower() + prompt[1:] if not prompt.startswith("I ") and self.chance(0.5) and prefix.endswith(": ") else prompt)
        if tools == "terminal" and kind != "lines":
            call = shell(path, print_text(content))
        elif kind == "terminal" and tools == "both":
            call = shell(path, print_text(content))
        else:
            call = {"name": "write_file", "arguments": {"path": path, "content": content}}
        return self.done(kind, prompt, path, content, call)

    def done(self, kind, prompt, path, expected, call):
        return Task(kind, prompt, path, expected, call)


def print_text(content: str) -> str:
    """A shell command that prints the text as it is: in single quotes, an apostrophe as '\\''. No look ahead is needed to write it."""
    escaped = content.replace("'", "'\\''")
    return f"printf '%s\\n' '{escaped}'"


def shell(path: str, command: str) -> dict:
    folder = path.rpartition("/")[0]
    prefix = "" if folder in ("", "~", ".", "/tmp") else f"mkdir -p {folder} && "
    return {"name": "terminal", "arguments": {"command": f"{prefix}{command} > {path}"}}


def call_text(call: dict) -> str:
    return "<tool_call>\n" + json.dumps(call, ensure_ascii=False) + "\n</tool_call>"


if __name__ == "__main__":
    maker = Maker(random.Random(1), wild=True)
    for _ in range(40):
        task = maker.task()
        print(task.kind, "|", task.prompt, "|", json.dumps(task.call, ensure_ascii=False))
