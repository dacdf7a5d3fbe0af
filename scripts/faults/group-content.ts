/** What the groups of a fault injection hold: small ones and large ones, each told from all others by its content. */

export interface SentGroup {
  tokens: number[][];
  masks: number[][];
  scores: number[];
  messages?: { role: string; content: string }[][];
}

/** Of the text: within a row and beyond it, and large enough to be saved on another thread. */
const BYTES = [0, 1_500, 1_950, 2_100, 20_000, 70_000, 200_000];

/** The mark is the score; the same mark gives the same group. */
export function markedGroup(mark: number): SentGroup {
  const bytes = BYTES[mark % BYTES.length]!;
  const content = `${mark} `.repeat(Math.ceil(bytes / 2)).slice(0, bytes);
  return {
    tokens: [[1, mark]],
    masks: [[-100, mark]],
    scores: [mark],
    ...(bytes > 0 && { messages: [[{ role: "user", content }]] }),
  };
}

/** What the environment with the outbox sends. */
export function boxedGroup(mark: number): SentGroup {
  return { tokens: [[1, 2]], masks: [[-100, 2]], scores: [mark] };
}

/** Whether a delivered group is what was sent. */
export function isSame(delivered: SentGroup, sent: SentGroup): boolean {
  const told = ({ tokens, masks, scores, messages }: SentGroup) =>
    JSON.stringify([tokens, masks, scores, messages ?? null]);
  return told(delivered) === told(sent);
}
