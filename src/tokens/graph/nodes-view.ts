/**
 * The graph in the shape that reward code written for the reference knows: one node per leaf, each a whole sequence.
 * Unlike `sequencesOf`, every answer on the path is unmasked in each of them: this view is for reading, not training.
 */
import type { RolloutGraph } from "./graph.ts";
import { MASKED, MASKED_LOGPROB } from "./sequences.ts";

export interface ReferenceNode {
  full_text: string;
  tokens: number[];
  /** −100 where the policy did not sample the token. */
  masked_tokens: number[];
  /** 1.0 where masked, and throughout where the engine gave none. */
  logprobs: number[];
  metadata: { finish_reason: string | null; weight_version: number | null };
}

export function referenceNodes(graph: RolloutGraph): ReferenceNode[] {
  return graph.leaves().map((leaf) => {
    const path = graph.path(leaf);
    return {
      full_text: path.map((node) => node.text).join(""),
      tokens: path.flatMap((node) => node.tokens),
      masked_tokens: path.flatMap((node) => (node.kind === "sampled" ? node.tokens : node.tokens.map(() => MASKED))),
      logprobs: path.flatMap((node) =>
        node.kind === "sampled" && node.logprobs ? node.logprobs : node.tokens.map(() => MASKED_LOGPROB),
      ),
      metadata: { finish_reason: leaf.finishReason, weight_version: leaf.weightVersion },
    };
  });
}
