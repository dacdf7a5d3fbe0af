/** The sandbox backends that `env.terminal_backend` may name, and those of older configurations that are not here. */

export interface Backend {
  name: string;
  description: string;
  /** Why it cannot be used, or null. */
  missing: string | null;
}

const ABSENT =
  "this version has no such backend; use local, with sandbox_image rootfs:DIR for another root file system";

export const BACKENDS: readonly Backend[] = [
  {
    name: "local",
    description: "Namespaces of this machine's kernel, one sandbox per rollout; needs no other program",
    missing: null,
  },
  {
    name: "plain",
    description: "Plain processes of your user, without any isolation; for models that you trust with this machine",
    missing: null,
  },
  { name: "docker", description: "A container per rollout", missing: ABSENT },
  { name: "modal", description: "Modal's cloud sandboxes", missing: ABSENT },
  { name: "daytona", description: "Daytona's cloud sandboxes", missing: ABSENT },
  { name: "ssh", description: "Another machine", missing: ABSENT },
  { name: "singularity", description: "Apptainer or Singularity", missing: ABSENT },
];
