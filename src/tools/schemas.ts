/** Tools in the form in which they are offered to a model, always sorted by name so that prompts do not depend on the order of registration. */
import type { ToolSchema } from "../core/index.ts";
import type { Tool } from "./contract.ts";

export function toolSchemas(tools: readonly Tool[]): ToolSchema[] {
  return [...tools]
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map(({ name, description, parameters }) => ({ type: "function", function: { name, description, parameters } }));
}
