/**
 * A small server that speaks the protocol on a real unix socket, for the client's own tests.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface FakeDaemon extends AsyncDisposable {
  readonly socket: string;
  readonly connections: () => number;
}

export async function fakeDaemon(handler: Handler): Promise<FakeDaemon> {
  const directory = await mkdtemp(join(tmpdir(), "aivault-client-"));
  const socket = join(directory, "aivaultd.sock");
  let connections = 0;
  const server = createServer((request, response) => void handler(request, response));
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const upstreamHeaders = {
  "aivault-request-id": "req-1",
  "aivault-capability": "openai/chat",
  "aivault-credential": "openai",
  "aivault-method": "POST",
  "aivault-url": "https://api.openai.com/v1/chat?key=[REDACTED]",
};

export function refuse(
  response: ServerResponse,
  status: number,
  problem: { readonly error: string; readonly [member: string]: unknown },
): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "aivault-error": problem.error,
    "aivault-request-id": "req-9",
  });
  response.end(JSON.stringify({ requestId: "req-9", ...problem }));
}
