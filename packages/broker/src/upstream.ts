import type { Duplex } from "node:stream";
import type { BrokerError } from "./errors.ts";

/** Deadlines of one exchange, in milliseconds; 0 means none. */
export interface UpstreamLimits {
  /** From the start until a connection is free. Making one has a deadline of its own. */
  readonly connectMs: number;
  /** From the end of the request until the response's head. */
  readonly headersMs: number;
  /** Between two chunks of the response, while it is being read. */
  readonly idleMs: number;
  /** For everything together. */
  readonly totalMs: number;
}

/** A client certificate to present during the handshake. */
export interface ClientCertificate {
  /** Identifies the pair for the cache of TLS contexts: changes whenever either changes. */
  readonly id: string;
  /** PEM chain; borrowed, read before `send` returns. */
  readonly certificate: Uint8Array;
  /** PEM key; borrowed, read before `send` returns. */
  readonly privateKey: Uint8Array;
  /** Of an encrypted key; borrowed likewise. */
  readonly passphrase?: Uint8Array;
  /** PEM certificates to trust instead of the public authorities; borrowed likewise. */
  readonly ca?: Uint8Array;
}

/** A request as it goes on the wire: the credential is in it. */
export interface UpstreamRequest {
  readonly method: string;
  readonly origin: {
    readonly scheme: "https" | "http";
    readonly host: string;
    readonly port: number;
    /** The registry names this port; without it only 443 and what the upstream was told to allow pass. */
    readonly portDeclared?: boolean;
  };
  /** With query, byte for byte. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: null | Uint8Array | AsyncIterable<Uint8Array>;
  /** Bytes of `body` when they are known; null sends it chunked. */
  readonly bodyLength: number | null;
  readonly limits: UpstreamLimits;
  readonly clientCertificate?: ClientCertificate;
  /** Asks for another protocol; {@link UpstreamHandler.upgraded} then hears when it is granted. */
  readonly upgrade?: "websocket";
}

/** Says stop and go to the provider. All idempotent. */
export interface UpstreamControl {
  pause(): void;
  resume(): void;
  /** Ends the exchange; {@link UpstreamHandler.error} is called with this error. */
  abort(error: BrokerError): void;
}

/**
 * Hears about one exchange: `head`, then `data` any number of times, then `end`; or `upgraded` alone; or
 * `error`, once.
 */
export interface UpstreamHandler {
  /** @param headers - In order, duplicates kept, names as the provider spelled them; values latin1. */
  head(
    status: number,
    statusText: string,
    headers: readonly (readonly [name: string, value: string])[],
    control: UpstreamControl,
  ): void;
  /** @param chunk - Owned by the handler. */
  data(chunk: Uint8Array): void;
  end(): void;
  /** @param socket - Its owner from here on ends it; the exchange's deadlines and signal are over. */
  upgraded?(headers: readonly (readonly [name: string, value: string])[], socket: Duplex): void;
  error(error: BrokerError): void;
}

/** The one door to the network. Follows no redirect. */
export interface Upstream {
  /** @param signal - Aborting it ends the exchange and closes its connection. */
  send(request: UpstreamRequest, handler: UpstreamHandler, signal: AbortSignal): void;
  /** Ends every exchange and closes every connection. */
  close(): Promise<void>;
}
