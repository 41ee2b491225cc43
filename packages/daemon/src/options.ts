/** The command line of `aivaultd`. Pure. */

import { DaemonError } from "./errors.ts";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | {
      readonly kind: "serve";
      readonly socket?: string;
      /** Not yet read; see `parseTcpAddress`. */
      readonly listen?: string;
      /** The same, with TLS. */
      readonly listenTls?: string;
      readonly shared: boolean;
      readonly once: boolean;
    };

export const USAGE = `usage: aivaultd [--socket PATH] [--shared] [--listen ADDRESS:PORT]
                [--listen-tls ADDRESS:PORT] [--once]

Serve the vault to callers and operators on two unix sockets, until SIGTERM.

  --socket PATH   the caller socket; the operator socket is made beside it
                  (default: $AIVAULTD_SOCKET, or aivaultd.sock in ~/.aivault/run)
  --shared        also serve the accounts of the group that owns the shared directory,
                  made by \`aivault setup agent-access\`
  --listen ADDR   also serve callers on loopback TCP, where each needs a token;
                  for SDKs that take a base URL: http://127.0.0.1:19790/v/CREDENTIAL
  --listen-tls ADDR
                  the same with TLS, for SDKs that insist on https: or wss:; they trust
                  ~/.aivault/tls/ca.pem: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, CURL_CA_BUNDLE
  --once          serve one connection to the caller socket, then exit
  --version       print the version
  --help          print this
`;

const MEMBERS = {
  "--socket": "socket",
  "--listen": "listen",
  "--listen-tls": "listenTls",
} as const;

/**
 * Read the arguments after the program's name.
 *
 * @throws {DaemonError} `DAEMON_OPTION_INVALID`: unknown, repeated, or without its value.
 */
export function parseArguments(args: readonly string[]): Command {
  const values: { socket?: string; listen?: string; listenTls?: string } = {};
  let once = false;
  let shared = false;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? "";
    const [name = "", attached] = splitFlag(argument);
    switch (name) {
      case "--help":
      case "-h":
        return { kind: "help" };
      case "--version":
      case "-V":
        return { kind: "version" };
      case "--once":
        if (attached !== undefined) throw invalid("--once takes no value");
        once = true;
        break;
      case "--shared":
        if (attached !== undefined) throw invalid("--shared takes no value");
        shared = true;
        break;
      case "--socket":
      case "--listen":
      case "--listen-tls": {
        const member = MEMBERS[name];
        if (values[member] !== undefined) throw invalid(`${name} is given twice`);
        const value = attached ?? args[++i];
        if (value === undefined || value === "") throw invalid(`${name} needs a value`);
        values[member] = value;
        break;
      }
      default:
        throw invalid(`unknown argument \`${argument.slice(0, 64)}\``);
    }
  }
  return { kind: "serve", once, shared, ...values };
}

function splitFlag(argument: string): [name: string, attached?: string] {
  const equals = argument.indexOf("=");
  return argument.startsWith("--") && equals > 0
    ? [argument.slice(0, equals), argument.slice(equals + 1)]
    : [argument];
}

function invalid(message: string): DaemonError {
  return new DaemonError("DAEMON_OPTION_INVALID", message, { hint: "aivaultd --help" });
}
