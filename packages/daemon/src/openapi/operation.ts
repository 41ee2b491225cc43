/** One operation of the HTTP interface, as it is documented. */

import type * as z from "zod";
import type { SocketKind } from "../exchange.ts";

/** What a request's body is. */
export type RequestBody =
  | { readonly kind: "json"; readonly schema: z.ZodType }
  | { readonly kind: "octets"; readonly optional?: boolean }
  | { readonly kind: "form"; readonly parts: readonly DocumentedPart[] }
  /** An envelope as JSON; or as the first part of a form, with what it announces after it. */
  | { readonly kind: "envelope"; readonly schema: z.ZodType }
  /** Whatever the provider takes. */
  | { readonly kind: "any" };

export interface DocumentedPart {
  readonly name: string;
  /** JSON of this schema; absent, the part is octets. */
  readonly schema?: z.ZodType;
  readonly optional?: boolean;
}

/** What an answer's body is. */
export type ResponseBody =
  | { readonly kind: "json"; readonly schema: z.ZodType }
  | { readonly kind: "octets" }
  | { readonly kind: "text" }
  /** Another protocol from here on. */
  | { readonly kind: "upgrade" }
  /** A JSON text a line, without an end. */
  | { readonly kind: "lines"; readonly schema: z.ZodType }
  /** The provider's own. For a dry run the plan. */
  | { readonly kind: "provider"; readonly dryRun?: z.ZodType };

/** A request that is answered as the operation's `example.response` says, given what came before it. */
export interface Example {
  /** What stands for `{name}` in the path, decoded. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON; the text of octets; or, of a form, the value of each part. */
  readonly request?: unknown;
  /** JSON; for `text` and `octets` a string; absent for a provider's answer. */
  readonly response?: unknown;
  /** Why it cannot be replayed without somebody else. Default: it can. */
  readonly needs?: string;
}

export interface Operation {
  /** `operationId`. */
  readonly id: string;
  readonly methods: readonly string[];
  /** As in the table of routes; a passthrough has what stands for it. */
  readonly path: string;
  readonly sockets: readonly SocketKind[];
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** A caller's needs a token even on a unix socket. */
  readonly needsToken?: boolean;
  /** Answers without a token or an operator session. */
  readonly open?: boolean;
  /** Refused with `confirmation_required` until it is confirmed. */
  readonly confirmed?: boolean;
  /** Takes `aivault-timeout-ms`. */
  readonly timed?: boolean;
  readonly query?: z.ZodObject;
  readonly request?: RequestBody;
  /** Default 200. */
  readonly status?: number;
  readonly response: ResponseBody;
  readonly example: Example;
}
