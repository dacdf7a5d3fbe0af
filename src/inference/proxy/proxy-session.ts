/**
 * One session of the proxy: what an agent program with its own loop talks to. Every call passes its budget, is answered
 * by the session's server, and is kept, so that at the end the conversation and its tokens can be taken from here.
 */
import { randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import {
  type ChatMessage,
  type Clock,
  LachesisError,
  type ToolSchema,
  textOf,
  toLachesisError,
  type Usage,
} from "../../core/index.ts";
import { getParser } from "../../parsers/index.ts";
import {
  type DriftMetrics,
  type ReferenceNode,
  renderConversation,
  type TrainingSequence,
} from "../../tokens/index.ts";
import type { ChatCompletion, ChatRequest, ChatServer } from "../contract.ts";
import type { ChatTokenizer } from "../sessions/index.ts";
import { renderedSequence, type Session } from "../sessions/index.ts";
import { type BudgetName, NO_BUDGETS, type SessionBudgets, WireBudget } from "./budget.ts";
import { CallIds } from "./call-ids.ts";
import { allNodes } from "./nodes.ts";
import { RetryWindow } from "./retry-window.ts";
import { refusal } from "./wire-errors.ts";

export interface ProxySessionOptions {
  /** Answers the calls. */
  server: ChatServer;
  /** The token view behind `server`; null where the server gives no exact tokens, or they are kept elsewhere. */
  tracked?: Session | null;
  /** For renderings, token counts, and rendered sequences of servers that give no tokens. */
  tokenizer?: ChatTokenizer | null;
  model: string;
  toolParser?: string;
  trackTree?: boolean;
  /** Address of the server that the session was tied to. */
  serverUrl?: string | null;
  budgets?: Partial<SessionBudgets>;
  /** Take the place of what the client asks for: the rollout decides how it samples. `seed` is given the call's number. */
  sampling?: Pick<ChatRequest, "temperature" | "top_p" | "top_k" | "min_p" | "split" | "extra_body"> & {
    seed?: (call: number) => number;
  };
  /** Tokens of an answer where the client does not say. Default 1024. */
  defaultMaxTokens?: number;
  /** Added to each call's own stop strings. */
  stop?: readonly string[];
  clock: Clock;
}

/** One answered call. */
export interface CapturedCall {
  messages: readonly ChatMessage[];
  tools: readonly ToolSchema[];
  answer: ChatCompletion;
  /** Milliseconds. */
  ms: number;
}

/** An answer as the client gets it. */
export interface WireAnswer {
  /** With the ids of calls as clients see them. */
  completion: ChatCompletion;
  /** Unix seconds. */
  created: number;
}

export class ProxySession {
  readonly uuid = randomUUID();
  /** Never logged, never part of a listing. */
  readonly apiKey = `lsk-${randomBytes(24).toString("base64url")}`;
  readonly createdAt: Date;
  readonly model: string;
  readonly toolParser: string;
  readonly trackTree: boolean;
  readonly serverUrl: string | null;
  readonly budget: WireBudget;
  readonly ids = new CallIds();
  readonly retries = new RetryWindow<WireAnswer>();
  /** Conversations by the id of the response that ended them (Responses dialect). */
  readonly responses = new Map<string, readonly ChatMessage[]>();
  readonly calls: CapturedCall[] = [];
  readonly #options: ProxySessionOptions;
  readonly #closing = new AbortController();
  #started = 0;
  readonly #inFlight = new Set<Promise<WireAnswer>>();
  #lastError: LachesisError | null = null;

  constructor(options: ProxySessionOptions) {
    this.#options = options;
    this.createdAt = options.clock.date();
    this.model = options.model;
    this.toolParser = options.toolParser ?? "hermes";
    this.trackTree = options.trackTree ?? false;
    this.serverUrl = options.serverUrl ?? null;
    this.budget = new WireBudget({ ...NO_BUDGETS, ...options.budgets }, options.clock);
  }

  /** Calls that reached the server, whether they were answered or not. */
  get attempted(): number {
    return this.#started;
  }

  /** Why the newest call was not answered; null when it was. Refusals for a budget are no errors. */
  get lastError(): LachesisError | null {
    return this.#lastError;
  }

  /** The budget that ended the session, or cut its newest answer. */
  get budgetEnded(): BudgetName | null {
    return this.budget.ended;
  }

  get usage(): Usage {
    return this.budget.usage;
  }

  isKey(key: string): boolean {
    const [mine, theirs] = [Buffer.from(this.apiKey), Buffer.from(key)];
    return mine.length === theirs.length && timingSafeEqual(mine, theirs);
  }

  /** Answers a call. What goes wrong is thrown: the budget's refusals, and the server's errors. */
  async call(asked: ChatRequest): Promise<WireAnswer> {
    const answer = this.#answer(asked);
    this.#inFlight.add(answer);
    try {
      return await answer;
    } finally {
      this.#inFlight.delete(answer);
    }
  }

  async #answer(asked: ChatRequest): Promise<WireAnswer> {
    const { server, clock, sampling = {}, stop = [] } = this.#options;
    const request = this.#asSent(asked);
    const grant = await this.budget.admit({
      promptTokens: () => this.#promptTokens(request),
      maxTokens: request.max_tokens ?? this.#options.defaultMaxTokens ?? DEFAULT_MAX_TOKENS,
      n: request.n ?? 1,
    });
    const { seed, ...fixed } = sampling;
    const started = clock.now();
    const number = this.#started++;
    const stops = [...(request.stop ?? []), ...stop];
    try {
      const given = await server.chatCompletion({
        ...request,
        ...fixed,
        max_tokens: grant.maxTokens,
        ...(stops.length > 0 && { stop: stops }),
        ...(seed && { seed: seed(number) }),
        signal: AbortSignal.any([this.#closing.signal, this.budget.expired]),
      });
      grant.settle(given.usage);
      const answer = server.promptTokens ? given : this.#withCalls(given, request);
      this.#lastError = null;
      this.calls.push({ messages: request.messages, tools: request.tools ?? [], answer, ms: clock.now() - started });
      if (grant.clamped && answer.choices.some(({ finish_reason }) => finish_reason === "length")) this.budget.cut();
      const choices = answer.choices.map((choice) => ({ ...choice, message: this.ids.toWire(choice.message) }));
      return { completion: { ...answer, choices }, created: Math.floor(clock.date().getTime() / 1000) };
    } catch (thrown) {
      grant.settle(null);
      if (this.#closing.signal.aborted) throw closed(this.uuid);
      const error = toLachesisError(this.budget.expired.aborted ? this.budget.expired.reason : thrown);
      if (!this.budget.expired.aborted) this.#lastError = error;
      throw error;
    }
  }

  /** Text and ids that a request would send. Throws `unsupported` where no tokenizer is at hand. */
  render(asked: Pick<ChatRequest, "messages" | "tools">): {
    prompt_text: string;
    token_ids: number[];
    num_tokens: number;
  } {
    const request = this.#asSent({ ...asked });
    const { tracked, tokenizer } = this.#options;
    if (tracked) {
      const { text, tokens } = tracked.render(request);
      return { prompt_text: text, token_ids: tokens, num_tokens: tokens.length };
    }
    const { text, ids } = this.#rendered(tokenizer, request);
    return { prompt_text: text, token_ids: ids, num_tokens: ids.length };
  }

  /** Tokens of a request's prompt; an estimate where no tokenizer is at hand. Leaves no trace in the session. */
  countTokens(asked: Pick<ChatRequest, "messages" | "tools">): number {
    const request = this.#asSent({ ...asked });
    const { tokenizer } = this.#options;
    return tokenizer ? this.#rendered(tokenizer, request).ids.length : estimated(request);
  }

  /** The token view in the reference's shape: one node per sequence, or with `track_tree` one per call. */
  nodes(): ReferenceNode[] {
    const { tracked } = this.#options;
    if (!tracked) return [];
    return this.trackTree ? allNodes(tracked.graph) : tracked.nodes();
  }

  /** What is trained; `rendered` ids were not sampled and are for supervised training only. */
  sequences(): { tokens: "exact" | "rendered" | "none"; sequences: TrainingSequence[]; drift: DriftMetrics | null } {
    const { tracked, tokenizer } = this.#options;
    if (tracked) return { tokens: "exact", sequences: tracked.sequences(), drift: tracked.drift() };
    const last = this.calls.at(-1);
    if (!tokenizer || !last) return { tokens: "none", sequences: [], drift: null };
    const sequence = renderedSequence(tokenizer, this.conversation(), {
      tools: last.tools.length > 0 ? last.tools : null,
      finishReason: last.answer.choices[0]?.finish_reason ?? "stop",
    });
    return { tokens: "rendered", sequences: sequence ? [sequence] : [], drift: null };
  }

  /**
   * The conversation as the newest call ended it: the messages that it sent, answers as the server gave them, and its own
   * answer. Calls that the program left open are answered with a word.
   */
  conversation(): ChatMessage[] {
    const last = this.calls.at(-1);
    if (!last) return [];
    const known = new Map<string, ChatMessage>();
    for (const { answer } of this.calls)
      for (const { message } of answer.choices) known.set(identity(message), message);
    const answer = last.answer.choices[0]!.message;
    const open = (answer.tool_calls ?? []).map(({ id, function: { name } }): ChatMessage => {
      return { role: "tool", tool_call_id: id, name, content: "Not run: the program ended." };
    });
    const messages = last.messages.map((message) =>
      message.role === "assistant" ? (known.get(identity(message)) ?? message) : message,
    );
    return [...messages, answer, ...open];
  }

  /** What listings say of the session; never its key. */
  facts(): Record<string, unknown> {
    return {
      uuid: this.uuid,
      model_name: this.model,
      tool_parser: this.toolParser,
      track_tree: this.trackTree,
      server_base_url: this.serverUrl,
      created_at: this.createdAt.getTime() / 1000,
      calls: this.calls.length,
      in_flight: this.#inFlight.size,
      usage: this.usage,
      budgets: this.budget.limits,
      budget_ended: this.budgetEnded,
    };
  }

  /** Ends calls under way; later ones are refused. Settles when nothing more will be captured. */
  async close(): Promise<void> {
    this.#closing.abort(closed(this.uuid));
    this.budget.close();
    await Promise.allSettled(this.#inFlight);
  }

  /** As the server takes it: ids that the model knows, and roles that templates know. */
  #asSent(asked: ChatRequest): ChatRequest {
    if (this.#closing.signal.aborted) throw closed(this.uuid);
    const messages = asked.messages.map((message): ChatMessage => {
      const renamed = message.tool_call_id
        ? { ...message, tool_call_id: this.ids.toModel(message.tool_call_id) }
        : message;
      const calls = renamed.tool_calls?.map((call) => ({ ...call, id: this.ids.toModel(call.id) }));
      return calls ? { ...renamed, tool_calls: calls } : renamed;
    });
    // A server that knows the exact length of a prompt renders it itself.
    if (!this.#options.server.promptTokens) return { ...asked, messages };
    return { ...asked, messages: forTemplate(messages) };
  }

  /** Calls that stand in the text of a server that gives no structured ones. */
  #withCalls(answer: ChatCompletion, { tools = [] }: ChatRequest): ChatCompletion {
    const choices = answer.choices.map((choice) => {
      const text = textOf(choice.message.content);
      if (tools.length === 0 || choice.message.tool_calls?.length || text === "") return choice;
      const parsed = getParser(this.toolParser).parse(text, { tools });
      if (parsed.tool_calls.length === 0) return choice;
      const content = [parsed.content, parsed.rest].filter(Boolean).join("\n") || null;
      const message: ChatMessage = { ...choice.message, content, tool_calls: parsed.tool_calls };
      return {
        ...choice,
        message,
        finish_reason: choice.finish_reason === "stop" ? "tool_calls" : choice.finish_reason,
      };
    });
    return { ...answer, choices };
  }

  #promptTokens(request: ChatRequest): number {
    return this.#options.server.promptTokens?.(request) ?? this.countTokens(request);
  }

  #rendered(tokenizer: ChatTokenizer | null | undefined, { messages, tools }: Pick<ChatRequest, "messages" | "tools">) {
    if (!tokenizer)
      throw new LachesisError("unsupported", "This session has no tokenizer: its server takes messages, not tokens.");
    const text = renderConversation(tokenizer, messages, {
      tools: tools?.length ? tools : null,
      addGenerationPrompt: true,
    });
    return { text, ids: tokenizer.encode(text, { addSpecialTokens: false }) };
  }
}

/** Of an answer, where neither client nor session says. */
const DEFAULT_MAX_TOKENS = 1024;

/** Chat templates know neither developers nor several system messages at the start, and take text. */
function forTemplate(messages: readonly ChatMessage[]): ChatMessage[] {
  const known = messages.map((message): ChatMessage => {
    if (Array.isArray(message.content)) {
      const other = message.content.find(({ type }) => type !== "text")?.type;
      throw refusal(
        400,
        "unsupported_content",
        `Content of type ${JSON.stringify(other)} cannot be sent: this model takes text.`,
      );
    }
    return message.role === "developer" ? { ...message, role: "system" } : message;
  });
  const end = known.findIndex(({ role }) => role !== "system");
  const leading = end < 0 ? known.length : end;
  if (leading < 2) return known;
  const content = known
    .slice(0, leading)
    .map((message) => textOf(message.content))
    .join("\n\n");
  return [{ role: "system", content }, ...known.slice(leading)];
}

function identity(message: ChatMessage): string {
  const calls = (message.tool_calls ?? []).map((call) => [call.id, call.function.name]);
  return JSON.stringify([textOf(message.content).trim(), calls]);
}

/** Characters that a token is assumed to hold where no tokenizer is at hand. Low on purpose: it must not underestimate. */
const CHARS_PER_TOKEN = 3;

function estimated({ messages, tools = [] }: Pick<ChatRequest, "messages" | "tools">): number {
  return Math.ceil(JSON.stringify([messages, tools]).length / CHARS_PER_TOKEN);
}

function closed(uuid: string): LachesisError {
  return refusal(404, "session_not_found", `The session ${uuid} has ended.`);
}
