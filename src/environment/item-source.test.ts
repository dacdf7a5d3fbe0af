import fc from "fast-check";
import { expect, test } from "vitest";
import { ItemNames } from "./item-source.ts";

const groupsOf = (items: unknown[], names = new ItemNames()) => items.map((item) => names.name(item).groupId);

test("ids, else places; repetitions are numbered", () => {
  expect(groupsOf([{ id: "a" }, {}, { id: 7 }, { id: "a" }, "text", { id: null }, { id: "" }])).toEqual([
    "a",
    "1",
    "7",
    "a~2",
    "4",
    "5",
    "",
  ]);
  expect(groupsOf([{ id: "a" }], new ItemNames("easy:"))).toEqual(["easy:a"]);
});

test("no two groups have one id, whatever the items are called, and the same items have the same ids again", () => {
  const id = fc.constantFrom("a", "b", "a~1", "a~2", "a~2~1", "b~02", "0", "1", "2", undefined);
  fc.assert(
    fc.property(fc.array(id, { maxLength: 40 }), (ids) => {
      const items = ids.map((own) => (own === undefined ? {} : { id: own }));
      const groups = groupsOf(items);
      expect(new Set(groups).size).toBe(groups.length);
      expect(groupsOf(items)).toEqual(groups);
    }),
  );
});
