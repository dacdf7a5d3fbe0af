/**
 * Comparison with Python (transformers, tokenizers, jinja2): the goldens in `goldens/` were made by
 * `scripts/goldens/make.py own`. With LACHESIS_GOLDENS naming the folder of `make.py public` or `make.py random`, what is
 * there is compared too.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LachesisError } from "../core/index.ts";
import { loadTokenizer } from "./load-tokenizer.ts";
import { parseJsonKeepingKinds } from "./template/parse-json.ts";
import type { PyDict, Value } from "./template/values.ts";
import { Tokenizer } from "./tokenizer.ts";

interface TokenCases {
  /** Texts, or indices into the shared list. */
  texts: (string | number)[];
  ids: number[][];
  before: number[];
  after: number[];
  decoded: string[];
  lists: number[][];
  all: string[];
  skipped: string[];
}

const folder = join(import.meta.dirname, "goldens");
const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const shared = read(join(folder, "texts.golden.json")) as string[];

function compareTokens(tokenizer: Tokenizer, cases: TokenCases): void {
  const wrong: unknown[] = [];
  const check = (what: string, input: unknown, got: unknown, expected: unknown): void => {
    if (JSON.stringify(got) !== JSON.stringify(expected)) wrong.push({ what, input, got, expected });
  };
  for (const [index, entry] of cases.texts.entries()) {
    const text = typeof entry === "number" ? shared[entry]! : entry;
    const ids = cases.ids[index]!;
    check("encode", text, tokenizer.encode(text, { addSpecialTokens: false }), ids);
    check("encode with specials", text, tokenizer.encode(text), [...cases.before, ...ids, ...cases.after]);
    check("decode", ids, tokenizer.decode(ids), cases.decoded[index]);
  }
  for (const [index, ids] of cases.lists.entries()) {
    check("decode", ids, tokenizer.decode(ids), cases.all[index]);
    check("decode without specials", ids, tokenizer.decode(ids, { skipSpecialTokens: true }), cases.skipped[index]);
  }
  expect(wrong).toEqual([]);
}

/** The text, or null where the template or Python in its place raised. */
function rendered(render: () => string): string | null {
  try {
    return render();
  } catch (error) {
    if (error instanceof LachesisError && error.code === "template_error") return null;
    throw error;
  }
}

const made = (golden: { tokenizer: unknown; config: unknown }): Tokenizer =>
  new Tokenizer({
    ...golden,
    specialTokensMap: null,
    addedTokens: null,
    templates: new Map(),
    source: "golden",
  });

describe("own tokenizers", () => {
  const names = readdirSync(folder).filter((name) => !/^(texts|templates)\./.test(name));
  test.each(names)("%s", (name) => {
    const golden = read(join(folder, name)) as TokenCases & { tokenizer: unknown; config: unknown };
    compareTokens(made(golden), golden);
  });
});

describe("own templates", () => {
  const golden = read(join(folder, "templates.golden.json")) as {
    messages: string;
    data: string;
    cases: { template: string; text: string | null }[];
  };
  const tokenizer = made(
    read(join(folder, "byte-level-embedded.golden.json")) as { tokenizer: unknown; config: unknown },
  );
  const messages = parseJsonKeepingKinds(golden.messages) as Value[];
  const data = parseJsonKeepingKinds(golden.data) as PyDict;
  const templateKwargs = Object.fromEntries([...data.entries()].map(([key, value]) => [String(key), value]));

  test.each(golden.cases.map(({ template, text }) => [template, text] as const))("%s", (template, text) => {
    expect(rendered(() => tokenizer.renderChat(messages, { template, templateKwargs }))).toBe(text);
  });
});

const publicFolder = process.env.LACHESIS_GOLDENS ?? "";
const there = publicFolder !== "" && existsSync(join(publicFolder, "conversations.json"));

describe.skipIf(!there)("public ones (LACHESIS_GOLDENS)", () => {
  interface Conversation {
    messages: Value[];
    options: PyDict;
  }
  const names = (kind: string): string[] => (there ? readdirSync(join(publicFolder, kind)) : []);
  const conversations = (): Conversation[] => {
    const list = parseJsonKeepingKinds(read(join(publicFolder, "conversations.json")) as string) as PyDict[];
    return list.map((item) => ({ messages: item.get("messages") as Value[], options: item.get("options") as PyDict }));
  };

  function compareRenders(tokenizer: Tokenizer, renders: (string | null)[], template?: string): void {
    const wrong: unknown[] = [];
    for (const [index, { messages, options }] of conversations().entries()) {
      const { tools, documents, add_generation_prompt, ...templateKwargs } = Object.fromEntries(
        [...options.entries()].map(([key, value]) => [String(key), value]),
      );
      const got = rendered(() =>
        tokenizer.renderChat(messages, {
          tools: (tools as Value[] | undefined) ?? null,
          documents: (documents as Value[] | undefined) ?? null,
          addGenerationPrompt: add_generation_prompt === true,
          templateKwargs,
          ...(template === undefined ? {} : { template }),
        }),
      );
      if (got !== renders[index]) wrong.push({ index, got, expected: renders[index] });
    }
    expect(wrong).toEqual([]);
  }

  test.each(names("cases"))("tokenizer %s", async (name) => {
    const cases = read(join(publicFolder, "cases", name)) as TokenCases & { folder: string; renders?: string[] };
    const tokenizer = await loadTokenizer(join(publicFolder, cases.folder));
    compareTokens(tokenizer, cases);
    if (cases.renders !== undefined) compareRenders(tokenizer, cases.renders);
  });

  test.each(names("templates"))("template %s", (name) => {
    const cases = read(join(publicFolder, "templates", name)) as { template: string; renders: string[] };
    const own = read(join(folder, "byte-level-embedded.golden.json")) as { tokenizer: unknown };
    const config = { eos_token: "<|im_end|>", pad_token: "<|endoftext|>" };
    compareRenders(made({ tokenizer: own.tokenizer, config }), cases.renders, cases.template);
  });
});

const random = publicFolder !== "" && existsSync(join(publicFolder, "random-templates.json"));

/** What is said not to be there, and raises: see the known differences in docs/tokens.md. */
const LEFT_OUT =
  /bytes are not supported|complex numbers are not supported|not subscriptable|unhashable type: 'slice'|has no attribute/;

describe.skipIf(!random)("random ones (LACHESIS_GOLDENS)", () => {
  const names = random ? readdirSync(join(publicFolder, "random")) : [];

  test.each(names)("tokenizer %s", (name) => {
    const golden = read(join(publicFolder, "random", name)) as Omit<TokenCases, "texts"> & {
      tokenizer: unknown;
      config: unknown;
      texts: string[];
      full: number[][];
    };
    const tokenizer = made(golden);
    const wrong: unknown[] = [];
    const check = (input: unknown, got: unknown, expected: unknown): void => {
      if (JSON.stringify(got) !== JSON.stringify(expected)) wrong.push({ input, got, expected });
    };
    for (const [index, text] of golden.texts.entries()) {
      check(text, tokenizer.encode(text, { addSpecialTokens: false }), golden.ids[index]);
      check(text, tokenizer.encode(text), golden.full[index]);
    }
    for (const [index, ids] of golden.lists.entries()) {
      check(ids, tokenizer.decode(ids), golden.all[index]);
      check(ids, tokenizer.decode(ids, { skipSpecialTokens: true }), golden.skipped[index]);
    }
    expect(wrong).toEqual([]);
  });

  test("templates", async () => {
    const golden = read(join(publicFolder, "random-templates.json")) as {
      messages: string;
      data: string;
      cases: { template: string; text: string | null }[];
    };
    const tokenizer = await loadTokenizer(join(import.meta.dirname, "../../models/tiny"));
    const messages = parseJsonKeepingKinds(golden.messages) as Value[];
    const data = parseJsonKeepingKinds(golden.data) as PyDict;
    const templateKwargs = Object.fromEntries([...data.entries()].map(([key, value]) => [String(key), value]));
    const wrong: unknown[] = [];
    for (const { template, text } of golden.cases) {
      let got: string | null = null;
      let problem = "";
      try {
        got = tokenizer.renderChat(messages, { template, templateKwargs });
      } catch (error) {
        if (!(error instanceof LachesisError && error.code === "template_error")) throw error;
        problem = error.message;
      }
      if (got !== text && !LEFT_OUT.test(problem)) wrong.push({ template, got, problem, expected: text });
    }
    expect(wrong).toEqual([]);
  });
});
