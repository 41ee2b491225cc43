import { createPrivateKey } from "node:crypto";
import {
  BlockList,
  connect as connectTcp,
  isIP,
  type Socket,
  type TcpNetConnectOpts,
} from "node:net";
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  rootCertificates,
  type SecureContext,
} from "node:tls";
import { checkAddresses, checkInternalAddresses } from "@aivault/policy";
import { BrokerError } from "./errors.ts";
import { type LookUp, systemLookUp } from "./look-up.ts";
import type { ClientCertificate } from "./upstream.ts";

/** How connections to providers are made. */
export interface ConnectOptions {
  /** Further PEM certificates to trust besides the built-in roots. */
  readonly ca?: readonly string[];
  /**
   * Development: connect to this address and port instead, keyed by `host` or `host:port`. The name is
   * still what the certificate is checked for; the address is not checked at all.
   */
  readonly resolve?: ReadonlyMap<string, { readonly address: string; readonly port: number }>;
  /** Development: accept any port. Otherwise 443, what the registry names, and allowed internal hosts. */
  readonly allowNonDefaultPorts?: boolean;
  /** Development: speak plain HTTP to addresses of this machine. */
  readonly allowHttpLocal?: boolean;
  /** Exact hosts and ports whose addresses the operator vouches for. */
  readonly allowedInternal?: readonly InternalService[];
  /** How names are found; default: {@link systemLookUp}. What it finds is checked here. */
  readonly lookUp?: LookUp;
  /** Milliseconds for a connection to be there, from the look-up to the end of the handshake. Default 5 s. */
  readonly connectMs?: number;
}

/** A service that an operator allowed although it is inside a network, or on a port of its own. */
export interface InternalService {
  /** As {@link parseInternalHost} reads it: lower case, an address in its canonical form. */
  readonly host: string;
  readonly port: number;
  /** PEM certificates to trust for this service, instead of the public authorities. */
  readonly ca?: string;
}

/** Where a connection goes. */
export interface Endpoint {
  readonly scheme: "https" | "http";
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Handed over once; the error is the one to report. */
export type Connected = (error: BrokerError | null, socket: Socket | null) => void;

const CONNECT_MS = 5_000;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * A function that connects to providers, and to nothing else.
 *
 * G5: every name is resolved here, every address of the answer is checked, and the socket goes to one of
 * the checked addresses without a second look-up, so an answer that changes does not help. Literal
 * addresses take the same way. The host stays what SNI and the certificate check see.
 *
 * G24: trust comes from Node's compiled-in roots and `options.ca`. `NODE_EXTRA_CA_CERTS` adds only to
 * Node's default store, which is not used, and `NODE_TLS_REJECT_UNAUTHORIZED` only changes a default
 * that is set here. No proxy is honoured.
 */
export function createConnect(
  options: ConnectOptions,
  certificate?: ClientCertificate,
): (endpoint: Endpoint, done: Connected) => void {
  const contexts = new Map<string | null, SecureContext>();
  const secureContext = (internalCa: string | null) => {
    const known = contexts.get(internalCa);
    if (known !== undefined) return known;
    // Parsing the roots takes about 10 ms, once.
    const context = createSecureContext({
      // Whoever brings an authority of its own means that one and no other.
      ca:
        certificate?.ca !== undefined
          ? [Buffer.from(certificate.ca)]
          : internalCa !== null
            ? [internalCa]
            : [...rootCertificates, ...(options.ca ?? [])],
      minVersion: "TLSv1.2",
      ...(certificate === undefined
        ? {}
        : {
            cert: Buffer.from(certificate.certificate),
            key: readKey(certificate),
          }),
    });
    contexts.set(internalCa, context);
    return context;
  };
  // Here and not in the first connection: the certificate's buffers are wiped after `send` returns.
  if (certificate !== undefined) {
    secureContext(null);
    for (const { ca } of options.allowedInternal ?? []) secureContext(ca ?? null);
  }
  return (endpoint, done) => {
    const attempt = new Attempt(endpoint.host, options.connectMs ?? CONNECT_MS, done);
    findAddresses(endpoint, options, (error, found) => {
      // A name that is found too late is of no use: the deadline was the whole attempt's.
      if (attempt.isOver) return;
      if (found === null) attempt.fail(error);
      else open(endpoint, found, options, () => secureContext(ownCaOf(endpoint, options)), attempt);
    });
  };
}

/** One attempt to connect: it ends once, by what happens first, and by its deadline at the latest. */
class Attempt {
  isOver = false;
  readonly #done: Connected;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | null = null;

  constructor(host: string, connectMs: number, done: Connected) {
    this.#done = done;
    this.#timer = setTimeout(() => {
      const message =
        this.#socket === null
          ? `the name \`${host}\` was not resolved within ${connectMs} ms`
          : `no connection to \`${host}\` within ${connectMs} ms`;
      this.fail(new BrokerError("upstream_unreachable", message));
    }, connectMs);
  }

  /** @param socket - Destroyed when the attempt fails. */
  begin(socket: Socket): void {
    this.#socket = socket;
  }

  fail(error: BrokerError | null): void {
    if (this.isOver) return;
    this.#end();
    // A socket may fail twice, and an error nobody listens to would end the process.
    this.#socket?.on("error", () => {}).destroy();
    this.#done(error, null);
  }

  succeed(socket: Socket): void {
    if (this.isOver) return;
    this.#end();
    this.#done(null, socket);
  }

  #end(): void {
    this.isOver = true;
    clearTimeout(this.#timer);
  }
}

/** The key, decrypted if it has to be. What OpenSSL and Node copy of it cannot be wiped. */
function readKey({ privateKey, passphrase }: ClientCertificate): string | Buffer {
  if (passphrase === undefined) return Buffer.from(privateKey);
  const key = createPrivateKey({
    key: Buffer.from(privateKey),
    passphrase: Buffer.from(passphrase),
  });
  return key.export({ type: "pkcs8", format: "pem" });
}

interface Addresses {
  readonly addresses: readonly string[];
  readonly port: number;
}

function findAddresses(
  { host, port }: Endpoint,
  options: ConnectOptions,
  done: (error: BrokerError | null, found: Addresses | null) => void,
): void {
  const override = options.resolve?.get(`${host}:${port}`) ?? options.resolve?.get(host);
  if (override !== undefined) {
    done(null, { addresses: [override.address], port: override.port });
    return;
  }
  const isVouched = vouchedFor(host, port, options) !== null;
  const check = (addresses: readonly string[]) => {
    const checked = isVouched
      ? checkInternalAddresses(addresses, host)
      : checkAddresses(addresses, []);
    if (checked.ok) {
      done(null, { addresses, port });
      return;
    }
    const { code, message, reason } = checked;
    done(new BrokerError(code, message, { reason }), null);
  };
  if (isIP(host) !== 0) {
    check([host]);
    return;
  }
  const { lookUp = systemLookUp } = options;
  lookUp(host).then(check, (cause: unknown) => {
    const message = `the name \`${host}\` cannot be resolved`;
    done(new BrokerError("upstream_unreachable", message, { cause }), null);
  });
}

/** What the operator allowed of exactly this host and port; null for nothing. */
export function vouchedFor(
  host: string,
  port: number,
  { allowedInternal = [] }: Pick<ConnectOptions, "allowedInternal">,
): InternalService | null {
  return allowedInternal.find((entry) => entry.host === host && entry.port === port) ?? null;
}

function ownCaOf({ host, port }: Endpoint, options: ConnectOptions): string | null {
  return vouchedFor(host, port, options)?.ca ?? null;
}

function open(
  { scheme, host }: Endpoint,
  { addresses, port }: Addresses,
  options: ConnectOptions,
  secureContext: () => SecureContext,
  attempt: Attempt,
): void {
  if (scheme === "http") {
    const local = addresses.every((address) =>
      loopback.check(address, isIP(address) === 6 ? "ipv6" : "ipv4"),
    );
    if (options.allowHttpLocal !== true || !local) {
      const message = `\`${host}\` would be called without TLS; only https is allowed`;
      attempt.fail(new BrokerError("policy_violation", message, { reason: "host_not_allowed" }));
      return;
    }
  }
  const [only] = addresses;
  const target = {
    // A single address is given as it is; of several, happy eyeballs (RFC 8305) picks one. The look-up
    // resolves nothing: it repeats the addresses that were checked.
    host: addresses.length === 1 && only !== undefined ? only : host,
    port,
    autoSelectFamily: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    lookup: (_name, _options, callback) => {
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    },
  } satisfies TcpNetConnectOpts;
  const socket =
    scheme === "http"
      ? connectTcp(target)
      : connectTls({
          ...target,
          // RFC 6066 section 3: a literal address is not sent as a server name.
          servername: isIP(host) === 0 ? host : "",
          checkServerIdentity: (_name, peer) => checkServerIdentity(host, peer),
          secureContext: secureContext(),
          rejectUnauthorized: true,
          ALPNProtocols: ["http/1.1"],
        });
  attempt.begin(socket);
  const fail = (error: Error) => attempt.fail(unreachable(host, error));
  socket.once("error", fail);
  socket.once(scheme === "http" ? "connect" : "secureConnect", () => {
    socket.off("error", fail);
    attempt.succeed(socket);
  });
}

/** The failure without addresses or certificate texts, which are the cause's business. */
function unreachable(host: string, error: NodeJS.ErrnoException): BrokerError {
  const code = error.code ?? "no code";
  const isTls = /^(CERT_|DEPTH_|ERR_TLS|ERR_SSL|SELF_SIGNED|UNABLE_TO)/.test(code);
  return new BrokerError(
    "upstream_unreachable",
    isTls
      ? `the TLS handshake with \`${host}\` failed (${code})`
      : `no connection to \`${host}\` (${code})`,
    { cause: error },
  );
}
