import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BrokerError,
  createUndiciUpstream,
  type InternalService,
  type UndiciUpstreamOptions,
  type UpstreamRequest,
} from "../src/index.ts";
import { authority } from "./support/certificate-authority.ts";
import { type StandIn, startStandIn } from "./support/provider.ts";

let provider: StandIn;

beforeAll(async () => {
  provider = await startStandIn(["api.stand-in.example", "127.0.0.1"], (_request, response) =>
    response.end("hello"),
  );
});

afterAll(() => provider.close());

interface Outcome {
  readonly status: number | null;
  readonly body: string;
  readonly error: BrokerError | null;
}

async function send(
  options: UndiciUpstreamOptions,
  origin: Partial<UpstreamRequest["origin"]>,
  more: Partial<UpstreamRequest> = {},
): Promise<Outcome> {
  const upstream = createUndiciUpstream(options);
  try {
    return await new Promise((resolve) => {
      let status: number | null = null;
      let body = "";
      upstream.send(
        {
          method: "GET",
          origin: { scheme: "https", host: "api.stand-in.example", port: 443, ...origin },
          path: "/",
          headers: [],
          body: null,
          bodyLength: null,
          limits: { connectMs: 30_000, headersMs: 30_000, idleMs: 30_000, totalMs: 60_000 },
          ...more,
        },
        {
          head: (code) => {
            status = code;
          },
          data: (chunk) => {
            body += Buffer.from(chunk).toString();
          },
          end: () => resolve({ status, body, error: null }),
          error: (error) => resolve({ status, body, error }),
        },
        new AbortController().signal,
      );
    });
  } finally {
    await upstream.close();
  }
}

const here = () =>
  new Map([["api.stand-in.example", { address: "127.0.0.1", port: provider.port }]]);

describe("createUndiciUpstream", () => {
  it("reaches a provider whose certificate fits its name", async () => {
    const outcome = await send({ ca: [authority.certificatePem], resolve: here() }, {});
    expect(outcome).toEqual({ status: 200, body: "hello", error: null });
    expect(provider.requests.at(-1)?.headers["host"]).toBe("api.stand-in.example");
  });

  it.each([
    ["127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["fd00::1"],
    ["100.64.0.1"],
  ])("G5: refuses the literal address %s", async (host) => {
    const { error } = await send({ ca: [authority.certificatePem] }, { host });
    expect(error).toMatchObject({ code: "policy_violation", reason: "address_blocked" });
  });

  it("G5: refuses a name that resolves to this machine", async () => {
    const { error } = await send({ ca: [authority.certificatePem] }, { host: "localhost" });
    expect(error).toMatchObject({ code: "policy_violation", reason: "address_blocked" });
  });

  it("G5: refuses every address of a name when one of them is internal", async () => {
    const lookUp = () => Promise.resolve(["8.8.8.8", "10.0.0.1"]);
    expect((await send({ lookUp }, {})).error).toMatchObject({ reason: "address_blocked" });
  });

  it("G5: refuses another port, and plain HTTP", async () => {
    expect((await send({}, { port: 8443 })).error).toMatchObject({ reason: "host_not_allowed" });
    expect((await send({}, { scheme: "http", port: 80 })).error).toMatchObject({
      reason: "host_not_allowed",
    });
  });

  it("G5: reaches exactly the internal host and port an operator allowed", async () => {
    const options = {
      ca: [authority.certificatePem],
      allowedInternal: [{ host: "127.0.0.1", port: provider.port }],
    };
    const allowed = await send(options, { host: "127.0.0.1", port: provider.port });
    expect(allowed).toMatchObject({ status: 200, error: null });
    const other = await send(options, { host: "127.0.0.1", port: provider.port + 1 });
    expect(other.error).toMatchObject({ code: "policy_violation" });
  });

  it.each(["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1", "0.0.0.0"])(
    "G5: does not let a name that an operator allowed lead to %s",
    async (address) => {
      const host = "build.internal";
      const options = {
        ca: [authority.certificatePem],
        allowedInternal: [{ host, port: provider.port }],
      };
      const lookUp = () => Promise.resolve([address]);
      const { error } = await send({ ...options, lookUp }, { host, port: provider.port });
      expect(error).toMatchObject({ code: "policy_violation", reason: "address_blocked" });
    },
  );

  it("G5: trusts an internal service's authority for that service alone", async () => {
    const lookUp = () => Promise.resolve(["127.0.0.1"]);
    const { port } = provider;
    const ca = authority.certificatePem;
    const reach = (allowedInternal: readonly InternalService[]) =>
      send({ allowedInternal, lookUp }, { host: "api.stand-in.example", port });
    expect(await reach([{ host: "api.stand-in.example", port, ca }])).toMatchObject({
      status: 200,
    });
    const other = { host: "other.stand-in.example", port, ca };
    expect((await reach([other, { host: "api.stand-in.example", port }])).error).toMatchObject({
      code: "upstream_unreachable",
    });
    expect((await reach([other])).error).toMatchObject({ code: "policy_violation" });
  });

  it("speaks plain HTTP only where development allows it, and only to this machine", async () => {
    const server = createServer((_request, response) => response.end("plain"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const resolve = new Map([["api.stand-in.example", { address: "127.0.0.1", port }]]);
    const origin = { scheme: "http" as const };
    expect(await send({ resolve, allowHttpLocal: true }, origin)).toMatchObject({ body: "plain" });
    expect((await send({ resolve }, origin)).error).toMatchObject({ code: "policy_violation" });
    const far = new Map([["api.stand-in.example", { address: "192.0.2.1", port }]]);
    expect((await send({ resolve: far, allowHttpLocal: true }, origin)).error).toMatchObject({
      code: "policy_violation",
    });
    server.close();
  });

  it("refuses a certificate of an unknown authority, and one for another name", async () => {
    expect((await send({ resolve: here() }, {})).error).toMatchObject({
      code: "upstream_unreachable",
    });
    const resolve = new Map([
      ["other.stand-in.example", { address: "127.0.0.1", port: provider.port }],
    ]);
    const ca = [authority.certificatePem];
    expect((await send({ ca, resolve }, { host: "other.stand-in.example" })).error).toMatchObject({
      code: "upstream_unreachable",
    });
  });

  it("G24: is not made lenient by NODE_TLS_REJECT_UNAUTHORIZED", async () => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      expect((await send({ resolve: here() }, {})).error).toMatchObject({
        code: "upstream_unreachable",
      });
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
  });

  // Node reads NODE_EXTRA_CA_CERTS once, so a process of its own shows that the roots connect.ts gives to
  // TLS are free of it, while Node's default store is not.
  it("G24: trusts no authority that NODE_EXTRA_CA_CERTS names", async () => {
    const folder = await mkdtemp(join(tmpdir(), "aivault-"));
    const file = join(folder, "ca.pem");
    await writeFile(file, authority.certificatePem);
    const script = `
      const tls = require("node:tls");
      const attempt = (more) => new Promise((resolve) => {
        const options = { host: "127.0.0.1", port: ${provider.port}, servername: "api.stand-in.example" };
        const socket = tls.connect({ ...options, ...more }, () => { socket.destroy(); resolve("trusted"); });
        socket.on("error", () => resolve("refused"));
      });
      (async () => console.log(
        await attempt({}),
        await attempt({ secureContext: tls.createSecureContext({ ca: [...tls.rootCertificates] }) }),
      ))();`;
    const env = { PATH: process.env["PATH"], NODE_EXTRA_CA_CERTS: file };
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", script], { env });
    await rm(folder, { recursive: true });
    expect(stdout.trim()).toBe("trusted refused");
  });

  it("gives up a name that hangs, and reaches other names meanwhile", async () => {
    const lookUp = () => new Promise<readonly string[]>(() => undefined);
    const options = { ca: [authority.certificatePem], resolve: here(), lookUp, connectMs: 2_000 };
    const hanging = send(options, { host: "hangs.stand-in.example" });
    expect(await send(options, {})).toMatchObject({ status: 200 });
    expect((await hanging).error).toMatchObject({
      code: "upstream_unreachable",
      message: "the name `hangs.stand-in.example` was not resolved within 2000 ms",
    });
  });

  it("gives up a handshake that hangs, and closes its connection", async () => {
    const silent = createTcpServer((socket) => void socket.on("error", () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const closed = once(silent, "connection").then(([socket]) => once(socket, "close"));
    const resolve = new Map([["api.stand-in.example", { address: "127.0.0.1", port }]]);
    const { error } = await send({ resolve, connectMs: 200 }, {});
    expect(error).toMatchObject({ code: "upstream_unreachable" });
    await closed;
    silent.close();
  });

  it("says that nobody answers, and that an answer took too long", async () => {
    const resolve = new Map([["api.stand-in.example", { address: "127.0.0.1", port: 1 }]]);
    expect((await send({ resolve }, {})).error).toMatchObject({ code: "upstream_unreachable" });
  });
});
