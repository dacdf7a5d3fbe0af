import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { BACKENDS, callerOf, rolloutOn } from "../rollout.test.fixture.ts";
import { terminalTool } from "../terminal/terminal-tool.ts";
import { readFileTool } from "./read-file.ts";
import { type SearchResult, searchFilesTool } from "./search-files.ts";
import { writeFileTool } from "./write-file.ts";

interface Page {
  content: string;
  total_lines: number;
  file_size: number;
  truncated: boolean;
  is_binary: boolean;
  hint?: string;
  error?: string;
  encoding?: string;
  line_endings?: string;
  similar_files?: string[];
}

describe.each(BACKENDS)("file tools on $backend", ({ create }) => {
  async function setup(files: Record<string, string | Uint8Array> = {}) {
    const rollout = rolloutOn(create);
    const sandbox = await rollout.sandbox();
    for (const [path, content] of Object.entries(files)) await sandbox.writeFile(path, content);
    const call = callerOf(rollout, [readFileTool, writeFileTool, searchFilesTool, terminalTool]);
    return {
      sandbox,
      call,
      read: (path: string, args: object = {}) => call<Page>("read_file", { path, ...args }),
      search: (pattern: string, args: object = {}) => call<SearchResult>("search_files", { pattern, ...args }),
    };
  }

  it("numbers lines, counts them right, and pages", async () => {
    const { read } = await setup({ "f.txt": "a\n\n  c\n", "open.txt": "a\nb", empty: "", nl: "\n" });
    expect(await read("f.txt")).toEqual({
      content: "     1|a\n     2|\n     3|  c",
      total_lines: 3,
      file_size: 7,
      truncated: false,
      is_binary: false,
      is_image: false,
    });
    expect(await read("open.txt")).toMatchObject({ content: "     1|a\n     2|b", total_lines: 2 });
    expect(await read("empty")).toMatchObject({ content: "", total_lines: 0, hint: "The file is empty." });
    expect(await read("nl")).toMatchObject({ content: "     1|", total_lines: 1 });
    expect(await read("f.txt", { offset: 2, limit: 1 })).toMatchObject({
      content: "     2|",
      truncated: true,
      hint: expect.stringContaining("offset=3"),
    });
    expect(await read("f.txt", { offset: 4 })).toMatchObject({
      content: "",
      total_lines: 3,
      error: expect.stringContaining("past the end"),
    });
    expect(await read("f.txt", { offset: -5, limit: 99999 })).toMatchObject({ total_lines: 3 });
  });

  it("reads other encodings and line endings, and refuses what is no text", async () => {
    const { read, sandbox } = await setup({
      latin: Buffer.from("caf\xe9\n", "latin1"),
      crlf: "a\r\nb\r\n",
      mixed: Buffer.concat([Buffer.from("é日本\n"), Buffer.from([0xff, 10])]),
      binary: Buffer.from([1, 2, 0, 3]),
      "pic.png": Buffer.from([0x89, 0x50, 0, 0]),
    });
    await sandbox.exec("mkfifo pipe");
    expect(await read("latin")).toMatchObject({ content: "     1|café", encoding: "latin-1" });
    expect(await read("crlf")).toMatchObject({ content: "     1|a\n     2|b", line_endings: "crlf" });
    expect((await read("mixed")).content).toBe("     1|é日本\n     2|\ufffd");
    expect(await read("binary")).toMatchObject({ is_binary: true, error: expect.stringContaining("binary") });
    expect(await read("pic.png")).toMatchObject({ is_image: true });
    expect(await read("pipe")).toHaveProperty("error");
    expect(await read(".")).toMatchObject({ error: expect.stringContaining("directory") });
    expect(await read("")).toMatchObject({ error: expect.stringContaining("empty") });
  });

  it("suggests names for a missing file", async () => {
    const { read } = await setup({ "src/main.ts": "x", "src/other.py": "x" });
    expect(await read("src/mian.ts")).toMatchObject({
      error: "File not found: src/mian.ts",
      similar_files: [expect.stringMatching(/src\/main\.ts$/)],
    });
    expect(await read("no/where.ts")).not.toHaveProperty("similar_files");
  });

  it("reaches every character of long lines and long pages", async () => {
    const long = Array.from({ length: 60_000 }, (_, index) => String.fromCodePoint(97 + (index % 26))).join("");
    const { read } = await setup({ long: `short\n${long}\n`, many: `${"x".repeat(999)}\n`.repeat(500) });
    const page = await read("long");
    expect(page.content).toBe(`     1|short\n     2|${long.slice(0, 2000)}... [truncated]`);
    expect(page.hint).toContain("column=2001");
    expect((await read("long", { column: 2001, offset: 2 })).content.slice(7, 2007)).toBe(long.slice(2000, 4000));
    expect((await read("long", { offset: 2, limit: 1, column: 50_001 })).content).toBe(`     2|${long.slice(50_000)}`);
    const many = await read("many");
    expect(many.content.length).toBeLessThanOrEqual(100_000);
    const shown = many.content.split("\n").length;
    expect(many.hint).toContain(`offset=${shown + 1}`);
  });

  it("pages a 100 MB file without holding it", async () => {
    const { read, sandbox } = await setup();
    await sandbox.exec(
      "yes 'one line of a large file with some text' | head -c 104857600 > big; printf 'the end' >> big",
    );
    const total = 104857600 / 40 + 1;
    const page = await read("big", { offset: 2_000_000, limit: 2 });
    expect(page).toMatchObject({ total_lines: total, truncated: true });
    expect(page.content).toContain("2000001|one line");
    expect((await read("big", { offset: total })).content).toContain("the end");
  });

  it("writes exact bytes, makes directories, keeps modes, and checks syntax", async () => {
    const { call, sandbox } = await setup({ "run.sh": "old" });
    await sandbox.exec("chmod 700 run.sh; ln -s run.sh link");
    const content = "\ufeffé\r\n日本\0\n no end";
    expect(await call("write_file", { path: "new dir/odd\nname", content })).toEqual({
      bytes_written: Buffer.byteLength(content),
      dirs_created: true,
      lint: { status: "skipped", message: "No linter for this file" },
    });
    expect(Buffer.from(await sandbox.readFile("new dir/odd\nname")).toString()).toBe(content);
    expect(await call("write_file", { path: "link", content: "new" })).toMatchObject({ dirs_created: false });
    expect((await sandbox.exec("stat -c %a run.sh; cat run.sh; readlink link")).stdout).toBe("700\nnewrun.sh\n");
    expect(await call("write_file", { path: "a.json", content: "{" })).toMatchObject({ lint: { status: "error" } });
    expect(await call("write_file", { path: "b.yml", content: "a: [1" })).toMatchObject({ lint: { status: "error" } });
    expect(await call("write_file", { path: "c.json", content: "{}" })).toMatchObject({
      lint: { status: "ok", output: "" },
    });
    expect(await call("write_file", { path: "run.sh/x", content: "" })).toMatchObject({
      bytes_written: 0,
      error: expect.any(String),
    });
    expect(await call("write_file", { path: "new dir", content: "" })).toMatchObject({
      error: expect.stringContaining("directory"),
    });
    expect(await call("write_file", { path: "x", content: "\ud800" })).toHaveProperty("error");
    const python = await call<{ lint: { status: string; output?: string } }>("write_file", {
      path: "d.py",
      content: "def f(:\n",
    });
    if (python.lint.status !== "skipped")
      expect(python.lint).toEqual({ status: "error", output: expect.stringContaining("line 1") });
  });

  it("resolves relative paths where the shell is, and ~ in the sandbox", async () => {
    const { call, read } = await setup({ "sub/f.txt": "in sub\n" });
    await call("terminal", { command: "cd sub; echo home > ~/h.txt" });
    expect((await read("f.txt")).content).toContain("in sub");
    expect((await read("./f.txt")).content).toContain("in sub");
    expect((await read("~/h.txt")).content).toContain("home");
    await call("terminal", { command: "pwd", workdir: "/" });
    expect((await read("../sub/f.txt")).content).toContain("in sub");
  });

  it("gives the same answer to the same question, as the file then is", async () => {
    const { read, sandbox } = await setup({ log: "1\n" });
    for (let turn = 1; turn <= 6; turn++) expect((await read("log")).total_lines).toBe(1);
    await sandbox.exec("echo 2 >> log");
    expect((await read("log")).total_lines).toBe(2);
  });

  it("searches contents: context marked, totals honest, pages joined", async () => {
    const { search } = await setup({
      "a.txt": "one\ntwo\nthree\n",
      "b.py": "two\nx\ntwo\n",
      ".hidden/c.txt": "two\n",
      "odd\nname 1": "two\n",
      latin: Buffer.from("caf\xe9 two\n", "latin1"),
      bin: Buffer.from("two\0two"),
    });
    const all = await search("two");
    expect(all.total_count).toBe(5);
    expect(all.matches).toHaveLength(5);
    expect(all).not.toHaveProperty("truncated");
    expect(all.matches).toContainEqual({ path: "odd\nname 1", line: 1, content: "two" });
    expect(all.matches).toContainEqual({ path: "latin", line: 1, content: "café two" });
    const around = await search("two", { path: "a.txt", context: 1 });
    expect(around).toEqual({
      total_count: 1,
      matches: [
        { path: "a.txt", line: 1, content: "one", context: true },
        { path: "a.txt", line: 2, content: "two" },
        { path: "a.txt", line: 3, content: "three", context: true },
      ],
    });
    const first = await search("two", { limit: 2 });
    expect(first).toMatchObject({ total_count: 5, truncated: true, _hint: expect.stringContaining("offset=2") });
    const rest = await search("two", { offset: 2 });
    expect([...first.matches!, ...rest.matches!]).toEqual(all.matches);
    expect(await search("two", { output_mode: "count", file_glob: "*.py" })).toEqual({
      total_count: 2,
      counts: { "b.py": 2 },
    });
    expect(await search("two", { output_mode: "files_only", file_glob: "*.{py,txt}" })).toEqual({
      total_count: 2,
      files: ["a.txt", "b.py"],
    });
    expect((await search("*.{py,txt}", { target: "files" })).files).toHaveLength(2);
    expect(await search("nowhere at all")).toEqual({ total_count: 0, matches: [] });
  });

  it("takes regular expressions as people write them, and shows what is wrong with them", async () => {
    const { search } = await setup({ "f.txt": "--flag=12\n(x) -v\nFOO\n", "sub dir/g.txt": "-v\n" });
    expect((await search("--flag=\\d+")).total_count).toBe(1);
    expect((await search("-v")).total_count).toBe(2);
    expect((await search("(?i)foo")).total_count).toBe(1);
    expect((await search("-v", { path: "sub dir" })).matches).toEqual([
      { path: "sub dir/g.txt", line: 1, content: "-v" },
    ]);
    const invalid = await search("(unclosed");
    expect(invalid.total_count).toBe(0);
    expect(invalid.error).toBeTruthy();
    expect(await search("x", { path: "nothing" })).toMatchObject({ error: "Path not found: nothing" });
    expect(await search("")).toHaveProperty("error");
  });

  it("takes characters for characters, in files of any encoding", async () => {
    const latin1 = Uint8Array.from([..."caf\u00e9 h\u00e9llo"].map((char) => char.charCodeAt(0)));
    const { search, sandbox } = await setup({ "u.txt": "h\u00e9llo\n\u00dc\u00fc \u65e5\u672c\n\u{1f600}\nplain\n" });
    await sandbox.writeFile(`${sandbox.workdir}/l1.txt`, latin1);
    const linesOf = async (pattern: string) =>
      (await search(pattern, { path: "u.txt" })).matches!.map(({ line }) => line);
    expect(await linesOf("h.llo")).toEqual([1]);
    expect(await linesOf("h..llo")).toEqual([]);
    expect(await linesOf("^h[^x]llo$")).toEqual([1]);
    expect(await linesOf("^h[^\u00e9x]llo$")).toEqual([]);
    expect(await linesOf("h[\u00e0-\u00ea]+l{2}.$")).toEqual([1]);
    expect(await linesOf("^.$")).toEqual([3]);
    expect(await linesOf("^[\u00fc\u00dc]{2} \u65e5?.$")).toEqual([2]);
    expect(await linesOf("\\.|[.]|\\Q.\\E")).toEqual([]);
    expect(await linesOf("^[^a-z]*$")).toEqual([2, 3]);
    expect(await linesOf("(?<=h.)x|(?#a.b)pl[[:alpha:]]in")).toEqual([4]);
    // To ripgrep a byte that is no UTF-8 is no character.
    if (spawnSync("sh", ["-c", "command -v rg"]).status === 0) return;
    expect((await search("f. h.llo", { path: "l1.txt" })).total_count).toBe(1);
  });

  it("finds files by name, newest first", async () => {
    const { search, sandbox } = await setup({
      "a/one.py": "",
      "b/two.py": "",
      ".git/three.py": "",
      "b/odd\nname.py": "",
      "b/x.txt": "",
    });
    await sandbox.exec(
      "touch -d '2001-01-01' b/two.py; touch -d '2002-01-01' a/one.py; touch -d '2003-01-01' 'b/odd\nname.py'",
    );
    expect(await search("*.py", { target: "files" })).toEqual({
      total_count: 3,
      files: ["b/odd\nname.py", "a/one.py", "b/two.py"],
    });
    expect((await search("one.py", { target: "files" })).files).toEqual(["a/one.py"]);
    expect((await search("b/*.py", { target: "files" })).files).toEqual(["b/odd\nname.py", "b/two.py"]);
    expect(await search("*", { target: "files", file_glob: "*.txt" })).toMatchObject({ files: ["b/x.txt"] });
    expect(await search("*.py", { target: "files", limit: 1 })).toMatchObject({
      total_count: 3,
      truncated: true,
      files: ["b/odd\nname.py"],
    });
  });
});
