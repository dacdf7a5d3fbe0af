"""Conversations that templates are compared on: roles, tools, reasoning, parts, None, floats, Unicode, wrong orders."""

import random

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city. Uses \"quotes\" & <tags>.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name, e.g. São Paulo"},
                    "days": {"type": "integer", "minimum": 1, "default": 3},
                    "unit": {"type": "string", "enum": ["c", "f"]},
                    "factor": {"type": ["number", "null"], "multipleOf": 0.5},
                },
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "ping", "description": "Ping.", "parameters": {"type": "object", "properties": {}}}},
    {
        "type": "function",
        "function": {
            "name": "run",
            "description": "Runs\nlines",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"argv": {"type": "array", "items": {"type": "string"}}, "env": {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": False}},
                "required": ["argv", "env"],
            },
            "return": {"type": "string", "description": "output"},
        },
    },
]

TEXTS = ["Hi", "  spaced  \n", "Wie geht's? 👋🏽", "你好\n\n世界", "<b>&\"'</b>", "", "{{ x }} {% y %}", "a\\b\t\x1fz", "line\r\nbreak\n", "<think>old</think>\n\nvisible", "0"]


def call(rng: random.Random, name: str, arguments, index: int) -> dict:
    return {"id": f"call_{index:05d}x"[-9:], "type": "function", "function": {"name": name, "arguments": arguments}}


def fixed() -> list[tuple[list[dict], dict]]:
    """Messages and the options they are rendered with."""
    weather = {"city": "São \"P\" <b>\nx", "days": 3, "opts": {"a": [1, True, None, 2.5, 1e-7]}, "flag": False, "n": None}
    rng = random.Random(1)
    user = {"role": "user", "content": "What's the weather?"}
    asks = {"role": "assistant", "content": "Let me see.", "tool_calls": [call(rng, "get_weather", weather, 1)]}
    asks_none = {"role": "assistant", "content": None, "tool_calls": [call(rng, "get_weather", {"city": "Paris"}, 2), call(rng, "ping", {}, 3)]}
    asks_text = {"role": "assistant", "content": "", "tool_calls": [call(rng, "get_weather", '{"city": "Paris", "x": 1.0}', 4)]}
    answer = {"role": "tool", "tool_call_id": "call_00001x"[-9:], "name": "get_weather", "content": '{"temp": 20.0}'}
    final = {"role": "assistant", "content": "It is sunny.\n"}
    system = {"role": "system", "content": "Be brief."}
    thinking = {"role": "assistant", "content": "Done.", "reasoning_content": "I\nthink\n"}
    parts = {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": "here"}]}
    prompt = {"add_generation_prompt": True}
    tools = {"tools": TOOLS}
    convs: list[tuple[list[dict], dict]] = [
        ([user], prompt),
        ([user], {}),
        ([system, user], prompt),
        ([system, user, final, user], prompt),
        ([user, final], {}),
        ([system, user], {**prompt, **tools}),
        ([user], {**prompt, **tools}),
        ([user], {**prompt, "tools": []}),
        ([user, asks, answer], {**prompt, **tools}),
        ([system, user, asks_none, answer, {**answer, "content": "pong\n"}], {**prompt, **tools}),
        ([user, asks_text, answer, final, user], {**prompt, **tools}),
        ([user, asks, answer, final], tools),
        ([user, asks, answer], prompt),
        ([user, thinking, user], prompt),
        ([user, {**asks, "reasoning": "why"}, answer, thinking], tools),
        ([user, {**asks_none, "thinking": "hm"}, answer], {**prompt, **tools}),
        ([user, {**final, "reasoning_content": ""}, user, {**final, "content": "<think>\nin\n</think>\n\nout"}], {}),
        ([parts], prompt),
        ([system, parts, {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}], {}),
        ([{"role": "system", "content": [{"type": "text", "text": "sys"}]}, user], prompt),
        ([{"role": "developer", "content": "dev"}, user], prompt),
        ([user, system], prompt),
        ([user, user], prompt),
        ([final, user], prompt),
        ([system], prompt),
        ([system, system, user], {}),
        ([{"role": "user", "content": None}], prompt),
        ([{"role": "user"}], prompt),
        ([{"role": "custom", "content": "x"}, user], prompt),
        ([{"role": "ipython", "content": {"a": 1.5}}, user], prompt),
        ([user, {"role": "assistant", "content": "x", "tool_calls": []}, user], prompt),
        ([user, {"role": "assistant", "tool_calls": None, "content": "x", "name": "bot"}], {}),
        ([user, asks, {"role": "tool", "content": {"temp": 20, "f": 2.5, "none": None}}, final], tools),
        ([user, asks, {"role": "tool", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], {**prompt, **tools}),
        ([user], {**prompt, "enable_thinking": False}),
        ([user], {**prompt, "enable_thinking": True}),
        ([system, user, thinking, user], {**prompt, "enable_thinking": False, "preserve_thinking": True}),
        ([user], {**prompt, "thinking": True}),
        ([user], {**prompt, "reasoning_effort": "high", "model_identity": "You are X.", "builtin_tools": ["python"]}),
        ([user], {**prompt, "date_string": "1 Jan 2025", "custom_tools": TOOLS, "tools_in_user_message": False}),
        ([user, final], {"bos_token": "<B>", "eos_token": "<E>"}),
        ([system, user], {**prompt, "documents": [{"title": "T", "text": "body"}, {"title": "U", "text": "é"}]}),
        ([{"role": "user", "content": text} for text in TEXTS[:1]] + [final], prompt),
    ]
    for text in TEXTS:
        convs.append(([{"role": "user", "content": text}], prompt))
        convs.append(([{"role": "system", "content": text}, user, {"role": "assistant", "content": text}], {}))
    return convs


def generated(count: int, seed: int = 5) -> list[tuple[list[dict], dict]]:
    rng = random.Random(seed)
    result = []
    for _ in range(count):
        messages: list[dict] = []
        if rng.random() < 0.5:
            messages.append({"role": "system", "content": rng.choice(TEXTS)})
        number = 0
        for _ in range(rng.randint(1, 4)):
            messages.append({"role": "user", "content": rng.choice(TEXTS)})
            if rng.random() < 0.5:
                calls = []
                for _ in range(rng.randint(1, 2)):
                    number += 1
                    arguments = {rng.choice(["a", "b", "é"]): rng.choice([1, 2.5, None, True, "x\n", ["l", {"k": 1e-5}]]) for _ in range(rng.randint(0, 3))}
                    calls.append(call(rng, rng.choice(["ping", "get_weather"]), arguments, number))
                asks = {"role": "assistant", "content": rng.choice(["", None, "text"]), "tool_calls": calls}
                if rng.random() < 0.4:
                    asks[rng.choice(["reasoning", "reasoning_content", "thinking"])] = rng.choice(["r\n", "  deep"])
                messages.append(asks)
                for item in calls:
                    messages.append({"role": "tool", "tool_call_id": item["id"], "name": item["function"]["name"], "content": rng.choice(TEXTS)})
            if rng.random() < 0.8:
                message = {"role": "assistant", "content": rng.choice(TEXTS)}
                if rng.random() < 0.3:
                    message["reasoning_content"] = rng.choice(["because\n", "", "x"])
                messages.append(message)
        options: dict = {"add_generation_prompt": rng.random() < 0.6}
        if rng.random() < 0.5:
            options["tools"] = rng.sample(TOOLS, rng.randint(0, 3))
        result.append((messages, options))
    return result
