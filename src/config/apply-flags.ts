/**
 * The uppermost layer: flags. A flag that names no field is a problem that says which flag was probably meant; its value
 * is not shown, since it may be a key.
 */
import type { z } from "zod";
import { nearestName } from "../core/index.ts";
import { ServerConfig } from "../inference/server-config.ts";
import { fromTexts } from "./coerce.ts";
import { Draft } from "./draft.ts";
import type { FlagUse } from "./flags.ts";
import { type Drafts, SECTIONS, SERVER_SECTIONS, type ServerSection, TopLevel } from "./layers.ts";
import { type ConfigProblem, hint } from "./problem.ts";
import type { Source } from "./resolved.ts";
import { schemaAt, shapeOf, takesBoolean } from "./schema.ts";
import { dropOtherKind } from "./servers.ts";

export interface FlagRequest {
  schema: z.ZodObject;
  flags?: readonly FlagUse[];
  otherFlags?: readonly string[];
}

/** Lays the flags over the drafts. */
export function applyFlags(request: FlagRequest, drafts: Drafts, problems: ConfigProblem[]): void {
  const uses = new Map<string, FlagUse[]>();
  for (const use of request.flags ?? []) uses.set(use.flag, [...(uses.get(use.flag) ?? []), use]);
  const serverValues: Record<ServerSection, Record<string, unknown>> = { openai: {}, judge: {} };
  const pending: { section: ServerSection; path: string[]; value: unknown; source: Source }[] = [];
  for (const [flag, list] of uses) {
    const path = list[0]!.path;
    const [section, ...below] = path;
    const schema =
      section === "env" ? request.schema : section === "openai" || section === "judge" ? ServerConfig : null;
    const target = schema === null ? schemaAt(TopLevel, path) : below.length === 0 ? null : schemaAt(schema, below);
    if ((section === "openai" || section === "judge") && drafts.servers[section].length > 1) {
      const names = drafts.servers[section].length;
      problems.push({
        place: flag,
        message: `${names} servers are configured, so a flag cannot say which one it means. Set the field in the file.`,
      });
      continue;
    }
    if (target === null || below.includes("")) {
      problems.push({ place: flag, message: `is no known flag.${hint(nearestFlag(path, request))}` });
      continue;
    }
    const texts = list.map((use) => use.text);
    if (texts.at(-1) === true && !takesBoolean(target)) {
      problems.push({ place: flag, message: "needs a value." });
      continue;
    }
    const value = fromTexts(target, texts);
    const source: Source = { kind: "flag", flag };
    if (section === "env") drafts.env.set(below, value, source);
    else if (section === "openai" || section === "judge") {
      if (below.length === 1) serverValues[section][below[0]!] = value;
      pending.push({ section, path: below, value, source });
    } else drafts.top.set(path, value, source);
  }
  for (const section of SERVER_SECTIONS) {
    const mine = pending.filter((item) => item.section === section);
    if (mine.length === 0) continue;
    const draft = drafts.servers[section][0] ?? new Draft();
    drafts.servers[section] = [draft];
    dropOtherKind(draft, serverValues[section]);
    for (const { path, value, source } of mine) draft.set(path, value, source);
  }
}

function nearestFlag(path: readonly string[], request: FlagRequest): string | null {
  const fields: Record<string, string[]> = {
    env: Object.keys(shapeOf(request.schema) ?? {}),
    openai: Object.keys(ServerConfig.shape),
    judge: Object.keys(ServerConfig.shape),
  };
  const [section = "", field = ""] = path;
  if (path.length > 1) {
    const near = nearestName(section, SECTIONS);
    if (near !== undefined) {
      const name = nearestName(field, fields[near]!);
      if (name !== undefined) return `--${near}.${name}`;
    }
  }
  const wanted = path.at(-1)!;
  const plain = [...Object.keys(TopLevel.shape).map((name) => `--${name}`), ...(request.otherFlags ?? [])];
  const exact = ["env", "openai"].find((name) => fields[name]!.includes(wanted));
  if (exact !== undefined) return `--${exact}.${wanted}`;
  const near = nearestName(`--${wanted}`, plain);
  if (near !== undefined) return near;
  for (const name of ["env", "openai"]) {
    const found = nearestName(wanted, fields[name]!);
    if (found !== undefined) return `--${name}.${found}`;
  }
  return null;
}
