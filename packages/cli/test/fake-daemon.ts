/** Both sockets of a daemon in a vault directory of its own, with answers given by the test. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Seen {
  readonly socket: "caller" | "operator";
  readonly line: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answers = Readonly<
  Record<string, unknown | ((seen: Seen, response: ServerResponse) => unknown)>
>;

export interface FakeDaemon extends AsyncDisposable {
  readonly env: Record<string, string>;
  readonly directory: string;
  readonly seen: Seen[];
}

/** @param answers - By `METHOD /path`, `*` for all others: JSON to send, or a function that writes the response itself. */
export async function fakeDaemon(answers: Answers): Promise<FakeDaemon> {
  const directory = await mkdtemp(join(tmpdir(), "aivault-cli-"));
  await mkdir(join(directory, "run"), { mode: 0o700 });
  await writeFile(join(directory, "vault.json"), "{}");
  const seen: Seen[] = [];
  const serve = async (socket: Seen["socket"]) => {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const one: Seen = {
        socket,
        line: `${request.method} ${request.url}`,
        headers: request.headers,
        body: Buffer.concat(chunks).toString("latin1"),
      };
      seen.push(one);
      const answer = answers[one.line] ?? answers["*"];
      if (answer === undefined) {
        refuse(response, 404, { error: "not_found", message: `no answer for ${one.line}` });
      } else if (typeof answer === "function") await answer(one, response);
      else response.end(JSON.stringify(answer));
    });
    const name = socket === "caller" ? "aivaultd.sock" : "aivaultd.operator.sock";
    await new Promise<void>((resolve) => server.listen(join(directory, "run", name), resolve));
    return server;
  };
  const servers = [await serve("caller"), await serve("operator")];
  return {
    env: { AIVAULT_DIR: directory, HOME: directory, AIVAULTD_AUTOSTART: "0" },
    directory,
    seen,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function refuse(
  response: ServerResponse,
  status: number,
  problem: { readonly error: string; readonly [member: string]: unknown },
): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "aivault-error": problem.error,
  });
  response.end(JSON.stringify({ requestId: "req-1", ...problem }));
}

export const proxied = {
  "aivault-request-id": "req-1",
  "aivault-capability": "openai/chat",
  "aivault-credential": "openai",
  "aivault-method": "POST",
  "aivault-url": "https://api.openai.com/v1/chat",
};

export const chatCapability = {
  id: "openai/chat",
  provider: "openai",
  description: "chat completions",
  host: "api.openai.com",
  risk: "spend",
  rules: [{ methods: ["POST"], match: "prefix", path: "/v1/chat" }],
  origin: "registry",
  ready: true,
  missing: [],
};

export const openaiSecret = {
  secretId: "11111111-1111-4111-8111-111111111111",
  name: "OPENAI_API_KEY",
  aliases: [],
  scope: { kind: "global" },
  pinnedProvider: "openai",
  valueVersion: 1,
  attachedGroups: [],
  createdAtMs: 1,
  updatedAtMs: 2,
  deletedAtMs: null,
};
