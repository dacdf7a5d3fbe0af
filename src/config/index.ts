export * from "./resolved.ts";
