/**
 * The server that answers an environment's judges. The same question about the same rollout, as when a rollout is scored
 * again or two rubrics ask alike, is asked once; a question that failed is asked again.
 */
import type { ChatCompletion, ChatRequest, ChatServer } from "../inference/index.ts";
import { currentJudgements } from "./metric-scope.ts";

export function judgeServer(inner: ChatServer): ChatServer {
  return {
    chatCompletion(request) {
      const known = currentJudgements();
      if (!known) return inner.chatCompletion(request);
      const key = questionOf(request);
      const earlier = known.get(key) as Promise<ChatCompletion> | undefined;
      if (earlier) return earlier;
      const answer = inner.chatCompletion(request);
      known.set(key, answer);
      answer.catch(() => known.delete(key));
      return answer;
    },
  };
}

function questionOf({ signal: _signal, max_retries: _retries, ...question }: ChatRequest): string {
  return JSON.stringify(question);
}
