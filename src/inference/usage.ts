/** Tokens and money of one answer, whatever the provider calls them. Numbers that make no sense count as 0. */
import { isObject, noUsage, type Usage } from "../core/index.ts";
import type { PriceTable } from "./server-config.ts";

/** xAI counts in ticks of 10^-10 USD. */
const TICKS_PER_USD = 1e10;

/** The provider's own cost wins over the price table; without either the cost is null. */
export function usageOf(raw: unknown, model: string, prices: PriceTable | undefined): Usage {
  if (!isObject(raw)) return noUsage();
  const details = isObject(raw.prompt_tokens_details) ? raw.prompt_tokens_details : {};
  const prompt = count(raw.prompt_tokens ?? raw.input_tokens);
  const completion = count(raw.completion_tokens ?? raw.output_tokens);
  const cached = Math.min(
    prompt,
    count(details.cached_tokens ?? raw.prompt_cache_hit_tokens ?? raw.cached_tokens ?? raw.cache_read_input_tokens),
  );
  const usage: Usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: count(raw.total_tokens) || prompt + completion,
    cached_tokens: cached,
    cost_usd: statedCost(raw),
  };
  usage.cost_usd ??= priced(usage, model, prices);
  return usage;
}

/** The cost by the table, or null where the table does not name the model. */
export function priced(usage: Usage, model: string, prices: PriceTable | undefined): number | null {
  const price = prices?.[model] ?? prices?.["*"];
  if (price === undefined) return null;
  const fresh = usage.prompt_tokens - usage.cached_tokens;
  const cached = usage.cached_tokens * (price.cached ?? price.prompt);
  return (fresh * price.prompt + cached + usage.completion_tokens * price.completion) / 1e6;
}

function statedCost(raw: Record<string, unknown>): number | null {
  if (typeof raw.cost === "number" && raw.cost >= 0) return raw.cost;
  if (typeof raw.cost_in_usd_ticks === "number" && raw.cost_in_usd_ticks >= 0) {
    return raw.cost_in_usd_ticks / TICKS_PER_USD;
  }
  return null;
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}
