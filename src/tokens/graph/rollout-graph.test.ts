import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChatMessage, ToolSchema } from "../../core/index.ts";
import { ChatTracker } from "./chat-tracker.ts";
import { driftOf } from "./drift.ts";
import { RolloutGraph } from "./graph.ts";
import { referenceNodes } from "./nodes-view.ts";
import { MASKED, MASKED_LOGPROB, sequencesOf } from "./sequences.ts";
import type { ChatRenderer } from "./turn-glue.ts";

const START = "⟦s⟧";
const END = "⟦e⟧";
const SPECIALS = [START, END];

/** Characters as tokens, two special ones in front; counts what it is asked to encode. */
class CharTokenizer {
  encoded = 0;
  encode(text: string): number[] {
    this.encoded += text.length;
    const ids: number[] = [];
    for (let at = 0; at < text.length; ) {
      const special = SPECIALS.findIndex((token) => text.startsWith(token, at));
      ids.push(special >= 0 ? special : text.charCodeAt(at) + SPECIALS.length);
      at += special >= 0 ? SPECIALS[special]!.length : 1;
    }
    return ids;
  }
  text(id: number): string {
    return SPECIALS[id] ?? String.fromCharCode(id - SPECIALS.length);
  }
}

type Template = "append-only" | "strips-thinking" | "merges-tools" | "thinks-in-prompt" | "empty-think-on-last";

/** Small templates, each with one habit of the published ones. */
function rendererOf(template: Template, tokenizer: CharTokenizer): ChatRenderer {
  const assistant = (message: ChatMessage, last: boolean, afterUser: boolean) => {
    const keeps = template !== "strips-thinking" || afterUser;
    const empty = template === "empty-think-on-last" && last && !message.reasoning_content ? "<think></think>" : "";
    const think = message.reasoning_content && keeps ? `<think>${message.reasoning_content}</think>` : empty;
    const calls = (message.tool_calls ?? []).map(
      (call) => `<call>{"name": "${call.function.name}", "arguments": ${call.function.arguments}}</call>`,
    );
    return `${START}assistant\n${think}${(message.content as string).trim()}${calls.join("")}${END}\n`;
  };
  return {
    render(messages, { tools, addGenerationPrompt }) {
      const lastUser = messages.findLastIndex((message) => message.role === "user");
      let text = tools?.length ? `${START}system\n${tools.map((tool) => tool.function.name).join()}${END}\n` : "";
      messages.forEach((message, index) => {
        if (message.role === "assistant") text += assistant(message, index === messages.length - 1, index > lastUser);
        else if (message.role === "tool" && template === "merges-tools") {
          if (messages[index - 1]?.role !== "tool") text += `${START}user`;
          text += `\n<r>${message.content}</r>`;
          if (messages[index + 1]?.role !== "tool") text += `${END}\n`;
        } else text += `${START}${message.role}\n${message.content}${END}\n`;
      });
      if (addGenerationPrompt) text += `${START}assistant\n${template === "thinks-in-prompt" ? "<think>" : ""}`;
      return text;
    },
    encode: (text) => tokenizer.encode(text),
    tokenText: (id) => tokenizer.text(id),
    stopTokens: new Set([SPECIALS.indexOf(END)]),
    bosToken: null,
  };
}

interface Sample {
  content: string;
  reasoning: string;
  calls: number;
  /** Ends with the end token, as a natural stop does. */
  stops: boolean;
}

/** One rollout under test: keeps what each call sent and got. */
class Rollout {
  readonly graph = new RolloutGraph();
  readonly tokenizer = new CharTokenizer();
  readonly template: Template;
  readonly tracker: ChatTracker;
  sampledTokens = 0;
  #ids = 0;

  constructor(template: Template) {
    this.template = template;
    this.tracker = new ChatTracker(this.graph, rendererOf(template, this.tokenizer));
  }

  /** A model call: gives the message that a client gets, and checks the invariant. */
  call(messages: readonly ChatMessage[], sample: Sample, tools: readonly ToolSchema[] | null = null): ChatMessage {
    const { node, tokens } = this.tracker.prompt(messages, tools);
    const calls = Array.from({ length: sample.calls }, () => {
      const id = `c${this.#ids++}`;
      return { id, type: "function" as const, function: { name: "f", arguments: `{"x":"${id}"}` } };
    });
    const opening = this.template === "thinks-in-prompt" ? "" : "<think>";
    const think =
      sample.reasoning || this.template === "thinks-in-prompt" ? `${opening}${sample.reasoning}</think>` : "";
    // The raw text differs from what the template prints: spaces in the JSON, white space around the content.
    const raw = `${think} ${sample.content}${calls.map((made) => `<call>{"name":"f","arguments":${made.function.arguments}}</call>`).join("")}`;
    const sampled = [...this.tokenizer.encode(raw), ...(sample.stops ? [1] : [])];
    this.tokenizer.encoded -= raw.length;
    const message: ChatMessage = {
      role: "assistant",
      content: ` ${sample.content}`,
      ...(sample.reasoning && { reasoning_content: sample.reasoning }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    const answer = {
      tokens: sampled,
      text: sampled.map((id) => this.tokenizer.text(id)).join(""),
      logprobs: sampled.map((_, index) => -(index + 1) / 100),
      weightVersion: this.graph.nodes.length,
      finishReason: sample.stops ? "stop" : "length",
    };
    const added = this.tracker.answered(node, answer, message);
    this.sampledTokens += sampled.length;
    // What nothing was sampled before is what the tokenizer makes of the whole prompt.
    if (!this.graph.path(node).some((part) => part.kind === "sampled")) {
      const encoded = this.tokenizer.encoded;
      const text = this.graph.path(node).map((part) => part.text);
      expect(tokens.join()).toBe(this.tokenizer.encode(text.join("")).join());
      this.tokenizer.encoded = encoded;
    }
    expect([...tokens, ...sampled].join()).toBe(this.graph.pathTokens(added).join());
    return message;
  }

  checkSequences(): void {
    let trained = 0;
    for (const sequence of sequencesOf(this.graph)) {
      const { tokens, masks, inference_logprobs: logprobs } = sequence;
      expect([masks.length, logprobs?.length]).toEqual([tokens.length, tokens.length]);
      // Plain comparisons: an assertion for each token would be most of the test's time.
      const wrong = masks.findIndex((mask, position) =>
        mask === MASKED
          ? logprobs![position] !== MASKED_LOGPROB
          : mask !== tokens[position] || !(logprobs![position]! < 0),
      );
      expect(wrong).toBe(-1);
      trained += masks.filter((mask) => mask !== MASKED).length;
    }
    expect(trained).toBe(this.sampledTokens);
  }
}

const word = fc.stringMatching(/^[a-z ]{0,12}$/);
const sample: fc.Arbitrary<Sample> = fc.record({
  content: word,
  reasoning: word,
  calls: fc.nat(2),
  stops: fc.boolean(),
});
const template = fc.constantFrom<Template>(
  "append-only",
  "strips-thinking",
  "merges-tools",
  "thinks-in-prompt",
  "empty-think-on-last",
);
const move = fc.constantFrom(
  "go on",
  "go on",
  "go on",
  "drop reasoning",
  "reprint arguments",
  "edit",
  "compact",
  "sub-agent",
  "retry",
  "resample",
);

describe("rollout graph", () => {
  it("trains each sampled token exactly once, whatever client and template do", () => {
    fc.assert(
      fc.property(
        template,
        fc.array(fc.record({ sample, move, reply: word }), { minLength: 1, maxLength: 8 }),
        (kind, steps) => {
          const rollout = new Rollout(kind);
          let messages: ChatMessage[] = [{ role: "user", content: "start" }];
          for (const step of steps) {
            const asked = messages;
            const answer = rollout.call(asked, step.sample);
            if (step.move === "resample") rollout.call(asked, { ...step.sample, content: "another" });
            if (step.move === "retry") rollout.tracker.prompt(asked, null);
            if (step.move === "sub-agent") rollout.call([{ role: "user", content: `sub ${step.reply}` }], step.sample);
            messages = [...asked, clientCopy(answer, step.move)];
            for (const made of answer.tool_calls ?? [])
              messages.push({ role: "tool", tool_call_id: made.id, content: step.reply });
            if (!answer.tool_calls) messages.push({ role: "user", content: step.reply });
            if (step.move === "compact") messages = [messages[0]!, { role: "user", content: `so far: ${step.reply}` }];
          }
          rollout.checkSequences();
          for (const node of [null, ...rollout.graph.nodes]) {
            const texts = rollout.graph
              .children(node)
              .flatMap((child) => (child.kind === "prompt" ? [child.text] : []));
            expect(new Set(texts).size).toBe(texts.length);
          }
          const nodes = referenceNodes(rollout.graph);
          expect(
            nodes.every(
              (node) => node.tokens.length === node.masked_tokens.length && node.tokens.length === node.logprobs.length,
            ),
          ).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("keeps a tool-using conversation one sequence, at a cost that does not grow with its length", () => {
    for (const kind of ["append-only", "merges-tools", "strips-thinking", "empty-think-on-last"] as const) {
      const rollout = new Rollout(kind);
      let messages: ChatMessage[] = [{ role: "user", content: "start" }];
      const costs: number[] = [];
      for (let turn = 0; turn < 12; turn++) {
        const before = rollout.tokenizer.encoded;
        const answer = rollout.call(messages, { content: "ok", reasoning: "hm", calls: 2, stops: true });
        costs.push(rollout.tokenizer.encoded - before);
        const results = answer.tool_calls!.map(
          (made): ChatMessage => ({ role: "tool", tool_call_id: made.id, content: "done" }),
        );
        messages = [...messages, clientCopy(answer, turn % 2 ? "drop reasoning" : "reprint arguments"), ...results];
      }
      expect(sequencesOf(rollout.graph)).toHaveLength(1);
      expect(new Set(costs.slice(1)).size).toBe(1);
      expect(driftOf(rollout.graph)).toMatchObject({ calls: 12, extended: 11, branch_rate: 0 });
      const [sequence] = sequencesOf(rollout.graph);
      // The path reads like a rendered conversation, with each end token once.
      const text = sequence!.tokens.map((id) => rollout.tokenizer.text(id)).join("");
      expect(text.split(END)).toHaveLength(text.split(START).length);
      expect(text).not.toContain(END + END);
    }
  });

  it("branches where the template strips thinking after a new user message, and trains both turns", () => {
    const rollout = new Rollout("strips-thinking");
    const first: ChatMessage[] = [{ role: "user", content: "a" }];
    const answer = rollout.call(first, { content: "one", reasoning: "why", calls: 0, stops: true });
    rollout.call([...first, answer, { role: "user", content: "b" }], {
      content: "two",
      reasoning: "so",
      calls: 0,
      stops: true,
    });
    const sequences = sequencesOf(rollout.graph);
    expect(sequences.map((sequence) => sequence.branch)).toEqual(["start", "template_rewrote"]);
    expect(driftOf(rollout.graph).branches).toEqual({ start: 1, template_rewrote: 1 });
    rollout.checkSequences();
  });

  it("tells an edited history from a new conversation, and adds an end token that was not sampled as prompt", () => {
    const rollout = new Rollout("append-only");
    const first: ChatMessage[] = [{ role: "user", content: "a" }];
    const answer = rollout.call(first, { content: "cut of", reasoning: "", calls: 0, stops: false });
    rollout.call([...first, answer, { role: "user", content: "go on" }], {
      content: "f",
      reasoning: "",
      calls: 0,
      stops: true,
    });
    expect(sequencesOf(rollout.graph)).toHaveLength(1);
    // Message, generation prompt, answer; then the message behind it, with what closes the answer.
    expect(rollout.graph.nodes[3]!.text).toBe(`${END}\n${START}user\ngo on${END}\n`);
    rollout.call([...first, { role: "assistant", content: "edited" }, { role: "user", content: "go on" }], {
      content: "g",
      reasoning: "",
      calls: 0,
      stops: true,
    });
    rollout.call([{ role: "user", content: "other" }], { content: "h", reasoning: "", calls: 0, stops: true });
    expect(sequencesOf(rollout.graph).map((sequence) => sequence.branch)).toEqual([
      "start",
      "history_edited",
      "new_conversation",
    ]);
    rollout.checkSequences();
  });

  it("keeps a node for each message, and what branches have in common once", () => {
    const rollout = new Rollout("append-only");
    const system: ChatMessage = { role: "system", content: "You are brief." };
    const sample = { content: "ok", reasoning: "", calls: 0, stops: true };
    const user = (content: string): ChatMessage => ({ role: "user", content });
    const answer = rollout.call([system, user("a")], sample);
    // A sub-agent with the same instructions, an edit of the second message, and a call with the first alone.
    rollout.call([system, user("sub")], sample);
    rollout.call([system, user("a"), answer, user("more"), user("and more")], sample);
    rollout.call([system, user("a"), user("b")], sample);
    const texts = (nodes: readonly { text: string }[]) => nodes.map((node) => node.text);
    const { graph } = rollout;
    expect(graph.children(null)).toHaveLength(1);
    expect(texts(graph.children(graph.nodes[0]!))).toEqual([`${START}user\na${END}\n`, `${START}user\nsub${END}\n`]);
    expect(texts(graph.children(graph.nodes[1]!))).toEqual([`${START}assistant\n`, `${START}user\nb${END}\n`]);
    const long = graph.path(graph.leaves()[1]!).slice(3);
    expect(texts(long.slice(1, 4))).toEqual([
      `\n${START}user\nmore${END}\n`,
      `${START}user\nand more${END}\n`,
      `${START}assistant\n`,
    ]);
    expect(driftOf(graph)).toMatchObject({
      calls: 4,
      extended: 1,
      branches: { start: 1, new_conversation: 1, history_edited: 1 },
    });
    const stored = graph.nodes
      .filter((node) => node.kind === "prompt")
      .reduce((sum, node) => sum + node.text.length, 0);
    const sent = sequencesOf(graph).reduce((sum, sequence) => sum + sequence.tokens.length, 0);
    expect(stored).toBeLessThan(sent);
    rollout.checkSequences();
  });

  it("keeps messages together whose boundary the template does not show or a token runs across", () => {
    const NEWLINES = 9;
    const renderer: ChatRenderer = {
      render: (messages, { addGenerationPrompt }) =>
        `${messages.map((message) => `${message.content}\n`).join("")}${addGenerationPrompt ? ">" : ""}`,
      encode: (text) =>
        [...text.replaceAll("\n\n", "\t")].map((char) => (char === "\t" ? NEWLINES : char.charCodeAt(0))),
      tokenText: (id) => (id === NEWLINES ? "\n\n" : String.fromCharCode(id)),
      stopTokens: new Set(),
      bosToken: null,
    };
    const graph = new RolloutGraph();
    const tracker = new ChatTracker(graph, renderer);
    const system: ChatMessage = { role: "system", content: "S" };
    tracker.prompt([system, { role: "user", content: "a" }], null);
    expect(graph.nodes.map((node) => node.text)).toEqual(["S\n", "a\n", ">"]);
    const { tokens } = tracker.prompt([system, { role: "user", content: "\nb" }], null);
    expect(tokens).toEqual(renderer.encode("S\n\nb\n>"));
    expect(graph.nodes.slice(3).map((node) => [node.parent, node.text])).toEqual([[null, "S\n\nb\n>"]]);
    const again = tracker.prompt([system, { role: "user", content: "\nb" }], null);
    expect(again.node.id).toBe(3);
    // Found at the same time: the boundary of the first two is inside of a token, that of the third is not.
    const other = new RolloutGraph();
    const messages: ChatMessage[] = ["x", "\ny", "z"].map((content) => ({ role: "user", content }));
    new ChatTracker(other, renderer).prompt(messages, null);
    expect(other.nodes.map((node) => node.text)).toEqual(["x\n\ny\n", "z\n", ">"]);
  });

  it("refuses log-probabilities that do not fit", () => {
    const graph = new RolloutGraph();
    const prompt = graph.addPrompt(null, [1], "x", "start");
    const answer = { tokens: [1, 2], text: "ab", weightVersion: null, finishReason: "stop" };
    expect(() => graph.addSampled(prompt, { ...answer, logprobs: [-1] })).toThrow(/1 log-probabilities for 2 tokens/);
    expect(() => graph.addSampled(prompt, { ...answer, logprobs: [-1, Number.NaN] })).toThrow(/token 1 is NaN/);
  });
});

/** What a client makes of an answer before it sends it back. */
function clientCopy(answer: ChatMessage, move: string): ChatMessage {
  const copy = structuredClone(answer);
  if (move === "drop reasoning") delete copy.reasoning_content;
  if (move === "reprint arguments") {
    for (const call of copy.tool_calls ?? [])
      call.function.arguments = JSON.stringify(JSON.parse(call.function.arguments), null, 1);
  }
  if (move === "edit") copy.content = `${copy.content} edited`;
  return copy;
}
