"""Tokenizers put together at random: every part of a tokenizer.json with every option, in combinations nobody ships.

Their models are those of `own_tokenizers`; normalizers, pre-tokenizers, decoders, post-processors, added tokens and the
configuration are drawn. What Python refuses to load is drawn again.
"""

import json
import random

from tokenizers import Tokenizer

from own_tokenizers import own_tokenizers

MODELS = ["byte-level-gpt2", "byte-level-cl100k-nfc", "sentencepiece-plain", "unigram", "unigram-bytes", "bert-uncased", "word-level-words", "bpe-suffix"]
PATTERNS = [
    r"\s+", r"\p{L}+|\p{N}", r"[^\s\p{L}\p{N}]+", r"\w+|[^\w\s]+", r"(?i:'s|'t)|\p{Lu}?\p{Ll}+", r"\s+(?!\S)|\s", r"\p{Han}|\p{N}{1,3}(?=(?:\p{N}{3})*\b)",
    r"[a-z]{2}", r"\d+", r"[\p{P}\p{S}]", r"^.", r".$", r"(?<=[a-z])[A-Z]", r"[[:alpha:]]+", r"[[:punct:]]", r"\b", r"\R", r"[[:graph:]]+", r"[[:blank:]]|[[:^print:]]", r"\h+", r"(ab|a)(c|bcd)?",
    r"(?m)^\s*", r"(?x) a b # c", r"[^\r\n]*[\r\n]+", r"\u0041|\x{1F600}|\t", r"[\w&&[^\d_]]+", r"\p{^L}+", r"\P{L}", r"(?>a+)a?", r"x*+", r"\N", r"\O", r"e\u0301?", r"[-a-c]", r"[a\-z]", r"\Aab|\z", r"\S+\s?", r"[\s\S]{7}",
]
STRINGS = [" ", "▁", "e", "  ", "\n", "the", ".", "é", "😀", "a b", "$", "\\"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pattern(rng: random.Random) -> dict:
    return {"Regex": rng.choice(PATTERNS)} if rng.random() < 0.7 else {"String": rng.choice(STRINGS)}


def flag(rng: random.Random) -> bool:
    return rng.random() < 0.5


def charsmap(rng: random.Random, base: dict) -> dict:
    return next(step for step in base["unigram"]["normalizer"]["normalizers"] if step["type"] == "Precompiled")


def normalizer(rng: random.Random, base: dict, depth: int = 0) -> dict | None:
    kind = rng.choice(["none", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Bert", "Strip", "Replace", "Replace", "Prepend", "Precompiled", "Nmt", "ByteLevel", "Sequence", "Sequence"])
    match kind:
        case "none":
            return None
        case "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "StripAccents" | "Nmt" | "ByteLevel":
            return {"type": kind}
        case "Bert":
            return {"type": "BertNormalizer", "clean_text": flag(rng), "handle_chinese_chars": flag(rng), "strip_accents": rng.choice([None, True, False]), "lowercase": flag(rng)}
        case "Strip":
            return {"type": "Strip", "strip_left": flag(rng), "strip_right": flag(rng)}
        case "Replace":
            return {"type": "Replace", "pattern": pattern(rng), "content": rng.choice(["", " ", "▁", "$1", "x", "\\1", "$&"])}
        case "Prepend":
            return {"type": "Prepend", "prepend": rng.choice(["▁", " ", "ab", ""])}
        case "Precompiled":
            return charsmap(rng, base)
        case _:
            if depth > 1:
                return None
            steps = [normalizer(rng, base, depth + 1) for _ in range(rng.randint(0, 4))]
            return {"type": "Sequence", "normalizers": [step for step in steps if step]}


def pre_tokenizer(rng: random.Random, depth: int = 0) -> dict | None:
    kind = rng.choice(["none", "ByteLevel", "Split", "Split", "Split", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "BertPreTokenizer", "CharDelimiterSplit", "FixedLength", "Metaspace", "Metaspace", "UnicodeScripts", "Sequence", "Sequence"])
    match kind:
        case "none":
            return None
        case "ByteLevel":
            return {"type": kind, "add_prefix_space": flag(rng), "trim_offsets": flag(rng), "use_regex": flag(rng)}
        case "Split":
            return {"type": kind, "pattern": pattern(rng), "behavior": rng.choice(BEHAVIORS), "invert": flag(rng)}
        case "Whitespace" | "WhitespaceSplit" | "BertPreTokenizer" | "UnicodeScripts":
            return {"type": kind}
        case "Punctuation":
            return {"type": kind, "behavior": rng.choice(BEHAVIORS)}
        case "Digits":
            return {"type": kind, "individual_digits": flag(rng)}
        case "CharDelimiterSplit":
            return {"type": kind, "delimiter": rng.choice(" e▁,😀\n")}
        case "FixedLength":
            return {"type": kind, "length": rng.randint(1, 9)}
        case "Metaspace":
            return metaspace(rng)
        case _:
            if depth > 1:
                return None
            steps = [pre_tokenizer(rng, depth + 1) for _ in range(rng.randint(0, 3))]
            return {"type": "Sequence", "pretokenizers": [step for step in steps if step]}


def metaspace(rng: random.Random) -> dict:
    return {"type": "Metaspace", "replacement": rng.choice(["▁", "▁", "_", " "]), "prepend_scheme": rng.choice(["always", "first", "never"]), "split": flag(rng)}


def decoder(rng: random.Random, depth: int = 0) -> dict | None:
    kind = rng.choice(["none", "ByteLevel", "ByteFallback", "Fuse", "Replace", "Strip", "Metaspace", "WordPiece", "BPEDecoder", "CTC", "Sequence", "Sequence", "Sequence"])
    match kind:
        case "none":
            return None
        case "ByteLevel":
            return {"type": kind, "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        case "ByteFallback" | "Fuse":
            return {"type": kind}
        case "Replace":
            return {"type": kind, "pattern": pattern(rng), "content": rng.choice(["", " ", "x", "$1"])}
        case "Strip":
            return {"type": kind, "content": rng.choice([" ", "▁", "e", "a"]), "start": rng.randint(0, 3), "stop": rng.randint(0, 3)}
        case "Metaspace":
            return metaspace(rng)
        case "WordPiece":
            return {"type": kind, "prefix": rng.choice(["##", "▁", "e", "Ġ"]), "cleanup": flag(rng)}
        case "BPEDecoder":
            return {"type": kind, "suffix": rng.choice(["</w>", "e", "▁"])}
        case "CTC":
            return {"type": kind, "pad_token": rng.choice(["<pad>", "e"]), "word_delimiter_token": rng.choice(["|", "▁", "a"]), "cleanup": flag(rng)}
        case _:
            if depth > 1:
                return None
            steps = [decoder(rng, depth + 1) for _ in range(rng.randint(0, 4))]
            return {"type": "Sequence", "decoders": [step for step in steps if step]}


def post_processor(rng: random.Random, ids: dict[str, int], depth: int = 0) -> dict | None:
    names = sorted(ids)
    one, two = rng.choice(names), rng.choice(names)
    match rng.choice(["none", "none", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence"]):
        case "TemplateProcessing":
            special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
            sequence = {"Sequence": {"id": "A", "type_id": 0}}
            single = [special(one)] * rng.randint(0, 2) + [sequence] + [special(two)] * rng.randint(0, 2)
            entry = lambda name: {"id": name, "ids": [ids[name]], "tokens": [name]}
            return {
                "type": "TemplateProcessing",
                "single": single,
                "pair": [sequence, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {one: entry(one), two: {"id": two, "ids": [ids[two], ids[one]], "tokens": [two, one]} if flag(rng) and one != two else entry(two)},
            }
        case "BertProcessing":
            return {"type": "BertProcessing", "sep": [one, ids[one]], "cls": [two, ids[two]]}
        case "RobertaProcessing":
            return {"type": "RobertaProcessing", "sep": [one, ids[one]], "cls": [two, ids[two]], "trim_offsets": flag(rng), "add_prefix_space": flag(rng)}
        case "ByteLevel":
            return {"type": "ByteLevel", "add_prefix_space": flag(rng), "trim_offsets": flag(rng), "use_regex": flag(rng)}
        case "Sequence" if depth == 0:
            # What another processor makes of a template's parts is left out: no tokenizer has it.
            steps = [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}] * rng.randint(0, 1)
            step = post_processor(rng, ids, 1)
            return {"type": "Sequence", "processors": steps + ([step] if step else [])}
    return None


CONTENTS = ["<s>", "</s>", "<|im_end|>", "<pad>", "the", "in", "é", "É", " x", "x ", "\n\n", "▁the", "😀", "ing", "<|im_", "a b", "'s", "Ġ", "12", "<0x41>", "word", "  ", "ß", "．"]


def added_token(rng: random.Random, content: str) -> dict:
    return {"content": content, "single_word": rng.random() < 0.3, "lstrip": rng.random() < 0.3, "rstrip": rng.random() < 0.3, "normalized": flag(rng), "special": flag(rng)}


def model(rng: random.Random, spec: dict) -> dict:
    spec = json.loads(json.dumps(spec))
    vocab = spec["vocab"]
    match spec["type"]:
        case "BPE":
            spec["dropout"] = None
            spec["unk_token"] = rng.choice([None, "<unk>" if "<unk>" in vocab else sorted(vocab)[5], sorted(vocab)[9]])
            spec["fuse_unk"] = flag(rng)
            spec["byte_fallback"] = flag(rng)
            spec["ignore_merges"] = flag(rng)
            if rng.random() < 0.15:
                spec["end_of_word_suffix"] = rng.choice(["</w>", "e", ""])
            if rng.random() < 0.3:
                for name in rng.sample(sorted(name for name in vocab if name.startswith("<0x")), min(3, sum(name.startswith("<0x") for name in vocab))):
                    fresh = f"(gone {name})"
                    vocab[fresh] = vocab.pop(name)
            if rng.random() < 0.3:
                # Letters that are missing from the vocabulary, with the merges that would need them.
                for name in rng.sample([name for name in sorted(vocab) if len(name) == 1], 4):
                    vocab[f"(gone {name})"] = vocab.pop(name)
                known = lambda merge: all(part in vocab for part in ([merge[0], merge[1], merge[0] + merge[1]]))
                spec["merges"] = [merge for merge in spec["merges"] if known(merge if isinstance(merge, list) else merge.split(" "))]
        case "Unigram":
            spec["byte_fallback"] = flag(rng)
            spec["unk_id"] = rng.choice([spec["unk_id"], spec["unk_id"], 0, 7])
            if rng.random() < 0.3:
                for entry in rng.sample(vocab, 40):
                    entry[1] = rng.choice([0.0, -1.5, -1.5, -30.25])
        case "WordPiece":
            spec["max_input_chars_per_word"] = rng.choice([3, 10, 100])
            spec["continuing_subword_prefix"] = rng.choice(["##", "##", "", "e"])
    return spec


def random_tokenizers(count: int, seed: int):
    """Gives (tokenizer.json as an object, tokenizer_config.json as an object)."""
    rng = random.Random(seed)
    base = {name: json.loads(raw.to_str()) for name, (raw, _) in own_tokenizers().items() if name in MODELS}
    made = 0
    while made < count:
        name = rng.choice(MODELS)
        data = json.loads(json.dumps(base[name]))
        data["model"] = model(rng, data["model"])
        data["added_tokens"] = []
        usual = rng.random() < 0.25
        if not usual or flag(rng):
            data["normalizer"] = normalizer(rng, base)
        if not usual or flag(rng):
            data["pre_tokenizer"] = pre_tokenizer(rng)
        if not usual or flag(rng):
            data["decoder"] = decoder(rng)
        vocab = data["model"]["vocab"]
        known = dict(vocab) if isinstance(vocab, dict) else {entry[0]: id for id, entry in enumerate(vocab)}
        size = max(known.values()) + 1
        for content in rng.sample(CONTENTS, rng.randint(0, 8)):
            token = added_token(rng, content)
            id = known.get(content)
            if id is None:
                id, size = size, size + 1
                known[content] = id
            data["added_tokens"].append({"id": id, **token})
        data["added_tokens"].sort(key=lambda token: token["id"])
        data["post_processor"] = post_processor(rng, {name: known[name] for name in rng.sample(sorted(known), 6)})
        config = {}
        for field in ["bos_token", "eos_token", "unk_token", "pad_token", "cls_token"]:
            if rng.random() < 0.3:
                config[field] = rng.choice(CONTENTS + sorted(known)[:20])
        if rng.random() < 0.3:
            extra = rng.sample(CONTENTS, rng.randint(1, 4))
            config["added_tokens_decoder"] = {str(known.get(text, size + at)): added_token(rng, text) for at, text in enumerate(extra)}
        if rng.random() < 0.2:
            config["extra_special_tokens"] = rng.sample(CONTENTS, 2)
        if flag(rng):
            config["clean_up_tokenization_spaces"] = flag(rng)
        try:
            Tokenizer.from_str(json.dumps(data))
        except Exception:
            continue
        made += 1
        yield data, config
