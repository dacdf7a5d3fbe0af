/**
 * A request for n choices, made as several where a server gives fewer at once. Every choice is asked for until there
 * are n; a server that ignores `n` costs one call per choice and nothing else.
 */
import { deriveSeed } from "../core/index.ts";

/**
 * @param perCall most choices to ask for in one call; asked anew for each round, as the servers' habits become known
 * @param call gives at least one choice or throws; `seed` differs between calls, so that no two give the same choices
 * @returns the answers of the calls, in order; together they hold at least n choices
 */
export async function inCalls<Answer>(
  n: number,
  seed: number | undefined,
  perCall: () => number,
  call: (part: { n: number; seed: number | undefined }) => Promise<Answer>,
  sizeOf: (answer: Answer) => number,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let missing = n;
  let made = 0;
  while (missing > 0) {
    const sizes = parts(missing, Math.max(1, perCall()));
    const settled = await Promise.allSettled(
      sizes.map((size) => {
        const place = made++;
        return call({ n: size, seed: seed === undefined || place === 0 ? seed : deriveSeed(seed, "choices", place) });
      }),
    );
    for (const [place, outcome] of settled.entries()) {
      if (outcome.status === "rejected") throw outcome.reason;
      answers.push(outcome.value);
      missing -= Math.max(1, Math.min(sizeOf(outcome.value), sizes[place] ?? 1));
    }
  }
  return answers;
}

function parts(total: number, most: number): number[] {
  const sizes: number[] = [];
  for (let left = total; left > 0; left -= most) sizes.push(Math.min(most, left));
  return sizes;
}
