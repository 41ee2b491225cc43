/** Talking to a unix socket as a test does: whole requests, or octets that no client would send. */

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: assertions say what is expected in it.
  readonly json: any;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request with node:http on a connection of its own. */
export function call(
  socketPath: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath,
        method,
        path,
        headers: { host: "aivault", ...options.headers },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = response.headers["content-type"] === "application/json";
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : null,
          });
        });
      },
    );
    request.on("error", reject);
    request.end(options.body);
  });
}

/** A call that needs a confirmation, with it. */
export async function confirmed(
  socketPath: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const asked = await call(socketPath, method, path, options);
  const token: unknown = asked.json?.confirmation?.token;
  if (asked.status !== 409 || typeof token !== "string") return asked;
  const headers = { ...options.headers, "aivault-confirm": token };
  return await call(socketPath, method, path, { ...options, headers });
}

/** A JSON body. */
export function json(value: unknown): CallOptions {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/** A form of parts in order. */
export function form(
  ...parts: readonly (readonly [name: string, body: string | Uint8Array, type?: string])[]
): { headers: Record<string, string>; body: Buffer } {
  const chunks: Buffer[] = [];
  for (const [name, body, type] of parts) {
    const head = `--b0\r\ncontent-disposition: form-data; name="${name}"; filename="f"\r\n`;
    chunks.push(Buffer.from(`${head}content-type: ${type ?? "application/octet-stream"}\r\n\r\n`));
    chunks.push(Buffer.from(body), Buffer.from("\r\n"));
  }
  chunks.push(Buffer.from("--b0--\r\n"));
  return {
    headers: { "content-type": "multipart/form-data; boundary=b0" },
    body: Buffer.concat(chunks),
  };
}

/** Send octets as they are; what comes back until the other end closes, or `waitMs` have passed. */
export function raw(
  socketPath: string,
  octets: string | Uint8Array,
  waitMs = 1000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(socketPath);
    const timer = setTimeout(() => socket.destroy(), waitMs);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("latin1"));
    });
    socket.write(typeof octets === "string" ? Buffer.from(octets, "latin1") : octets);
  });
}

/** Status codes of the responses in what {@link raw} returned. */
export function statuses(answer: string): number[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}
