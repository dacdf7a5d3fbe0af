/**
 * The configuration of one inference server: names, defaults and help texts. Field names are those of existing YAML
 * files and of the `--openai.*` flags. Fields whose schema carries `meta({ secret: true })` are never printed.
 */
import { z } from "zod";

export const SERVER_TYPES = ["openai", "vllm", "sglang", "trl", "embedded"] as const;
export type ServerType = (typeof SERVER_TYPES)[number];

const modelPrice = z.strictObject({
  prompt: z.number().nonnegative().describe("USD per million prompt tokens"),
  completion: z.number().nonnegative().describe("USD per million completion tokens"),
  cached: z.number().nonnegative().optional().describe("USD per million cached prompt tokens; default: as prompt"),
});

/** Prices by model name, in USD per million tokens. `*` stands for every model that is not named. */
export const PriceTable = z.record(z.string(), modelPrice);
export type PriceTable = z.infer<typeof PriceTable>;

export const ServerConfig = z.strictObject({
  timeout: z.number().positive().default(1200).describe("seconds one request may take, its body included"),
  num_max_requests_at_once: z.int().min(1).default(512).describe("requests in flight at once in training"),
  num_requests_for_eval: z.int().min(1).default(64).describe("requests in flight at once in evaluation"),
  model_name: z.string().default("default").describe("model to ask for"),
  rolling_buffer_length: z.int().min(1).default(1000).describe("requests over which latency metrics are averaged"),
  server_type: z
    .enum(SERVER_TYPES)
    .default("openai")
    .describe("protocol of the server; types other than openai give exact tokens"),
  tokenizer_name: z.string().default("none").describe("tokenizer folder or hub id; none: as model_name"),
  api_key: z
    .string()
    .nullable()
    .default("")
    .describe("key; empty: read from the variable that belongs to the host, such as OPENROUTER_API_KEY")
    .meta({ secret: true }),
  base_url: z
    .string()
    .nullable()
    .default("")
    .describe("address with its /v1; empty: OPENAI_BASE_URL, else https://api.openai.com/v1"),
  n_kwarg_is_ignored: z.boolean().default(false).describe("the server gives one choice whatever n says"),
  health_check: z.boolean().default(true).describe("ask /health or /models at start and after failures (never paid)"),
  max_retries: z.int().min(0).default(3).describe("how often a failed request is made again"),
  weight: z.number().positive().max(1).default(1).describe("share of the server's slots that this run may use"),
  extra_body: z.record(z.string(), z.unknown()).default({}).describe("merged into every request's body"),
  extra_headers: z
    .record(z.string(), z.string())
    .default({})
    .describe("HTTP headers added to every request")
    .meta({ secret: true }),
});

/** One server with every field present. */
export type ServerConfig = z.infer<typeof ServerConfig>;
/** What a user writes: every field is optional. */
export type ServerConfigInput = z.input<typeof ServerConfig>;

export const REASONING_EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh"] as const;
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How much the model may reason. Effort wins over a token budget; both null and thinking_mode false: as the server likes. */
export interface ReasoningOptions {
  thinking_mode: boolean;
  reasoning_effort: ReasoningEffort | null;
  max_reasoning_tokens: number | null;
}
