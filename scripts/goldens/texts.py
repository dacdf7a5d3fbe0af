"""Texts and id lists that tokenizers are compared on: scripts, code, spaces, control characters, emoji, long words, noise."""

import random
import unicodedata

SAMPLES = [
    "",
    " ",
    "  ",
    "   x",
    "x   ",
    "\n",
    "\n\n\n",
    "\t\t tab",
    " \n \n ",
    "\r\n\r\n mixed\r lines\n",
    "Hello, world!",
    "hello world",
    " leading space",
    "trailing space ",
    "The quick brown fox jumps over the lazy dog.",
    "It's we're I'll he'd you've I'm don't can't O'Neil's IT'S WE'RE",
    "i ' m here . is it n't ? yes ! a , b",
    "a != b == c <= d >= e && f || !g",
    "x = [1, 2, 3][::-1]; print(x)",
    "def f(a, b=1, *args, **kw):\n    return a + b  # add\n\n\n\nclass X(Y):\n\tpass\n",
    "for (int i = 0; i < n; ++i) { sum += a[i]; }\n",
    '{"name": "get_weather", "arguments": {"city": "São Paulo", "days": 3, "x": null}}',
    "<html><body class=\"a\">&amp; &lt;p&gt;</body></html>",
    "SELECT * FROM t WHERE a='b' -- comment",
    "https://example.com/a/b?c=d&e=f#g user@example.org",
    "1 12 123 1234 12345 123456 1234567890 3.14159 1e-7 0xff 1,000,000.00",
    "٣٤٥ १२३ ೧೨ ½ ¼ ² ³ ⅷ Ⅷ ① ⑳ 〇 一二三 1½ x²",
    "Äpfel Öl Übung straße STRASSE ẞ ﬁ ﬂ ŉ ǆ ǅ",
    "naïve café résumé coöperate",
    "nai\u0308ve cafe\u0301 re\u0301sume\u0301 e\u0301\u0323 \u0344 a\u0315\u0300\u05ae\u0062",
    "Ελληνικά Σίσυφος ΟΔΥΣΣΕΥΣ ΑΣ Σ",
    "Привет, мир! Съешь ещё этих мягких булок",
    "שלום עולם נָקוּד",
    "مرحبا بالعالم السَّلَامُ",
    "नमस्ते दुनिया क्षत्रिय",
    "สวัสดีชาวโลก น้ำ",
    "こんにちは世界 ガギグゲゴ ｶﾞｷﾞ ﾊﾟ",
    "你好，世界！我在学习机器学习。",
    "한국어 텍스트 각 한글",
    "Việt Nam tiếng Việt",
    "İstanbul ıİiI DİYARBAKIR",
    "𠀀𠀁 𪚥 𝐇𝐞𝐥𝐥𝐨 𝟙𝟚 𐍈𐌰 𓀀 🀄",
    "👋🏽 👨‍👩‍👧‍👦 🇩🇪🇯🇵 ❤️ ☕︎ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 😀😀😀",
    "\ufeffbom \ufeff inside\ufeff",
    "\u200bzero\u200cwidth\u200djoin\u2060er \u00adsoft",
    "nbsp\u00a0here\u2003em\u3000ideographic\u2028ls\u2029ps\u0085nel",
    "\x00\x01\x02\x07\x08\x0b\x0c\x1b\x1c\x1d\x1e\x1f\x7f\x80\x9f",
    "\ufffd\ufffe\uffff \U0010ffff \ue000",
    "▁under ▁▁score _ __ ___ ‿ ⁀",
    "Ġ Ċ ĠĠ â€™ Ã©",
    "<0x41><0xFF> <0x0A>",
    "<s> </s> <unk> [CLS] [SEP] [MASK] [UNK] <pad> <mask>",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
    "<bos><start_of_turn>user\nhi<end_of_turn>\n",
    "[INST] hi [/INST] <tool_call>{}</tool_call><think>x</think>",
    "a<|im_end|>b <|im_end|> c<|im_end",
    "“quotes” ‘single’ «guillemets» „low“ … — – ‐ • · ¶ § © ® ™",
    "$100 €50 £20 ¥10 ₹5 +-*/=<>^`|~ ±×÷≤≥≠≈∞∑√",
    "a.b,c;d:e!f?g(h)i[j]k{l}m\"n'o/p\\q@r#s%t&u",
    "ALLCAPS lowercase CamelCase snake_case kebab-case SCREAMING_SNAKE mixedCASEword",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "                                                                                   ",
    "----------------------------------------------------------------",
    "===\n===\n***\n~~~",
    "\n \n  \n   \n    x",
    "word\n\n\nword\n \nword \n word",
    "ſtrange ſ K Å 's 'S 'ſ 'RE 'll 'LL 'Ve",
    "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307 z\u0351\u0352\u0353",
    "é\ufe0f a\ufe0f ☺\ufe0f ☺\u0301 ｆｕｌｌｗｉｄｔｈ ㍿ ㌀ ﷺ",
    "क्‍ष र्‍य ক্ষ தமிழ் ಕನ್ನಡ മലയാളം සිංහල ខ្មែរ ລາວ မြန်မာ བོད་ཡིག ქართული Հայերեն አማርኛ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ᠮᠣᠩᠭᠣᠯ",
    "unaffable unbelievable antidisestablishmentarianism supercalifragilistic",
    "x" * 300 + " " + "y" * 150,
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    " \t\n",
    " ",
    "\r\n\u0085\u00a0\u2003\u3000\u2028",
    ".,;:!?'\"()[]{}<>@#$%^&*-_=+|\\/~`",
    "äöüßéèêñçåøœæ",
    "αβγδεΣσςΩ",
    "абвгдежзийклмн",
    "אבגד",
    "ابتث",
    "कखगघािी्",
    "กขคงา้ำ",
    "あいうえおアイウエオー",
    "日本語中文字漢学",
    "한국어가각",
    "😀🎉👍🏽🇩🇪\u200d❤️",
    "\u0300\u0301\u0308\u0323\ufe0f\u20e3",
    "½²Ⅷ①٣३",
    "𠀀𝐇𐍈",
    "\x00\x1b\x7f\ufeff\u200b",
    "▁Ġ",
]

WORDS = (
    "the of and to in is you that it he was for on are as with his they I at be this have from or one had by word but "
    "not what all were we when your can said there use an each which she do how their if will up other about out many "
    "then them these so some her would make like him into time has look two more write go see number no way could "
    "function return const import class async await null true false self print while template tokenizer"
).split()


def texts(count: int, seed: int = 7, specials: list[str] | None = None, avoid: str = "") -> list[str]:
    """The samples, then random mixtures; `specials` are strewn in. Texts with a character of `avoid` are left out."""
    rng = random.Random(seed)
    specials = specials or []
    result = list(SAMPLES)
    for token in specials[:40]:
        result += [token, f"a{token}b", f" {token} ", f"{token}{token}\n{token}", f"x {token}. y{token[:-1]}"]
    while len(result) < count:
        kind = rng.random()
        if kind < 0.25:
            sep = rng.choice([" ", " ", "  ", "\n", "", "_", "-"])
            result.append(sep.join(rng.choice(WORDS) for _ in range(rng.randint(1, 40))))
        elif kind < 0.7:
            parts = []
            for _ in range(rng.randint(1, 12)):
                alphabet = rng.choice(ALPHABETS)
                parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 8))))
                if specials and rng.random() < 0.08:
                    parts.append(rng.choice(specials))
            result.append("".join(parts))
        elif kind < 0.8:
            result.append("".join(chr(code_point(rng)) for _ in range(rng.randint(1, 40))))
        elif kind < 0.9:
            lines = []
            for _ in range(rng.randint(1, 8)):
                lines.append(" " * rng.choice([0, 0, 2, 4, 8, 3]) + " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 7))))
            result.append(rng.choice(["\n", "\r\n"]).join(lines))
        else:
            alphabet = rng.choice(ALPHABETS) + rng.choice(ALPHABETS)
            result.append("".join(rng.choice(alphabet) for _ in range(rng.randint(50, 250))))
    return [text for text in result if not any(char in avoid for char in text)]


def code_point(rng: random.Random) -> int:
    """A code point that Unicode 3.2 has: of newer ones each implementation knows as many as its tables are young."""
    while True:
        high = rng.choice([0x80, 0x250, 0x600, 0x3000, 0xA000, 0xFFFF, 0x1F900, 0x2A6DF])
        code = rng.randint(0x20, high)
        if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs"):
            return code


def id_lists(count: int, id_count: int, encoded: list[list[int]], seed: int = 11) -> list[list[int]]:
    """Ids to be decoded: what texts encode to, cut in the middle, and random ones."""
    rng = random.Random(seed)
    result: list[list[int]] = [[]]
    for ids in encoded:
        if ids and rng.random() < 0.5:
            start = rng.randint(0, len(ids) - 1)
            result.append(ids[start : start + rng.randint(1, 12)])
    while len(result) < count:
        low = rng.choice([id_count, 300, 1000, id_count])
        result.append([rng.randrange(min(low, id_count)) for _ in range(rng.randint(1, 12))])
    return result[:count]
