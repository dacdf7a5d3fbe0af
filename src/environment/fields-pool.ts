/**
 * The fields of sandbox pools: containers or cloud sandboxes with several slots, kept warm between rollouts. They mean
 * something only with `tool_pool_mode` nomad or modal.
 */
import { z } from "zod";

const seconds = () => z.number().positive();
const count = () => z.int().min(0);

export const poolFields = {
  tool_pool_mode: z
    .enum(["default", "nomad", "modal"])
    .default("default")
    .describe("default: a sandbox per rollout. nomad, modal: slots of a pool"),
  acquire_timeout_s: seconds().default(30).describe("Seconds to wait for a free slot"),
  purge_job_on_start: z.boolean().default(false).describe("Remove what an earlier run of the pool left"),
  purge_job_on_shutdown: z.boolean().default(true).describe("Remove the pool at the end"),
  slots_per_container: count().min(1).default(10).describe("Slots of one container"),
  min_containers: count().default(1).describe("Containers kept ready"),
  max_containers: count().min(1).default(10).describe("Containers at most"),
  nomad_address: z.string().default("http://localhost:4646").describe("Address of Nomad"),
  sandbox_job_id: z.string().default("atropos-sandbox").describe("Name of the Nomad job"),
  driver: z.enum(["docker", "singularity"]).default("docker").describe("Container driver of the Nomad job"),
  singularity_image: z.string().nullable().default(null).describe("Image file for the singularity driver"),
  privileged: z.boolean().default(false).describe("Run the pool's containers privileged"),
  modal_app_name: z.string().default("atropos-sandbox").describe("Name of the Modal app"),
  modal_image: z.string().default("python:3.11").describe("Image of the Modal sandboxes"),
  modal_gpu: z.string().nullable().default(null).describe("GPU of a Modal sandbox; null is none"),
  modal_cpu: z.number().positive().default(1).describe("CPU cores of a Modal sandbox"),
  modal_memory: count().min(1).default(2048).describe("Memory of a Modal sandbox in MiB"),
  modal_slots_per_sandbox: count().min(1).default(10).describe("Slots of one Modal sandbox"),
  modal_min_sandboxes: count().default(1).describe("Modal sandboxes kept ready"),
  modal_max_sandboxes: count().min(1).default(5).describe("Modal sandboxes at most"),
  modal_idle_timeout: seconds().default(120).describe("Seconds after which an idle Modal sandbox ends"),
  modal_max_lifetime: seconds().default(3600).describe("Seconds that a Modal sandbox may live"),
  modal_acquire_timeout: seconds().default(60).describe("Seconds to wait for a free Modal slot"),
  modal_execution_timeout: seconds().default(30).describe("Seconds per command in a Modal slot"),
  modal_secrets: z.string().default("").describe("Names of Modal secrets, comma-separated"),
  modal_env_vars: z.string().default("").describe("Environment of Modal sandboxes: K=V;K=V"),
  modal_workspace_base: z.string().default("/data").describe("Directory of the slots' workspaces"),
};
