/** What the operator socket has besides, in an order in which the examples work one after another. */

import { OPERATOR_ROUTES as ROUTES } from "@aivault/client/protocol";
import * as schemas from "../schemas.ts";
import { settingsChange, settingsSchema } from "../settings.ts";
import { newToken } from "../token-routes.ts";
import * as answers from "./answers.ts";
import * as examples from "./examples.ts";
import type { Operation, ResponseBody } from "./operation.ts";

type Route = Pick<Operation, "methods" | "path" | "sockets" | "query">;

const route = (method: string, path: string): Route => ({
  methods: [method],
  path,
  sockets: ["operator"],
  query: schemas.noQuery,
});

const answer = (schema: Extract<ResponseBody, { kind: "json" }>["schema"]): ResponseBody => ({
  kind: "json",
  schema,
});

const SECRET = `${ROUTES.secrets}/{id}`;
const POLICY = `${ROUTES.capabilities}/{id}/policy`;
const thisSecret = { id: examples.SECRET.name };
const thisCapability = { id: examples.CAPABILITY.id };

const secretOperations: readonly Operation[] = [
  {
    id: "createSecret",
    ...route("POST", ROUTES.secrets),
    tag: "Secrets",
    summary: "Store a secret, and set up what its name is known for",
    description: "`value` is 1 byte to 64 KiB, octets, and the last part. No route returns it.",
    request: {
      kind: "form",
      parts: [{ name: "secret", schema: schemas.newSecret }, { name: "value" }],
    },
    status: 201,
    response: answer(answers.secretCreated),
    example: {
      request: { secret: { name: examples.SECRET.name }, value: examples.SECRET_VALUE },
      response: {
        secret: examples.SECRET,
        provisioning: {
          provider: "openai",
          credential: "openai",
          capabilities: [examples.CAPABILITY.id],
          missing: [],
        },
      },
    },
  },
  {
    id: "listSecrets",
    ...route("GET", ROUTES.secrets),
    tag: "Secrets",
    summary: "Names and histories of secrets, a page at a time",
    query: schemas.secretsQuery,
    response: answer(answers.secrets),
    example: {
      query: { limit: "50", scope: "global" },
      response: { items: [examples.SECRET], next: null },
    },
  },
  {
    id: "getSecret",
    ...route("GET", SECRET),
    tag: "Secrets",
    summary: "One secret's name and history",
    response: answer(answers.secret),
    example: { parameters: thisSecret, response: examples.SECRET },
  },
  {
    id: "updateSecret",
    ...route("PATCH", SECRET),
    tag: "Secrets",
    summary: "Rename a secret, or give it other aliases",
    request: { kind: "json", schema: schemas.secretChange },
    response: answer(answers.secret),
    example: {
      parameters: thisSecret,
      request: { aliases: ["OPENAI_KEY"] },
      response: { ...examples.SECRET, aliases: ["OPENAI_KEY"] },
    },
  },
  {
    id: "rotateSecret",
    ...route("PUT", `${SECRET}/value`),
    tag: "Secrets",
    summary: "Give a secret another value",
    request: { kind: "octets" },
    response: answer(answers.secret),
    example: {
      parameters: thisSecret,
      request: examples.SECRET_VALUE,
      response: { ...examples.SECRET, aliases: ["OPENAI_KEY"], valueVersion: 2 },
    },
  },
  {
    id: "attachSecret",
    ...route("POST", `${SECRET}/attach`),
    tag: "Secrets",
    summary: "Let a group of a workspace use a secret",
    request: { kind: "json", schema: schemas.group },
    response: answer(answers.secret),
    example: {
      parameters: thisSecret,
      request: examples.GROUP,
      response: { ...examples.SECRET, attachedGroups: [examples.GROUP] },
    },
  },
  {
    id: "detachSecret",
    ...route("POST", `${SECRET}/detach`),
    tag: "Secrets",
    summary: "No longer let it",
    request: { kind: "json", schema: schemas.group },
    response: answer(answers.secret),
    example: { parameters: thisSecret, request: examples.GROUP, response: examples.SECRET },
  },
  {
    id: "verifySecret",
    ...route("POST", `${SECRET}/verify`),
    tag: "Secrets",
    summary: "Ask the provider, by a harmless request, whether it takes the key",
    response: answer(answers.secretVerified),
    example: {
      parameters: thisSecret,
      response: {
        ok: true,
        status: 200,
        provider: "openai",
        method: "GET",
        url: "https://api.openai.com/v1/models",
      },
    },
  },
  {
    id: "listDependants",
    ...route("GET", `${SECRET}/dependants`),
    tag: "Secrets",
    summary: "What would stop working without a secret",
    response: answer(answers.dependants),
    example: {
      parameters: thisSecret,
      response: { credentials: ["openai"], capabilities: [examples.CAPABILITY.id], bindings: [] },
    },
  },
];

const policyOperations: readonly Operation[] = [
  {
    id: "createCredential",
    ...route("POST", ROUTES.credentials),
    tag: "Credentials and policy",
    summary: "Say how secrets are used, and where",
    request: { kind: "json", schema: schemas.newCredential },
    status: 201,
    response: answer(answers.credential),
    example: { request: examples.NEW_CREDENTIAL, response: examples.CREDENTIAL },
  },
  {
    id: "listCredentials",
    ...route("GET", ROUTES.credentials),
    tag: "Credentials and policy",
    summary: "Credentials",
    query: schemas.listQuery,
    response: answer(answers.credentials),
    example: { response: { items: [examples.CREDENTIAL], next: null } },
  },
  {
    id: "createCapability",
    ...route("POST", ROUTES.capabilities),
    tag: "Credentials and policy",
    summary: "Say what may be asked of a host",
    request: { kind: "json", schema: schemas.newCapability },
    status: 201,
    response: answer(answers.capability),
    example: {
      request: examples.NEW_CAPABILITY,
      response: { ...examples.NEW_CAPABILITY, origin: "operator", ready: true, missing: [] },
    },
  },
  {
    id: "setPolicy",
    ...route("PUT", POLICY),
    tag: "Credentials and policy",
    summary: "Demand something of a capability; what was demanded before is forgotten",
    request: { kind: "json", schema: schemas.policy },
    response: answer(schemas.policy),
    example: { parameters: thisCapability, request: examples.POLICY, response: examples.POLICY },
  },
  {
    id: "getPolicy",
    ...route("GET", POLICY),
    tag: "Credentials and policy",
    summary: "What is demanded of a capability; `{}` when nothing is",
    response: answer(schemas.policy),
    example: { parameters: thisCapability, response: examples.POLICY },
  },
  {
    id: "deletePolicy",
    ...route("DELETE", POLICY),
    tag: "Credentials and policy",
    summary: "Demand nothing of a capability",
    response: answer(answers.named),
    example: { parameters: thisCapability, response: thisCapability },
  },
  {
    id: "createBinding",
    ...route("POST", ROUTES.bindings),
    tag: "Credentials and policy",
    summary: "Choose who uses which credential for what",
    request: { kind: "json", schema: schemas.newBinding },
    status: 201,
    response: answer(answers.binding),
    example: { request: examples.NEW_BINDING, response: examples.BINDING },
  },
  {
    id: "listBindings",
    ...route("GET", ROUTES.bindings),
    tag: "Credentials and policy",
    summary: "Bindings",
    query: schemas.listQuery,
    response: answer(answers.bindings),
    example: { response: { items: [examples.BINDING], next: null } },
  },
  {
    id: "deleteBinding",
    ...route("DELETE", `${ROUTES.bindings}/{id}`),
    tag: "Credentials and policy",
    summary: "Take a binding away",
    response: answer(answers.named),
    example: { parameters: { id: examples.BINDING.id }, response: { id: examples.BINDING.id } },
  },
  {
    id: "deleteCapability",
    ...route("DELETE", `${ROUTES.capabilities}/{id}`),
    tag: "Credentials and policy",
    summary: "Take away a capability that an operator made",
    response: answer(answers.named),
    example: {
      parameters: { id: examples.NEW_CAPABILITY.id },
      response: { id: examples.NEW_CAPABILITY.id },
    },
  },
  {
    id: "deleteCredential",
    ...route("DELETE", `${ROUTES.credentials}/{id}`),
    tag: "Credentials and policy",
    summary: "Take a credential away; its secrets stay",
    response: answer(answers.named),
    example: {
      parameters: { id: examples.CREDENTIAL.id },
      response: { id: examples.CREDENTIAL.id },
    },
  },
];

const providerOperations: readonly Operation[] = [
  {
    id: "addProvider",
    ...route("POST", ROUTES.providers),
    tag: "Providers",
    summary: "Add a provider of one's own",
    description: "A definition as the registry's files are: `schema.json` of `@aivault/registry`.",
    request: { kind: "json", schema: schemas.provider },
    status: 201,
    response: answer(answers.provider),
    example: { request: examples.NEW_PROVIDER, response: examples.PROVIDER },
  },
  {
    id: "listProviders",
    ...route("GET", ROUTES.providers),
    tag: "Providers",
    summary: "The registry's providers and one's own",
    query: schemas.listQuery,
    response: answer(answers.providers),
    example: {
      response: {
        items: [
          {
            id: "acme",
            name: "Acme",
            category: "developer",
            hosts: ["api.acme.example"],
            origin: "operator",
          },
        ],
        next: null,
        registryDigest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      },
    },
  },
  {
    id: "getProvider",
    ...route("GET", `${ROUTES.providers}/{id}`),
    tag: "Providers",
    summary: "One provider's definition",
    response: answer(answers.provider),
    example: { parameters: { id: examples.PROVIDER.id }, response: examples.PROVIDER },
  },
  {
    id: "listClaims",
    ...route("POST", `${ROUTES.providers}/claims`),
    tag: "Providers",
    summary: "Which providers claim these names, and what such secrets look like",
    request: { kind: "json", schema: schemas.secretNames },
    response: answer(answers.claims),
    example: {
      request: { names: ["ACME_TOKEN", "PATH"] },
      response: {
        items: [
          {
            name: "ACME_TOKEN",
            provider: "acme",
            description: "A token.",
            example: "acme_aaaaaaaa",
            pattern: "^acme_[a-z]{8}$",
            opaque: false,
          },
        ],
        next: null,
      },
    },
  },
  {
    id: "removeProvider",
    ...route("DELETE", `${ROUTES.providers}/{id}`),
    tag: "Providers",
    summary: "Remove a provider of one's own",
    confirmed: true,
    response: answer(answers.named),
    example: { parameters: { id: examples.PROVIDER.id }, response: { id: examples.PROVIDER.id } },
  },
];

const UNDO = `${ROUTES.undo}/{id}`;
const thisUndo = { id: examples.UNDO_KEPT.id };

const undoOperations: readonly Operation[] = [
  {
    id: "keepUndo",
    ...route("POST", ROUTES.undo),
    tag: "Secrets",
    summary: "Keep, for a day, what an import took out of a file; sealed by who sends it",
    request: { kind: "octets" },
    status: 201,
    response: answer(answers.undoKept),
    example: { request: "sealed by the client", response: examples.UNDO_KEPT },
  },
  {
    id: "giveUndo",
    ...route("POST", UNDO),
    tag: "Secrets",
    summary: "What was kept, as it was sent: base64url",
    confirmed: true,
    response: answer(answers.undoGiven),
    example: { parameters: thisUndo, response: { sealed: "c2VhbGVkIGJ5IHRoZSBjbGllbnQ" } },
  },
  {
    id: "dropUndo",
    ...route("DELETE", UNDO),
    tag: "Secrets",
    summary: "Keep it no longer",
    response: answer(answers.named),
    example: { parameters: thisUndo, response: thisUndo },
  },
];

const LOGIN = `${ROUTES.oauthLogins}/{id}`;
const PERSON = "a person who consents at a provider";
const thisLogin = { id: examples.LOGIN.id };

const loginOperations: readonly Operation[] = [
  {
    id: "beginLogin",
    ...route("POST", ROUTES.oauthLogins),
    tag: "OAuth logins",
    summary: "Begin to ask a person for consent",
    request: {
      kind: "form",
      parts: [
        { name: "login", schema: schemas.newOAuthLogin },
        { name: "clientSecret", optional: true },
      ],
    },
    status: 201,
    response: answer(answers.oauthLogin),
    example: {
      request: { login: examples.NEW_LOGIN, clientSecret: "not-a-client-secret" },
      response: examples.LOGIN,
    },
  },
  {
    id: "completeLogin",
    ...route("POST", `${LOGIN}/callback`),
    tag: "OAuth logins",
    summary: "End a login with what a browser brought back",
    request: { kind: "json", schema: schemas.oauthCallback },
    response: answer(answers.oauthResult),
    example: {
      parameters: thisLogin,
      request: { state: examples.LOGIN.state, code: "not-a-code" },
      response: {
        done: true,
        secret: { ...examples.SECRET, name: "GOOGLE_DRIVE_OAUTH", pinnedProvider: "google-drive" },
        isNew: true,
        oauthScopes: examples.LOGIN.oauthScopes,
      },
      needs: PERSON,
    },
  },
  {
    id: "pollLogin",
    ...route("POST", `${LOGIN}/poll`),
    tag: "OAuth logins",
    summary: "Ask whether a person has consented on another device",
    response: answer(answers.oauthResult),
    example: {
      parameters: thisLogin,
      response: { done: false, waitMs: 5_000 },
      needs: PERSON,
    },
  },
  {
    id: "cancelLogin",
    ...route("DELETE", LOGIN),
    tag: "OAuth logins",
    summary: "Wait for nobody any more",
    response: answer(answers.named),
    example: { parameters: thisLogin, response: thisLogin },
  },
];

const tokenOperations: readonly Operation[] = [
  {
    id: "mintToken",
    ...route("POST", ROUTES.tokens),
    tag: "Tokens",
    summary: "Make a token; it is shown this once",
    request: { kind: "json", schema: newToken },
    status: 201,
    response: answer(answers.tokenMinted),
    example: {
      request: {
        capabilities: ["openai/*"],
        credential: "openai",
        usesMax: 100,
        ttlMs: 600_000,
        label: "nightly",
      },
      response: examples.MINTED,
    },
  },
  {
    id: "listTokens",
    ...route("GET", ROUTES.tokens),
    tag: "Tokens",
    summary: "What tokens allow, a page at a time",
    query: schemas.pageQuery,
    response: answer(answers.tokens),
    example: { query: { limit: "50" }, response: { items: [examples.TOKEN], next: null } },
  },
  {
    id: "revokeToken",
    ...route("DELETE", `${ROUTES.tokens}/{id}`),
    tag: "Tokens",
    summary: "End a token and all derived from it, at once",
    response: answer(answers.token),
    example: {
      parameters: { id: examples.TOKEN.tokenId },
      response: { ...examples.TOKEN, revokedAtMs: examples.TOKEN.createdAtMs + 1_000 },
    },
  },
];

const auditOperations: readonly Operation[] = [
  {
    id: "readAudit",
    ...route("GET", ROUTES.audit),
    tag: "Audit log",
    summary: "Entries, newest first",
    query: schemas.auditQuery,
    response: answer(answers.auditEntries),
    example: { query: { limit: "10" }, response: { items: [examples.AUDIT_ENTRY] } },
  },
  {
    id: "verifyAudit",
    ...route("GET", ROUTES.auditVerify),
    tag: "Audit log",
    summary: "Whether the whole log is as it was written",
    response: answer(answers.auditVerified),
    example: { response: { ok: true, entries: 42, gaps: [] } },
  },
  {
    id: "listCheckpoints",
    ...route("GET", ROUTES.auditCheckpoints),
    tag: "Audit log",
    summary: "Signed statements about the log, and the key to check them with",
    query: schemas.listQuery,
    response: answer(answers.auditCheckpoints),
    example: {
      response: { items: [], publicKey: "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqk=" },
    },
  },
  {
    id: "tailAudit",
    ...route("GET", ROUTES.auditTail),
    tag: "Audit log",
    summary: "Entries as they are written, until somebody ends it",
    query: schemas.tailQuery,
    response: { kind: "lines", schema: answers.auditEntry },
    example: { query: { afterSeq: "0" }, response: examples.AUDIT_ENTRY },
  },
];

const daemonOperations: readonly Operation[] = [
  {
    id: "getStatus",
    ...route("GET", ROUTES.status),
    tag: "About",
    summary: "The daemon, its vault and its places",
    open: true,
    response: answer(answers.status),
    example: { response: examples.STATUS },
  },
  {
    id: "getMetrics",
    ...route("GET", ROUTES.metrics),
    tag: "About",
    summary: "Counts, as Prometheus reads them",
    open: true,
    response: { kind: "text" },
    example: {
      response:
        "# HELP aivault_up 1 while the daemon answers\n# TYPE aivault_up gauge\naivault_up 1\n",
    },
  },
  {
    id: "getSettings",
    ...route("GET", ROUTES.settings),
    tag: "The daemon and its vault",
    summary: "Settings, sealed in the vault",
    response: answer(settingsSchema),
    example: { response: examples.SETTINGS },
  },
  ...(["PATCH", "PUT"] as const).map(
    (method): Operation => ({
      id: method === "PATCH" ? "changeSettings" : "putSettings",
      ...route(method, ROUTES.settings),
      tag: "The daemon and its vault",
      summary: "Change some settings",
      request: { kind: "json", schema: settingsChange },
      response: answer(settingsSchema),
      example: { request: { tokenTtlMsMax: 86_400_000 }, response: examples.SETTINGS },
    }),
  ),
  {
    id: "backUp",
    ...route("POST", ROUTES.backup),
    tag: "The daemon and its vault",
    summary: "The whole vault as one encrypted file",
    description: "An answer that ends broken is no backup.",
    request: { kind: "form", parts: [{ name: "passphrase" }] },
    response: { kind: "octets" },
    example: { request: { passphrase: "of this backup alone" } },
  },
  {
    id: "rotateMaster",
    ...route("POST", ROUTES.rotateMaster),
    tag: "The daemon and its vault",
    summary: "Give the vault another master key, here or elsewhere",
    confirmed: true,
    request: {
      kind: "form",
      parts: [
        { name: "options", schema: schemas.rotateMaster },
        { name: "passphrase", optional: true },
        { name: "key", optional: true },
      ],
    },
    response: answer(answers.masterRotated),
    example: {
      request: { options: {} },
      response: {
        keyProvider: examples.STATUS.vault.keyProvider,
        previousKeyProvider: null,
        rewrapped: 3,
        skipped: 0,
        next: null,
      },
    },
  },
  {
    id: "lock",
    ...route("POST", ROUTES.lock),
    tag: "The daemon and its vault",
    summary: "Use no credential any more, and forget the key",
    open: true,
    response: answer(answers.lockState),
    example: { response: { locked: true } },
  },
  {
    id: "unlock",
    ...route("POST", ROUTES.unlock),
    tag: "The daemon and its vault",
    summary: "Open the vault: with its passphrase, or with the key where it lies",
    open: true,
    request: { kind: "octets", optional: true },
    response: answer(answers.lockState),
    example: { response: { locked: false } },
  },
];

const destruction: readonly Operation[] = [
  {
    id: "deleteSecret",
    ...route("DELETE", SECRET),
    tag: "Secrets",
    summary: "Destroy a secret's value",
    confirmed: true,
    response: answer(answers.secretDeleted),
    example: {
      parameters: thisSecret,
      response: {
        secret: { ...examples.SECRET, deletedAtMs: examples.SECRET.createdAtMs + 1_000 },
        dependants: ["openai"],
      },
    },
  },
  {
    id: "purgeSecret",
    ...route("POST", `${SECRET}/purge`),
    tag: "Secrets",
    summary: "Forget that a secret existed, but for the audit log",
    confirmed: true,
    response: answer(answers.secretDeleted),
    example: {
      parameters: { id: examples.SECRET.secretId },
      response: {
        secret: { ...examples.SECRET, deletedAtMs: examples.SECRET.createdAtMs + 1_000 },
        dependants: [],
      },
    },
  },
];

const sessionOperations: readonly Operation[] = [
  {
    id: "changeOperatorPassphrase",
    ...route("POST", ROUTES.operatorPassphrase),
    tag: "Operator sessions",
    summary: "Set, change or remove the operator passphrase; to remove it needs a confirmation",
    open: true,
    request: {
      kind: "form",
      parts: [
        { name: "current", optional: true },
        { name: "new", optional: true },
      ],
    },
    response: answer(answers.operatorPassphrase),
    example: { request: { new: examples.OPERATOR_PASSPHRASE }, response: { set: true } },
  },
  {
    id: "logIn",
    ...route("POST", ROUTES.operatorLogin),
    tag: "Operator sessions",
    summary: "Open a session of five minutes",
    open: true,
    request: { kind: "form", parts: [{ name: "passphrase" }] },
    response: answer(answers.operatorSession),
    example: {
      request: { passphrase: examples.OPERATOR_PASSPHRASE },
      response: examples.SESSION,
    },
  },
  {
    id: "logOut",
    ...route("POST", ROUTES.operatorLogout),
    tag: "Operator sessions",
    summary: "End a session",
    open: true,
    response: answer(answers.nothing),
    example: { response: {} },
  },
  {
    id: "shutDown",
    ...route("POST", ROUTES.shutdown),
    tag: "The daemon and its vault",
    summary: "Close the daemon",
    open: true,
    status: 202,
    response: answer(answers.nothing),
    example: { response: {} },
  },
];

export const setUpOperations: readonly Operation[] = [
  ...secretOperations,
  ...policyOperations,
  ...providerOperations,
  ...undoOperations,
  ...loginOperations,
  ...tokenOperations,
];

export const lastOperations: readonly Operation[] = [
  ...auditOperations,
  ...daemonOperations,
  ...destruction,
  ...sessionOperations,
];
