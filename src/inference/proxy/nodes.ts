/** The token view with one node per model call, for callers that ask for the whole tree and not only its leaves. */
import { MASKED, MASKED_LOGPROB, type ReferenceNode, type RolloutGraph } from "../../tokens/index.ts";

export function allNodes(graph: RolloutGraph): ReferenceNode[] {
  return graph.nodes.flatMap((node): ReferenceNode[] => {
    if (node.kind !== "sampled") return [];
    const path = graph.path(node);
    return [
      {
        full_text: path.map((part) => part.text).join(""),
        tokens: path.flatMap((part) => part.tokens),
        masked_tokens: path.flatMap((part) => (part.kind === "sampled" ? part.tokens : part.tokens.map(() => MASKED))),
        logprobs: path.flatMap((part) =>
          part.kind === "sampled" && part.logprobs ? part.logprobs : part.tokens.map(() => MASKED_LOGPROB),
        ),
        metadata: { finish_reason: node.finishReason, weight_version: node.weightVersion },
      },
    ];
  });
}
