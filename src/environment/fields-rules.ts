/**
 * Contradictions between fields of the `env` section, which no single field's schema can see. Each is reported at the
 * place of the field that can be changed.
 */
import type { ConfigProblem, ConfigRule } from "../config/index.ts";

type Env = Record<string, unknown>;

const isSet = (value: unknown): boolean => value !== null && value !== undefined;
const number = (env: Env, field: string): number | null => (typeof env[field] === "number" ? env[field] : null);

/** Every contradiction that the base fields can hold. */
export const contradictions: ConfigRule<Env> = (env, at) => {
  const problems: ConfigProblem[] = [];
  const report = (field: string, message: string) => problems.push({ place: at(field).place, message });

  if (isSet(env.distribution) && isSet(env.enabled_toolsets)) {
    report(
      "distribution",
      `env.distribution and env.enabled_toolsets (${at("enabled_toolsets").place}) exclude each other: ` +
        "a distribution draws the toolsets. Set one of them to null (`--env.enabled_toolsets None`).",
    );
  }
  const group = number(env, "group_size");
  const batch = number(env, "batch_size");
  if (group !== null && batch !== null && batch > 0 && group > batch) {
    report(
      "group_size",
      `env.group_size is ${group} and env.batch_size is ${batch} (${at("batch_size").place}): ` +
        `a group must fit into a batch. Allowed: group_size of at most ${batch}, or batch_size −1 (the trainer's).`,
    );
  }
  for (const [least, most] of [
    ["min_containers", "max_containers"],
    ["modal_min_sandboxes", "modal_max_sandboxes"],
  ] as const) {
    const [low, high] = [number(env, least), number(env, most)];
    if (low !== null && high !== null && low > high) {
      const field = at(least).isDefault ? most : least;
      report(field, `env.${least} is ${low} and env.${most} is ${high}: the least must not exceed the most.`);
    }
  }
  if (isSet(env.custom_thinking_prompt) && env.thinking_mode === false) {
    report(
      "custom_thinking_prompt",
      "env.custom_thinking_prompt is only used with env.thinking_mode=true, which is false.",
    );
  }
  if (env.harness === "command" && !isSet(env.harness_command)) {
    report("harness", "env.harness is command, but env.harness_command does not say which one.");
  }
  if (env.harness === "builtin" && isSet(env.harness_command)) {
    report("harness_command", "env.harness_command is only run with env.harness=command, which is builtin.");
  }
  if (env.driver === "singularity" && env.tool_pool_mode === "nomad" && !isSet(env.singularity_image)) {
    report("driver", "env.driver is singularity, but env.singularity_image names no image file.");
  }
  const timeout = number(env, "terminal_timeout");
  const longest = number(env, "terminal_max_timeout");
  if (timeout !== null && longest !== null && timeout > longest) {
    const field = at("terminal_timeout").isDefault ? "terminal_max_timeout" : "terminal_timeout";
    report(
      field,
      `env.terminal_timeout is ${timeout} s and env.terminal_max_timeout ${longest} s: it must not exceed it.`,
    );
  }
  const image = env.sandbox_image;
  const isLocal = env.terminal_backend === "local" && env.tool_pool_mode === "default";
  if (isLocal && typeof image === "string" && !at("sandbox_image").isDefault && !image.startsWith("rootfs:")) {
    if (image !== "atropos-sandbox:local") {
      report("sandbox_image", `env.sandbox_image: the local backend takes rootfs:DIR; found "${image}".`);
    }
  }
  return problems;
};
