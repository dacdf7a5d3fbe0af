import { expect, it } from "vitest";
import { OutputWatch } from "./output-watch.ts";

function watchOf(...patterns: string[]) {
  const clock = { now: 0 };
  const watch = new OutputWatch(patterns, () => clock.now);
  return { clock, watch, write: (text: string) => watch.add(Buffer.from(text)) };
}

it("finds whole lines, whatever pieces they come in, and reports them once", () => {
  const { watch, write } = watchOf("ready", "Fehler: ü");
  for (const byte of Buffer.from("starting\nserver \x1b[1mready\x1b[0m on 80\nFehler: ü"))
    watch.add(Uint8Array.of(byte));
  expect(watch.report(false)).toEqual({
    pattern: "ready",
    output: "server ready on 80",
    suppressed: 0,
    disabled: false,
  });
  write("ber\n");
  expect(watch.report(false)).toBeNull();
  expect(watch.report(true)?.output).toBe("Fehler: über");
  expect(watch.report(true)).toBeNull();
});

it("takes a last line without line break when the process ends", () => {
  const { watch, write } = watchOf("x");
  write("an x");
  expect(watch.report(false)).toBeNull();
  watch.end();
  expect(watch.report(true)?.output).toBe("an x");
});

it("reports at most every 15 seconds, counts what it leaves out, and gives up after three floods", () => {
  const { clock, watch, write } = watchOf("tick");
  const flood = () => write("tick\n".repeat(1000));
  flood();
  expect(watch.report(false)).toMatchObject({ suppressed: 990, disabled: false });
  write("tick late\n");
  expect(watch.report(false)).toBeNull();
  clock.now += 15_000;
  expect(watch.report(false)).toMatchObject({ output: "tick late", suppressed: 0 });
  for (const disabled of [false, false, true]) {
    flood();
    clock.now += 15_000;
    expect(watch.report(false)).toMatchObject({ suppressed: 990, disabled });
  }
  flood();
  clock.now += 15_000;
  expect(watch.report(true)).toBeNull();
});
