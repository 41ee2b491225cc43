/**
 * G17: a dangerous call says what it will do, and is done when it comes again with a token for exactly
 * that.
 *
 * The sentence is part of what is confirmed. When what would happen has changed in between, because a
 * secret has got another dependant for example, the token is worth nothing and the new sentence is told.
 */

import { createHash } from "node:crypto";
import { REQUEST_HEADERS } from "@aivault/client/protocol";
import type { Exchange } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

const LIFE_MS = 60_000;
const TOKEN_BYTES = 24;
/** More questions than this at a time are nobody's. The oldest go. */
const OPEN_MAX = 256;

/** Questions that were asked and not answered. They do not survive the process, nor need to. */
export class Confirmations {
  readonly #now: () => number;
  readonly #random: (length: number) => Uint8Array;
  readonly #open = new Map<string, { readonly about: string; readonly untilMs: number }>();

  constructor(now: () => number, random: (length: number) => Uint8Array) {
    this.#now = now;
    this.#random = random;
  }

  /** A token that stands for yes to `about`. */
  ask(about: string): string {
    const token = Buffer.from(this.#random(TOKEN_BYTES)).toString("base64url");
    this.#open.set(digest(token), { about: digest(about), untilMs: this.#now() + LIFE_MS });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= OPEN_MAX) break;
      this.#open.delete(oldest);
    }
    return token;
  }

  /** Whether this token says yes to `about`. It is used up by being shown. */
  take(token: string, about: string): boolean {
    const name = digest(token);
    const question = this.#open.get(name);
    this.#open.delete(name);
    return question?.about === digest(about) && this.#now() < question.untilMs;
  }
}

/**
 * Go on when the operator has confirmed this call, and ask otherwise.
 *
 * @param action - For the audit log: `secret.delete`.
 * @param says - What will happen, for people. It MUST name everything the call depends on that is not in
 * the request line, such as what its body asks for.
 * @throws {Problem} `conflict` with `confirmation_required`.
 */
export async function requireConfirmation(
  exchange: Exchange,
  { confirmations, vault }: Services,
  action: string,
  says: string,
): Promise<void> {
  const { request, path, query, requestId, principal } = exchange;
  const about = JSON.stringify([request.method, path, query, action, says]);
  const token = request.headers[REQUEST_HEADERS.confirm];
  if (typeof token === "string" && confirmations.take(token, about)) {
    const { uid } = principal;
    await vault.audit.append({ kind: "operator.confirmed", requestId, action, says, uid });
    return;
  }
  throw new Problem("conflict", `this needs to be confirmed: ${says}`, {
    reason: "confirmation_required",
    confirmation: { token: confirmations.ask(about), says },
  });
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
