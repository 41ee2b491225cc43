import type { HeaderPair, Target } from "@aivault/policy";

/** What a signature can be about: the request as it will be sent, but for the credential. */
export interface SigningContext {
  readonly method: string;
  /** As in the `host` header: with the port where it is not 443. */
  readonly authority: string;
  /** The capability's host as the registry writes it, possibly a template. */
  readonly hostEntry: string;
  readonly hostVariables: Readonly<Record<string, string>>;
  readonly target: Target;
  /** Names lower case. */
  readonly headers: readonly HeaderPair[];
  /** The whole body; null when there is none; `streamed` when it is not known yet. */
  readonly body: Uint8Array | null | "streamed";
  /** What the sender of a streamed body announced as its hash, unverified; null for nothing. */
  readonly payloadHash: string | null;
  /** Unix milliseconds. */
  readonly nowMs: number;
}
