// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is code inside of files
import { describe, expect, it } from "vitest";
import { patchTool } from "../files/patch-tool.ts";
import { BACKENDS, callerOf, rolloutOn } from "../rollout.test.fixture.ts";

interface Result {
  success?: boolean;
  error?: string;
  diff?: string;
  matched_by?: string;
  files_modified?: string[];
  files_created?: string[];
  files_deleted?: string[];
}

const bytes = (text: string) => Buffer.from(text, "latin1");

describe.each(BACKENDS)("patch on $backend", ({ create }) => {
  async function setup(files: Record<string, string | Uint8Array>) {
    const rollout = rolloutOn(create);
    const sandbox = await rollout.sandbox();
    for (const [path, content] of Object.entries(files)) await sandbox.writeFile(path, content);
    const call = callerOf(rollout, [patchTool]);
    return {
      sandbox,
      read: async (path: string) => Buffer.from(await sandbox.readFile(path)).toString("latin1"),
      replace: (old_string: string, new_string: string, path = "f.txt", more = {}) =>
        call<Result>("patch", { path, old_string, new_string, ...more }),
      v4a: (patch: string) => call<Result>("patch", { mode: "patch", patch }),
    };
  }

  it("replaces text that is there once and shows what changed", async () => {
    const { replace, read } = await setup({ "f.txt": "a\nb\nc\n" });
    expect(await replace("b", "B")).toEqual({
      success: true,
      diff: "--- a/f.txt\n+++ b/f.txt\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
      files_modified: ["f.txt"],
      lint: { status: "skipped", message: "No linter for .txt files" },
    });
    expect(await read("f.txt")).toBe("a\nB\nc\n");
  });

  it("refuses what is doubtful, and says where", async () => {
    const { replace, read } = await setup({ "f.txt": "x = 1\ny = 2\nx = 1\naaa\n" });
    expect((await replace("x = 1", "x = 3")).error).toMatch(/2 matches.*lines 1, 3/);
    expect((await replace("aa", "b")).error).toMatch(/2 matches/);
    expect((await replace("y = 2", "y = 2")).error).toMatch(/identical/);
    expect((await replace("", "y")).error).toMatch(/empty/);
    expect((await replace("y == 2", "y = 4")).error).toMatch(/Could not find[\s\S]*2\|y = 2/);
    expect((await replace("q", "r", "none.txt")).error).toMatch(/File not found/);
    expect((await replace("q", "r", ".")).error).toMatch(/directory/);
    expect(await replace("a", "b", "f.txt", { new_string: undefined })).toEqual({
      error: "old_string and new_string required",
    });
    expect(await read("f.txt")).toBe("x = 1\ny = 2\nx = 1\naaa\n");
  });

  it("replaces every place on request, overlapping ones once", async () => {
    const { replace, read } = await setup({ "f.txt": "aaaa\n", "g.txt": "  a\n\ta \n" });
    expect(await replace("aa", "b", "f.txt", { replace_all: true })).toMatchObject({ success: true, replacements: 2 });
    expect(await read("f.txt")).toBe("bb\n");
  });

  it("keeps Latin-1, CRLF, a byte order mark, a missing final newline and bytes that are no text", async () => {
    const { replace, read } = await setup({
      latin: bytes("caf\xe9 = 1\nna\xefve = 2\n"),
      crlf: "one\r\ntwo\r\nthree\r\n",
      mixed: "one\r\ntwo\nthree\r\n",
      bom: "\ufefffirst\nlast",
      binary: bytes("\x00\x01abc\xff\xfe\x00def"),
      "with space\nand newline": "x\n",
    });
    expect(await replace("café = 1", "café = 3 ü", "latin")).toMatchObject({ success: true });
    expect(await read("latin")).toBe("caf\xe9 = 3 \xfc\nna\xefve = 2\n");
    expect((await replace("naïve", "日本", "latin")).error).toMatch(/latin-1/);
    expect(await replace("one\ntwo", "one\n1.5\ntwo", "crlf")).toMatchObject({
      success: true,
      matched_by: "line_endings",
    });
    expect(await read("crlf")).toBe("one\r\n1.5\r\ntwo\r\nthree\r\n");
    await replace("three", "3\n4", "crlf");
    expect(await read("crlf")).toBe("one\r\n1.5\r\ntwo\r\n3\r\n4\r\n");
    await replace("one\ntwo\nthree", "one\nTWO\nthree", "mixed");
    expect(await read("mixed")).toBe("one\r\nTWO\nthree\r\n");
    await replace("last", "end", "bom");
    expect(await read("bom")).toBe(Buffer.from("\ufefffirst\nend").toString("latin1"));
    expect(await replace("abc", "xyz", "binary")).toMatchObject({ success: true });
    expect(await read("binary")).toBe("\x00\x01xyz\xff\xfe\x00def");
    expect(await replace("x", "y", "with space\nand newline")).toMatchObject({ success: true });
  });

  it("writes UTF-8 into a file that is UTF-8 but for a stray byte", async () => {
    const { replace, read } = await setup({
      f: Buffer.concat([Buffer.from("é ü ö 日本\nabc\n"), Buffer.from([0xff, 10])]),
    });
    expect(await replace("ü ö", "ß", "f")).toMatchObject({ success: true });
    await replace("abc", "ñ", "f");
    expect(await read("f")).toBe(`${Buffer.from("é ß 日本\nñ\n").toString("latin1")}\xff\n`);
  });

  it("follows symlinks and keeps the mode", async () => {
    const { replace, sandbox } = await setup({ "real.sh": "echo 1\n" });
    await sandbox.exec("chmod 750 real.sh; ln -s real.sh link.sh");
    await replace("1", "2", "link.sh");
    expect((await sandbox.exec("readlink link.sh; cat real.sh; stat -c %a real.sh")).stdout).toBe(
      "real.sh\necho 2\n750\n",
    );
  });

  it("finds lines that are indented otherwise and indents what it writes the same way", async () => {
    const { replace, read } = await setup({
      "f.txt": "class A:\n    def f(self):\n        return 1   \n\n    x = 1\n",
    });
    expect(await replace("def f(self):\n    return 1", "def f(self):\n    y = 2\n    return y")).toMatchObject({
      success: true,
    });
    expect(await read("f.txt")).toBe("class A:\n    def f(self):\n        y = 2\n        return y\n\n    x = 1\n");
  });

  it("does not guess irregular indentation", async () => {
    const { replace, read } = await setup({ "f.txt": "if a:\n\tb()\n        c()\n" });
    expect((await replace("  b()\n  c()", "  b()\n  d()\n  c()")).error).toMatch(/indentation/);
    expect(await read("f.txt")).toBe("if a:\n\tb()\n        c()\n");
  });

  it("keeps the file's spelling of what it was not asked to change", async () => {
    const { replace, read } = await setup({
      "f.txt": "call(a,   b)  \nprint(“hi”)\nnext\n",
      "g.txt": "one  \n  two\t\nthree\nfour\n",
    });
    await replace("call(a, b)\nprint(", "call(a, b, c)\nprint(");
    expect(await read("f.txt")).toBe(Buffer.from("call(a,   b, c)  \nprint(“hi”)\nnext\n").toString("latin1"));
    await replace('print("hi")', 'print("hi", 1)');
    expect(await read("f.txt")).toContain(Buffer.from("print(“hi”, 1)").toString("latin1"));
    await replace("one\n  two\nthree\nfour", "one\n  two\n3\nfour", "g.txt");
    expect(await read("g.txt")).toBe("one  \n  two\t\n3\nfour\n");
  });

  it("takes a misquoted context as a place, but edits only what was quoted exactly", async () => {
    const source = "function start() {\n  const total = computeTheTotalOf(items);\n  log(total);\n  return total;\n}\n";
    const { replace, read } = await setup({ "f.txt": source });
    const old = "function start() {\n  const total = computeTotalOf(items);\n  log(total);\n  return total;\n}";
    expect(await replace(old, old.replace("log(total);", "log(`${total}`);"))).toMatchObject({
      success: true,
      matched_by: "block_anchor",
    });
    expect(await read("f.txt")).toBe(source.replace("log(total);", "log(`${total}`);"));
    const wrong = await replace(old.replace("log(total)", "log(`${total}`)"), old.replace("computeTotalOf", "sum"));
    expect(wrong.error).toMatch(/line 2/);
  });

  it("undoes escaping that the file does not have, unless it is doubtful", async () => {
    const { replace, read } = await setup({ "f.txt": "a\n\tb\n", "g.txt": "say 'hi' now\n  go\n" });
    expect(await replace("a\\n\\tb", "a\\n\\tc")).toMatchObject({ success: true, matched_by: "escape_normalized" });
    expect(await read("f.txt")).toBe("a\n\tc\n");
    expect((await replace("say \\'hi\\' now", "say \\'ho\\' now", "g.txt")).success).not.toBe(true);
  });

  it("applies V4A patches with blank lines, hints, adds, deletes and moves", async () => {
    const { v4a, read, sandbox } = await setup({
      "a.py": "def one():\n    x = 1\n\n    return x\n\n\ndef two():\n    x = 1\n\n    return x\n",
      "old.txt": "bye\n",
      "from.txt": "keep\nchange\n",
    });
    const result = await v4a(
      [
        "*** Begin Patch",
        "*** Update File: a.py",
        "@@ def two():",
        "     x = 1",
        "",
        "-    return x",
        "+    return x + 1",
        "*** Add File: new dir/b.txt",
        "+first",
        "+",
        "+last",
        "*** Delete File: old.txt",
        "*** Update File: from.txt",
        "*** Move to: to.txt",
        " keep",
        "-change",
        "+changed",
        "*** End Patch",
      ].join("\n"),
    );
    expect(result).toMatchObject({
      success: true,
      files_modified: ["a.py", "from.txt -> to.txt"],
      files_created: ["new dir/b.txt"],
      files_deleted: ["old.txt"],
    });
    expect(await read("a.py")).toBe(
      "def one():\n    x = 1\n\n    return x\n\n\ndef two():\n    x = 1\n\n    return x + 1\n",
    );
    expect(await read("new dir/b.txt")).toBe("first\n\nlast\n");
    expect(await read("to.txt")).toBe("keep\nchanged\n");
    expect(await sandbox.stat("old.txt")).toBeNull();
    expect(await sandbox.stat("from.txt")).toBeNull();
  });

  it("applies all of a V4A patch or nothing", async () => {
    const { v4a, read, sandbox } = await setup({ a: "1\n2\n2\n", b: "x\n" });
    const both = (second: string) => v4a(`*** Begin Patch\n*** Update File: a\n-1\n+one\n${second}\n*** End Patch`);
    expect((await both("*** Add File: b\n+y")).error).toMatch(/b: the file exists/);
    expect((await both("*** Update File: c\n-y\n+z")).error).toMatch(/c: file not found/);
    expect((await both("*** Move File: b -> a")).error).toMatch(/exists/);
    expect((await both("*** Update File: a\n-2\n+two")).error).toMatch(/lines 2, 3/);
    expect((await both("*** Update File: b\n@@ nowhere\n-x\n+z")).error).toMatch(/hint/);
    expect((await both("*** Update b\n-x\n+z")).success).not.toBe(true);
    expect((await both("*** Add File: /proc/nothing/here\n+y")).error).toMatch(/Nothing was changed/);
    expect((await v4a("*** Begin Patch\n*** End Patch")).error).toMatch(/no file/);
    expect(await read("a")).toBe("1\n2\n2\n");
    expect(await read("b")).toBe("x\n");
    expect((await sandbox.exec("ls -A")).stdout).toBe("a\nb\n");
  });

  it("adds lines after a hint or at the end, in the file's own style", async () => {
    const { v4a, read } = await setup({ crlf: "a\r\nb\r\n", none: "a\nb", hint: "x\ny\nx\n" });
    await v4a("*** Update File: crlf\n@@ a\n+after a");
    expect(await read("crlf")).toBe("a\r\nafter a\r\nb\r\n");
    await v4a("*** Update File: none\n@@\n b\n+c");
    expect(await read("none")).toBe("a\nb\nc");
    await v4a("*** Update File: crlf\n@@\n+end");
    expect(await read("crlf")).toBe("a\r\nafter a\r\nb\r\nend\r\n");
    expect((await v4a("*** Update File: hint\n@@ x\n+z")).error).toMatch(/more than once/);
    expect((await v4a("*** Update File: hint\n@@ -1,3 +1,4 @@\n x\n y\n+z\n x")).success).toBe(true);
    expect(await read("hint")).toBe("x\ny\nz\nx\n");
  });
});
