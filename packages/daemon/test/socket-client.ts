/** A WebSocket client that shows what is on the wire. */

import { connect, type Socket } from "node:net";
import { frame, frames } from "./socket-provider.ts";
import { until } from "./stand-in.ts";

const MASK = Buffer.from([1, 2, 3, 4]);
const TEXT = 1;
const CLOSE = 8;

export interface SocketClient {
  readonly socket: Socket;
  /** Of the answer to the handshake. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What came instead of frames. */
  readonly body: () => string;
  send(text: string): void;
  /** The next text message. */
  text(): Promise<string>;
  /** The code of the close frame that came, once it has. */
  closeCode(): Promise<number>;
  /** Resolves when the connection is gone. */
  closed(): Promise<void>;
  /** End it in order: a close frame, then the connection. */
  close(): void;
}

export interface Handshake {
  readonly headers?: Readonly<Record<string, string>>;
  readonly path: string;
  readonly protocols?: readonly string[];
  /** Sent right behind the handshake. */
  readonly early?: Buffer;
}

/** Connect to a unix socket's path or a TCP port, and wait for the answer to the handshake. */
export async function openWebSocket(
  place: string | Socket | { readonly port: number },
  { path, headers = {}, protocols = [], early = Buffer.alloc(0) }: Handshake,
): Promise<SocketClient> {
  const socket =
    typeof place === "string"
      ? connect(place)
      : "port" in place
        ? connect(place.port, "127.0.0.1")
        : place;
  const all: Readonly<Record<string, string>> = {
    host: typeof place === "object" && "port" in place ? `127.0.0.1:${place.port}` : "aivault",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...(protocols.length === 0 ? {} : { "sec-websocket-protocol": protocols.join(", ") }),
    ...headers,
  };
  let octets = Buffer.alloc(0);
  let gone = false;
  socket.on("data", (chunk: Buffer) => {
    octets = Buffer.concat([octets, chunk]);
  });
  socket.on("error", () => undefined);
  socket.on("end", () => socket.end());
  socket.on("close", () => {
    gone = true;
  });
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    Buffer.concat([Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), early]),
  );
  await until(() => octets.includes("\r\n\r\n") || gone, 10_000);
  const end = octets.indexOf("\r\n\r\n");
  const [first = "", ...rest] = octets.subarray(0, end).toString("latin1").split("\r\n");
  octets = octets.subarray(end + 4);
  const next = async (opcode: number): Promise<Buffer> => {
    for (;;) {
      await until(() => frames(octets).length > 0 || gone, 10_000);
      const [found] = frames(octets);
      if (found === undefined) throw new Error("the connection is gone");
      octets = octets.subarray(found.end);
      if (found.opcode === opcode) return found.payload;
    }
  };
  return {
    socket,
    status: Number(first.split(" ")[1]),
    headers: Object.fromEntries(
      rest.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    ),
    body: () => octets.toString(),
    send: (text) => void socket.write(frame(TEXT, Buffer.from(text), MASK)),
    text: async () => (await next(TEXT)).toString(),
    closeCode: async () => (await next(CLOSE)).readUInt16BE(0),
    closed: () => until(() => gone, 10_000),
    close() {
      socket.write(frame(CLOSE, Buffer.from([0x03, 0xe8]), MASK));
      socket.end();
    },
  };
}

/** A text frame as a client sends it. */
export const clientText = (text: string): Buffer => frame(TEXT, Buffer.from(text), MASK);
