/**
 * Where a provider sends the browser back to: an address of this machine, for one answer (RFC 8252
 * section 7.3).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { WireOAuthCallback } from "@aivault/client";
import { CliError, usageError } from "./errors.ts";

/** A listener that waits for a browser. */
export interface Loopback {
  /** What the provider is told: the address with the port that was free. */
  readonly redirectUri: string;
  /** The first answer with this state. Strangers' answers are refused and waited past. */
  answer(state: string, signal: AbortSignal): Promise<WireOAuthCallback>;
  close(): Promise<void>;
}

const DEFAULT = "http://127.0.0.1/callback";

/**
 * Listen on 127.0.0.1, or on ::1 where the address says so; on a free port, or on the one it names.
 *
 * @throws {CliError} `CLI_USAGE`: it is no address of this machine; `CLI_INPUT`: the port is taken.
 */
export async function listenForBrowser(redirectUri: string = DEFAULT): Promise<Loopback> {
  const url = loopbackUrl(redirectUri);
  const host = url.hostname === "[::1]" ? "::1" : "127.0.0.1";
  const server = createServer({ maxHeaderSize: 32_768 }, (_request, response) => {
    page(response, 200, "Copy the address of this page, and paste it in the terminal.");
  });
  // Providers let the port differ from what is registered (RFC 8252 section 7.3), so none means any.
  await listen(server, host, Number(url.port));
  url.port = String((server.address() as AddressInfo).port);
  return {
    redirectUri: url.href,
    answer: (state, signal) => firstAnswer(server, url, state, signal),
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The query that a browser came back with, from the whole address. @throws {CliError} `CLI_INPUT` */
export function callbackOf(address: string, state: string): WireOAuthCallback {
  const query = URL.canParse(address) ? new URL(address).searchParams : new URLSearchParams();
  const found = readQuery(query, state);
  if (found !== null) return found;
  throw new CliError(
    "CLI_INPUT",
    "this is not the address that this login ends at",
    "paste the whole address, from http:// to its end; log in again for a new one",
  );
}

function loopbackUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const ok =
    url?.protocol === "http:" &&
    ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname) &&
    `${url.username}${url.password}${url.search}${url.hash}` === "";
  if (ok) return url;
  throw usageError(
    "--redirect-uri is an http address of this machine",
    "for example http://127.0.0.1:8910/callback",
  );
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  }).catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(
      "CLI_INPUT",
      `cannot listen on ${host}:${port} (${cause.code ?? "unknown"})`,
      "name another port with --redirect-uri, and register it at the provider",
      cause,
    );
  });
}

function firstAnswer(
  server: Server,
  url: URL,
  state: string,
  signal: AbortSignal,
): Promise<WireOAuthCallback> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new CliError("CLI_CANCELLED", "cancelled; nothing was changed"));
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel, { once: true });
    server.removeAllListeners("request");
    server.on("request", (request, response) => {
      const found = read(request, url, state);
      if (typeof found === "number") {
        page(response, found, "This is not the login that is waited for.");
        return;
      }
      page(response, 200, "You can close this page and go back to the terminal.");
      response.once("close", () => resolve(found));
    });
  });
}

/** What a request brought, or the status to refuse it with. */
function read(request: IncomingMessage, url: URL, state: string): WireOAuthCallback | number {
  // A page of another origin that got our address under a name of its own is not the provider (G14).
  if (request.headers.host !== url.host) return 421;
  if (request.method !== "GET") return 405;
  // Any page may have a browser ask for `//`, which is no address: that must not end the login.
  const text = request.url ?? "/";
  if (!URL.canParse(text, url.href)) return 404;
  const target = new URL(text, url);
  if (target.pathname !== url.pathname) return 404;
  return readQuery(target.searchParams, state) ?? 400;
}

function readQuery(query: URLSearchParams, state: string): WireOAuthCallback | null {
  const one = (name: string) => {
    const all = query.getAll(name);
    return all.length === 1 && all[0] !== "" ? (all[0] as string) : null;
  };
  if (one("state") !== state) return null;
  const code = one("code");
  const error = one("error");
  if (error !== null) return { state, error };
  return code === null ? null : { state, code };
}

function page(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(`<!doctype html><title>aivault</title><p>${text}</p>\n`);
}
