/**
 * The sequences of a group as one tree: what several of them begin with is computed once, forward and backward. Every
 * row is one token; a row sees exactly the rows on its path from the root, so each sequence gets the log-probabilities
 * that it would get alone.
 */

/** A sequence and which of its tokens are to be predicted. */
export interface TreeSequence {
  tokens: ArrayLike<number>;
  /** Places of trained tokens, rising, each at least 1: nothing predicts the first token. */
  trained: readonly number[];
}

/** A chain of rows without a branch inside. */
export interface Segment {
  start: number;
  count: number;
  /** The rows before it on the path, as [start, count], root first. */
  before: readonly (readonly [number, number])[];
  /** How many rows those are: the position of the segment's first row. */
  depth: number;
}

export interface TokenTree {
  tokens: Int32Array;
  /** [row] place in its sequence. */
  positions: Int32Array;
  segments: Segment[];
  /** [sequence][trained place] the row that predicts the token. */
  predictors: Int32Array[];
}

interface Node {
  token: number;
  children: Map<number, Node>;
  row: number;
}

/** Tokens behind a sequence's last trained one change nothing and are left out, and so is that token itself. */
export function buildTree(sequences: readonly TreeSequence[]): TokenTree {
  const root: Node = { token: -1, children: new Map(), row: -1 };
  const paths = sequences.map(({ tokens, trained }) => {
    const path: Node[] = [];
    let node = root;
    for (let at = 0; at < (trained.at(-1) ?? 0); at++) {
      const token = tokens[at]!;
      let child = node.children.get(token);
      if (!child) {
        child = { token, children: new Map(), row: -1 };
        node.children.set(token, child);
      }
      path.push(child);
      node = child;
    }
    return path;
  });
  const tree: { tokens: number[]; positions: number[]; segments: Segment[] } = {
    tokens: [],
    positions: [],
    segments: [],
  };
  for (const child of root.children.values()) lay(child, [], 0, tree);
  return {
    tokens: Int32Array.from(tree.tokens),
    positions: Int32Array.from(tree.positions),
    segments: tree.segments,
    predictors: sequences.map(({ trained }, index) => Int32Array.from(trained, (at) => paths[index]![at - 1]!.row)),
  };
}

function lay(
  first: Node,
  before: Segment["before"],
  depth: number,
  tree: { tokens: number[]; positions: number[]; segments: Segment[] },
): void {
  const start = tree.tokens.length;
  let node = first;
  for (;;) {
    node.row = tree.tokens.length;
    tree.positions.push(depth + node.row - start);
    tree.tokens.push(node.token);
    if (node.children.size !== 1) break;
    [node] = node.children.values() as Iterable<Node> as [Node];
  }
  const count = tree.tokens.length - start;
  tree.segments.push({ start, count, before, depth });
  const path = [...before, [start, count] as const];
  for (const child of node.children.values()) lay(child, path, depth + count, tree);
}
