/**
 * Keeps the retries of two layers from multiplying. A request is retried by the server manager; a rollout that was
 * aborted is tried again by the engine. After a try that ended because a request had used up its retries, the requests of
 * the next tries are made once until one succeeds, and from then on share one allowance. So a server that is down costs
 * (1 + max_retries) + rollout_retries requests per rollout, not their product.
 */
import { toLachesisError } from "../core/index.ts";
import type { ChatCompletion, ChatRequest, ChatServer } from "../inference/index.ts";

export class RetryAllowance {
  /** null: every request has the server's own number of retries. */
  #left: number | null = null;
  readonly #perRequest: number;

  /** @param perRequest `openai.max_retries`. */
  constructor(perRequest: number) {
    this.#perRequest = perRequest;
  }

  /** The server as one try of the rollout sees it. */
  server(inner: ChatServer): ChatServer {
    let answered = false;
    const chatCompletion = async (request: ChatRequest): Promise<ChatCompletion> => {
      const retries = this.#left === null ? undefined : answered ? this.#left : 0;
      try {
        const answer = await inner.chatCompletion(
          retries === undefined ? request : { ...request, max_retries: retries },
        );
        answered = true;
        if (this.#left !== null) this.#left = Math.max(0, this.#left - Math.max(0, answer.attempts - 1));
        return answer;
      } catch (error) {
        if (toLachesisError(error).retryable) this.#left = this.#left === null ? this.#perRequest : 0;
        throw error;
      }
    };
    return inner.promptTokens
      ? { chatCompletion, promptTokens: (request) => inner.promptTokens!(request) }
      : { chatCompletion };
  }
}
