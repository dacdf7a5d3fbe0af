/** Every built-in format, in the order in which the documentation lists them. */

import type { ReasoningParser } from "./contract.ts";
import { hermes } from "./formats/hermes.ts";
import { thinkTags } from "./reasoning/think-tags.ts";
import type { ToolFormat } from "./tool-format.ts";

export const FORMATS: readonly ToolFormat[] = [hermes];

/** Reasoning parsers that have a name of their own; every format's name gives its family's too. */
export const REASONING: Readonly<Record<string, ReasoningParser>> = { think: thinkTags };
