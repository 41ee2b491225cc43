/** What both sockets have, and what only callers have, in an order in which the examples work. */

import { CALLER_ROUTES } from "@aivault/client/protocol";
import * as schemas from "../schemas.ts";
import { newToken } from "../token-routes.ts";
import * as answers from "./answers.ts";
import * as examples from "./examples.ts";
import type { Operation } from "./operation.ts";

const BOTH = ["caller", "operator"] as const;
const CALLER = ["caller"] as const;

export const callerOperations: readonly Operation[] = [
  {
    id: "getHealth",
    methods: ["GET"],
    path: CALLER_ROUTES.health,
    sockets: BOTH,
    tag: "About",
    summary: "Whether the daemon answers, and whether the vault is locked",
    open: true,
    query: schemas.noQuery,
    response: { kind: "json", schema: answers.health },
    example: { response: { ok: true, locked: false, version: "1.0.0" } },
  },
  {
    id: "whoAmI",
    methods: ["GET"],
    path: CALLER_ROUTES.whoami,
    sockets: BOTH,
    tag: "About",
    summary: "Who asks, and what its token allows",
    query: schemas.noQuery,
    response: { kind: "json", schema: answers.whoami },
    example: {
      response: { principal: "caller", transport: "unix", uid: 1001, token: examples.TOKEN },
    },
  },
  {
    id: "listCapabilities",
    methods: ["GET"],
    path: CALLER_ROUTES.capabilities,
    sockets: BOTH,
    tag: "Invoking",
    summary: "What may be invoked",
    query: schemas.listQuery,
    response: { kind: "json", schema: answers.capabilities },
    example: { response: { items: [examples.CAPABILITY], next: null } },
  },
  {
    id: "getCapability",
    methods: ["GET"],
    path: `${CALLER_ROUTES.capabilities}/{id}`,
    sockets: BOTH,
    tag: "Invoking",
    summary: "One capability",
    query: schemas.noQuery,
    response: { kind: "json", schema: answers.capability },
    example: { parameters: { id: examples.CAPABILITY.id }, response: examples.CAPABILITY },
  },
  {
    id: "invoke",
    methods: ["POST"],
    path: CALLER_ROUTES.proxy,
    sockets: BOTH,
    tag: "Invoking",
    summary: "Have a request made with a credential",
    description:
      "There is no scheme, host or port in an envelope: they come from policy. The answer is the " +
      "provider's, with every form of the credential replaced; with `dryRun` it is a plan. Files " +
      "travel as further parts of a form, in the order in which the envelope announces them.",
    timed: true,
    query: schemas.noQuery,
    request: { kind: "envelope", schema: answers.envelope },
    response: { kind: "provider", dryRun: answers.plan },
    example: { request: examples.ENVELOPE },
  },
  {
    id: "passThrough",
    methods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    path: "/v/{credential}/{path}",
    sockets: CALLER,
    tag: "Invoking",
    summary: "A request as the provider's own SDK makes it",
    description:
      "`{path}` is the provider's path, slashes and all; query, headers and body are the provider's " +
      "too. A token of ours stands where the provider's key would: `Bearer`, `x-api-key`, `?key=` " +
      "and so on. With a token that is pinned to a credential `/v/{credential}` may be left out.",
    timed: true,
    request: { kind: "any" },
    response: { kind: "provider" },
    example: { parameters: { credential: "openai", path: "v1/models" } },
  },
  {
    id: "openWebSocket",
    methods: ["GET"],
    path: CALLER_ROUTES.websocket,
    sockets: CALLER,
    tag: "Invoking",
    summary: "A WebSocket whose first message says where it leads",
    description: "docs/protocol.md says what that message is, and what the first answer.",
    timed: true,
    query: schemas.noQuery,
    status: 101,
    response: { kind: "upgrade" },
    example: { needs: "a client of WebSockets" },
  },
  {
    id: "deriveToken",
    methods: ["POST"],
    path: CALLER_ROUTES.tokenDerive,
    sockets: CALLER,
    tag: "Invoking",
    summary: "Make a token that allows less, for a child",
    needsToken: true,
    query: schemas.noQuery,
    request: { kind: "json", schema: newToken },
    status: 201,
    response: { kind: "json", schema: answers.tokenMinted },
    example: {
      request: { capabilities: ["openai/chat-completions"], usesMax: 1 },
      response: {
        ...examples.MINTED,
        parentId: "1b4f0e9851971998",
        label: null,
        capabilities: ["openai/chat-completions"],
        credential: null,
        usesMax: 1,
      },
    },
  },
];
