/** Where the agent's commands run. Heavy parts are loaded when the first sandbox is made. */
export * from "./contract.ts";
export { createSandbox, SANDBOX_BACKENDS } from "./create.ts";
export { probeSandbox, type SandboxProbe } from "./probe.ts";
