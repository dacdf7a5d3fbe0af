/** Whatever a file is made of: a patch that succeeds did what was asked, and every byte that it was not asked to change is as it was. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codecsOf } from "../files/text-codec.ts";
import { applyEdits } from "./edits.ts";
import { locate } from "./locate.ts";
import { unifiedDiff } from "./unified-diff.ts";
import { placeHunks } from "./v4a-hunks.ts";
import { parseV4a } from "./v4a-parse.ts";

const word = fc.constantFrom(
  "a",
  "b",
  "foo",
  "bar(",
  ")",
  "{",
  "}",
  "x = 1",
  "“q”",
  "é",
  "--",
  "\\n",
  "  ",
  "\t",
  "return",
  "",
);
const lineText = fc.array(word, { maxLength: 4 }).map((words) => words.join(" "));
const ending = fc.constantFrom("\n", "\n", "\n", "\r\n");
const lines = fc.array(fc.tuple(lineText, ending), { minLength: 1, maxLength: 25 });
const file = fc.tuple(lines, fc.boolean()).map(([parts, ended]) => {
  const text = parts.map(([text, end]) => text + end).join("");
  return ended ? text : text.replace(/\r?\n$/, "");
});
const bytes = fc.oneof(
  file.map((text) => Buffer.from(text)),
  file.map((text) => Buffer.from(text.replace(/[“”]/g, '"'), "latin1")),
  fc
    .tuple(file, fc.uint8Array({ maxLength: 6 }))
    .map(([text, noise]) => Buffer.concat([Buffer.from(text), noise, Buffer.from(text)])),
  file.map((text) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)])),
);

/** Every byte of `before` that the edits do not cover is in `after`, in its place. */
function onlyEdited(before: string, after: string, edits: readonly { start: number; end: number; text: string }[]) {
  const sorted = [...edits].sort((a, b) => a.start - b.start);
  let from = 0;
  let to = 0;
  for (const { start, end, text } of sorted) {
    expect(after.slice(to, to + start - from)).toBe(before.slice(from, start));
    to += start - from + text.length;
    from = end;
  }
  expect(after.slice(to)).toBe(before.slice(from));
}

describe("codecs", () => {
  it("give back the bytes that they were given", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 200 })), (content) => {
        for (const codec of codecsOf(content)) {
          expect(Buffer.from(codec.encode(codec.text)).equals(Buffer.from(content))).toBe(true);
        }
      }),
    );
  });
});

describe("replace", () => {
  it("exchanges exactly the quoted text, or says that it is doubtful", () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat(), lineText, (content, at, length, becomes) => {
        const codec = codecsOf(content)[0];
        const start = at % codec.text.length;
        const old = codec.text.slice(start, start + 1 + (length % 60));
        fc.pre(!(old.startsWith("\n") && codec.text.includes("\r\n"))); // line breaks are not taken apart
        const located = locate(codec.text, old, becomes, false);
        const unique = old !== "" && codec.text.indexOf(old) === codec.text.lastIndexOf(old);
        expect(located.ok).toBe(unique && old !== becomes);
        if (located.ok)
          expect(applyEdits(codec.text, located.edits)).toBe(
            codec.text.slice(0, start) + becomes + codec.text.slice(start + old.length),
          );
      }),
      { numRuns: 500 },
    );
  });

  it("changes only the line that changes, when blanks, line endings and indentation are quoted otherwise", () => {
    const slips = fc.record({
      trimEnds: fc.boolean(),
      shift: fc.constantFrom(0, 2, 4),
      crlf: fc.boolean(),
      plainQuotes: fc.boolean(),
    });
    fc.assert(
      fc.property(file, fc.nat(), fc.integer({ min: 1, max: 6 }), fc.nat(), slips, (text, at, count, which, slip) => {
        const all = text.split(/(?<=\n)/);
        const first = at % all.length;
        const block = all.slice(first, first + count);
        const quoted = block.map((line) => {
          let plain = line.replace(/\r?\n$/, "");
          if (slip.trimEnds) plain = plain.trimEnd();
          if (slip.plainQuotes) plain = plain.replace(/[“”]/g, '"');
          return plain.trim() === "" ? plain : " ".repeat(slip.shift) + plain;
        });
        fc.pre(quoted[0]!.trim() !== "" && quoted.at(-1)!.trim() !== "");
        const changed = which % quoted.length;
        const wanted = quoted.map((line, index) => (index === changed ? `${line.replace(/\S.*$/s, "")}CHANGED` : line));
        const eol = slip.crlf ? "\r\n" : "\n";
        const located = locate(text, quoted.join(eol), wanted.join(eol), false);
        if (!located.ok) return;
        const after = applyEdits(text, located.edits);
        onlyEdited(text, after, located.edits);
        const result = after.split(/(?<=\n)/);
        const differing = result.flatMap((line, index) => (line === all[index] ? [] : [index]));
        expect(result.length).toBe(all.length);
        expect(differing).toHaveLength(1);
        expect(result[differing[0]!]).toContain("CHANGED");
        const end = /\r?\n$/;
        expect(end.exec(result[differing[0]!]!)?.[0]).toBe(end.exec(all[differing[0]!]!)?.[0]);
      }),
      { numRuns: 2000 },
    );
  });

  it("never throws and never edits outside of what it names, whatever is asked", () => {
    fc.assert(
      fc.property(
        file,
        fc.oneof(file, fc.string()),
        fc.oneof(file, fc.string()),
        fc.boolean(),
        (text, old, becomes, all) => {
          const located = locate(text, old, becomes, all);
          if (located.ok) onlyEdited(text, applyEdits(text, located.edits), located.edits);
          else expect(located.error).not.toBe("");
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("ends soon on files made to be slow", () => {
    const spaces = `${" ".repeat(200_000)}x\n`;
    const same = "if (a) {\n".repeat(20_000);
    for (const [text, old] of [
      [spaces, `${" ".repeat(100)}y z`],
      [spaces.repeat(3), "a  b\nc"],
      [same, `${"if (a) {\n".repeat(500)}no`],
      [same, "if (b) {\n  other\n}\n".repeat(100)],
      ["a".repeat(1_000_000), `${"a".repeat(5000)}b`],
    ] as const) {
      expect(locate(text, old, "new", false).ok).toBe(false);
    }
  });
});

describe("unified diffs", () => {
  it("describe the change completely", () => {
    fc.assert(
      fc.property(file, fc.array(fc.tuple(fc.nat(), fc.nat(5), lineText), { maxLength: 4 }), (text, raw) => {
        const edits: { start: number; end: number; text: string }[] = [];
        for (const [at, length, becomes] of raw
          .map(([at, ...rest]) => [at % (text.length + 1), ...rest] as const)
          .sort((a, b) => a[0] - b[0])) {
          if (edits.some((edit) => at <= edit.end)) continue;
          edits.push({ start: at, end: Math.min(text.length, at + length), text: becomes });
        }
        const after = applyEdits(text, edits);
        expect(patched(text, unifiedDiff("f", "f", text, edits))).toBe(after);
      }),
      { numRuns: 1000 },
    );
  });
});

/** Applies a unified diff by the book. */
function patched(text: string, diff: string): string {
  if (diff === "") return text;
  const source = text === "" ? [] : text.split(/(?<=\n)/);
  const result: string[] = [];
  let at = 0;
  const body = diff.split("\n").slice(2);
  body.pop();
  for (let index = 0; index < body.length; index++) {
    const header = /^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$/.exec(body[index]!);
    if (header) {
      const start = Number(header[2]) === 0 ? Number(header[1]) : Number(header[1]) - 1;
      result.push(...source.slice(at, start));
      at = start;
      expect(result.length).toBe(Number(header[4]) === 0 ? Number(header[3]) : Number(header[3]) - 1);
      continue;
    }
    const line = body[index]!;
    const open = body[index + 1]?.startsWith("\\ No newline");
    const content = line.slice(1) + (open ? "" : "\n");
    if (open) index++;
    if (line[0] !== "+") expect(source[at++]).toBe(content);
    if (line[0] !== "-") result.push(content);
  }
  return [...result, ...source.slice(at)].join("");
}

describe("V4A", () => {
  it("does what the hunks say and nothing else, or refuses", () => {
    const unique = fc.array(fc.tuple(fc.constantFrom("", "  ", "\t"), fc.nat(60), ending), {
      minLength: 3,
      maxLength: 40,
    });
    fc.assert(
      fc.property(
        unique,
        fc.boolean(),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom("delete", "change", "insert")), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 3 }),
        (parts, ended, changes, context) => {
          const all = parts.map(([indent, number, end]) => (number < 6 ? `${end}` : `${indent}line ${number}${end}`));
          if (!ended) all[all.length - 1] = `${all.at(-1)!.replace(/\r?\n$/, "")}!`;
          const text = all.join("");
          const at = new Map(changes.map(([place, kind]) => [place % all.length, kind]));
          const plain = (line: string) => line.replace(/\r?\n$/, "");
          const expected: string[] = [];
          const patch = ["*** Begin Patch", "*** Update File: f"];
          let shownTo = 0;
          for (const [index, line] of all.entries()) {
            const kind = at.get(index);
            const eol = /\r?\n$/.exec(line)?.[0] ?? /\r?\n$/.exec(all[index - 1] ?? "\n")![0];
            if (kind) {
              if (shownTo < index || shownTo === 0) {
                const from = Math.max(shownTo, index - context);
                if (from > shownTo || shownTo === 0) patch.push("@@");
                for (let before = from; before < index; before++) patch.push(` ${plain(all[before]!)}`);
              }
              if (kind === "insert") patch.push("+new", ` ${plain(line)}`);
              else patch.push(`-${plain(line)}`, ...(kind === "change" ? ["+new"] : []));
              shownTo = index + 1;
            }
            if (kind === "insert") expected.push(`new${eol}`, line);
            else if (kind === "change") expected.push(`new${/\r?\n$/.exec(line)?.[0] ?? ""}`);
            else if (!kind) expected.push(line);
          }
          const parsed = parseV4a([...patch, "*** End Patch"].join("\n"));
          if (!parsed.ok) throw new Error(parsed.error);
          const [operation] = parsed.operations;
          if (operation?.kind !== "update") throw new Error("not an update");
          const placed = placeHunks(text, operation.hunks);
          if (!placed.ok) return; // repeated lines make it ambiguous
          const after = applyEdits(text, placed.edits);
          onlyEdited(text, after, placed.edits);
          const wanted = expected.join("");
          // The last line has no line break before and after; deleting it leaves the one before it as it is.
          // Which line break an inserted line gets in a file of mixed ones is a matter of taste.
          const comparable = (whole: string) => whole.replaceAll("\r\n", "\n").replace(ended ? /^\b$/ : /\n$/, "");
          expect(comparable(after)).toBe(comparable(wanted));
          if (!ended && placed.edits.every((edit) => edit.end < text.length)) expect(after.endsWith("!")).toBe(true);
        },
      ),
      { numRuns: 1500 },
    );
  });
});
