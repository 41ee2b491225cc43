// The daemon's listener in front of a broker that a test has made: what a caller really gets, with its
// framing, its heads and its problem bodies.

import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker, BrokerError, ResponseHead } from "@aivault/broker";
import type { Deliver, Delivered } from "../../packages/broker/test/support/deliver.ts";
import { callerRoutes } from "../../packages/daemon/src/caller-routes.ts";
import { DenialLimit } from "../../packages/daemon/src/denial-limit.ts";
import { createHttpListener } from "../../packages/daemon/src/http-adapter.ts";
import { listenAt } from "../../packages/daemon/src/listen.ts";
import { createLog } from "../../packages/daemon/src/log.ts";
import { Metrics } from "../../packages/daemon/src/metrics.ts";
import { loadPlatform } from "../../packages/daemon/src/platform/index.ts";
import type { Services } from "../../packages/daemon/src/services.ts";

/** A listener on a unix socket of its own. */
export interface DaemonFront {
  readonly deliver: Deliver;
  close(): Promise<void>;
}

export async function startDaemonFront(): Promise<DaemonFront> {
  const directory = mkdtempSync(join(tmpdir(), "aivault-front-"));
  const socketPath = join(directory, "s.sock");
  let current: Broker | null = null;
  const platform = await loadPlatform();
  const services = {
    log: createLog(false),
    denials: new DenialLimit(Date.now, async () => undefined),
    metrics: new Metrics(Date.now()),
    engine: {
      settings: { requireToken: false },
      requireUnlocked() {},
      broker: () => current,
    },
  } as unknown as Services;
  const listener = createHttpListener({
    socket: "caller",
    routes: callerRoutes,
    services,
    platform,
  });
  await listenAt(listener.server, socketPath, platform);
  return {
    deliver: async ({ broker }, json) => {
      current = broker;
      return await post(socketPath, JSON.stringify(json));
    },
    close: async () => {
      await listener.close(1_000);
      rmSync(directory, { recursive: true });
    },
  };
}

function post(socketPath: string, body: string): Promise<Delivered> {
  return new Promise((resolve, reject) => {
    const headers = { host: "aivault", "content-type": "application/json" };
    const request = httpRequest(
      { socketPath, method: "POST", path: "/aivault/proxy", headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        const done = () => resolve(deliveredBy(response, Buffer.concat(chunks)));
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", done);
        // It was broken off; how, `complete` tells.
        response.on("error", done);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** Headers that are the daemon's own, or about the connection to it. */
const OURS = /^(?:aivault-.*|transfer-encoding|connection|keep-alive|x-should-retry)$/i;

function deliveredBy(response: IncomingMessage, body: Buffer): Delivered {
  const { rawHeaders, complete, statusCode = 0, statusMessage = "" } = response;
  const all = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [{ name: name.toLowerCase(), value: rawHeaders[at + 1] ?? "" }] : [],
  );
  const named = (name: string) => all.find((header) => header.name === name)?.value ?? "";
  const requestId = named("aivault-request-id");
  const base = { requestId, arrivals: [] };
  if (named("aivault-error") !== "") {
    // All of it counts as what an error shows.
    const text = `${JSON.stringify(all)} ${body.toString("utf8")}`;
    const error = { code: named("aivault-error"), message: text, stack: text } as BrokerError;
    return { ...base, head: null, body: Buffer.alloc(0), ended: false, error };
  }
  const head: ResponseHead = {
    status: statusCode,
    statusText: statusMessage,
    headers: all.filter(({ name }) => !OURS.test(name)),
    plan: {
      capability: named("aivault-capability"),
      credential: named("aivault-credential"),
      method: named("aivault-method"),
      url: named("aivault-url"),
    },
  };
  const broken = { code: "upstream_failed", message: "broken off", stack: "" } as BrokerError;
  return { ...base, head, body, ended: complete, error: complete ? null : broken };
}
