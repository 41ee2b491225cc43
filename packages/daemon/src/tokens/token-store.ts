/**
 * Tokens in the vault: minted, shown, revoked, verified, and used up. Nothing is cached: what a
 * revocation has written is what the next request reads (G13).
 *
 * A token derived from another is checked together with every token above it, on each request. So it
 * cannot allow more than they do, whatever it says itself, and it ends when one of them ends.
 */

import type { Principal } from "@aivault/broker";
import { EMPTY_WINDOW, parseRateWindow, type RateWindow, take } from "@aivault/policy";
import { type JsonValue, type SealedDocument, type Vault, VaultError } from "@aivault/vault-core";
import { Problem } from "../problem.ts";
import type { TokenGrant } from "./grant.ts";
import { mintToken, parseToken, provesToken } from "./token.ts";
import {
  parseDerived,
  parseTokenRecord,
  parseTokenUsage,
  serializeTokenRecord,
  type TokenRecord,
} from "./token-record.ts";

/** Tokens above a token. More would only be slower to check. */
const CHAIN_MAX = 8;
/** How far the clock that made a token may have been ahead of the one that judges it. */
const AHEAD_MS_MAX = 60_000;

/** Tokens that are ever derived from one an operator minted, directly or not: each takes room in the vault. */
export const DERIVED_MAX = 10_000;
/** How long one that has ended is still listed. */
const KEPT_MS = 24 * 60 * 60_000;

/** A verified token, and the ones it was derived from: the token itself first. */
export type TokenChain = readonly [TokenRecord, ...TokenRecord[]];

/** What is asked for when a token is minted. */
export interface NewToken extends TokenGrant {
  readonly label: string | null;
}

export interface TokenStoreOptions {
  readonly vault: Vault;
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
  /** Called when a token has been revoked: whoever streams under it ends. */
  readonly onRevoked: (tokenId: string) => void;
  /** Called after a write that changed nothing but counts of uses, with the revisions around it. */
  readonly onStateWritten?: (before: number, after: number) => void;
}

export class TokenStore {
  readonly #vault: Vault;
  readonly #now: () => number;
  readonly #random: (length: number) => Uint8Array;
  readonly #onRevoked: (tokenId: string) => void;
  readonly #onStateWritten: (before: number, after: number) => void;

  constructor(options: TokenStoreOptions) {
    this.#vault = options.vault;
    this.#now = options.now;
    this.#random = options.random;
    this.#onRevoked = options.onRevoked;
    this.#onStateWritten = options.onStateWritten ?? (() => {});
  }

  /**
   * Mint a token.
   *
   * @param parent - The chain it is derived from; its end is then no later than theirs.
   * @returns The token, to be shown once, and its record.
   * @throws {Problem} `invalid_request`: the chain is too long; `policy_violation`: more than the parent may
   * have, or too many.
   */
  async mint(
    input: NewToken,
    by: Principal,
    parent: TokenChain | null = null,
  ): Promise<{ token: string; record: TokenRecord }> {
    if (parent !== null && parent.length >= CHAIN_MAX) {
      throw new Problem(
        "invalid_request",
        `a token is derived at most ${CHAIN_MAX - 1} times over`,
      );
    }
    const place = placeOf(input, parent);
    const { token, tokenId, digest } = mintToken(this.#random);
    const ends = [input.expiresAtMs, ...(parent ?? []).map(({ expiresAtMs }) => expiresAtMs)];
    const record: TokenRecord = {
      ...input,
      ...place,
      tokenId,
      digest,
      expiresAtMs: Math.min(...ends),
      parentId: parent?.[0].tokenId ?? null,
      createdAtMs: this.#now(),
      revokedAtMs: null,
    };
    const root = parent?.at(-1) ?? null;
    if (root !== null && (await this.#derivedOf(root)) >= DERIVED_MAX) throw tooManyDerived();
    // Recorded first: a token that nobody could record does not come to exist.
    await this.#vault.audit.append({
      kind: "token.minted",
      tokenId,
      parentId: record.parentId,
      capabilities: [...record.capabilities],
      credential: record.credential,
      workspaceId: record.workspaceId,
      groupId: record.groupId,
      isBound: record.publicKey !== null,
      expiresAtMs: record.expiresAtMs,
      principal: by.kind,
      uid: by.uid,
    });
    await this.#vault.transaction(async (tx) => {
      if (root !== null) {
        const id = derivedId(root.tokenId);
        const derived = readDerived(await tx.getDocument("state", id));
        if (derived >= DERIVED_MAX) throw tooManyDerived();
        await tx.putDocument("state", id, { derived: derived + 1 });
      }
      await tx.putDocument("token", tokenId, serializeTokenRecord(record), {
        expectedRevision: null,
      });
    });
    return { token, record };
  }

  async #derivedOf({ tokenId }: TokenRecord): Promise<number> {
    return readDerived(await this.#vault.getDocument("state", derivedId(tokenId)));
  }

  /**
   * Forget what has ended a day ago or earlier, with what was counted of it. That each has ended is on record
   * then.
   *
   * @returns How many they were.
   */
  async dropEnded(): Promise<number> {
    const untilMs = this.#now() - KEPT_MS;
    let dropped = 0;
    for (let after: string | undefined; ; ) {
      const page = await this.#vault.listDocuments("token", {
        limit: 200,
        ...(after === undefined ? {} : { after }),
      });
      const ended = page.items
        .map(recordOf)
        .filter((record) => record !== null && record.expiresAtMs <= untilMs);
      for (const record of ended as TokenRecord[]) {
        const { tokenId, expiresAtMs, revokedAtMs } = record;
        await this.#vault.audit.append({ kind: "token.ended", tokenId, expiresAtMs, revokedAtMs });
        dropped += 1;
      }
      if (ended.length > 0) {
        await this.#vault.transaction(async (tx) => {
          for (const { tokenId } of ended as TokenRecord[]) {
            await tx.deleteDocument("token", tokenId);
            for (const id of [usageId(tokenId), derivedId(tokenId), rateId(tokenId)]) {
              await tx.deleteDocument("state", id);
            }
          }
        });
      }
      if (page.next === null) return dropped;
      after = page.next;
    }
  }

  /** Tokens, a page at a time, in the order of their ids. */
  async list(options: { after?: string; limit?: number }) {
    const page = await this.#vault.listDocuments("token", options);
    const items = page.items.map(recordOf).filter((record) => record !== null);
    return { items, next: page.next };
  }

  /**
   * Revoke a token and, with it, everything derived from it.
   *
   * @throws {Problem} `not_found`.
   */
  async revoke(tokenId: string, by: Principal): Promise<TokenRecord> {
    const revoked = await this.#vault.transaction(async (tx) => {
      const record = recordOf(await tx.getDocument("token", tokenId));
      if (record === null) throw unknownToken();
      if (record.revokedAtMs !== null) return record;
      const changed = { ...record, revokedAtMs: this.#now() };
      await tx.putDocument("token", tokenId, serializeTokenRecord(changed));
      return changed;
    });
    this.#onRevoked(tokenId);
    await this.#vault.audit.append({
      kind: "token.revoked",
      tokenId,
      principal: by.kind,
      uid: by.uid,
    });
    return revoked;
  }

  /**
   * Verify a presented token.
   *
   * Unknown, malformed, expired, revoked and used up are one answer: they would tell a guesser apart
   * from a holder.
   *
   * @throws {Problem} `token_invalid`.
   */
  async verify(text: string): Promise<TokenChain> {
    const presented = parseToken(text);
    if (presented === null) throw invalidToken();
    const leaf = await this.#read(presented.tokenId);
    if (leaf === null || !provesToken(presented.proof, leaf.digest)) throw invalidToken();
    const chain: [TokenRecord, ...TokenRecord[]] = [leaf];
    for (let next = leaf.parentId; next !== null; ) {
      const above = await this.#read(next);
      if (above === null || chain.length >= CHAIN_MAX) throw invalidToken();
      chain.push(above);
      next = above.parentId;
    }
    const nowMs = this.#now();
    for (const record of chain) {
      if (record.revokedAtMs !== null || nowMs >= record.expiresAtMs) throw invalidToken();
      // Made by a clock that ran ahead: nobody can say when its time is over.
      if (record.createdAtMs > nowMs + AHEAD_MS_MAX) throw invalidToken();
      // `spend` decides; but whoever has used it up is not told what it was for, either.
      if (await this.#isUsedUp(record)) throw invalidToken();
    }
    return chain;
  }

  /**
   * Count one use of every token of a chain that has a number of them, all or none.
   *
   * G10: the counts are in the vault, so that a restart gives nothing back. Such a token's rate is kept
   * with its uses, so that what the rate refuses costs none; the rates of others are the broker's.
   *
   * @throws {Problem} `token_invalid` when one is used up, `rate_limited`.
   */
  async spend(chain: TokenChain): Promise<void> {
    const counted = chain.filter(({ usesMax }) => usesMax !== null);
    if (counted.length === 0) return;
    const before = this.#vault.revision;
    await this.#vault.transaction(async (tx) => {
      for (const record of counted) {
        const id = usageId(record.tokenId);
        const { uses, window } = readUsage(await tx.getDocument("state", id));
        if (record.usesMax !== null && uses >= record.usesMax) throw invalidToken();
        const taken = takeOne(record, window, this.#now());
        await tx.putDocument("state", id, { uses: uses + 1, window: windowJson(taken) });
      }
    });
    this.#onStateWritten(before, this.#vault.revision);
  }

  async #isUsedUp({ tokenId, usesMax }: TokenRecord): Promise<boolean> {
    if (usesMax === null) return false;
    return readUsage(await this.#vault.getDocument("state", usageId(tokenId))).uses >= usesMax;
  }

  async #read(tokenId: string): Promise<TokenRecord | null> {
    return recordOf(await this.#vault.getDocument("token", tokenId));
  }
}

/**
 * Where a new token's holder stands. A derived one stands where its parent does: anywhere else there is
 * something that the parent does not reach. And who has to sign does not get rid of that by deriving.
 */
function placeOf(input: NewToken, parent: TokenChain | null) {
  const { workspaceId, groupId, publicKey } = input;
  if (groupId !== null && workspaceId === null && parent === null) {
    throw new Problem("invalid_request", "`groupId` needs `workspaceId`");
  }
  if (parent === null) return { workspaceId, groupId };
  const [above] = parent;
  const isElsewhere =
    (workspaceId !== null && workspaceId !== above.workspaceId) ||
    (groupId !== null && groupId !== above.groupId);
  if (isElsewhere) {
    throw new Problem("policy_violation", "a derived token stands where its parent does", {
      reason: "capability_not_granted",
    });
  }
  if (above.publicKey !== null && publicKey === null) {
    throw new Problem(
      "policy_violation",
      "a token derived from a bound one is bound to a key too",
      {
        reason: "capability_not_granted",
      },
    );
  }
  return { workspaceId: above.workspaceId, groupId: above.groupId };
}

function takeOne(record: TokenRecord, window: RateWindow, nowMs: number): RateWindow {
  if (record.perMinute === null) return window;
  const taken = take(window, nowMs, record.perMinute);
  if (taken.allowed) return taken.window;
  throw new Problem("rate_limited", `the token allows ${record.perMinute} requests a minute`, {
    retryAfterMs: taken.retryAfterMs,
  });
}

function readUsage(document: SealedDocument | null): { uses: number; window: RateWindow } {
  if (document === null) return { uses: 0, window: EMPTY_WINDOW };
  const usage = parseTokenUsage(document.value);
  const window = usage === null ? null : parseRateWindow(usage.window);
  if (usage === null || window?.ok !== true) {
    throw new VaultError("VAULT_FORMAT_UNSUPPORTED", "a token's usage is of a newer version");
  }
  return { uses: usage.uses, window: window.value };
}

function windowJson({ slot, counts }: RateWindow): JsonValue {
  return { slot, counts: [...counts] };
}

function recordOf(document: SealedDocument | null): TokenRecord | null {
  return document === null ? null : parseTokenRecord(document.value);
}

function usageId(tokenId: string): string {
  return `token:${tokenId}`;
}

function derivedId(tokenId: string): string {
  return `derived:${tokenId}`;
}

/** Where the broker keeps what it counts of a token. */
function rateId(tokenId: string): string {
  return `rate:token:${tokenId}`;
}

function readDerived(document: SealedDocument | null): number {
  if (document === null) return 0;
  const derived = parseDerived(document.value);
  if (derived === null) {
    throw new VaultError("VAULT_FORMAT_UNSUPPORTED", "a token's count is of a newer version");
  }
  return derived;
}

function tooManyDerived(): Problem {
  return new Problem(
    "policy_violation",
    `from one token at most ${DERIVED_MAX} are derived; ask the operator for another`,
    { reason: "capability_not_granted" },
  );
}

function unknownToken(): Problem {
  return new Problem("not_found", "there is no token with this id", { hint: "aivault token list" });
}

function invalidToken(): Problem {
  return new Problem("token_invalid", "the token is not valid, or not any more", {
    hint: "ask the operator for one: aivault token mint",
  });
}
