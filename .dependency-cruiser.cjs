// Imports point one way. Each room lists the rooms it may use; everything else is an error. core imports nothing above itself.
const allowed = {
  core: [],
  parsers: [],
  sandbox: [],
  tokens: ["parsers"],
  tools: ["sandbox"],
  inference: ["tokens", "parsers"],
  datasets: [],
  metrics: [],
  trajectory: [],
  agent: ["inference", "tools", "sandbox", "tokens", "parsers"],
  evaluation: ["datasets", "metrics", "sandbox"],
  config: ["inference"],
  viewer: ["trajectory", "evaluation", "datasets", "metrics"],
  environment: [
    "config",
    "evaluation",
    "agent",
    "trajectory",
    "datasets",
    "metrics",
    "inference",
    "tools",
    "sandbox",
    "tokens",
    "parsers",
  ],
};

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    ...Object.entries(allowed).map(([room, uses]) => ({
      name: `${room}-imports-down`,
      severity: "error",
      from: { path: `^src/${room}/`, pathNot: "\\.test\\.ts$" },
      to: { path: "^src/", pathNot: `^src/(${["core", room, ...uses].join("|")})/` },
    })),
    {
      name: "src-does-not-import-environments",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(environments|benchmarks)/" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
  },
};
