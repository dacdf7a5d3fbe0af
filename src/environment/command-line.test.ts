import { describe, expect, it } from "vitest";
import { problemsOf } from "../config/index.ts";
import { readArguments, withoutSecrets } from "./command-line.ts";

const problems = (argv: string[], named = true) => {
  try {
    readArguments(argv, named);
    return [];
  } catch (error) {
    return problemsOf(error)!.map(({ place, message }) => `${place}: ${message}`);
  }
};

describe("arguments", () => {
  it("tells options, flags and the environment apart, whatever their order", () => {
    const args = readArguments(
      [
        "process",
        "--env.thinking_mode",
        "x.ts",
        "--run-dir=r",
        "--testing",
        "--config",
        "c.yaml",
        "--env.ratio",
        "-1",
        "--env.use_wandb",
        "false",
      ],
      true,
    );
    expect(args).toMatchObject({
      mode: "process",
      environment: "x.ts",
      runDir: "r",
      configFile: "c.yaml",
      resume: false,
    });
    expect(args.flags.map(({ flag, text }) => [flag, text])).toEqual([
      ["--env.thinking_mode", true],
      ["--testing", true],
      ["--env.ratio", "-1"],
      ["--env.use_wandb", "false"],
    ]);
    expect(readArguments(["evaluate", "--resume"], false)).toMatchObject({
      mode: "evaluate",
      environment: null,
      resume: true,
    });
    expect(readArguments(["process", "x.ts", "--env.a=--b=c"], true).flags[0]).toMatchObject({ text: "--b=c" });
  });

  it("names what it cannot understand", () => {
    expect(problems([])[0]).toContain("name what to do: process, evaluate, serve, config");
    expect(problems(["process", "x.ts", "--run-dir"])).toEqual(["--run-dir: needs a value."]);
    expect(problems(["process", "x.ts", "--resume=1"])).toEqual(["--resume: takes no value."]);
    expect(problems(["process", "x.ts", "--resume", "--run-dir", "r"])[0]).toContain("Give one of them");
    expect(problems(["process", "x.ts", "--mode", "serve"])[0]).toContain("belongs to `config` only");
    expect(problems(["config", "x.ts", "--run-dir", "r"])[0]).toContain("prints the configuration only");
    expect(problems(["process", "x.ts", "y"], true)).toEqual(['argument: "y" is one argument too many.']);
  });

  it("takes secrets out of the command that is shown", () => {
    const isSecret = (flag: string) => flag === "--openai.api_key";
    expect(withoutSecrets(["process", "--openai.api_key", "k1", "x", "--openai.api_key=k2"], isSecret)).toEqual([
      "process",
      "--openai.api_key",
      "(hidden)",
      "x",
      "--openai.api_key=(hidden)",
    ]);
  });
});
