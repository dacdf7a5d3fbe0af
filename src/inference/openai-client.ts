/**
 * Client of an OpenAI-compatible server: chats with tools and plain completions. What a server refuses by name
 * (`max_tokens`, reasoning in the history) is learnt once, and the request is sent again in its words.
 */
import { isObject, LachesisError } from "../core/index.ts";
import { chatChoices } from "./chat-answer.ts";
import { chatBody, samplingFields, type WireHabits } from "./chat-body.ts";
import type { Attempt, ChatAnswer, ClientServices, CompletionAnswer, InferenceClient } from "./client.ts";
import type { ChatRequest, CompletionRequest } from "./contract.ts";
import { JsonEndpoint } from "./json-endpoint.ts";
import { reasoningFields } from "./reasoning-options.ts";
import type { ServerConfig } from "./server-config.ts";
import { usageOf } from "./usage.ts";

/** Hosts that refuse messages with fields they do not know. */
const STRICT_HOSTS = new Set(["api.openai.com", "api.mistral.ai", "api.groq.com", "api.cerebras.ai"]);

export class OpenAIClient implements InferenceClient {
  readonly endpoint: JsonEndpoint;
  readonly #config: ServerConfig;
  readonly #services: ClientServices;
  readonly #habits: WireHabits;
  readonly #reasoning: Record<string, unknown>;

  constructor(config: ServerConfig, services: ClientServices) {
    this.#config = config;
    this.#services = services;
    this.endpoint = new JsonEndpoint(config, services);
    const { hostname } = this.endpoint.url;
    const isOpenAI = hostname === "api.openai.com";
    this.#habits = { isOpenAI, maxCompletionTokens: isOpenAI, refusesReasoning: STRICT_HOSTS.has(hostname) };
    this.#reasoning = reasoningFields(services.reasoning, isOpenAI);
  }

  async chat(request: ChatRequest, attempt: Attempt): Promise<ChatAnswer> {
    const raw = await this.#postChat(request, attempt);
    const model = typeof raw.model === "string" ? raw.model : this.#config.model_name;
    return {
      id: typeof raw.id === "string" ? raw.id : "",
      model,
      choices: chatChoices(raw, request.messages, this.endpoint.name),
      usage: usageOf(raw.usage, this.#config.model_name, this.#services.prices),
    };
  }

  async completion(request: CompletionRequest, attempt: Attempt): Promise<CompletionAnswer> {
    const body = {
      model: this.#config.model_name,
      prompt: request.prompt,
      ...samplingFields(request),
      ...this.#config.extra_body,
      ...request.extra_body,
    };
    const raw = await this.endpoint.post("completions", body, attempt);
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

  async #postChat(request: ChatRequest, attempt: Attempt): Promise<Record<string, unknown>> {
    const sent = { ...this.#habits };
    const send = () => this.endpoint.post("chat/completions", this.#body(request), attempt);
    try {
      return await send();
    } catch (error) {
      if (!this.#learnFrom(error, sent)) throw error;
      return await send();
    }
  }

  #body(request: ChatRequest): Record<string, unknown> {
    return chatBody(request, {
      model: this.#config.model_name,
      habits: this.#habits,
      reasoning: this.#reasoning,
      extraBody: this.#config.extra_body,
    });
  }

  /** True when the refusal named a field that can be said differently than it was `sent`. */
  #learnFrom(error: unknown, sent: WireHabits): boolean {
    if (!(error instanceof LachesisError) || error.code !== "bad_request") return false;
    if (!sent.maxCompletionTokens && /max_completion_tokens/.test(error.message)) {
      this.#habits.maxCompletionTokens = true;
      return true;
    }
    if (!sent.refusesReasoning && /reasoning_(content|details)/.test(error.message)) {
      this.#habits.refusesReasoning = true;
      return true;
    }
    return false;
  }
}
