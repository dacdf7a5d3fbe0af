"""Paths and contents beyond those of the environment's generator, for the last part of training: whoever asks for `notes.json` or
`/opt/app/Makefile` with a date or a line of code in it is to get it. Most extensions are made up, so that none is special.
"""
EXTENSIONS = ("json yaml yml py js ts sh html xml ini toml tsv tmp bak rst c h cpp java go rs rb php sql css env lock jsonl properties text "
              "doc tex bat cmake gradle ipynb tar.gz log.1 min.js d.ts conf.bak txt md csv log cfg dat").split()
BASES = ["~/", "~/", "/tmp/", "/tmp/", "./", "", "", "/home/user/", "/root/", "/var/tmp/", "/workspace/", "/data/", "/opt/app/", "/srv/www/", "../"]
NAMES = "README Makefile Dockerfile LICENSE NOTES TODO CHANGELOG index main setup config test run build".split()


def letters(m, least, most):
    return "".join(m.pick("abcdefghijklmnopqrstuvwxyz") for _ in range(m.rng.randint(least, most)))


def digits(m, least, most):
    return "".join(m.pick("0123456789") for _ in range(m.rng.randint(least, most)))


def date(m):
    r = m.rng
    year, month, day = r.randint(1900, 2099), r.randint(1, 12), r.randint(1, 31)
    return m.pick([f"{year}-{month:02}-{day:02}"] * 3 + [f"{day}.{month}.{year}", f"{day:02}/{month:02}/{year}", f"{month}/{day}/{year % 100:02}", f"{year}{month:02}{day:02}"])


def name(m):
    """One part of a path, without an extension."""
    r, x = m.rng, m.rng.random()
    one = m.plain_word()
    if x < 0.35:
        return one
    return m.pick([
        lambda: m.pick(NAMES), one.capitalize, one.upper, lambda: one + m.plain_word().capitalize(), lambda: f"{one}_{m.plain_word()}", lambda: f"{one}-{m.plain_word()}",
        lambda: f"{one}{digits(m, 1, 4)}", lambda: f"{one}_{digits(m, 1, 4)}", lambda: f"{one}-{digits(m, 1, 3)}", lambda: date(m).replace("/", "-"), lambda: digits(m, 1, 5),
        lambda: letters(m, 1, 8), lambda: f"{one}.{m.plain_word()}", lambda: f"{one}_v{r.randint(1, 9)}.{r.randint(0, 9)}", lambda: f"{m.plain_word()}_{one}_{m.plain_word()}", lambda: "." + one,
    ])()


def extension(m):
    x = m.rng.random()
    if x < 0.45:
        return "." + m.pick(EXTENSIONS)
    if x < 0.60:
        return "." + letters(m, 1, 5)
    if x < 0.82:
        return "." + m.pseudo_word()
    return "." + m.pick("mp tar r v s".split()) + digits(m, 1, 2) if x < 0.87 else ""


def path(m):
    depth = m.pick([0, 0, 0, 1, 1, 2, 3, 4])
    return m.pick(BASES) + "".join(name(m) + "/" for _ in range(depth)) + name(m).rstrip(".") + extension(m)


def thing(m):
    """A piece of text without spaces, or nearly."""
    r, w = m.rng, m.plain_word
    return m.pick([
        lambda: date(m), lambda: date(m), lambda: f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}", lambda: digits(m, 3, 12), lambda: "".join(m.pick("0123") for _ in range(r.randint(3, 8))),
        lambda: ".".join(str(r.randint(0, 255)) for _ in range(4)), lambda: f"+{digits(m, 1, 2)} {digits(m, 3, 3)} {digits(m, 3, 3)} {digits(m, 4, 4)}", lambda: f"{r.randint(1, 999)},{digits(m, 3, 3)},{digits(m, 3, 3)}",
        lambda: f"-{digits(m, 1, 3)}.{digits(m, 1, 4)}", lambda: "#" + "".join(m.pick("0123456789abcdef") for _ in range(6)), lambda: "".join(m.pick("0123456789abcdef") for _ in range(r.randint(6, 12))),
        lambda: f"https://{w()}.com/{w()}?{w()}={digits(m, 1, 3)}", lambda: f"http://www.{w()}.org", lambda: f"{w()}.{w()}@{w()}.{m.pick(['com', 'org', 'net', 'de'])}", lambda: f"${w().upper()}", lambda: f"${{{w()}}}",
        lambda: w().upper(), lambda: f"{w()}_{w()}_{w()}", lambda: w() + w().capitalize(), lambda: m.pick("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), lambda: f"{digits(m, 1, 3)}%", lambda: f"[{w()}]({w()})",
        lambda: f"<{w()}>{w()}</{w()}>", lambda: f"`{w()}`", lambda: f"*{w()}*", lambda: f"{w()}...", lambda: f"({digits(m, 1, 3)})", lambda: f"{w()}'s", lambda: f"@{w()}", lambda: f"{w()}|{w()}", lambda: f"'{w()}'", lambda: f'"{w()}"',
        lambda: f"{w()}\\{w()}", lambda: f"{digits(m, 1, 2)}x{digits(m, 1, 2)}", lambda: f"€{digits(m, 1, 3)}", lambda: f"{m.pick('éüñçøß')}{w()}", lambda: f"C:\\{w()}\\{w()}",
    ])()


def line(m):
    """A whole line of code, data or the like."""
    r, w = m.rng, m.plain_word
    return m.pick([
        lambda: f'{{"{w()}": {digits(m, 1, 3)}}}', lambda: f'{{"{w()}": "{w()}", "{w()}": {m.pick(["true", "false", "null"])}}}', lambda: "[" + ", ".join(digits(m, 1, 2) for _ in range(r.randint(2, 5))) + "]",
        lambda: f"print('{w()} {w()}')", lambda: f'print("{w()}")', lambda: f"{w()} = {digits(m, 1, 3)}", lambda: f"{w()}: {w()}", lambda: f"{w()}={w()}", lambda: f"if {w()} > {digits(m, 1, 2)}: return {w()}",
        lambda: f"{w()}({w()}, {w()});", lambda: f"import {w()}", lambda: f"#!/bin/{w()}", lambda: f"{w()} | {w()} > {w()}", lambda: f"{w()} --{w()}={digits(m, 1, 3)} -{m.pick('abcdefgh')}", lambda: f"{w()},{digits(m, 1, 3)},{w()},{digits(m, 1, 3)}",
        lambda: f"TODO: {w()} {w()}", lambda: f"{w().capitalize()}, {w()}! {w().capitalize()} {w()}?", lambda: f"- {w()} {w()}", lambda: f"# {w().capitalize()} {w()}", lambda: f"{digits(m, 1, 2)} + {digits(m, 1, 2)} = {digits(m, 1, 3)}", lambda: f"{w()} -> {w()}",
        lambda: f"I'm {w()}, you're {w()}.", lambda: f"he said: \"{w()} {w()}\"", lambda: f"{w()} & {w()} <{w()}@{w()}.com>", lambda: f"a.{w()}.{w()}; b.{w()}",
    ])()


def text(m, least, most):
    return " ".join(m.word() for _ in range(m.rng.randint(least, most)))


def symbols(m):
    """What round 1 still got wrong: a text that is quoted as a whole, and signs that words seldom stand beside."""
    r, w, sign = m.rng, m.plain_word, lambda: m.pick("<>`|{}[]^~*#@&;%$_=+/\\!?:,-")
    x = r.random()
    if x < 0.30:
        return f'"{text(m, 1, 7)}{m.pick(["", "", "", "", ".", "!", "?"])}"'
    if x < 0.36:
        return f"'{text(m, 1, 5)}'"
    if x < 0.42:
        return f'"{text(m, 1, 3)}", {text(m, 1, 2)}' if m.chance(0.5) else f'{text(m, 1, 2)}: "{text(m, 1, 4)}"'
    if x < 0.55:
        return " ".join(m.word() for _ in range(r.randint(7, 12))) + m.pick(["", "."])
    if x < 0.75:
        return m.pick([
            lambda: f"{w()}()", lambda: f"{w()}({w()})", lambda: f"{w()}() {w()}", lambda: f"`{w()}` {w()}", lambda: f"{w()} `{w()} {w()}`", lambda: f"<{w()}>", lambda: f"<{m.pick('abip')}>{text(m, 1, 3)}</{m.pick('abip')}>",
            lambda: f"<{w()} {w()}=\"{w()}\">", lambda: f"{w()} {{ {w()}: {digits(m, 1, 3)}; }}", lambda: f"{w()} && {w()}", lambda: f"{w()} || {w()}", lambda: f"{w()} | {w()} {w()}", lambda: f"{w()} < {w()} > {w()}",
            lambda: f"{w()} {w()}(): {w()} {digits(m, 1, 2)}", lambda: f"{w()}[{digits(m, 1, 2)}] = {w()}", lambda: f"{w()}; {w()}: {w()}", lambda: f"{w()}: {w()}; {w()}", lambda: f"~{w()} ^{w()}", lambda: f"{w()}::{w()}", lambda: f"{w()} => {w()}",
        ])()
    words = [m.word() for _ in range(r.randint(2, 5))]
    for _ in range(r.randint(1, 3)):
        at = r.randrange(len(words))
        words[at] = m.pick([lambda: sign(), lambda: sign() + words[at], lambda: words[at] + sign(), lambda: sign() + words[at] + sign(), lambda: sign() + sign()])()
    return " ".join(words).strip()


ASKING = ("terminal terminal terminal tool command file text write path containing content exactly number numbers shell line lines create echo printf result "
          "please save put folder use make from the in to of with at a this that and name arguments seq mkdir").split()


def asking(m):
    """A text made of the words that requests and calls are made of: "Hello from the terminal" is no request for the terminal."""
    words = [m.pick(ASKING) if m.chance(0.55) else m.word() for _ in range(m.rng.randint(1, 6))]
    words = [w.capitalize() if m.chance(0.12) else w for w in words]
    if m.chance(0.35):
        words[-1] = m.pick(["terminal", "tool", "command", "file", "text", "shell", "path"])
    return " ".join(words) + m.pick(["", "", "", ".", "!"])


def content(m):
    if m.wide > 2 and m.chance(0.45):
        return asking(m)
    if m.wide > 1 and m.chance(0.6):
        return symbols(m)
    r, x = m.rng, m.rng.random()
    if x < 0.30:
        return thing(m)
    if x < 0.50:
        return line(m)
    if x < 0.62:
        return " ".join(m.word() for _ in range(r.randint(7, 13))) + m.pick(["", ".", "!"])
    words = [m.word() for _ in range(r.randint(2, 6))]
    for _ in range(r.randint(1, 2)):
        words[r.randrange(len(words))] = thing(m)
    return " ".join(words)
