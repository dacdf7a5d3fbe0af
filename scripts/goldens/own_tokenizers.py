"""Small tokenizers of every class, trained here on texts written here, for the goldens that run in CI."""

import base64
import io
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from texts import SAMPLES, WORDS

CORPUS = SAMPLES * 2 + [" ".join(WORDS[i:] + WORDS[:i]) for i in range(0, len(WORDS), 7)]
VOCAB = 420

CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
HAN = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
EMBEDDED = r'"\}\}|": \{"|": "|", "|": |\{"|"\}|\p{L}+|\p{N}|\s|[^\s\p{L}\p{N}]'


def byte_level(pattern: str | None, normalizer=None, behavior="isolated", invert=False, **bpe) -> Tokenizer:
    tok = Tokenizer(models.BPE(**bpe))
    if normalizer is not None:
        tok.normalizer = normalizer
    if pattern is None:
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tok.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), behavior, invert), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    tok.decoder = decoders.ByteLevel()
    train(tok, trainers.BpeTrainer(vocab_size=VOCAB, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tok


def train(tok: Tokenizer, trainer) -> None:
    tok.train_from_iterator(CORPUS, trainer)


def chat_tokens(tok: Tokenizer) -> Tokenizer:
    tok.add_special_tokens([AddedToken(text, special=True) for text in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]])
    tok.add_tokens(
        [
            AddedToken("<tool_call>"),
            AddedToken("</tool_call>", normalized=False),
            AddedToken("<mask>", lstrip=True),
            AddedToken("<left>", rstrip=True, normalized=False),
            AddedToken("word", single_word=True),
            AddedToken("ing", single_word=True, normalized=False),
            AddedToken("<|im_", special=False, normalized=False),
            AddedToken("\n\n\n", normalized=False),
            AddedToken("É", normalized=True),
        ]
    )
    return tok


def sentencepiece_bpe(prefix: bool, decoder_strip: bool, pre=None, normalizer=None) -> Tokenizer:
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)]
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    steps = ([normalizers.Prepend("▁")] if prefix else []) + [normalizers.Replace(" ", "▁")]
    tok.normalizer = normalizer or normalizers.Sequence(steps)
    if pre is not None:
        tok.pre_tokenizer = pre
    train(tok, trainers.BpeTrainer(vocab_size=VOCAB + 300, special_tokens=["<unk>", "<s>", "</s>", *alphabet], show_progress=False, limit_alphabet=120))
    # The byte tokens are ordinary entries of the vocabulary, not added tokens.
    data = json.loads(tok.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(data))
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tok.decoder = decoders.Sequence(parts + ([decoders.Strip(" ", 1, 0)] if decoder_strip else []))
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tok


RULES = [("ﬁ", "fi"), ("①", "1"), ("½", "1/2"), ("Ａ", "A"), ("é", "e"), ("é", "E!"), ("か\u3099", "が"), ("　", " "), ("\u200b", ""), ("☺", ":)"), ("ß", "ss")]


def charsmap() -> bytes:
    """A precompiled map of our own rules, made by SentencePiece."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    rules = "/tmp/goldens-rules.tsv"
    with open(rules, "w", encoding="utf-8") as file:
        for source, target in RULES:
            codes = lambda text: " ".join(f"{ord(char):X}" for char in text)
            file.write(f"{codes(source)}\t{codes(target)}\n")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in CORPUS if text.strip()]),
        model_writer=model,
        vocab_size=1000,
        normalization_rule_tsv=rules,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    os.remove(rules)
    parsed = proto.ModelProto()
    parsed.ParseFromString(model.getvalue())
    return parsed.normalizer_spec.precompiled_charsmap


def unigram(byte_fallback: bool, metaspace: str = "always", split: bool = True) -> Tokenizer:
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap()), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=metaspace, split=split)
    tok.decoder = decoders.Metaspace(prepend_scheme=metaspace, split=split)
    specials = ["<pad>", "</s>", "<unk>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else [])
    train(tok, trainers.UnigramTrainer(vocab_size=900 + len(specials), special_tokens=specials, unk_token="<unk>", show_progress=False))
    data = json.loads(tok.to_str())
    data["model"]["byte_fallback"] = byte_fallback
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(data))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tok


def word_piece(lowercase: bool, strip_accents: bool | None = None, cleanup: bool = True) -> Tokenizer:
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece(cleanup=cleanup)
    train(tok, trainers.WordPieceTrainer(vocab_size=VOCAB + 400, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def word_level(normalizer, pre) -> Tokenizer:
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    train(tok, trainers.WordLevelTrainer(vocab_size=VOCAB, special_tokens=["<unk>"], show_progress=False))
    return tok


def suffix_bpe() -> Tokenizer:
    tok = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tok.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.decoder = decoders.BPEDecoder(suffix="</w>")
    train(tok, trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False, limit_alphabet=150))
    return tok


def own_tokenizers() -> dict[str, tuple[Tokenizer, dict]]:
    """Name → tokenizer and its tokenizer_config.json."""
    seq = pre_tokenizers.Sequence
    roberta = byte_level(None)
    roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    roberta.add_special_tokens(["<s>", "</s>"])
    roberta.post_processor = processors.RobertaProcessing(("</s>", roberta.token_to_id("</s>")), ("<s>", roberta.token_to_id("<s>")))
    sequence_post = byte_level(CL100K, ignore_merges=True)
    sequence_post.add_special_tokens(["<|bos|>", "<|eos|>"])
    bos, eos = sequence_post.token_to_id("<|bos|>"), sequence_post.token_to_id("<|eos|>")
    sequence_post.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", bos), ("<|eos|>", eos)])]
    )
    late = byte_level(CL100K)
    ctc = word_level(normalizers.NFC(), pre_tokenizers.Split("", "isolated"))
    ctc.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|")
    ctc.add_tokens(["<pad>", "|"])
    truncated = byte_level(None)
    truncated.enable_truncation(5)
    truncated.enable_padding(length=8)
    chat = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    entry = lambda content, special, **more: {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": special, **more}
    return {
        "byte-level-cl100k-nfc": (chat_tokens(byte_level(CL100K, normalizers.NFC())), chat),
        "byte-level-o200k-inverted": (byte_level(O200K, behavior="removed", invert=True), {}),
        "byte-level-gpt2": (chat_tokens(byte_level(None)), chat),
        "byte-level-han-possessive": (byte_level(HAN), {}),
        "byte-level-embedded": (chat_tokens(byte_level(EMBEDDED)), chat),
        "byte-level-digits-nfkc": (with_pre(byte_level(None, normalizers.NFKC()), seq([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])), {}),
        "byte-level-digit-runs": (with_pre(byte_level(None, normalizers.NFD()), seq([pre_tokenizers.Digits(False), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(False, use_regex=False)])), {}),
        "byte-level-roberta": (roberta, {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>"}),
        "byte-level-sequence-post": (sequence_post, {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "add_bos_token": False, "add_eos_token": True}),
        "byte-level-truncated": (truncated, {"model_max_length": 5}),
        "byte-level-late-tokens": (
            late,
            {
                "eos_token": "<|end|>",
                "image_token": "<image>",
                "extra_special_tokens": ["<x1>", "<x2>"],
                "added_tokens_decoder": {
                    "9000": entry("<|end|>", False),
                    "9001": entry("<|tool|>", False, lstrip=True),
                    "9002": entry("the", False, single_word=True, normalized=True),
                },
            },
        ),
        "byte-level-named-plain": (chat_tokens(byte_level(CL100K)), {"eos_token": "<tool_call>", "pad_token": "<new_pad>", "additional_special_tokens": ["<left>", "<y1>"]}),
        "sentencepiece-prefix": (sentencepiece_bpe(True, True), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
        "sentencepiece-plain": (sentencepiece_bpe(False, False), {"clean_up_tokenization_spaces": True}),
        "sentencepiece-split": (sentencepiece_bpe(False, False, pre_tokenizers.Split(" ", "merged_with_previous")), {}),
        "sentencepiece-metaspace-first": (
            with_decoder(sentencepiece_bpe(False, False, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), normalizers.NFC()), decoders.Metaspace(prepend_scheme="first")),
            {"eos_token": "</s>"},
        ),
        "unigram": (unigram(False), {"eos_token": "</s>", "clean_up_tokenization_spaces": True}),
        "unigram-bytes": (unigram(True, "first", False), {"eos_token": "</s>"}),
        "unigram-never": (unigram(False, "never"), {}),
        "bert-uncased": (word_piece(True), {"cls_token": "[CLS]", "sep_token": "[SEP]", "clean_up_tokenization_spaces": True}),
        "bert-cased": (word_piece(False, False, False), {"cls_token": "[CLS]"}),
        "bert-accents": (word_piece(True, False), {}),
        "word-level-split": (word_level(normalizers.Nmt(), pre_tokenizers.WhitespaceSplit()), {}),
        "word-level-words": (word_level(normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()]), pre_tokenizers.Whitespace()), {}),
        "word-level-next": (word_level(normalizers.NFKC(), pre_tokenizers.Split(Regex(r"[\s]"), "merged_with_next")), {}),
        "word-level-scripts": (word_level(normalizers.NFC(), seq([pre_tokenizers.UnicodeScripts(), pre_tokenizers.CharDelimiterSplit("e")])), {}),
        "word-level-ctc": (ctc, {}),
        "bpe-suffix": (suffix_bpe(), {}),
    }


def with_pre(tok: Tokenizer, pre) -> Tokenizer:
    tok.pre_tokenizer = pre
    return tok


def with_decoder(tok: Tokenizer, decoder) -> Tokenizer:
    tok.decoder = decoder
    return tok
