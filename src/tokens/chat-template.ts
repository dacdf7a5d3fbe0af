/**
 * What transformers does around a chat template: which template is taken, what it is given, and how messages are
 * prepared. The truth is `PreTrainedTokenizerBase.apply_chat_template` of transformers 5.
 */
import { isObject, LachesisError } from "../core/index.ts";
import { toValue } from "./template/convert.ts";
import { Template } from "./template/template.ts";
import { PyDict } from "./template/values.ts";

/** Fields that hold reasoning, in the order in which the first non-null one is taken. */
const REASONING_FIELDS = ["reasoning_content", "thinking", "reasoning"] as const;

/** The chat templates of one tokenizer, by name; a single one is called "default". */
export class ChatTemplates {
  readonly #sources: ReadonlyMap<string, string>;
  readonly #compiled = new Map<string, Template>();

  constructor(sources: ReadonlyMap<string, string>) {
    this.#sources = sources;
  }

  get names(): string[] {
    return [...this.#sources.keys()];
  }

  /** The template's text, by name or, where `name` is itself a template, that text. */
  source(name: string | null, hasTools: boolean): string {
    if (name !== null) return this.#sources.get(name) ?? name;
    const wanted = hasTools && this.#sources.has("tool_use") ? "tool_use" : "default";
    const source = this.#sources.get(wanted);
    if (source !== undefined) return source;
    const known = this.names.join(", ");
    throw new LachesisError(
      "template_error",
      known === ""
        ? "The tokenizer has no chat template; its folder has no chat_template.jinja and its tokenizer_config.json none either."
        : `The tokenizer has several chat templates and none is called default; name one of ${known}.`,
    );
  }

  get(source: string): Template {
    let template = this.#compiled.get(source);
    if (template === undefined) {
      template = new Template(source);
      this.#compiled.set(source, template);
    }
    return template;
  }
}

/** Messages as a template gets them: without top-level nulls, and with the reasoning under its usual names. */
export function prepareMessages(messages: readonly unknown[]): PyDict[] {
  if (messages.length === 0) {
    throw new LachesisError("template_error", "A chat template needs at least one message.");
  }
  return messages.map((message, index) => {
    const value = toValue(message);
    if (!(value instanceof PyDict) || !(isObject(message) || message instanceof Map || message instanceof PyDict)) {
      throw new LachesisError("template_error", `Message ${index} is not an object.`);
    }
    const entries = [...value.entries()].filter(([, item]) => item !== null);
    const present = PyDict.of(entries);
    const reasoning = REASONING_FIELDS.map((field) => present.get(field)).find((item) => item !== undefined);
    if (reasoning === undefined) return present;
    // `thinking` comes first even where the message has its own: a template may print the message whole.
    return PyDict.of([["thinking", reasoning], ...entries, ["reasoning_content", reasoning]]);
  });
}
