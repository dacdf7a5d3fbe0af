/**
 * A tool from a zod schema. The model sees the JSON schema of what it may write; `execute` gets the parsed value, with
 * defaults filled in.
 */
import { z } from "zod";
import { isObject, type JsonSchema, LachesisError } from "../core/index.ts";
import type { Tool, ToolDefinition } from "./contract.ts";

/**
 * Defines a tool.
 * @example
 * const dice = defineTool({
 *   name: "roll_dice",
 *   description: "Rolls a die.",
 *   toolset: "games",
 *   parameters: z.object({ sides: z.int().min(2).default(6).describe("sides of the die") }),
 *   execute: async ({ sides }) => ({ rolled: 1 + Math.floor(Math.random() * sides) }),
 * });
 */
export function defineTool<Schema extends z.ZodObject>(definition: ToolDefinition<Schema>): Tool {
  const { parameters: schema, execute, ...rest } = definition;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(definition.name)) {
    throw new LachesisError(
      "config_invalid",
      `The tool name ${JSON.stringify(definition.name)} must be 1 to 64 letters, digits, dashes or underscores.`,
    );
  }
  return {
    ...rest,
    parameters: parameterSchema(schema),
    execute: async (args, context) => {
      const parsed = await schema.safeParseAsync(args);
      if (!parsed.success) {
        const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`);
        throw new LachesisError("tool_arguments", `Invalid arguments: ${problems.join("; ")}.`, {
          cause: parsed.error,
        });
      }
      return execute(parsed.data, context);
    },
  };
}

/** The JSON schema of an object schema's input, without what says nothing to a model. */
export function parameterSchema(schema: z.ZodObject): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const tidy = tidied(json);
  return isObject(tidy) ? { type: "object", properties: {}, ...tidy } : { type: "object", properties: {} };
}

/** zod writes the range of safe integers into every integer; it only costs tokens. */
function tidied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidied);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, field]) => !(key === "maximum" && field === Number.MAX_SAFE_INTEGER))
      .filter(([key, field]) => !(key === "minimum" && field === Number.MIN_SAFE_INTEGER))
      .map(([key, field]) => [key, tidied(field)]),
  );
}
