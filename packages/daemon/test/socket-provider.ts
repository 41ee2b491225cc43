/** A provider that speaks WebSocket: over TLS, for one host, in this process. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { webSocketAccept } from "@aivault/broker";

interface Authority {
  readonly certificatePem: string;
  issue(options: { hosts: readonly string[] }): { certificatePem: string; keyPem: string };
}

export interface SocketProvider {
  readonly daemonEnvironment: Readonly<Record<string, string>>;
  /** Handshakes so far, oldest first, and the connections they became. */
  readonly opened: { readonly request: IncomingMessage; readonly socket: Duplex }[];
  stop(): Promise<void>;
}

export interface SocketProviderOptions {
  readonly protocol?: string | null;
  /** Status of an answer that is no WebSocket. */
  readonly refuse?: number;
  /** Answers what is no upgrade. */
  readonly serve?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Further hosts that it stands in for. */
  readonly hosts?: readonly string[];
}

/**
 * Start one that answers each frame with itself, unmasked, and agrees to `protocol`.
 */
export async function startSocketProvider(
  host: string,
  { protocol = null, refuse, serve, hosts = [] }: SocketProviderOptions = {},
): Promise<SocketProvider> {
  const module = new URL("../../../e2e/support/certificate-authority.mjs", import.meta.url).href;
  const authority: Authority = (await import(module)).createCertificateAuthority();
  const { certificatePem, keyPem } = authority.issue({ hosts: [host, ...hosts] });
  const directory = mkdtempSync(join(tmpdir(), "aivault-provider-"));
  const ca = join(directory, "ca.pem");
  writeFileSync(ca, authority.certificatePem);
  const opened: { request: IncomingMessage; socket: Duplex }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ cert: certificatePem, key: keyPem });
  if (serve !== undefined) server.on("request", serve);
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => undefined);
    opened.push({ request, socket });
    if (refuse !== undefined) {
      socket.end(`HTTP/1.1 ${refuse} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "upgrade: websocket",
      "connection: Upgrade",
      `sec-websocket-accept: ${webSocketAccept(String(request.headers["sec-websocket-key"]))}`,
      ...(protocol === null ? [] : [`sec-websocket-protocol: ${protocol}`]),
      "x-provider: yes",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    socket.on("data", (chunk: Buffer) => {
      for (const { opcode, payload } of frames(chunk)) socket.write(frame(opcode, payload));
    });
    socket.on("end", () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    daemonEnvironment: {
      AIVAULT_DEV_RESOLVE: [host, ...hosts].map((name) => `${name}=127.0.0.1:${port}`).join(),
      AIVAULT_DEV_CA_CERT_PATH: ca,
      AIVAULT_DEV_ALLOW_NON_DEFAULT_PORTS: "1",
    },
    opened,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };
}

/** A frame; masked as a client's when `mask` is given. */
export function frame(opcode: number, payload: Buffer, mask?: Buffer): Buffer {
  const length =
    payload.length < 126
      ? Buffer.from([payload.length])
      : Buffer.from([126, payload.length >> 8, payload.length & 0xff]);
  if (mask !== undefined) length[0] = (length[0] ?? 0) | 0x80;
  const body = mask === undefined ? payload : payload.map((octet, i) => octet ^ (mask[i % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, mask ?? Buffer.alloc(0), body]);
}

/** The whole frames in some octets, unmasked. */
export function frames(octets: Buffer): { opcode: number; payload: Buffer; end: number }[] {
  const found: { opcode: number; payload: Buffer; end: number }[] = [];
  for (let at = 0; octets.length >= at + 2; ) {
    const opcode = (octets[at] ?? 0) & 0x0f;
    const isMasked = ((octets[at + 1] ?? 0) & 0x80) !== 0;
    const short = (octets[at + 1] ?? 0) & 0x7f;
    let from = at + 2;
    let length = short;
    if (short === 126) {
      if (octets.length < from + 2) break;
      length = octets.readUInt16BE(from);
      from += 2;
    }
    const mask = isMasked ? octets.subarray(from, from + 4) : null;
    if (mask !== null) from += 4;
    if (octets.length < from + length) break;
    const masked = octets.subarray(from, from + length);
    const payload = Buffer.from(masked.map((octet, i) => octet ^ (mask?.[i % 4] ?? 0)));
    at = from + length;
    found.push({ opcode, payload, end: at });
  }
  return found;
}
