/** The gradient of the loss over whole groups, on one thread. */
import { addLoss, type GrpoOptions, type LossSums, lossFlow, noLoss, type TrainingGroup } from "./grpo.ts";
import type { Llama } from "./network/llama.ts";
import { buildTree } from "./network/token-tree.ts";

export interface WeighedGroup extends TrainingGroup {
  /** [sequence] what one token weighs. */
  weights: number[];
}

/** Adds the groups' gradient to `gradient` and gives the sums of their losses. */
export function addGradient(
  llama: Llama,
  groups: readonly WeighedGroup[],
  options: GrpoOptions,
  gradient: Float64Array,
): LossSums {
  const total = noLoss();
  for (const { sequences, weights } of groups) {
    const targets = sequences.map(({ tokens, trained }) => trained.map((at) => tokens[at]!));
    const pass = llama.forward(buildTree(sequences), targets);
    const sums = noLoss();
    const flow = sequences.map((sequence, index) =>
      lossFlow(pass.logprobs[index]!, sequence, weights[index]!, options, sums),
    );
    llama.backward(pass, targets, flow, gradient);
    addLoss(total, sums);
  }
  return total;
}
