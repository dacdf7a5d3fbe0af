/** How often a rollout's prompts did not simply extend what was sampled, and what tokenizing them cost. */
import type { BranchReason, RolloutGraph } from "./graph.ts";

export interface DriftMetrics {
  /** Model calls. */
  calls: number;
  /** Prompts that extended the newest answer. */
  extended: number;
  /** Prompts that did not, by reason. */
  branches: Partial<Record<BranchReason, number>>;
  /** Share of the prompts after the first that branched although the conversation went on. */
  branch_rate: number;
  /** Characters that were tokenized in all calls together. */
  tokenized_chars: number;
}

const UNWANTED: readonly BranchReason[] = ["history_edited", "template_rewrote"];

export function driftOf(graph: RolloutGraph): DriftMetrics {
  const metrics: DriftMetrics = {
    calls: 0,
    extended: 0,
    branches: {},
    branch_rate: 0,
    tokenized_chars: graph.tokenizedChars,
  };
  for (const node of graph.nodes) {
    if (node.kind === "sampled") metrics.calls++;
    else if (node.branch !== null) metrics.branches[node.branch] = (metrics.branches[node.branch] ?? 0) + 1;
    else if (node.parent !== null && graph.node(node.parent).kind === "sampled") metrics.extended++;
  }
  const broken = UNWANTED.reduce((sum, reason) => sum + (metrics.branches[reason] ?? 0), 0);
  metrics.branch_rate = metrics.extended + broken === 0 ? 0 : broken / (metrics.extended + broken);
  return metrics;
}
