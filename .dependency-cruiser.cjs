// Which package may import which: docs/architecture.md draws the same graph.
const layer = {
  "vault-core": [],
  policy: [],
  registry: [],
  client: [],
  broker: ["vault-core", "policy", "registry"],
  daemon: ["broker", "vault-core", "policy", "registry", "client"],
  cli: ["client", "daemon"],
};

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "A cycle of types alone is how two halves of one idea describe each other.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "not-to-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-deep-imports",
      comment: "Another package is used through its exports map.",
      severity: "error",
      from: { path: "^packages/([^/]+)/" },
      to: {
        path: "^packages/[^/]+/(src|dist)/(?!(index|protocol|operator|node/index)\\.)",
        pathNot: "^packages/$1/",
      },
    },
    ...Object.entries(layer).map(([name, allowed]) => ({
      name: `layer-${name}`,
      severity: "error",
      from: { path: `^packages/${name}/src` },
      to: {
        path: "^packages/([^/]+)/",
        pathNot: `^packages/(${[name, ...allowed].join("|")})/`,
      },
    })),
    {
      name: "daemon-takes-only-the-protocol",
      comment: "Both ends of the socket are described once; the daemon is not a client.",
      severity: "error",
      from: { path: "^packages/daemon/src" },
      to: { path: "^packages/client/src/(?!protocol\\.)" },
    },
    {
      name: "pure-packages-do-no-io",
      comment: "Only vault-core/src/node may touch the operating system.",
      severity: "error",
      from: {
        path: "^packages/(vault-core|policy|registry)/src",
        pathNot: "^packages/vault-core/src/node/|\\.test\\.ts$",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "broker-speaks-no-node-http",
      severity: "error",
      from: { path: "^packages/broker/src", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"], path: "^(node:)?(http|https|http2|child_process|fs)$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules|dist" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@aivault/source", "import", "default", "types"],
    },
  },
};
