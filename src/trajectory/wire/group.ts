/**
 * A scored group as it comes over the wire: read leniently, checked for what would break a trainer, and written with
 * every key present and floats as floats (Python reads `1` as an integer, and tensors of mixed kinds fail).
 */
import type { ScoredGroup } from "../contract.ts";
import { InvalidBody, type ProblemDetail } from "./problem-detail.ts";
import {
  anything,
  dictionary,
  float,
  integer,
  listOf,
  numbersOf,
  objectOf,
  optional,
  type Reader,
  required,
  text,
} from "./readers.ts";

const MAX_TOKEN = 2 ** 31 - 1;
const isTokenId = (value: unknown) =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_TOKEN;
const isMask = (value: unknown) => value === -100 || isTokenId(value);
const isFloat = (value: unknown) => typeof value === "number" && Number.isFinite(value);

const tokens = numbersOf(integer({ least: 0, most: MAX_TOKEN }), isTokenId);
const masks = numbersOf(integer({ most: MAX_TOKEN }), isMask);
const floats = numbersOf(float, isFloat);

const message: Reader<Record<string, unknown>> = (value, loc, problems) => {
  const read = dictionary(value, loc, problems);
  for (const field of ["role", "content"]) {
    if (read && !(field in read))
      problems.push({ type: "missing", loc: [...loc, field], msg: "Field required", input: value });
  }
  return read;
};

const fields = objectOf({
  tokens: required(listOf(tokens)),
  masks: required(listOf(masks)),
  scores: required(floats),
  advantages: optional(listOf(floats)),
  ref_logprobs: optional(listOf(floats)),
  messages: optional(listOf(listOf(message))),
  generation_params: optional(dictionary),
  inference_logprobs: optional(listOf(floats)),
  overrides: optional(listOf(dictionary)),
  group_overrides: optional(dictionary),
  images: optional(anything),
  env_id: optional(integer()),
  distill_token_ids: optional(listOf(listOf(tokens))),
  distill_logprobs: optional(listOf(listOf(floats))),
  weight_versions: optional(numbersOf(integer(), Number.isInteger)),
  rollout_ids: optional(listOf(text)),
  token_source: optional(text),
  item_id: optional(text),
  group_id: optional(text),
});

/** Fields that only ours knows: they are written where they are set, so that v1 answers keep their shape. */
const OURS = ["weight_versions", "rollout_ids", "token_source", "item_id", "group_id"] as const;

/** Throws `InvalidBody`. `place` is where the group stands in the body. */
export function readGroup(value: unknown, place: (string | number)[] = ["body"]): ScoredGroup {
  const problems: ProblemDetail[] = [];
  const group = fields(value, place, problems);
  if (group && problems.length === 0) checkShapes(group as ScoredGroup, place, problems);
  if (!group || problems.length > 0) throw new InvalidBody(problems);
  return group as ScoredGroup;
}

/** Only what no trainer could use is refused; ragged advantages, empty message lists and masks of ones are legal. */
function checkShapes(group: ScoredGroup, place: (string | number)[], problems: ProblemDetail[]): void {
  const count = group.tokens.length;
  const refuse = (field: string, msg: string, index?: number) =>
    problems.push({ type: "value_error", loc: [...place, field, ...(index === undefined ? [] : [index])], msg });
  if (count === 0) refuse("tokens", "A group needs at least one sequence");
  for (const field of ["masks", "scores"] as const) {
    if (group[field].length !== count) refuse(field, `${group[field].length} rows for ${count} sequences of tokens`);
  }
  for (const field of ["inference_logprobs", "rollout_ids"] as const) {
    const rows = group[field];
    if (rows && rows.length !== count) refuse(field, `${rows.length} rows for ${count} sequences of tokens`);
  }
  for (const field of ["masks", "inference_logprobs"] as const) {
    group[field]?.forEach((row, index) => {
      const length = group.tokens[index]?.length;
      if (length !== undefined && row.length !== length)
        refuse(field, `${row.length} values for ${length} tokens`, index);
    });
  }
  const versions = group.weight_versions;
  if (versions && (versions.length !== 2 || versions[0] > versions[1])) {
    refuse("weight_versions", "must be the lowest and the highest version, in this order");
  }
  if (group.token_source != null && group.token_source !== "sampled" && group.token_source !== "rendered") {
    refuse("token_source", 'must be "sampled" or "rendered"');
  }
}

/** The group as JSON text, every key of v1 present. */
export function writeGroup(group: ScoredGroup): string {
  const parts = [
    `"tokens":${JSON.stringify(group.tokens)}`,
    `"masks":${JSON.stringify(group.masks)}`,
    `"scores":${floatList(group.scores)}`,
    `"advantages":${floatLists(group.advantages)}`,
    `"ref_logprobs":${floatLists(group.ref_logprobs)}`,
    `"messages":${json(group.messages)}`,
    `"generation_params":${json(group.generation_params)}`,
    `"inference_logprobs":${floatLists(group.inference_logprobs)}`,
    `"overrides":${json(group.overrides)}`,
    `"group_overrides":${json(group.group_overrides)}`,
    `"images":${json(group.images)}`,
    `"env_id":${json(group.env_id)}`,
    `"distill_token_ids":${json(group.distill_token_ids)}`,
    `"distill_logprobs":${group.distill_logprobs ? `[${group.distill_logprobs.map(floatLists).join(",")}]` : "null"}`,
  ];
  for (const field of OURS) if (group[field] != null) parts.push(`"${field}":${json(group[field])}`);
  return `{${parts.join(",")}}`;
}

const json = (value: unknown) => JSON.stringify(value ?? null);

function floatLists(rows: readonly (readonly number[])[] | null | undefined): string {
  return rows ? `[${rows.map(floatList).join(",")}]` : "null";
}

function floatList(row: readonly number[]): string {
  let out = "[";
  for (let index = 0; index < row.length; index++) {
    const value = row[index]!;
    if (index > 0) out += ",";
    out += Number.isInteger(value) && Math.abs(value) < 1e21 ? `${Object.is(value, -0) ? "-0" : value}.0` : value;
  }
  return `${out}]`;
}
