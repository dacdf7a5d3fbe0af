/**
 * A model folder at work: its tokenizer and chat template on this side, its weights on the inference thread. Every
 * answer is made of exactly the ids that were sampled; its text is decoded from them and cut at a stop string.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isErrno, LachesisError } from "../../core/index.ts";
import { loadTokenizer, type Tokenizer } from "../../tokens/index.ts";
import { EmbeddedEngine, type EngineOptions } from "./engine.ts";
import type { Generated, ModelFacts, PromptScored } from "./jobs.ts";
import { type CheckedRequest, checkRequest, type SampleRequest } from "./sampling-options.ts";
import { TextStream } from "./text-stream.ts";

/** The model that comes with Lachesis. */
export const TINY_MODEL = fileURLToPath(new URL("../../../models/tiny", import.meta.url));

export interface Answer extends Generated {
  /** Without end tokens, cut before the stop string. */
  text: string;
  /** The stop string or end token that ended it; null for `length`. */
  matched: string | number | null;
}

/** What a streamed answer has become: its index, the new text, and the tokens since the last event. */
export interface AnswerDelta {
  index: number;
  text: string;
  tokens: number[];
  logprobs: number[];
}

export class EmbeddedModel {
  readonly #engine: EmbeddedEngine;
  #tokenizer: Tokenizer;
  #folder: string;

  private constructor(engine: EmbeddedEngine, tokenizer: Tokenizer, folder: string) {
    this.#engine = engine;
    this.#tokenizer = tokenizer;
    this.#folder = folder;
  }

  /** Throws `not_found`, `weights_invalid`, `tokenizer_error`. */
  static async open(folder: string = TINY_MODEL, options: EngineOptions = {}): Promise<EmbeddedModel> {
    const engine = new EmbeddedEngine(options);
    try {
      // The weights first: a folder that does not exist must not be taken for the name of a tokenizer elsewhere.
      await engine.load(folder);
      const tokenizer = await loadTokenizer(folder);
      return new EmbeddedModel(engine, tokenizer, folder);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  get tokenizer(): Tokenizer {
    return this.#tokenizer;
  }

  get facts(): ModelFacts {
    return this.#engine.facts;
  }

  get weightVersion(): number {
    return this.#engine.version;
  }

  /** Where the weights in use came from. */
  get folder(): string {
    return this.#folder;
  }

  /**
   * Takes other weights for all requests that come after it; gives their version. Without a tokenizer.json there the
   * present tokenizer stays, and the vocabulary must be of its size. When it fails the old weights stay.
   */
  load(path: string): Promise<number> {
    return this.#engine.load(path, async (facts) => {
      const own = await exists(join(path, "tokenizer.json"));
      if (!own && facts.vocabSize !== this.facts.vocabSize) {
        const sizes = `a vocabulary of ${facts.vocabSize} and no tokenizer.json; the present one has ${this.facts.vocabSize}`;
        throw new LachesisError("weights_invalid", `${path} has ${sizes}.`, { details: { path } });
      }
      const tokenizer = own ? await loadTokenizer(path) : this.#tokenizer;
      return () => {
        this.#tokenizer = tokenizer;
        this.#folder = path;
      };
    });
  }

  /** All answers to one prompt, in order. The parts of a streamed answer are its whole. */
  async sample(request: SampleRequest, onDelta?: (delta: AnswerDelta) => void): Promise<Answer[]> {
    const checked = checkRequest(request);
    const abort = new AbortController();
    const signal = request.signal ? AbortSignal.any([request.signal, abort.signal]) : abort.signal;
    const answers = Array.from({ length: checked.answers }, (_, index) =>
      this.#answer(request, checked, index, signal, onDelta),
    );
    try {
      return await Promise.all(answers);
    } catch (error) {
      // One that fails is the end of the request; the others are not left running.
      abort.abort();
      await Promise.allSettled(answers);
      throw error;
    }
  }

  async #answer(
    request: SampleRequest,
    { maxTokens, stops, topLogprobs, sampling }: CheckedRequest,
    index: number,
    signal: AbortSignal,
    onDelta?: (delta: AnswerDelta) => void,
  ): Promise<Answer> {
    const tokenizer = this.#tokenizer;
    const ends = request.ignore_eos ? [] : this.facts.stopTokens;
    const stopTokens = [...ends, ...(request.stop_token_ids ?? [])];
    const decode = (tokens: readonly number[]) =>
      tokenizer.decode(
        tokens.filter((token) => !stopTokens.includes(token)),
        { skipSpecialTokens: true },
      );
    const stream = new TextStream(decode, stops);
    let seen = 0;
    const generated = await this.#engine.generate(
      {
        kind: "generate",
        tokens: [...request.tokens],
        maxTokens,
        sampling: sampling(index),
        stopTokens,
        topLogprobs,
        stream: onDelta !== undefined || stops.length > 0,
      },
      signal,
      ({ token, logprob }) => {
        if (stream.matched !== null) return true;
        seen++;
        const stopped = stream.add(token);
        onDelta?.({ index, text: stream.take(false), tokens: [token], logprobs: [logprob] });
        return stopped;
      },
    );
    // Without stop strings nothing was streamed; with one, tokens behind it may have been sampled and do not count.
    if (stops.length === 0 && !onDelta) for (const token of generated.tokens) stream.add(token);
    stream.end();
    onDelta?.({ index, text: stream.take(true), tokens: [], logprobs: [] });
    const count = stream.matched === null ? generated.tokens.length : seen;
    const tokens = generated.tokens.slice(0, count);
    const last = tokens.at(-1);
    const endToken = last !== undefined && stopTokens.includes(last) ? last : null;
    return {
      ...generated,
      tokens,
      logprobs: generated.logprobs.slice(0, count),
      tempered: generated.tempered.slice(0, count),
      top: generated.top.slice(0, count),
      finishReason: stream.matched !== null ? "stop" : generated.finishReason,
      text: stream.text,
      matched: stream.matched ?? endToken,
    };
  }

  /** Log-probabilities of a prompt's own tokens and of the `topK` likeliest at each place. */
  async scorePrompt(tokens: readonly number[], topK: number, signal?: AbortSignal): Promise<PromptScored> {
    if (!Number.isSafeInteger(topK) || topK < 0) {
      throw new LachesisError("bad_request", `top-k of prompt log-probabilities is ${topK}: an integer ≥ 0 is needed.`);
    }
    return this.#engine.scorePrompt({ kind: "prompt", tokens: [...tokens], topK }, signal);
  }

  /** Ends the thread; requests under way fail with `cancelled`. */
  close(): Promise<void> {
    return this.#engine.close();
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (isErrno(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return false;
    throw error;
  }
}
