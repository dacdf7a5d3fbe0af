/**
 * Chat templates in Jinja, each with one habit of the published ones, over the embedded model's tokens. A habit is what
 * makes it hard to go on with an answer as it was sampled.
 */
const CALLS = `{%- for call in message.tool_calls or [] -%}
{{- '<tool_call>{"name": ' + call.function.name | tojson + ', "arguments": ' + call.function.arguments | tojson + '}</tool_call>' -}}
{%- endfor -%}`;
const THINKING = `{%- if message.reasoning_content -%}{{- '<think>' + message.reasoning_content + '</think>' -}}{%- endif -%}`;
const HEAD = `{%- for tool in tools or [] -%}{{- tool.function.name + ' ' -}}{%- endfor -%}`;
const TURN = "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}";
const NEXT = "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

function template(assistant: string, { other = TURN, next = NEXT, head = HEAD } = {}): string {
  return `${head}{%- for message in messages -%}
{%- if message.role == 'assistant' -%}{{- '<|im_start|>assistant\\n' -}}${assistant}
{%- else -%}${other}{%- endif -%}
{%- endfor -%}${next}`;
}

const ANSWER = `${THINKING}{{- (message.content or '') | trim -}}${CALLS}`;
const LAST_USER = `{%- set ns = namespace(last=-1) -%}
{%- for message in messages -%}{%- if message.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}`;

export const HABITS = {
  "append-only": template(`${ANSWER}{{- '<|im_end|>\\n' -}}`),
  "strips thinking after a user message": template(
    `{%- if loop.index0 > ns.last -%}${THINKING}{%- endif -%}{{- (message.content or '') | trim -}}${CALLS}{{- '<|im_end|>\\n' -}}`,
    { head: HEAD + LAST_USER },
  ),
  "merges tool results": template(`${ANSWER}{{- '<|im_end|>\\n' -}}`, {
    other: `{%- if message.role == 'tool' -%}
{%- if messages[loop.index0 - 1].role != 'tool' -%}{{- '<|im_start|>user' -}}{%- endif -%}
{{- '\\n<tool_response>' + message.content + '</tool_response>' -}}
{%- if loop.last or loop.nextitem.role != 'tool' -%}{{- '<|im_end|>\\n' -}}{%- endif -%}
{%- else -%}${TURN}{%- endif -%}`,
  }),
  "opens thinking in the prompt": template(
    `{{- '<think>' + (message.reasoning_content or '') + '</think>' + (message.content or '') | trim -}}${CALLS}{{- '<|im_end|>\\n' -}}`,
    { next: "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n<think>' -}}{%- endif -%}" },
  ),
  "ends a conversation with one token more": template(`${ANSWER}{{- '<|im_end|>\\n' -}}`, {
    next: "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- else -%}{{- '<|endoftext|>' -}}{%- endif -%}",
  }),
  "ends a conversation with another token": template(
    `${ANSWER}{%- if loop.last and not add_generation_prompt -%}{{- '<|endoftext|>' -}}{%- else -%}{{- '<|im_end|>' -}}{%- endif -%}`,
  ),
  "drops the content beside calls": template(
    `${THINKING}{%- if message.tool_calls -%}${CALLS}{%- else -%}{{- (message.content or '') | trim -}}{%- endif -%}{{- '<|im_end|>\\n' -}}`,
  ),
  "goes through the arguments": template(
    `${THINKING}{{- (message.content or '') | trim -}}
{%- for call in message.tool_calls or [] -%}{{- '<tool_call>' + call.function.name -}}
{%- for key, value in call.function.arguments.items() -%}{{- ' ' + key + '=' + value | tojson -}}{%- endfor -%}{{- '</tool_call>' -}}{%- endfor -%}
{{- '<|im_end|>\\n' -}}`,
  ),
} as const;

export type Habit = keyof typeof HABITS;
