import { describe, expect, it } from "vitest";
import { callerOf, rolloutOn } from "./rollout.test.fixture.ts";
import { todoTool } from "./todo.ts";

describe("todo", () => {
  const setup = () =>
    callerOf(
      rolloutOn(() => Promise.reject(new Error("not needed"))),
      [todoTool],
    );

  it("replaces, reads and counts", async () => {
    const todo = setup();
    expect(await todo("todo", {})).toEqual({
      todos: [],
      summary: { total: 0, pending: 0, in_progress: 0, completed: 0, cancelled: 0 },
    });
    const list = await todo<{ todos: object[] }>("todo", {
      todos: [
        { id: "a", content: "first", status: "in_progress" },
        { id: " ", content: "", status: "what" },
        { id: "a", content: "again", status: "COMPLETED" },
        { id: 7, content: "number" },
      ],
    });
    expect(list.todos).toEqual([
      { id: "?", content: "(no description)", status: "pending" },
      { id: "a", content: "again", status: "completed" },
      { id: "7", content: "number", status: "pending" },
    ]);
    expect(await todo("todo", {})).toEqual(list);
  });

  it("merges by id, ignoring what is empty or invalid", async () => {
    const todo = setup();
    await todo("todo", { todos: [{ id: "a", content: "first", status: "pending" }] });
    const { todos } = await todo<{ todos: object[] }>("todo", {
      merge: true,
      todos: [
        { id: "a", content: " ", status: "done" },
        { id: "a", status: "completed" },
        { content: "no id" },
        { id: "b", content: "new", status: "pending" },
      ],
    });
    expect(todos).toEqual([
      { id: "a", content: "first", status: "completed" },
      { id: "b", content: "new", status: "pending" },
    ]);
  });
});
