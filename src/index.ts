/** The public face of Lachesis: what an environment file imports. */
export * from "./core/index.ts";
