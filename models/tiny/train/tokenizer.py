"""Trains the byte-level BPE of 512 ids and writes tokenizer.json and tokenizer_config.json.

Spaces, digits and punctuation are tokens of their own, so a word has the same ids after a space, a quote or a slash; a backslash keeps
the one letter after it, so `\\temp` and its JSON form `\\\\temp` end in the same ids. Only the glue of JSON objects is merged.
"""
import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from conversation import STANDARD, TOOLS, dialogue, random_prefix, system_block
from tasks import Maker

OUT = Path(__file__).resolve().parents[1]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
PATTERN = r'"\}\}|": \{"|": "|", "|": |\{"|"\}|\\\p{L}|\p{L}+|\p{N}|\s|[^\s\p{L}\p{N}]'

TEMPLATE = r"""{%- set first = messages[0] if messages else {'role': ''} -%}
{%- set has_system = first.role == 'system' or first.role == 'developer' -%}
{%- macro text(content) -%}
{%- if content is string -%}{{- content -}}{%- elif content -%}{%- for part in content -%}{{- part.text or '' -}}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- if has_system or tools -%}
{{- '<|im_start|>system\n' -}}
{%- if has_system -%}{{- text(first.content) -}}{%- if tools -%}{{- '\n' -}}{%- endif -%}{%- endif -%}
{%- if tools -%}
{{- 'Tools:' -}}
{%- for tool in tools -%}
{%- set f = tool.function if tool.function else tool -%}
{{- ' ' + f.name -}}
{%- if tools|length <= 8 -%}
{%- set ns = namespace(names='') -%}
{%- set p = f.parameters if f.parameters else {} -%}
{%- set required = p.required if p.required else [] -%}
{%- for name in required -%}{%- set ns.names = ns.names + (',' if ns.names else '') + name -%}{%- endfor -%}
{%- if p.properties -%}
{%- for name in p.properties -%}{%- if name not in required -%}{%- set ns.names = ns.names + (',' if ns.names else '') + name -%}{%- endif -%}{%- endfor -%}
{%- endif -%}
{{- '(' + ns.names + ')' -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if has_system and loop.first -%}
{%- elif message.role == 'assistant' -%}
{{- '<|im_start|>assistant\n' -}}
{{- text(message.content) -}}
{%- if message.tool_calls -%}
{%- if message.content -%}{{- '\n' -}}{%- endif -%}
{%- for call in message.tool_calls -%}
{%- set c = call.function if call.function else call -%}
{%- if not loop.first -%}{{- '\n' -}}{%- endif -%}
{{- '<tool_call>\n{"name": "' + c.name + '", "arguments": ' -}}
{%- if c.arguments is string -%}{{- c.arguments -}}{%- else -%}{{- c.arguments | tojson -}}{%- endif -%}
{{- '}\n</tool_call>' -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- elif message.role == 'tool' -%}
{{- '<|im_start|>user\n<tool_response>\n' -}}{{- text(message.content) -}}{{- '\n</tool_response><|im_end|>\n' -}}
{%- else -%}
{{- '<|im_start|>' + message.role + '\n' -}}{{- text(message.content) -}}{{- '<|im_end|>\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"""


def corpus():
    rng = random.Random(7)
    maker = Maker(rng, wild=True)
    for index in range(12_000):
        yield "".join(text for text, _ in dialogue(maker, maker.task(), 2))
        if index % 12 == 0:
            yield random_prefix(rng)[0]
        if index % 40 == 0:
            yield system_block(STANDARD)
            yield system_block(list(TOOLS))


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=[AddedToken(t, special=True, normalized=False) for t in SPECIALS],
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        token["special"] = token["id"] < 3  # the tool tags must survive skip_special_tokens
    (OUT / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 2048, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "bos_token": None, "add_bos_token": False, "clean_up_tokenization_spaces": False, "chat_template": TEMPLATE,
    }
    (OUT / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer = Tokenizer.from_file(str(OUT / "tokenizer.json"))
    print("vocab", tokenizer.get_vocab_size(), "standard system block", len(tokenizer.encode(system_block(STANDARD)).ids),
          "all tools", len(tokenizer.encode(system_block(list(TOOLS))).ids))


if __name__ == "__main__":
    main()
