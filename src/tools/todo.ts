/** The `todo` tool: the rollout's own task list. It needs no sandbox. */
import { z } from "zod";
import { isObject } from "../core/index.ts";
import type { ToolCallContext } from "./contract.ts";
import { defineTool } from "./define-tool.ts";

const STATUSES = ["pending", "in_progress", "completed", "cancelled"] as const;
type Status = (typeof STATUSES)[number];

interface Todo {
  id: string;
  content: string;
  status: Status;
}

// Items are taken as they come and put right below: a slip in one item should not lose the list.
const item = z.looseObject({
  id: z.string().optional().describe("Short unique name of the item."),
  content: z.string().optional().describe("What is to be done."),
  status: z.string().optional().describe("pending, in_progress, completed or cancelled."),
});

export const todoTool = defineTool({
  name: "todo",
  toolset: "todo",
  exclusive: true,
  description:
    "Keep a task list for work of several steps. Leave out todos to read it. With todos the list is replaced, or, with merge=true, " +
    "items with known ids are updated and others added. Keep one item in_progress at a time.",
  parameters: z.object({
    todos: z.array(item).optional().describe("Items with id, content and status."),
    merge: z.boolean().default(false).describe("Update by id instead of replacing the whole list."),
  }),
  execute: ({ todos, merge }, context) => {
    const store = storeOf(context);
    if (todos) store.todos = merge ? merged(store.todos, todos) : unique(todos.map(complete));
    return report(store.todos);
  },
});

const storeOf = (context: ToolCallContext) => context.state("todo", () => ({ todos: [] as Todo[] }));

type Item = z.infer<typeof item>;

const isStatus = (value: unknown): value is Status => STATUSES.some((status) => status === value);
const textOf = (value: unknown) => (typeof value === "string" ? value.trim() : "");

function complete(given: Item): Todo {
  const entry = isObject(given) ? given : {};
  const status = textOf(entry.status).toLowerCase();
  return {
    id: textOf(entry.id) || "?",
    content: textOf(entry.content) || "(no description)",
    status: isStatus(status) ? status : "pending",
  };
}

/** One item an id: the last, in the place of the last. */
function unique(todos: readonly Todo[]): Todo[] {
  return todos.filter((todo, index) => todos.findLastIndex((other) => other.id === todo.id) === index);
}

function merged(todos: readonly Todo[], items: readonly Item[]): Todo[] {
  const result = todos.map((todo) => ({ ...todo }));
  for (const given of items) {
    const id = textOf(given.id);
    if (id === "") continue;
    const known = result.find((todo) => todo.id === id);
    if (!known) {
      result.push(complete(given));
      continue;
    }
    const content = textOf(given.content);
    if (content !== "") known.content = content;
    const status = textOf(given.status).toLowerCase();
    if (isStatus(status)) known.status = status;
  }
  return result;
}

function report(todos: readonly Todo[]) {
  const count = (status: Status) => todos.filter((todo) => todo.status === status).length;
  return {
    todos,
    summary: {
      total: todos.length,
      pending: count("pending"),
      in_progress: count("in_progress"),
      completed: count("completed"),
      cancelled: count("cancelled"),
    },
  };
}
