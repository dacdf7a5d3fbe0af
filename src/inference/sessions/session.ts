/**
 * A session is the token-tracking view of one rollout on a token server. It speaks chat to the agent and ids to the
 * engine. Invariant: what is sent for a call plus what comes back is one path of the rollout's graph; the ids that were
 * sampled are never tokenized again.
 */
import { randomUUID } from "node:crypto";
import { LachesisError, type ToolSchema } from "../../core/index.ts";
import {
  type ChatRenderer,
  ChatTracker,
  type DriftMetrics,
  driftOf,
  type PromptNode,
  type ReferenceNode,
  RolloutGraph,
  referenceNodes,
  sequencesOf,
  type TrainingSequence,
} from "../../tokens/index.ts";
import type {
  ChatChoice,
  ChatCompletion,
  ChatRequest,
  ChatServer,
  CompletionRequest,
  CompletionResult,
  SamplingParams,
  TokenCompletion,
  TokenResult,
  TokenServer,
} from "../contract.ts";
import { parseAnswer } from "./answer-text.ts";
import { type ChatTokenizer, chatRenderer } from "./chat-tokenizer.ts";
import { checkConstraints } from "./constraints.ts";
import { TextTracker } from "./text-tracker.ts";

export interface SessionOptions {
  server: TokenServer;
  tokenizer: ChatTokenizer;
  /** Reported as the answer's model. */
  model: string;
  /** Format of the model's tool calls and reasoning. Default hermes. */
  toolCallParser?: string;
  /** Keep the reasoning of earlier turns in the context even where the template drops it. Default false. */
  preserveThinking?: boolean;
  /** Passed to the chat template. */
  templateKwargs?: Record<string, unknown>;
}

/**
 * @example
 * const session = new Session({ server: manager, tokenizer: await loadTokenizer("models/tiny"), model: "tiny" });
 * const loop = new AgentLoop({ server: session, tools, handler });
 * const result = await loop.run(messages);
 * const rows = session.sequences();
 */
export class Session implements ChatServer {
  readonly #options: SessionOptions;
  readonly #renderer: ChatRenderer;
  #graph!: RolloutGraph;
  #chat!: ChatTracker;
  #text!: TextTracker;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#renderer = chatRenderer(options.tokenizer, options.templateKwargs);
    this.reset();
  }

  /** Forgets everything; the session can be used for another rollout. */
  reset(): void {
    const { preserveThinking } = this.#options;
    this.#graph = new RolloutGraph();
    this.#chat = new ChatTracker(
      this.#graph,
      this.#renderer,
      preserveThinking === undefined ? {} : { preserveThinking },
    );
    this.#text = new TextTracker(this.#graph, this.#renderer);
  }

  get graph(): RolloutGraph {
    return this.#graph;
  }

  /** What is trained: each sampled token in exactly one of them. */
  sequences(): TrainingSequence[] {
    return sequencesOf(this.#graph);
  }

  /** The rollout in the shape that the reference's reward code reads. */
  nodes(): ReferenceNode[] {
    return referenceNodes(this.#graph);
  }

  drift(): DriftMetrics {
    return driftOf(this.#graph);
  }

  promptTokens(request: ChatRequest): number {
    return this.#chat.prompt(request.messages, offered(request)).tokens.length;
  }

  /** Text and ids that a request would send; the graph keeps the prompt. */
  render(request: Pick<ChatRequest, "messages" | "tools">): { text: string; tokens: number[] } {
    const { node, tokens } = this.#chat.prompt(request.messages, offered(request));
    return { text: this.#pathText(node), tokens };
  }

  /** Throws `bad_request` for a forced tool or a response format: what a token server samples is free. */
  async chatCompletion(request: ChatRequest): Promise<ChatCompletion> {
    const { model, toolCallParser = "hermes", templateKwargs = {} } = this.#options;
    checkConstraints(request);
    const tools = offered(request);
    const { node, tokens } = this.#chat.prompt(request.messages, tools);
    const result = await this.#generate(tokens, request);
    const prompt = this.#pathText(node).slice(-64);
    const choices = result.completions.map((completion, index): ChatChoice => {
      const { full, visible } = this.#texts(completion);
      const { text, matched } = untilStop(visible, completion, request.stop);
      const parsed = parseAnswer({
        text,
        prompt,
        finishReason: completion.finish_reason,
        tools: request.tool_choice === "none" ? null : tools,
        toolCallParser,
        templateKwargs,
      });
      this.#chat.answered(node, sampled(completion, full), parsed.message);
      return { index, ...parsed, ...(matched !== null && { matched_stop: matched }) };
    });
    const { usage, latencyMs, attempts, server } = result;
    return { id: `chatcmpl-${randomUUID()}`, model, choices, usage, latencyMs, attempts, server };
  }

  /** Continues a text; one that begins with an earlier prompt and its answer extends it. */
  async completion(request: CompletionRequest): Promise<CompletionResult> {
    const { node, tokens } = this.#text.prompt(request.prompt);
    const result = await this.#generate(tokens, request);
    const choices = result.completions.map((completion, index) => {
      const { full, visible } = this.#texts(completion);
      this.#text.answered(node, sampled(completion, full));
      return { index, text: visible, finish_reason: completion.finish_reason };
    });
    const { usage, latencyMs, attempts, server } = result;
    return { choices, usage, latencyMs, attempts, server };
  }

  async #generate(
    tokens: number[],
    request: SamplingParams & Pick<ChatRequest, "split" | "signal" | "max_retries">,
  ): Promise<TokenResult> {
    const { temperature, top_p, top_k, min_p, max_tokens, stop, seed, n, split, max_retries, signal } = request;
    const asked = { temperature, top_p, top_k, min_p, max_tokens, stop, seed, n, split, max_retries, signal };
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    const result = await this.#options.server.generate({ prompt_token_ids: tokens, ...given });
    if (result.completions.length === 0) throw new LachesisError("empty_response", "The server sampled nothing.");
    return result;
  }

  /** The text of the ids, and what of it is the answer: all but the token that ended the turn. */
  #texts({ tokens }: TokenCompletion): { full: string; visible: string } {
    const { tokenizer } = this.#options;
    const last = tokens.at(-1);
    const body = last !== undefined && this.#renderer.stopTokens.has(last) ? tokens.slice(0, -1) : tokens;
    const visible = tokenizer.decode(body, { skipSpecialTokens: false });
    const full = body.length === tokens.length ? visible : tokenizer.decode(tokens, { skipSpecialTokens: false });
    return { full, visible };
  }

  #pathText(node: PromptNode): string {
    return this.#graph
      .path(node)
      .map((part) => part.text)
      .join("");
  }
}

/** The answer before its stop string. The sampled ids keep it: the engine gave them. */
function untilStop(text: string, completion: TokenCompletion, stops: readonly string[] = []) {
  let end = text.length;
  let matched: string | null = null;
  for (const stop of completion.finish_reason === "stop" ? stops : []) {
    const at = stop === "" ? -1 : text.indexOf(stop);
    if (at < 0 || at >= end) continue;
    end = at;
    matched = stop;
  }
  return { text: text.slice(0, end), matched };
}

function offered(request: Pick<ChatRequest, "tools">): readonly ToolSchema[] | null {
  return request.tools?.length ? request.tools : null;
}

function sampled(completion: TokenCompletion, text: string) {
  const { tokens, logprobs, weight_version, finish_reason } = completion;
  return { tokens, text, logprobs, weightVersion: weight_version, finishReason: finish_reason };
}
