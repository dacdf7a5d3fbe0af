/**
 * Client of an OpenAI-compatible server: chats with tools and plain completions. What a server refuses by name
 * (`max_tokens`, `seed`, reasoning in the history) is learnt once, and the request is sent again in its words.
 */
import { isObject, LachesisError } from "../core/index.ts";
import { chatChoices } from "./chat-answer.ts";
import { chatBody, samplingFields } from "./chat-body.ts";
import type { Attempt, ChatAnswer, ClientServices, CompletionAnswer, InferenceClient } from "./client.ts";
import type { ChatRequest, CompletionRequest } from "./contract.ts";
import { JsonEndpoint } from "./json-endpoint.ts";
import { reasoningFields } from "./reasoning-options.ts";
import type { ServerConfig } from "./server-config.ts";
import { usageOf } from "./usage.ts";
import { learnt, NO_HABITS, type WireHabits } from "./wire-habits.ts";

/** Hosts that refuse messages with fields they do not know. */
const STRICT_HOSTS = new Set(["api.openai.com", "api.mistral.ai", "api.groq.com", "api.cerebras.ai"]);

export class OpenAIClient implements InferenceClient {
  readonly endpoint: JsonEndpoint;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;
  #habits: WireHabits;
  readonly #reasoning: Record<string, unknown>;

  constructor(config: ServerConfig, services: ClientServices) {
    this.#config = config;
    this.#services = services;
    this.endpoint = new JsonEndpoint(config, services);
    const { hostname } = this.endpoint.url;
    const isOpenAI = hostname === "api.openai.com";
    this.#habits = {
      ...NO_HABITS,
      isOpenAI,
      maxCompletionTokens: isOpenAI,
      refusesReasoning: STRICT_HOSTS.has(hostname),
    };
    this.#reasoning = reasoningFields(services.reasoning, isOpenAI);
  }

  async chat(request: ChatRequest, attempt: Attempt): Promise<ChatAnswer> {
    const bodyWith = (habits: WireHabits) =>
      chatBody(request, {
        model: this.#config.model_name,
        habits,
        reasoning: this.#reasoning,
        extraBody: this.#config.extra_body,
      });
    const raw = await this.#post("chat/completions", request, bodyWith, attempt);
    const model = typeof raw.model === "string" ? raw.model : this.#config.model_name;
    return {
      id: typeof raw.id === "string" ? raw.id : "",
      model,
      choices: chatChoices(raw, request.messages, this.endpoint.name),
      usage: usageOf(raw.usage, this.#config.model_name, this.#services.prices),
    };
  }

  async completion(request: CompletionRequest, attempt: Attempt): Promise<CompletionAnswer> {
    const bodyWith = (habits: WireHabits) => ({
      model: this.#config.model_name,
      prompt: request.prompt,
      ...samplingFields(request, habits),
      ...this.#config.extra_body,
      ...request.extra_body,
    });
    const raw = await this.#post("completions", request, bodyWith, attempt);
    if (!Array.isArray(raw.choices) || raw.choices.length === 0) {
      throw new LachesisError("empty_response", `${this.endpoint.name} answered without choices.`);
    }
    const choices = raw.choices.map((choice: unknown, index) => {
      if (!isObject(choice) || typeof choice.text !== "string") {
        throw new LachesisError("malformed_response", `${this.endpoint.name}: choice ${index} has no text.`);
      }
      return { index, text: choice.text, finish_reason: String(choice.finish_reason ?? "stop") };
    });
    return { choices, usage: usageOf(raw.usage, this.#config.model_name, this.#services.prices) };
  }

  /** A gateway without a server behind it is dead; a server that stumbles over this route may still chat. */
  probe(attempt: Attempt): Promise<void> {
    return this.endpoint.checkAlive("models", "base", [502, 503, 504], attempt);
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }

  /** Sends the request, again in other words as long as the refusal names what can be said otherwise. */
  async #post(
    path: string,
    request: ChatRequest | CompletionRequest,
    bodyWith: (habits: WireHabits) => Record<string, unknown>,
    attempt: Attempt,
  ): Promise<Record<string, unknown>> {
    let habits = this.#habits;
    for (;;) {
      try {
        const answer = await this.endpoint.post(path, bodyWith(habits), attempt);
        this.#keep(habits);
        return answer;
      } catch (error) {
        const next = learnt(error, request, habits);
        if (next === null) throw error;
        habits = next;
      }
    }
  }

  /** Only what made a request succeed is remembered; several requests may have learnt different things meanwhile. */
  #keep(habits: WireHabits): void {
    if (habits === this.#habits) return;
    const known = this.#habits;
    const merged: WireHabits = {
      isOpenAI: known.isOpenAI,
      maxCompletionTokens: known.maxCompletionTokens || habits.maxCompletionTokens,
      refusesReasoning: known.refusesReasoning || habits.refusesReasoning,
      refusesSeed: known.refusesSeed || habits.refusesSeed,
      refusesTemperature: known.refusesTemperature || habits.refusesTemperature,
      refusesN: known.refusesN || habits.refusesN,
      refusesToolNames: known.refusesToolNames || habits.refusesToolNames,
      emptyContent: habits.emptyContent === "as it is" ? known.emptyContent : habits.emptyContent,
    };
    const news = [
      ...(merged.refusesSeed && !known.refusesSeed ? ["seed: its answers cannot be repeated"] : []),
      ...(merged.refusesTemperature && !known.refusesTemperature ? ["temperature: it samples with its own"] : []),
    ];
    if (news.length > 0) {
      this.#services.logger.warn(
        { server: this.endpoint.name },
        `${this.endpoint.name} takes no ${news.join("; no ")}`,
      );
    }
    this.#habits = merged;
  }
}
