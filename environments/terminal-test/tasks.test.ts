import { describe, expect, it } from "vitest";
import { generateTasks, TASK_KINDS } from "./tasks.ts";

const unseenWord = /puzzle|harbor|velvet|quartz|lantern|saffron|noodle/i;

describe("generateTasks", () => {
  it("gives the same different tasks for the same options, and others for another seed", () => {
    const tasks = generateTasks({ seed: 3, count: 300, split: "train" });
    expect(tasks).toHaveLength(300);
    expect(generateTasks({ seed: 3, count: 300, split: "train" })).toEqual(tasks);
    expect(new Set(tasks.map((task) => task.id)).size).toBe(300);
    expect(generateTasks({ seed: 4, count: 300, split: "train" })).not.toEqual(tasks);
  });

  it("keeps the splits apart", () => {
    const trained = new Set(generateTasks({ seed: 1, count: 2000, split: "train" }).map((task) => task.prompt));
    const evaluated = generateTasks({ seed: 1, count: 1000, split: "eval" });
    expect(evaluated.filter((task) => trained.has(task.prompt))).toEqual([]);
  });

  it("names the path in every prompt, and the content where it is given", () => {
    for (const task of generateTasks({ seed: 5, count: 500, split: "eval", words: "mixed" })) {
      expect(task.prompt).toContain(task.verify_path);
      expect(task.prompt).not.toMatch(/\{\w+\}/);
      expect(task.expected_content.trim()).toBe(task.expected_content);
      if (task.kind === "text" || task.kind === "terminal") expect(task.prompt).toContain(task.expected_content);
    }
  });

  it("draws every kind, and only the kinds that were asked for", () => {
    const all = generateTasks({ seed: 2, count: 400, split: "train" });
    expect(new Set(all.map((task) => task.kind))).toEqual(new Set(TASK_KINDS));
    const some = generateTasks({ seed: 2, count: 50, split: "train", kinds: ["range", "sum"] });
    expect(new Set(some.map((task) => task.kind))).toEqual(new Set(["range", "sum"]));
  });

  it("uses words that training never saw only where they were asked for", () => {
    const known = generateTasks({ seed: 6, count: 500, split: "train" });
    expect(known.filter((task) => unseenWord.test(task.prompt))).toEqual([]);
    const unseen = generateTasks({ seed: 6, count: 200, split: "eval", words: "unseen", kinds: ["text"] });
    expect(unseen.filter((task) => unseenWord.test(task.prompt)).length).toBeGreaterThan(30);
  });

  it("ends when there are not enough different tasks", () => {
    expect(generateTasks({ seed: 1, count: 0, split: "eval" })).toEqual([]);
  });
});
