import { describe, expect, it } from "vitest";
import { allowedText, metaOf } from "../config/index.ts";
import { AgentEnvConfig, BaseEnvConfig, FIELD_GROUPS } from "./fields.ts";
import { contradictions } from "./fields-rules.ts";

describe("the env section", () => {
  it("keeps the names and defaults that existing YAML files rely on", () => {
    expect(BaseEnvConfig.parse({})).toMatchObject({
      group_size: 4,
      max_num_workers: -1,
      max_num_workers_per_node: 8,
      max_eval_workers: 16,
      steps_per_eval: 100,
      max_token_length: 2048,
      eval_handling: "STOP_TRAIN",
      eval_limit_ratio: 0.5,
      inference_weight: 1,
      batch_size: -1,
      max_batches_offpolicy: 3,
      tokenizer_name: "NousResearch/DeepHermes-3-Llama-3-3B-Preview",
      use_wandb: true,
      rollout_server_url: "http://localhost:8000",
      total_steps: 1000,
      wandb_name: null,
      num_rollouts_to_keep: 32,
      num_rollouts_per_group_for_logging: 1,
      ensure_scores_are_not_same: true,
      data_path_to_save_groups: null,
      data_dir_to_save_evals: null,
      min_items_sent_before_logging: 2,
      include_messages: false,
      min_batch_allocation: null,
      worker_timeout: 600,
      thinking_mode: false,
      reasoning_effort: null,
      max_reasoning_tokens: null,
      custom_thinking_prompt: null,
      rollout_retries: 2,
      max_error_rate: 0.5,
      eval_attempts: 1,
      eval_temperature: 0,
      max_staleness: null,
      max_trajectory_tokens: null,
      allow_rendered_tokens: false,
    });
    expect(AgentEnvConfig.parse({})).toMatchObject({
      ...BaseEnvConfig.parse({}),
      enabled_toolsets: null,
      disabled_toolsets: null,
      distribution: null,
      max_agent_turns: 30,
      system_prompt: null,
      agent_temperature: 1,
      terminal_backend: "local",
      terminal_timeout: 120,
      terminal_lifetime: 3600,
      dataset_name: null,
      dataset_split: "train",
      prompt_field: "prompt",
      tool_pool_size: 128,
      tool_call_parser: "hermes",
      default_result_size_chars: 100_000,
      turn_budget_chars: 200_000,
      preview_size_chars: 1500,
      tool_result_overrides: null,
      extra_body: null,
      tool_pool_mode: "default",
      allow_network: false,
      require_sandbox: false,
      purge_job_on_start: false,
      purge_job_on_shutdown: true,
      acquire_timeout_s: 30,
      nomad_address: "http://localhost:4646",
      sandbox_job_id: "atropos-sandbox",
      sandbox_image: "atropos-sandbox:local",
      slots_per_container: 10,
      min_containers: 1,
      max_containers: 10,
      privileged: false,
      driver: "docker",
      singularity_image: null,
      modal_app_name: "atropos-sandbox",
      modal_image: "python:3.11",
      modal_gpu: null,
      modal_cpu: 1,
      modal_memory: 2048,
      modal_slots_per_sandbox: 10,
      modal_min_sandboxes: 1,
      modal_max_sandboxes: 5,
      modal_idle_timeout: 120,
      modal_max_lifetime: 3600,
      modal_acquire_timeout: 60,
      modal_execution_timeout: 30,
      modal_secrets: "",
      modal_env_vars: "",
      modal_workspace_base: "/data",
    });
  });

  it("describes each field, in exactly one group, and says what it takes", () => {
    const grouped = FIELD_GROUPS.flatMap(({ fields }) => fields);
    expect([...grouped].sort()).toEqual(Object.keys(AgentEnvConfig.shape).sort());
    for (const [name, field] of Object.entries(AgentEnvConfig.shape)) {
      expect(metaOf(field).description, name).not.toBe("");
      if (!["extra_body"].includes(name)) expect(allowedText(field), name).not.toBe("any value");
    }
  });

  it("refuses values that mean nothing", () => {
    for (const wrong of [
      { group_size: 0 },
      { group_size: 1.5 },
      { batch_size: 0 },
      { max_num_workers: -2 },
      { worker_timeout: 0 },
      { min_batch_allocation: 1.1 },
      { max_reasoning_tokens: 100 },
      { reasoning_effort: "huge" },
      { seed: -1 },
      { unknown: 1 },
      { allow_network: "yes" },
      { price_table: { m: { prompt: 1 } } },
    ]) {
      expect(AgentEnvConfig.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
    }
  });
});

describe("contradictions", () => {
  const check = (given: Record<string, unknown>) =>
    contradictions(AgentEnvConfig.parse(given), (field) => ({
      place: field in given ? `--env.${field}` : `env.${field}`,
      isDefault: !(field in given),
    })) as { place: string; message: string }[];

  it("are reported at the field that can be changed", () => {
    const places = (given: Record<string, unknown>) => check(given).map(({ place }) => place);
    expect(places({})).toEqual([]);
    expect(places({ distribution: "default", enabled_toolsets: ["web"] })).toEqual(["--env.distribution"]);
    expect(places({ group_size: 8, batch_size: 4 })).toEqual(["--env.group_size"]);
    expect(places({ group_size: 8, batch_size: -1 })).toEqual([]);
    expect(places({ max_containers: 1, min_containers: 2 })).toEqual(["--env.min_containers"]);
    expect(places({ harness: "command" })).toEqual(["--env.harness"]);
    expect(places({ harness_command: "x" })).toEqual(["--env.harness_command"]);
    expect(places({ terminal_timeout: 900 })).toEqual(["--env.terminal_timeout"]);
    expect(places({ sandbox_image: "ubuntu:24.04" })).toEqual(["--env.sandbox_image"]);
    expect(places({ sandbox_image: "rootfs:/srv/root" })).toEqual([]);
  });
});
