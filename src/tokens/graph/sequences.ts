/**
 * Training sequences out of a rollout graph: one per leaf. Invariant: every sampled token is trained in exactly one
 * sequence; where paths share an answer, the sequence of the first leaf trains it and the others only show it.
 */
import type { BranchReason, GraphNode, RolloutGraph } from "./graph.ts";

/** Marks a position that is not trained. */
export const MASKED = -100;
/** What stands for a log-probability at a masked position. */
export const MASKED_LOGPROB = 1.0;

export interface TrainingSequence {
  /** [position] */
  tokens: number[];
  /** [position]: the token id where it is trained, −100 elsewhere. */
  masks: number[];
  /** [position]: natural logarithm, 1.0 where masked. null where the engine gave none. */
  inference_logprobs: number[] | null;
  /** Lowest and highest version of the weights that sampled the trained tokens; null where unknown. */
  weight_versions: [number, number] | null;
  finish_reason: string;
  /** Why the sequence is one of its own: of the first branch on its path that it does not share with an earlier one. */
  branch: BranchReason;
  /** Places in the graph, root first. */
  nodes: number[];
}

export function sequencesOf(graph: RolloutGraph): TrainingSequence[] {
  const trained = new Set<number>();
  const seen = new Set<number>();
  return graph.leaves().map((leaf) => {
    const path = graph.path(leaf);
    const sequence: TrainingSequence = {
      tokens: [],
      masks: [],
      inference_logprobs: path.some((node) => node.kind === "sampled" && !node.logprobs) ? null : [],
      weight_versions: null,
      finish_reason: leaf.finishReason,
      branch: branchOf(path, seen),
      nodes: path.map((node) => node.id),
    };
    for (const node of path) {
      seen.add(node.id);
      append(sequence, node, node.kind === "sampled" && !trained.has(node.id));
      if (node.kind === "sampled") trained.add(node.id);
    }
    return sequence;
  });
}

function append(sequence: TrainingSequence, node: GraphNode, train: boolean): void {
  const logprobs = node.kind === "sampled" ? node.logprobs : null;
  node.tokens.forEach((token, index) => {
    sequence.tokens.push(token);
    sequence.masks.push(train ? token : MASKED);
    sequence.inference_logprobs?.push(train && logprobs ? logprobs[index]! : MASKED_LOGPROB);
  });
  if (train && node.kind === "sampled" && node.weightVersion !== null) {
    const [low, high] = sequence.weight_versions ?? [node.weightVersion, node.weightVersion];
    sequence.weight_versions = [Math.min(low, node.weightVersion), Math.max(high, node.weightVersion)];
  }
}

function branchOf(path: readonly GraphNode[], seen: ReadonlySet<number>): BranchReason {
  const fresh = path.filter((node) => !seen.has(node.id));
  const branching = fresh.find((node) => node.kind === "prompt" && node.branch !== null);
  if (branching?.kind === "prompt" && branching.branch) return branching.branch;
  return fresh.length === path.length ? "start" : "resample";
}
