/**
 * Runs many jobs on one thread: each step computes one token of every answer under way and, beside them, a piece of one
 * waiting prompt. A job runs on the weights that were current when it came, from its first token to its last.
 */
import { LachesisError } from "../../core/index.ts";
import type { GenerateJob, Job, JobResult, PromptJob, PromptScored, TopTokens } from "./jobs.ts";
import { KvCache } from "./kv-cache.ts";
import type { Network, Span } from "./network.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { logSumExp, Sampler, topLogprobs } from "./sampler.ts";

/** Prompt tokens computed in one step: small enough that answers under way are not held up. */
const CHUNK = 96;
/** Answers that are computed side by side. More would only cost memory. */
const MAX_ACTIVE = 32;

/** Weights in use, with what was computed under them. */
interface Model {
  network: Network;
  version: number;
  prefixes: PrefixCache;
}

interface Task<J extends Job> {
  id: number;
  job: J;
  model: Model;
  cache: KvCache;
}

interface Answer extends Task<GenerateJob> {
  sampler: Sampler;
  limit: number;
  cachedTokens: number;
  tokens: number[];
  logprobs: number[];
  tempered: number[];
  top: TopTokens[];
}

interface Scoring extends Task<PromptJob> {
  result: PromptScored;
}

export interface SchedulerEvents {
  token(id: number, token: number, logprob: number, tempered: number): void;
  done(id: number, result: JobResult): void;
}

export class Scheduler {
  readonly #events: SchedulerEvents;
  readonly #cacheTokens: number;
  #model: Model;
  #waiting: { id: number; job: Job; model: Model }[] = [];
  #prompt: Answer | Scoring | null = null;
  #answers: Answer[] = [];

  /** `cacheTokens`: positions that the prefix cache keeps; 0 switches it off. */
  constructor(network: Network, version: number, cacheTokens: number, events: SchedulerEvents) {
    this.#events = events;
    this.#cacheTokens = cacheTokens;
    this.#model = this.#modelOf(network, version);
  }

  get network(): Network {
    return this.#model.network;
  }

  /** Jobs that are added from now on use these weights. */
  swap(network: Network, version: number): void {
    this.#model = this.#modelOf(network, version);
  }

  #modelOf(network: Network, version: number): Model {
    return { network, version, prefixes: new PrefixCache(this.#cacheTokens) };
  }

  /** Throws `prompt_too_long`, `token_unknown`, `bad_request`. */
  add(id: number, job: Job): void {
    checkTokens(job, this.#model.network);
    this.#waiting.push({ id, job, model: this.#model });
  }

  /** Forgets a job; nothing is reported for it any more. */
  cancel(id: number): void {
    this.#waiting = this.#waiting.filter((task) => task.id !== id);
    this.#answers = this.#answers.filter((task) => task.id !== id);
    if (this.#prompt?.id === id) this.#prompt = null;
  }

  /** Ends an answer with the tokens that it has. One that is unknown has ended already. */
  stop(id: number): void {
    const answer = this.#answers.find((other) => other.id === id);
    if (answer) this.#finish(answer, "stop");
  }

  get busy(): boolean {
    return this.#waiting.length > 0 || this.#prompt !== null || this.#answers.length > 0;
  }

  /** Does a few dozen milliseconds of work at most. */
  step(): void {
    if (!this.#prompt && this.#answers.length < MAX_ACTIVE) this.#prompt = this.#begin();
    const models = new Set(this.#answers.map((answer) => answer.model));
    if (this.#prompt) models.add(this.#prompt.model);
    for (const model of models) this.#stepOf(model);
  }

  #begin(): Answer | Scoring | null {
    const next = this.#waiting.shift();
    if (!next) return null;
    const { id, job, model } = next;
    const cache = new KvCache(model.network.config);
    if (job.kind === "prompt") {
      const result: PromptScored = {
        kind: "prompt",
        logprobs: [null],
        topIds: [[]],
        topLogprobs: [[]],
        weightVersion: model.version,
      };
      return { id, job, model, cache, result };
    }
    const room = model.network.config.contextLength - job.tokens.length;
    return {
      id,
      job,
      model,
      cache,
      sampler: new Sampler(job.sampling),
      limit: Math.min(job.maxTokens ?? room, room),
      cachedTokens: model.prefixes.restore(job.tokens, cache),
      tokens: [],
      logprobs: [],
      tempered: [],
      top: [],
    };
  }

  #stepOf(model: Model): void {
    const answers = this.#answers.filter((answer) => answer.model === model);
    const spans: Span[] = answers.map(({ cache, tokens }) => ({ cache, tokens: [tokens.at(-1)!], logits: "last" }));
    const prompt = this.#prompt?.model === model ? this.#prompt : null;
    if (prompt) spans.push(promptSpan(prompt));
    const logits = model.network.forward(spans);
    answers.forEach((answer, index) => {
      this.#sampled(answer, logits[index]!);
    });
    if (prompt) this.#promptComputed(prompt, logits.slice(answers.length));
  }

  #promptComputed(prompt: Answer | Scoring, logits: readonly Float64Array[]): void {
    const complete = prompt.cache.length === prompt.job.tokens.length;
    if (complete) this.#prompt = null;
    if ("result" in prompt) {
      score(prompt, logits);
      if (complete) this.#events.done(prompt.id, prompt.result);
    } else if (complete) {
      prompt.model.prefixes.keep(prompt.job.tokens, prompt.cache);
      this.#answers.push(prompt);
      this.#sampled(prompt, logits[0]!);
    }
  }

  #sampled(answer: Answer, logits: Float64Array): void {
    const { token, logprob, tempered } = answer.sampler.next(logits);
    answer.tokens.push(token);
    answer.logprobs.push(logprob);
    answer.tempered.push(tempered);
    if (answer.job.topLogprobs > 0) answer.top.push(topLogprobs(logits, answer.job.topLogprobs));
    if (answer.job.stream) this.#events.token(answer.id, token, logprob, tempered);
    const stopped = answer.job.stopTokens.includes(token);
    if (stopped) this.#finish(answer, "stop");
    else if (answer.tokens.length >= answer.limit) this.#finish(answer, "length");
  }

  #finish(answer: Answer, finishReason: "stop" | "length"): void {
    const { id, job, model, cache, tokens, logprobs, tempered, top, cachedTokens } = answer;
    this.#answers = this.#answers.filter((other) => other !== answer);
    // The last token was never computed; what is kept is what the cache holds.
    model.prefixes.keep([...job.tokens, ...tokens], cache);
    const weightVersion = model.version;
    this.#events.done(id, {
      kind: "generate",
      tokens,
      logprobs,
      tempered,
      top,
      finishReason,
      cachedTokens,
      weightVersion,
    });
  }
}

function promptSpan(prompt: Answer | Scoring): Span {
  const { cache, job } = prompt;
  const tokens = job.tokens.slice(cache.length, cache.length + CHUNK);
  if ("result" in prompt) return { cache, tokens, logits: "all" };
  return { cache, tokens, logits: cache.length + tokens.length === job.tokens.length ? "last" : "none" };
}

/** Adds the predictions of the positions just computed; that of the last prompt token belongs to nothing. */
function score({ job, result }: Scoring, logits: readonly Float64Array[]): void {
  for (const row of logits) {
    const next = job.tokens[result.logprobs.length];
    if (next === undefined) return;
    result.logprobs.push(row[next]! - logSumExp(row, 1));
    const top = topLogprobs(row, job.topK);
    result.topIds.push(top.ids);
    result.topLogprobs.push(top.logprobs);
  }
}

function checkTokens({ kind, tokens }: Job, network: Network): void {
  const { vocabSize, contextLength } = network.config;
  if (tokens.length === 0) throw new LachesisError("bad_request", "The prompt is empty; it must hold a token.");
  const unknown = tokens.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (unknown >= 0) {
    const message = `Token ${tokens[unknown]} at place ${unknown} of the prompt is unknown; ids go from 0 to ${vocabSize - 1}.`;
    throw new LachesisError("token_unknown", message, { details: { token: tokens[unknown], place: unknown } });
  }
  const longest = kind === "generate" ? contextLength - 1 : contextLength;
  if (tokens.length > longest) {
    const message = `The prompt has ${tokens.length} tokens; the model's context is ${contextLength}, answer included.`;
    throw new LachesisError("prompt_too_long", message, { details: { tokens: tokens.length, contextLength } });
  }
}
