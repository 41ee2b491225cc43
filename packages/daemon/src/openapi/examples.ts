/** Things that several examples speak of. Nothing here is a real key, and nothing looks like one. */

export const SECRET_VALUE = "sk-example-not-a-key";
export const OPERATOR_PASSPHRASE = "correct horse battery staple";

const CREATED_AT_MS = 1_767_225_600_000;
const EXPIRES_AT_MS = CREATED_AT_MS + 600_000;

export const SECRET = {
  secretId: "s_3f9c2a7b8d1e4f60",
  name: "OPENAI_API_KEY",
  aliases: [],
  scope: { kind: "global" },
  pinnedProvider: "openai",
  valueVersion: 1,
  attachedGroups: [],
  createdAtMs: CREATED_AT_MS,
  updatedAtMs: CREATED_AT_MS,
  deletedAtMs: null,
};

export const GROUP = { workspaceId: "acme", groupId: "research" };

export const NEW_CREDENTIAL = {
  id: "billing",
  provider: "billing",
  secrets: { secret: "BILLING_TOKEN" },
  auth: { strategy: "header", name: "authorization", template: "Bearer {{secret}}" },
  hosts: ["billing.example.com"],
};
export const CREDENTIAL = {
  ...NEW_CREDENTIAL,
  secrets: { secret: "s_7d20c1be55aa0913" },
  scope: { kind: "global" },
  origin: "operator",
  createdAtMs: CREATED_AT_MS,
};

export const NEW_CAPABILITY = {
  id: "billing/invoices",
  provider: "billing",
  host: "billing.example.com",
  description: "Read invoices.",
  risk: "read",
  rules: [{ methods: ["GET"], match: "prefix", path: "/v1/invoices" }],
};
export const CAPABILITY = {
  id: "openai/chat-completions",
  provider: "openai",
  description: "Create a model response for a chat conversation.",
  host: "api.openai.com",
  risk: "spend",
  rules: [{ methods: ["POST"], match: "exact", path: "/v1/chat/completions" }],
  origin: "registry",
  ready: true,
  missing: [],
};

export const POLICY = { requestsPerMinute: 60, responseBytesMax: 10_485_760 };

export const NEW_BINDING = {
  id: "research-uses-openai",
  capability: "openai/*",
  scope: { kind: "workspace", workspaceId: "acme" },
  credential: "openai",
};
export const BINDING = {
  ...NEW_BINDING,
  consumer: null,
  secretId: null,
  createdAtMs: CREATED_AT_MS,
};

export const NEW_PROVIDER = {
  id: "acme",
  name: "Acme",
  category: "developer",
  docsUrl: "https://docs.acme.example/api",
  secrets: [
    {
      name: "ACME_TOKEN",
      placeholder: "token",
      description: "A token.",
      pattern: "^acme_[a-z]{8}$",
      example: "acme_aaaaaaaa",
    },
  ],
  auth: { strategy: "header", name: "authorization", template: "Bearer {{token}}" },
  hosts: ["api.acme.example"],
  capabilities: [
    {
      id: "acme/things",
      description: "Read things.",
      host: "api.acme.example",
      risk: "read",
      rules: [{ methods: ["GET"], match: "prefix", path: "/v1/things" }],
    },
  ],
};
export const PROVIDER = { ...NEW_PROVIDER, origin: "operator" };

export const UNDO_KEPT = { id: "undo-example", expiresAtMs: CREATED_AT_MS + 86_400_000 };

export const NEW_LOGIN = {
  provider: "google-drive",
  flow: "code",
  clientId: "example.apps.googleusercontent.com",
  redirectUri: "http://127.0.0.1:8123/callback",
  scopes: ["https://www.googleapis.com/auth/drive.readonly"],
};
export const LOGIN = {
  id: "login-example",
  provider: "google-drive",
  secretName: "GOOGLE_DRIVE_OAUTH",
  oauthScopes: NEW_LOGIN.scopes,
  expiresAtMs: EXPIRES_AT_MS,
  flow: "code",
  authorizationUrl: "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&state=example",
  state: "example-state",
};

export const TOKEN = {
  tokenId: "9f86d081884c7d65",
  parentId: null,
  label: "nightly",
  capabilities: ["openai/*"],
  credential: "openai",
  workspaceId: null,
  groupId: null,
  expiresAtMs: EXPIRES_AT_MS,
  usesMax: 100,
  perMinute: null,
  concurrency: null,
  requestBytesMax: null,
  responseBytesMax: null,
  publicKey: null,
  createdAtMs: CREATED_AT_MS,
  revokedAtMs: null,
};
export const MINTED = { token: "avp_9f86d081884c7d65EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-", ...TOKEN };

export const SETTINGS = {
  requireToken: false,
  lockAfterIdleMs: null,
  tokenTtlMsMax: 86_400_000,
  auditRetentionDays: null,
  auditDurability: "group",
  allowedInternal: [{ service: "build.internal:8443", ca: null }],
};

export const ENVELOPE = {
  capability: "openai/chat-completions",
  request: {
    method: "POST",
    path: "/v1/chat/completions",
    headers: [{ name: "content-type", value: "application/json" }],
    body: '{"model":"gpt-5","messages":[{"role":"user","content":"hello"}]}',
  },
};

export const STATUS = {
  version: "1.0.0",
  protocol: 1,
  pid: 4711,
  vault: {
    vaultId: "v_0d6f1a2b3c4d5e6f",
    dev: false,
    locked: false,
    formatVersion: 1,
    keyProvider: { kind: "file", path: "/home/owner/.aivault/keys/kek.key" },
    previousKeyProvider: null,
    revision: 12,
    quarantined: [],
  },
  operatorPassphrase: false,
  allowedInternal: ["build.internal:8443"],
  setAside: [],
  paths: {
    root: "/home/owner/.aivault/data/vault",
    socket: "/home/owner/.aivault/run/aivaultd.sock",
    operatorSocket: "/home/owner/.aivault/run/aivaultd.operator.sock",
  },
};

export const AUDIT_ENTRY = {
  seq: 42,
  tsMs: CREATED_AT_MS,
  event: { kind: "token.revoked", tokenId: TOKEN.tokenId, principal: "operator", uid: 1000 },
};

export const SESSION = {
  session: "avs_EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXA",
  expiresAtMs: CREATED_AT_MS + 300_000,
};
