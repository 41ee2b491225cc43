// Every route of every surface, for every kind of principal: what it is to whom. The tables are
// committed beside this file, in `matrix/`, and every cell of them is compared. What the numbers of
// guarantees promise is checked as well, so that nobody approves a table that breaks one.

import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callerRoutes } from "../src/caller-routes.ts";
import { operatorRoutes } from "../src/operator-routes.ts";
import { unknownRoute } from "../src/routes.ts";
import type { Daemon } from "../src/start-daemon.ts";
import { type StandIn, startStandIn, until } from "./stand-in.ts";
import { type TestVault, testVault } from "./vault.ts";
import { type CallOptions, call, confirmed, form, json } from "./wire.ts";

const KEY = "sk-proj-matrix";
const PASSPHRASE = "a second factor";

const PRINCIPALS = [
  "nobody in particular",
  "agent token",
  "wrong scope",
  "expired",
  "revoked",
  "used up",
  "forged",
  "operator",
  "forged session",
] as const;
type PrincipalName = (typeof PRINCIPALS)[number];

const ENDED: readonly PrincipalName[] = ["expired", "revoked", "used up", "forged"];

/** What a surface is, and what its table begins with. */
const SURFACES = {
  caller: "The caller socket.",
  shared: "The shared caller socket.",
  tcp: "Loopback TCP (`--listen`).",
  tls: "Loopback TCP with TLS (`--listen-tls`).",
  operator: "The operator socket, when there is an operator passphrase.",
  "caller-token-required": "The caller socket, with the setting `requireToken`.",
  "operator-no-passphrase": "The operator socket, when there is no operator passphrase.",
} as const;
type SurfaceName = keyof typeof SURFACES;

const isOperatorSurface = (surface: SurfaceName) => surface.startsWith("operator");

interface Row {
  readonly method: string;
  readonly path: string;
}

const ENVELOPE = {
  capability: "openai/chat-completions",
  dryRun: true,
  request: { method: "POST", path: "/v1/chat/completions" },
};
const OCTETS = { headers: { "content-type": "application/octet-stream" } };

/** What is sent, where it is not `{}` as JSON, or nothing with a GET or DELETE. */
const BODIES: Readonly<Record<string, CallOptions>> = {
  "POST /aivault/proxy": json(ENVELOPE),
  "POST /aivault/tokens": json({ capabilities: ["openai/*"] }),
  "POST /aivault/tokens/derive": json({ capabilities: ["openai/*"] }),
  "POST /aivault/secrets": form(["secret", "{}"], ["value", "x"]),
  "PATCH /aivault/secrets/{id}": json({ aliases: ["OTHER_NAME"] }),
  "PUT /aivault/secrets/{id}/value": { ...OCTETS, body: KEY },
  "POST /aivault/secrets/{id}/attach": json({ workspaceId: "w", groupId: "g" }),
  "POST /aivault/secrets/{id}/detach": json({ workspaceId: "w", groupId: "g" }),
  "PUT /aivault/capabilities/{id}/policy": json({ requestsPerMinute: 1_000_000 }),
  "POST /aivault/bindings": json({ capability: "openai/*", credential: "openai" }),
  "PATCH /aivault/settings": json({ tokenTtlMsMax: 86_400_000 }),
  "PUT /aivault/settings": json({ tokenTtlMsMax: 86_400_000 }),
  "POST /aivault/rotate-master": form(["options", "{}"]),
  "POST /aivault/backup": form(["passphrase", ""]),
  "POST /aivault/unlock": {},
};

/** What stands for `{id}`: something that is there, where asking does no harm. */
function targetOf({ path }: Row): string {
  if (path.includes("/secrets/")) return path.replace("{id}", "OPENAI_API_KEY");
  if (path.includes("/capabilities/")) return path.replace("{id}", "openai%2Fchat-completions");
  if (path.includes("/providers/")) return path.replace("{id}", "openai");
  return path.replace("{id}", "x").replace("{credential}", "openai").replace("{path}", "v1/models");
}

const TOKEN_INVALID = "401 token_invalid";
const SESSION_REQUIRED = "401 operator_auth_required/session_required";
const UNKNOWN = "404 no such route";
const NO_ROUTE = unknownRoute();

const keyOf = ({ method, path }: Row) => `${method} ${path}`;

/** Every route there is, on any surface, and what no table has. The one that ends it all is last. */
const ROWS: readonly Row[] = [
  { method: "GET", path: "/v/{credential}/{path}" },
  { method: "GET", path: "/{path}" },
  { method: "GET", path: "/aivault/nothing" },
  { method: "OPTIONS", path: "/aivault/secrets" },
  ...new Map([...callerRoutes, ...operatorRoutes].map((row) => [keyOf(row), row])).values(),
].sort((a, b) => Number(isShutdown(a)) - Number(isShutdown(b)));

function isShutdown({ path }: Row): boolean {
  return path.endsWith("/shutdown");
}

const isOf = (routes: readonly Row[], row: Row) =>
  routes.some((route) => keyOf(route) === keyOf(row));
const isPassthrough = ({ path }: Row) => !path.startsWith("/aivault") && path.endsWith("{path}");
const isOpen = (row: Row) =>
  operatorRoutes.some((route) => keyOf(route) === keyOf(row) && route.open);

/** `cells[surface][row][principal]`: status, and what the problem is. */
type Cells = Map<SurfaceName, Map<string, Map<PrincipalName, string>>>;

const cells: Cells = new Map();
const standIns: StandIn[] = [];
const vaults: Realm[] = [];

beforeAll(async () => {
  const standIn = await startStandIn({ credentials: { "api.openai.com": { secret: KEY } } });
  standIns.push(standIn);
  for (const realm of [new Realm(standIn, true), new Realm(standIn, false)]) {
    vaults.push(realm);
    await realm.prepare();
    for (const principal of PRINCIPALS) await realm.ask(principal);
  }
}, 600_000);

afterAll(async () => {
  for (const realm of vaults) await realm.dispose();
  for (const standIn of standIns) await standIn.stop();
});

/** A vault with tokens of every kind: one with an operator passphrase, one that requires tokens. */
class Realm {
  readonly #standIn: StandIn;
  readonly #hasPassphrase: boolean;
  readonly #vault: TestVault = testVault();
  readonly #directory = mkdtempSync(join(tmpdir(), "aivaultd-m-"));
  readonly #tokens = new Map<PrincipalName, string>();

  constructor(standIn: StandIn, hasPassphrase: boolean) {
    this.#standIn = standIn;
    this.#hasPassphrase = hasPassphrase;
    chownSync(this.#directory, -1, process.getgid?.() ?? -1);
    chmodSync(this.#directory, 0o2750);
  }

  /** A daemon for each principal: what one is refused is not held against the next. */
  #start(): Promise<Daemon> {
    return this.#vault.start({
      paths: { ...this.#vault.paths, sharedSocket: join(this.#directory, "s.sock") },
      env: { ...this.#vault.env, ...this.#standIn.daemonEnvironment },
      shared: true,
      listen: "127.0.0.1:0",
      listenTls: "127.0.0.1:0",
    });
  }

  async prepare(): Promise<void> {
    await this.#vault.init({ dev: true });
    await using daemon = await this.#start();
    const operate = (method: string, path: string, options?: CallOptions) =>
      confirmed(daemon.operatorSocket, method, path, options);
    const name = JSON.stringify({ name: "OPENAI_API_KEY" });
    const created = await operate(
      "POST",
      "/aivault/secrets",
      form(["secret", name], ["value", KEY]),
    );
    expect(created.status).toBe(201);

    const mint = async (principal: PrincipalName, grant: object = {}) => {
      const body = json({ capabilities: ["openai/*"], ...grant });
      const { token, tokenId } = (await operate("POST", "/aivault/tokens", body)).json;
      this.#tokens.set(principal, token);
      return { token, tokenId };
    };
    await mint("agent token");
    await mint("wrong scope", { capabilities: ["github/*"] });
    const { token: short } = await mint("expired", { ttlMs: 1_000 });
    const { tokenId } = await mint("revoked");
    await operate("DELETE", `/aivault/tokens/${tokenId}`);
    const { token } = await mint("used up", { usesMax: 1 });
    this.#tokens.set("forged", `${token.slice(0, -32)}${"A".repeat(32)}`);
    const headers = { authorization: `Bearer ${token}` };
    await call(daemon.socket, "GET", "/v/openai/v1/models", { headers });
    for (const ended of [token, short]) {
      const whoami = () =>
        call(daemon.socket, "GET", "/aivault/whoami", {
          headers: { authorization: `Bearer ${ended}` },
        });
      await until(async () => (await whoami()).status === 401, 10_000);
    }
    if (this.#hasPassphrase) {
      const set = await operate("POST", "/aivault/operator/passphrase", form(["new", PASSPHRASE]));
      expect(set.json).toEqual({ set: true });
    } else {
      await operate("PATCH", "/aivault/settings", json({ requireToken: true }));
    }
  }

  async ask(principal: PrincipalName): Promise<void> {
    const daemon = await this.#start();
    const surfaces: readonly SurfaceName[] = this.#hasPassphrase
      ? ["caller", "shared", "tcp", "tls", "operator"]
      : ["caller-token-required", "operator-no-passphrase"];
    let session = await this.#login(daemon, principal);
    for (const surface of surfaces) {
      for (const row of ROWS) {
        const cell = await askOne(daemon, surface, row, this.#tokens.get(principal), session);
        put(surface, row, principal, cell);
        if (!isOperatorSurface(surface) || !cell.startsWith("2")) continue;
        if (row.path === "/aivault/lock") {
          const unlocked = await call(daemon.operatorSocket, "POST", "/aivault/unlock");
          expect(unlocked.status).toBe(200);
        }
        // Both end sessions.
        if (/\/lock$|\/logout$/.test(row.path)) session = await this.#login(daemon, principal);
        if (isShutdown(row)) await daemon.closed;
      }
    }
    await daemon.close();
  }

  async #login(daemon: Daemon, principal: PrincipalName): Promise<string | null> {
    if (principal === "forged session") return `avs_${"A".repeat(43)}`;
    if (principal !== "operator" || !this.#hasPassphrase) return null;
    const body = form(["passphrase", PASSPHRASE]);
    return (await call(daemon.operatorSocket, "POST", "/aivault/operator/login", body)).json
      .session;
  }

  async dispose(): Promise<void> {
    await this.#vault.dispose();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function put(surface: SurfaceName, row: Row, principal: PrincipalName, cell: string): void {
  const rows = cells.get(surface) ?? new Map<string, Map<PrincipalName, string>>();
  const columns = rows.get(keyOf(row)) ?? new Map<PrincipalName, string>();
  cells.set(surface, rows.set(keyOf(row), columns.set(principal, cell)));
}

/** Every request of another surface has a connection of its own; here that would be most of the time. */
const handshakes = new Agent({ keepAlive: true });

function askOne(
  daemon: Daemon,
  surface: SurfaceName,
  row: Row,
  token: string | undefined,
  session: string | null,
): Promise<string> {
  const { headers, body } =
    BODIES[keyOf(row)] ?? (/^(GET|DELETE|OPTIONS)$/.test(row.method) ? {} : json({}));
  const url = new URL((surface === "tls" ? daemon.tls?.url : daemon.url) ?? "");
  const isTcp = surface === "tcp" || surface === "tls";
  const place = isOperatorSurface(surface)
    ? { socketPath: daemon.operatorSocket }
    : surface === "shared"
      ? { socketPath: daemon.sharedSocket ?? "" }
      : isTcp
        ? { host: url.hostname, port: url.port }
        : { socketPath: daemon.socket };
  const send = surface === "tls" ? httpsRequest : httpRequest;
  const trust =
    surface === "tls"
      ? { ca: readFileSync(daemon.tls?.authorityFile ?? ""), agent: handshakes }
      : { agent: false };
  return new Promise((resolve, reject) => {
    send({
      ...place,
      ...trust,
      method: row.method,
      path: targetOf(row),
      headers: {
        host: isTcp ? url.host : "aivault",
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(session === null ? {} : { "aivault-operator-session": session }),
      },
    })
      .on("response", async (response) => {
        const status = String(response.statusCode);
        // The tail does not end by itself.
        if (response.headers["content-type"] === "application/x-ndjson") {
          response.destroy();
          resolve(status);
          return;
        }
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        const { error, reason, message } =
          response.headers["aivault-error"] === undefined ? {} : JSON.parse(text);
        // The one thing that only the words tell: no such route, or nothing there by that id.
        if (status === "404" && message === NO_ROUTE.message) return resolve(UNKNOWN);
        const problem = [error, reason].filter((part) => part !== undefined).join("/");
        resolve(problem === "" ? status : `${status} ${problem}`);
      })
      .on("error", reject)
      .end(body);
  });
}

/** What most cells say. */
const SHORT = new Map([
  [UNKNOWN, "-"],
  [TOKEN_INVALID, "401 token"],
  [SESSION_REQUIRED, "401 session"],
]);

/** The table of a surface, as it is committed. */
function render(surface: SurfaceName): string {
  const lines = [
    `# ${SURFACES[surface]}`,
    "",
    "What each route answers to whom, compared by `matrix.test.ts`, cell by cell. After a change that is",
    "meant, `vitest run -u packages/daemon/test/matrix.test.ts` writes it anew; read the difference.",
    "`-` is `404`, no such route; `401 token` is `token_invalid`; `401 session` is `operator_auth_required`",
    "with `session_required`. Below 400 the route was served; anything else is what its handler said.",
    "",
    `| route | ${PRINCIPALS.join(" | ")} |`,
    `| --- |${" --- |".repeat(PRINCIPALS.length)}`,
    ...ROWS.map((row) => {
      const columns = PRINCIPALS.map((principal) => {
        const cell = cellOf(surface, row, principal);
        return SHORT.get(cell) ?? cell;
      });
      return `| \`${keyOf(row)}\` | ${columns.join(" | ")} |`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

function cellOf(surface: SurfaceName, row: Row, principal: PrincipalName): string {
  return cells.get(surface)?.get(keyOf(row))?.get(principal) ?? "missing";
}

const named = ROWS.map((row) => [keyOf(row), row] as const);

it.each(Object.keys(SURFACES) as SurfaceName[])(
  "G13, G14: the surface `%s` answers each principal as the committed table says",
  async (surface) => {
    await expect(render(surface)).toMatchFileSnapshot(`matrix/${surface}.md`);
  },
);

const callerSurfaces = (Object.keys(SURFACES) as SurfaceName[]).filter(
  (surface) => !isOperatorSurface(surface),
);

describe.each(callerSurfaces)("on the surface `%s`", (surface) => {
  it.each(named.filter(([, row]) => !isOf(callerRoutes, row) && !isPassthrough(row)))(
    "G14: %s does not exist, whoever asks",
    (_, row) => {
      for (const principal of PRINCIPALS) {
        const cell = cellOf(surface, row, principal);
        // Outside of /aivault everything is a provider's path, and the token is looked at first.
        const isProviders = !row.path.startsWith("/aivault") && ENDED.includes(principal);
        expect(cell, principal).toBe(isProviders ? TOKEN_INVALID : UNKNOWN);
      }
    },
  );

  it.each(
    named.filter(
      ([, row]) =>
        (isOf(callerRoutes, row) || isPassthrough(row)) && row.path !== "/aivault/health",
    ),
  )("G12, G13: %s is nothing to a token that has ended, and does not say how", (_, row) => {
    for (const principal of ENDED) {
      expect(cellOf(surface, row, principal), principal).toBe(TOKEN_INVALID);
    }
  });

  it("G13: what a token does not grant is refused to it", () => {
    const asks = (key: string) => cells.get(surface)?.get(key)?.get("wrong scope");
    const NOT_GRANTED = "403 policy_violation/capability_not_granted";
    expect(asks("POST /aivault/proxy")).toBe(NOT_GRANTED);
    expect(asks("GET /v/{credential}/{path}")).toBe(NOT_GRANTED);
    expect(asks("GET /aivault/capabilities/{id}")).toBe("404 capability_not_found");
  });

  it("G14: an operator session is worth nothing", () => {
    for (const row of ROWS) {
      for (const principal of ["operator", "forged session"] as const) {
        expect(cellOf(surface, row, principal)).toBe(cellOf(surface, row, "nobody in particular"));
      }
    }
  });
});

it.each(["tcp", "tls", "caller-token-required"] as const)(
  "G12: on the surface `%s` nothing but health answers who brings no token",
  (surface) => {
    for (const row of ROWS) {
      const cell = cellOf(surface, row, "nobody in particular");
      if (row.path === "/aivault/health") expect(cell).toBe("200");
      else expect([TOKEN_INVALID, UNKNOWN], keyOf(row)).toContain(cell);
    }
  },
);

describe("on the operator socket", () => {
  it.each(named.filter(([, row]) => isOf(operatorRoutes, row) && !isOpen(row)))(
    "G14: %s needs a session once there is a passphrase, and a token is none",
    (_, row) => {
      for (const principal of PRINCIPALS) {
        const cell = cellOf("operator", row, principal);
        if (principal === "operator") expect(cell).not.toMatch(/^401|no such|missing/);
        else expect(cell, principal).toBe(SESSION_REQUIRED);
      }
    },
  );

  it("takes a token for an operator's right or wrong nowhere", () => {
    for (const row of ROWS) {
      for (const principal of PRINCIPALS) {
        const cell = cellOf("operator-no-passphrase", row, principal);
        expect(cell, keyOf(row)).toBe(
          cellOf("operator-no-passphrase", row, "nobody in particular"),
        );
      }
    }
  });

  it.each(named.filter(([, row]) => isOf(operatorRoutes, row)))("%s is there", (_, row) => {
    expect(cellOf("operator", row, "operator")).not.toBe(UNKNOWN);
  });
});

describe("a browser page", () => {
  let vault: TestVault;
  let daemon: Daemon;
  beforeAll(async () => {
    vault = testVault();
    await vault.init();
    daemon = await vault.start();
  });
  afterAll(() => vault.dispose());

  it.each(named.filter(([, row]) => isOf(operatorRoutes, row)))(
    "G14: is refused %s on the operator socket",
    async (_, row) => {
      const headers = { origin: "http://localhost", "content-type": "application/json" };
      const answer = await call(daemon.operatorSocket, row.method, targetOf(row), { headers });
      expect([answer.status, answer.json.error]).toEqual([403, "policy_violation"]);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    },
  );
});
