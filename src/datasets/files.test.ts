import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteFile } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { recordsOf } from "./csv-file.ts";
import { jsonFault } from "./json-fault.ts";
import { loadDataset } from "./load.ts";
import { promptOf } from "./prompt.ts";

const root = mkdtempSync(join(tmpdir(), "lachesis-datasets-"));
function file(name: string, content: string | Uint8Array): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}
const rowsOf = async (name: string, more: object = {}) => (await loadDataset({ name, ...more })).rows();

describe("JSON Lines and JSON", () => {
  it("reads rows, skips empty lines and a byte order mark, keeps what a row holds", async () => {
    const path = file("a.jsonl", '\uFEFF{"a":1}\r\n\n{"a":"\u2028ü","b":[null]}\n  \n{"a":3}');
    expect(await rowsOf(path)).toEqual([{ a: 1 }, { a: "\u2028ü", b: [null] }, { a: 3 }]);
    expect(await rowsOf(file("a.jsonl.gz", gzipSync('{"a":1}\n')))).toEqual([{ a: 1 }]);
    expect(await rowsOf(file("a.ndjson.zst", zstdCompressSync('{"a":1}\n')))).toEqual([{ a: 1 }]);
  });

  it("names file and line of what is wrong, without quoting the data", async () => {
    const broken = file("b.jsonl", '{"a":1}\n\n{"secret": nope}\n');
    await expect(rowsOf(broken)).rejects.toMatchObject({
      code: "data_invalid",
      message: expect.stringContaining(`${broken}:3: this line is not JSON`),
    });
    await expect(rowsOf(broken)).rejects.not.toThrow(/secret/);
    await expect(rowsOf(file("c.jsonl", "{}\n[1]\n"))).rejects.toThrow(
      /c\.jsonl:2: a row must be an object, found a list/,
    );
    await expect(rowsOf(file("d.jsonl", Buffer.from([0x7b, 0x7d, 0x0a, 0xff, 0xfe])))).rejects.toThrow(/not UTF-8/);
    await expect(rowsOf(file("d.jsonl.gz", "not gzip"))).rejects.toMatchObject({ code: "data_invalid" });
    await expect(rowsOf(join(root, "none.jsonl"))).rejects.toMatchObject({ code: "not_found" });
    await expect(rowsOf(file("x.txt", "hi"))).rejects.toThrow(/no known format/);
  });

  it("splits lines right wherever the chunks end", async () => {
    const rows = Array.from({ length: 3000 }, (_, id) => ({ id, text: "é".repeat(id % 500) }));
    expect(await rowsOf(file("long.jsonl", rows.map((row) => JSON.stringify(row)).join("\n")))).toEqual(rows);
  });

  it("takes a list, or the list under the split's name", async () => {
    expect(await rowsOf(file("e.json", '[{"a":1}]'))).toEqual([{ a: 1 }]);
    expect(await rowsOf(file("f.json", '{"train":[{"a":1}],"test":[{"a":2}]}'), { split: "test" })).toEqual([{ a: 2 }]);
    await expect(rowsOf(file("g.json", '{"rows":[]}'))).rejects.toThrow(/under "train"\. It has: rows/);
    await expect(rowsOf(file("h.json", '[{"a":1},\n{"a":}]'))).rejects.toThrow(/h\.json:2: this is not JSON/);
    await expect(rowsOf(file("i.json", '{"a":1}\n{"a":2}\n'))).rejects.toThrow(/call it \.jsonl/);
  });
});

it("finds the place where a text stops being JSON", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, seed) => {
      expect(jsonFault(json)).toBe(json.length);
      const at = seed % (json.length + 1);
      expect(jsonFault(`${json.slice(0, at)}\u0001${json.slice(at)}`)).toBeLessThanOrEqual(at);
    }),
  );
  for (const [text, fault] of [
    ["[1,]", 3],
    ['{"a" 1}', 5],
    ['{"a":1,}', 7],
    ["[1}", 2],
    ["1 2", 2],
    ['["a\nb"]', 1],
    ["", 0],
  ] as const) {
    expect(jsonFault(text)).toBe(fault);
  }
});

describe("CSV", () => {
  it("follows RFC 4180", async () => {
    const path = file("a.csv", '\uFEFFid,"text, long",c\r\n1,"a ""b"",\r\nc",\r\n\r\n"2",,x\n');
    expect(await rowsOf(path)).toEqual([
      { id: "1", "text, long": 'a "b",\r\nc', c: "" },
      { id: "2", "text, long": "", c: "x" },
    ]);
    expect(await rowsOf(file("a.tsv", "a\tb\n1,5\t2\n"))).toEqual([{ a: "1,5", b: "2" }]);
  });

  it("says on which line it is broken", async () => {
    await expect(rowsOf(file("b.csv", 'a,b\n"x\ny",1\n1,2,3\n'))).rejects.toThrow(
      /b\.csv:4: 3 fields, but the header names 2/,
    );
    await expect(rowsOf(file("c.csv", 'a\n1\n"never\n'))).rejects.toThrow(
      /c\.csv:3: the quote that starts here is never closed/,
    );
    await expect(rowsOf(file("d.csv", 'a\n"x"y\n'))).rejects.toThrow(/d\.csv:2: after a closing quote/);
    await expect(rowsOf(file("e.csv", "a,a\n1,2\n"))).rejects.toThrow(/stands twice/);
  });

  it("gives back what was written, wherever the text is cut into chunks", async () => {
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "é", "😀") });
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(table, fc.integer({ min: 1, max: 9 }), async (rows, size) => {
        const text = [...rows.map((row) => row.map(quote).join(",")).join("\r\n")];
        const chunks: string[] = [];
        for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size).join(""));
        const found: string[][] = [];
        for await (const { fields } of recordsOf(chunks, ",", "x")) found.push(fields);
        expect(found).toEqual(rows);
      }),
      { numRuns: 300 },
    );
  });
});

describe("parquet", () => {
  it("reads groups of rows; integers become numbers where that is exact", async () => {
    const path = join(root, "t.parquet");
    parquetWriteFile({
      filename: path,
      rowGroupSize: 2,
      columnData: [
        { name: "id", data: [1n, 2n, 2n ** 60n], type: "INT64" },
        { name: "prompt", data: ["a", "ü", null], type: "STRING" },
        { name: "when", data: [new Date(0), new Date(1), new Date(2)], type: "TIMESTAMP" },
        { name: "raw", data: [new Uint8Array([255]), new Uint8Array([1]), new Uint8Array([])], type: "BYTE_ARRAY" },
        { name: "list", data: [[1, { a: 2 }], [], null], type: "JSON" },
      ],
    });
    const rows = await rowsOf(path);
    expect(rows.map(({ id }) => id)).toEqual([1, 2, "1152921504606846976"]);
    expect(rows.map(({ prompt }) => prompt)).toEqual(["a", "ü", null]);
    expect(rows[0]).toMatchObject({ when: "1970-01-01T00:00:00.000Z", list: [1, { a: 2 }] });
    expect(rows[0]!.raw).toEqual(new Uint8Array([255]));
  });

  it("refuses what is no parquet file", async () => {
    await expect(rowsOf(file("bad.parquet", "PAR1 but no more PAR1"))).rejects.toMatchObject({
      code: "data_invalid",
      message: expect.stringContaining("bad.parquet"),
    });
  });
});

describe("folders", () => {
  it("finds splits and subsets by name", async () => {
    for (const name of ["train-00000-of-00002", "train-00001-of-00002", "test"])
      file(`set/data/${name}.jsonl`, `{"n":"${name}"}\n`);
    file("set/data/dataset_info.json", "{}");
    const names = async (more: object) => (await rowsOf(join(root, "set"), more)).map(({ n }) => n);
    expect(await names({})).toEqual(["train-00000-of-00002", "train-00001-of-00002"]);
    expect(await names({ split: "test" })).toEqual(["test"]);
    await expect(names({ split: "tset" })).rejects.toThrow(/no split "tset"\. Did you mean test\? It has: test, train/);
    file("subsets/easy/train.jsonl", '{"n":"e"}\n');
    file("subsets/hard/train.jsonl", '{"n":"h"}\n');
    file("subsets/hard/validation/0000.jsonl", '{"n":"v"}\n');
    const subset = async (config: string, split = "train") =>
      (await rowsOf(join(root, "subsets"), { config, split })).map(({ n }) => n);
    expect(await subset("hard")).toEqual(["h"]);
    expect(await subset("hard", "dev")).toEqual(["v"]);
    await expect(subset("hart")).rejects.toThrow(/no subset "hart"\. Did you mean hard\? It has: easy, hard/);
    file("plain/rows.csv", "n\n1\n");
    expect(await rowsOf(join(root, "plain"))).toEqual([{ n: "1" }]);
    await expect(rowsOf(join(root, "plain"), { split: "test" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("obeys the front matter of a README", async () => {
    const readme = [
      "---",
      "configs:",
      "- config_name: one",
      "  data_files:",
      "  - split: train",
      '    path: ["x/a*.jsonl", "x/{b,c}.jsonl"]',
      "  - split: held_out",
      "    path: y/**/z.jsonl",
      "- config_name: two",
      "  data_files: x/c.jsonl",
      "---",
      "# Text",
    ].join("\n");
    for (const name of ["x/a1", "x/a2", "x/b", "x/c", "x/d", "y/z", "y/q/r/z"])
      file(`card/${name}.jsonl`, `{"n":"${name}"}\n`);
    file("card/README.md", readme);
    const names = async (more: object) => (await rowsOf(join(root, "card"), more)).map(({ n }) => n);
    expect(await names({ config: "one" })).toEqual(["x/a1", "x/a2", "x/b", "x/c"]);
    expect(await names({ config: "one", split: "held_out" })).toEqual(["y/q/r/z", "y/z"]);
    expect(await names({ config: "two" })).toEqual(["x/c"]);
    await expect(names({})).rejects.toThrow(/several subsets; name one with dataset_config: one, two/);
  });

  it("says what a row without prompt has instead", async () => {
    expect(promptOf({ row: { prompt: "hi" }, place: "p" }, "prompt")).toBe("hi");
    expect(() => promptOf({ row: { promt: 1 }, place: "a.jsonl:3" }, "prompt")).toThrow(
      'a.jsonl:3: has no column "prompt"; a text is needed. Did you mean prompt_field promt? Columns: promt.',
    );
    expect(() => promptOf({ row: { prompt: null }, place: "a" }, "prompt")).toThrow(/holds null/);
  });
});
