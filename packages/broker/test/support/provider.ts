import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { authority } from "./certificate-authority.ts";

/** A stand-in provider on loopback, with real TLS. */
export interface StandIn {
  readonly port: number;
  readonly requests: RecordedRequest[];
  close(): Promise<void>;
}

/** What arrived. */
export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** Starts a stand-in; `answer` is called when a request has come completely. */
export async function startStandIn(
  hosts: readonly string[],
  answer: Answer,
  options: TlsOptions & { readonly early?: (request: IncomingMessage) => void } = {},
): Promise<StandIn> {
  const { certificatePem, keyPem } = authority.issue({ hosts });
  const requests: RecordedRequest[] = [];
  const server = createHttpsServer({ cert: certificatePem, key: keyPem, ...options });
  server.on("request", (request, response) => {
    const { method = "", url = "", rawHeaders, headers } = request;
    const recorded: RecordedRequest = { method, url, rawHeaders, headers, body: "" };
    requests.push(recorded);
    options.early?.(request);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      recorded.body = body.toString("latin1");
      answer(request, response, body);
    });
  });
  return { requests, ...(await listen(server)) };
}

/** Starts a stand-in that writes raw bytes once a request has come, with what `content-length` says. */
export async function startRawStandIn(
  hosts: readonly string[],
  answer: (socket: TLSSocket) => void,
): Promise<StandIn> {
  const { certificatePem, keyPem } = authority.issue({ hosts });
  const requests: RecordedRequest[] = [];
  const server = createTlsServer({ cert: certificatePem, key: keyPem }, (socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end === -1) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
      if (text.length < end + 4 + length) return;
      const [line = ""] = text.split("\r\n");
      const [method = "", url = ""] = line.split(" ");
      requests.push({ method, url, rawHeaders: [], headers: {}, body: text });
      text = "";
      answer(socket);
    });
  });
  return { requests, ...(await listen(server)) };
}

async function listen(
  server: ReturnType<typeof createTlsServer> | ReturnType<typeof createHttpsServer>,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
