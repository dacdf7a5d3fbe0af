/** The gradient of the loss over whole groups, on one thread. */
import { addLoss, type GrpoOptions, type LossSums, lossFlow, noLoss, type TrainingGroup } from "./grpo.ts";
import type { Llama } from "./network/llama.ts";
import { buildTree } from "./network/token-tree.ts";

export interface WeighedGroup extends TrainingGroup {
  /** [sequence] what one token weighs. */
  weights: number[];
}

/** Tokens that go into one tree, before sharing: it bounds the memory of a pass. */
const TREE_TOKENS = 16_384;

/** Adds the groups' gradient to `gradient` and gives the sums of their losses. */
export function addGradient(
  llama: Llama,
  groups: readonly WeighedGroup[],
  options: GrpoOptions,
  gradient: Float64Array,
): LossSums {
  const total = noLoss();
  for (const some of packed(groups)) {
    const sequences = some.flatMap((group) => group.sequences);
    const weights = some.flatMap((group) => group.weights);
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

/** Groups that go into a tree together: those of one environment share its system prompt. */
function packed(groups: readonly WeighedGroup[]): WeighedGroup[][] {
  const packs: WeighedGroup[][] = [];
  let room = 0;
  for (const group of groups) {
    const size = group.sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (size > room || packs.length === 0) {
      packs.push([]);
      room = TREE_TOKENS;
    }
    packs.at(-1)!.push(group);
    room -= size;
  }
  return packs;
}
