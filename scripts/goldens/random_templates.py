"""Templates put together at random from jinja2's grammar: expressions of every kind, statements within statements."""

import random

NAMES = ["d", "n", "xs", "words", "objs", "s", "u", "f", "empty", "big", "nested", "missing", "messages", "tools", "add_generation_prompt", "x"]
LITERALS = [
    "none", "true", "false", "None", "True", "0", "1", "2", "-1", "3", "7", "0.5", "-2.5", "1e3", "1e-7", "1.0", "100", "''", "'a'", '"b\'c"', "'  x '", "'a,b,c'", "'Hello World'", "'ÄÖü ß'", "'👋🏽x'", "'\\n'",
    "'a\\tb'", "'{\"k\": 1}'", "'%s-%d'", "'<b>&'", "'aXbXc'", "'123'", "'٣'", "[]", "[1, 2, 3]", "['a', 'B', 'c']", "[[1, 2], [3]]", "(1, 2)", "()", "(1,)", "{}", "{'a': 1, 'b': [2]}", "{1: 'x', 'k': none}", "[none, true, 1.5]", "range(4)", "range(5, 0, -2)", "dict(a=1)", "'line\\nline2\\n\\nend'", "9007199254740993", "' \\u00a0x'",
]
FILTERS = [
    "abs", "attr('a')", "batch(2)", "batch(3, 'z')|list", "capitalize", "center(9)", "count", "d('z')", "default('z')", "default('z', true)", "dictsort", "dictsort(true)", "dictsort(false, 'value')", "dictsort(reverse=true)", "e", "escape", "filesizeformat", "first", "float", "float(3.5)", "forceescape", "format(1)", "format('x', 2)", "groupby('k')", "groupby('role')|list",
    "indent", "indent(2)", "indent(width=3, first=true)", "indent('>>', blank=true)", "int", "int(9)", "int(base=16)", "items", "items|list", "join", "join(', ')", "join('-', attribute='k')", "last", "length", "list", "lower", "map('upper')|list", "map(attribute='k')|list", "map(attribute='z.y', default=0)|list", "map('length')|list", "map('default', 'q')|list", "map('int')|join('|')", "max", "min", "max(attribute='v')", "random|string|length * 0",
    "reject|list", "reject('odd')|list", "reject('none')|list", "rejectattr('k')|list", "rejectattr('z', 'defined')|list", "replace('a', 'b')", "replace('l', 'L', 1)", "replace('', '-')", "reverse", "reverse|list", "round", "round(1)", "round(1, 'floor')", "round(method='ceil')", "safe", "select|list", "select('string')|list", "select('gt', 1)|list", "select('in', [1, 'a'])|list", "selectattr('k')|list", "selectattr('k', 'equalto', 'x')|list", "selectattr('v', '>', 1)|list", "selectattr('z', 'undefined')|list",
    "slice(2)|list", "slice(3, 'f')|list", "sort", "sort(true)", "sort(case_sensitive=true)", "sort(attribute='v')", "sort(attribute='k,v')", "string", "striptags", "sum", "sum(start=5)", "sum(attribute='v')", "title", "tojson", "tojson(indent=2)", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "tojson(indent='--', sort_keys=true)", "trim", "trim('a ')", "truncate(5)", "truncate(7, true)", "truncate(8, false, '..', 0)",
    "unique|list", "unique(true)|list", "unique(attribute='k')|list", "upper", "urlencode", "wordcount", "wordwrap(5)", "wordwrap(4, false)", "xmlattr", "xmlattr(false)",
]
TESTS = [
    "boolean", "callable", "defined", "divisibleby 2", "divisibleby(3)", "eq 1", "equalto('a')", "even", "odd", "false", "true", "filter", "test", "float", "integer", "number", "ge 1", "gt 0", "le 2", "lt 3", "in [1, 'a']", "in 'abc'", "iterable", "lower", "upper", "mapping", "ne none", "none", "sameas none", "sameas(true)", "sequence", "string", "undefined", "escaped", "== 1", "!= 1", ">= 1",
]
METHODS = [
    ".upper()", ".lower()", ".strip()", ".strip('a ')", ".lstrip()", ".rstrip('\\n')", ".split()", ".split(',')", ".split('X', 1)", ".rsplit(',', 1)", ".splitlines()", ".splitlines(true)", ".startswith('a')", ".startswith(('a', ' '))", ".endswith('d')", ".find('l')", ".rfind('l')", ".count('l')", ".index('e')", ".replace('a', 'Q')", ".replace('l', '', 1)", ".join(['1', '2'])", ".title()", ".capitalize()", ".swapcase()", ".casefold()", ".center(11, '*')", ".ljust(5)", ".rjust(6, '0')", ".zfill(7)", ".partition(',')", ".rpartition(',')",
    ".isdigit()", ".isalpha()", ".isalnum()", ".isspace()", ".isupper()", ".islower()", ".istitle()", ".isnumeric()", ".isdecimal()", ".isidentifier()", ".isascii()", ".isprintable()", ".removeprefix('a')", ".removesuffix('c')", ".expandtabs(4)", ".format(1, b=2)", ".encode()", ".translate({97: 'Z'})",
    ".items()", ".keys()|list", ".values()|list", ".get('a')", ".get('zz')", ".get('zz', 1)", ".get('a', 1)", ".items()|list", ".copy()", ".index(2)", ".count(2)", ".append(1)", ".pop()", ".a", ".b", ".role", ".content", ".items", ".k", ".real", ".__class__", ".bit_length()", ".is_integer()", ".imag", ".numerator", ".conjugate()", ".hex()", ".as_integer_ratio()", ".fromkeys([1])",
    "[0]", "[-1]", "[1:]", "[:2]", "[::-1]", "[::2]", "[-2:]", "[1:-1]", "['a']", "['role']", "[5]", "[0:1]", "[3:1:-1]", "['items']", "[none]", "[1.0]", "[true]",
]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "not in"]


def expression(rng: random.Random, depth: int) -> str:
    if depth <= 0 or rng.random() < 0.1:
        return rng.choice(NAMES) if rng.random() < 0.45 else rng.choice(LITERALS)
    inner = lambda: expression(rng, depth - 1)
    match rng.choice("ffffmmmmbbbbtttcnilduksgp"):
        case "f":
            return f"{operand(rng, depth)}|{rng.choice(FILTERS)}"
        case "m":
            return f"{operand(rng, depth)}{rng.choice(METHODS)}"
        case "b":
            op = rng.choice(BINARY)
            if op == "**":
                return f"{rng.choice(['2', '0.5', '-3', 'f', 'xs[0]'])} ** {rng.choice(['2', '3', '-1', '0.5', '0'])}"
            if op == "*":
                return f"{operand(rng, depth)} * {rng.choice(['2', '0', '-1', '1.5', 'true', 'xs[0]', '[1]'])}"
            return f"{operand(rng, depth)} {op} {operand(rng, depth)}"
        case "t":
            return f"{operand(rng, depth)} is {rng.choice(['', '', 'not '])}{rng.choice(TESTS)}"
        case "c":
            return f"{inner()} if {inner()} else {inner()}" if rng.random() < 0.8 else f"{inner()} if {inner()}"
        case "n":
            return f"not {operand(rng, depth)}"
        case "i":
            return f"-{operand(rng, depth)}" if rng.random() < 0.7 else f"+{operand(rng, depth)}"
        case "l":
            return "[" + ", ".join(inner() for _ in range(rng.randint(0, 3))) + "]"
        case "d":
            return "{" + ", ".join(f"{rng.choice(LITERALS[:32])}: {inner()}" for _ in range(rng.randint(0, 3))) + "}"
        case "u":
            return "(" + "".join(f"{inner()}, " for _ in range(rng.randint(1, 3))) + ")"
        case "k":
            return f"{operand(rng, depth)} < {operand(rng, depth)} <= {operand(rng, depth)}"
        case "s":
            return f"{operand(rng, depth)}[{rng.choice(['', '0', '1', '-1', 'x'])}:{rng.choice(['', '2', '-1', '1'])}:{rng.choice(['', '1', '2', '-1'])}]"
        case "g":
            return f"{operand(rng, depth)}[{inner()}]"
        case _:
            return f"({inner()})"


def operand(rng: random.Random, depth: int) -> str:
    text = expression(rng, depth - 1)
    return text if text.replace("_", "").isalnum() or text[0] in "'\"[{(" and text[-1] in "'\"]})" and rng.random() < 0.7 else f"({text})"


def mark(rng: random.Random) -> tuple[str, str]:
    return rng.choice(["{%", "{%", "{%-", "{%+"]), rng.choice(["%}", "%}", "-%}", "+%}"])


def tag(rng: random.Random, body: str) -> str:
    start, end = mark(rng)
    return f"{start} {body} {end}"


def text(rng: random.Random) -> str:
    return rng.choice(["", "", " ", "\n", "  \n", "a", " b ", "\n  c", "x\n\n", "\t", "{", "}", "#", "# y", "\r\n", "<|z|>", "'", "%"])


def statement(rng: random.Random, depth: int) -> str:
    inner = lambda: block(rng, depth - 1)
    expr = lambda: expression(rng, rng.randint(0, 2))
    if depth <= 0:
        return output(rng)
    match rng.choice(["if", "if", "for", "for", "for", "set", "set", "setblock", "with", "macro", "call", "filter", "raw", "comment", "namespace", "generation", "output", "output", "loopvars", "recursive", "do"]):
        case "if":
            middle = tag(rng, f"elif {expr()}") + inner() if rng.random() < 0.3 else ""
            middle += tag(rng, "else") + inner() if rng.random() < 0.4 else ""
            return tag(rng, f"if {expr()}") + inner() + middle + tag(rng, "endif")
        case "for":
            target = rng.choice(["x", "x", "x", "k, v", "(a, b)", "m"])
            source = rng.choice(["xs", "words", "objs", "messages", "d", "d.items()", "'ab👋'", "empty", "range(3)", "d|dictsort", "nested", "[[1, 2], (3, 4)]", "xs|batch(2)", "missing", "n", "objs|groupby('k')", "'ab'"])
            condition = f" if {rng.choice(['x', 'loop', 'x is defined', 'not x', 'x is string', 'x != 2', 'loop.first', 'x is odd'])}" if rng.random() < 0.25 else ""
            jump = tag(rng, f"if {rng.choice(['loop.index == 2', 'x == 1', 'x is string', 'loop.last', 'not x'])}") + tag(rng, rng.choice(["break", "continue"])) + tag(rng, "endif") if rng.random() < 0.35 else ""
            other = tag(rng, "else") + inner() if rng.random() < 0.25 else ""
            return tag(rng, f"for {target} in {source}{condition}") + inner() + jump + inner() + other + tag(rng, "endfor")
        case "loopvars":
            return tag(rng, f"for x in {rng.choice(['xs', 'words', 'd', 'messages', 'range(2)'])}") + "{{ " + " }},{{ ".join(rng.sample(["loop.index", "loop.index0", "loop.revindex", "loop.revindex0", "loop.first", "loop.last", "loop.length", "loop.depth", "loop.depth0", "loop.previtem", "loop.nextitem", "loop.cycle('a', 'b')", "loop.changed(x)", "loop.changed(loop.index // 2)", "x"], 4)) + " }}" + tag(rng, "endfor")
        case "set":
            target = rng.choice(["x", "y", "x, y", "s", "ns.a"])
            return tag(rng, f"set {target} = {expr()}") + "{{ " + target.split(",")[0] + " }}"
        case "setblock":
            return tag(rng, rng.choice(["set y", "set y | upper", "set y | trim | length", "set y | replace('a', 'b')"])) + inner() + tag(rng, "endset") + "{{ y }}{{ y is string }}"
        case "with":
            return tag(rng, rng.choice([f"with x = {expr()}", f"with x = 1, y = {expr()}", "with"])) + inner() + "{{ x }}{{ y }}" + tag(rng, "endwith")
        case "macro":
            head = rng.choice(["m(x)", "m(x, y=2)", "m(x='q', y=x)", "m()", "m(a, b=none)"])
            call = rng.choice(["m(1)", "m()", "m(x=3)", "m(1, 2)", "m(y=[1])", "m('a', y='b')", "m(1, z=4)", "m.name", "m.arguments", "m.catch_kwargs"])
            extra = rng.choice(["", "", "{{ varargs }}", "{{ kwargs }}", "{{ caller is defined }}"])
            return tag(rng, f"macro {head}") + inner() + "{{ x }}/{{ y }}" + extra + tag(rng, "endmacro") + "{{ " + call + " }}"
        case "call":
            return "{% macro w(t) %}<{{ t }}>{{ caller(" + rng.choice(["", "t", "1, 2"]) + ") }}{% endmacro %}" + tag(rng, rng.choice(["call w('q')", "call(x) w(1)", "call(x, y=5) w()"])) + inner() + "{{ x }}" + tag(rng, "endcall")
        case "filter":
            return tag(rng, "filter " + rng.choice(["upper", "trim", "replace('a', 'b')", "indent(2)", "escape", "length", "tojson"])) + inner() + tag(rng, "endfilter")
        case "raw":
            return tag(rng, "raw").replace("+%}", "%}") + "{{ x }}{% if %}\n" + rng.choice(["{% endraw %}", "{%- endraw -%}"])
        case "comment":
            return rng.choice(["{# c #}", "{#- c -#}", "{# {{ x }} \n #}\n", " {#- c #} "])
        case "namespace":
            return "{% set ns = namespace(" + rng.choice(["a=1", "a=[]", "", "{'a': 2}", "found=false, a=''"]) + ") %}" + tag(rng, "for x in xs") + tag(rng, rng.choice(["set ns.a = x", "set ns.a = ns.a ~ x", "set ns.b = loop.index", "set ns.a = [x] + ns.a"])) + tag(rng, "endfor") + "{{ ns.a }}{{ ns.b }}{{ ns.zz }}"
        case "generation":
            return tag(rng, "generation") + inner() + tag(rng, "endgeneration")
        case "recursive":
            return "{% for x in " + rng.choice(["[[1, [2]], [3]]", "nested", "[1, [2, 3]]"]) + " recursive %}" + "{{ loop.depth }}:" + "{% if x is iterable and x is not string %}{{ loop(x) }}{% else %}{{ x }}{% endif %}{% endfor %}"
        case _:
            return output(rng)


def output(rng: random.Random) -> str:
    start, end = rng.choice([("{{", "}}"), ("{{", "}}"), ("{{-", "}}"), ("{{", "-}}"), ("{{+", "}}")])
    return f"{start} {expression(rng, rng.randint(0, 3))} {end}"


def block(rng: random.Random, depth: int) -> str:
    return "".join(text(rng) + statement(rng, depth) for _ in range(rng.randint(1, 2))) + text(rng)


def scoping(rng: random.Random, depth: int) -> str:
    """Names that are set, read and shadowed in scopes of every kind; `s` and `f` are given from outside, `y` is not."""
    inner = lambda: "".join(scoping(rng, depth - 1) for _ in range(rng.randint(1, 3)))
    name = rng.choice("syf")
    kinds = ["read", "read", "set", "if", "for", "with", "macro", "call", "setblock", "filter", "forname", "generation"]
    match rng.choice(kinds if depth > 0 else ["read", "set"]):
        case "set":
            return "{% set " + name + " = " + rng.choice(["1", "2", "name", "y ~ 'q'", "s", "[s]"]).replace("name", name) + " %}"
        case "if":
            other = "{% else %}" + inner() if rng.random() < 0.4 else ""
            return "{% if " + rng.choice(["true", "false", "s", "y", "y is defined", "loop is defined"]) + " %}" + inner() + other + "{% endif %}"
        case "for":
            other = "{% else %}" + inner() if rng.random() < 0.2 else ""
            return "{% for i in " + rng.choice(["[1, 2]", "[]", "xs"]) + " %}" + inner() + other + "{% endfor %}"
        case "forname":
            return "{% for " + name + " in [1, 2]" + rng.choice(["", f" if {name} > 1", " if s"]) + " %}" + inner() + "{% endfor %}{{ " + name + " }}"
        case "with":
            return "{% with " + name + " = " + rng.choice(["3", "s", "y"]) + " %}" + inner() + "{% endwith %}"
        case "macro":
            return "{% macro m(" + rng.choice(["", name, f"{name}=4", f"a, {name}=s"]) + ") %}" + inner() + "{% endmacro %}" + rng.choice(["{{ m() }}", "{{ m(5) }}", "{% for i in [1] %}{{ m() }}{% endfor %}", ""])
        case "call":
            return "{% macro w() %}" + inner() + "{{ caller() }}{% endmacro %}{% call w() %}" + inner() + "{% endcall %}"
        case "setblock":
            return "{% set " + name + " %}" + inner() + "{% endset %}"
        case "filter":
            return "{% filter upper %}" + inner() + "{% endfilter %}"
        case "generation":
            return "{% generation %}" + inner() + "{% endgeneration %}"
        case _:
            return "[{{ " + name + " }}]"


def random_templates(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    names = ["".join(scoping(rng, 3) for _ in range(rng.randint(2, 4))) for _ in range(count // 4)]
    return names + [output(rng) if rng.random() < 0.55 else block(rng, rng.randint(1, 3)) for _ in range(count - len(names))]
