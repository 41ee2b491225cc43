/**
 * G18: an invocation that was decided has an outcome on record, if only that nobody knows it: the
 * process that could have told was killed.
 */

import type { AuditEntry, AuditEvent, AuditLog } from "@aivault/vault-core";

/** The entries that begin a time in which a daemon could invoke. Before the newest all is settled. */
const ACTIVATIONS = new Set(["daemon.started", "vault.unlocked"]);
const PAGE = 1_000;

/**
 * Invocations since the last activation that were allowed and have no outcome, oldest first.
 *
 * @param audit - Of an unlocked vault that has not been activated yet.
 */
export async function unfinishedInvocations(
  audit: Pick<AuditLog, "read">,
): Promise<readonly AuditEvent[]> {
  const completed = new Set<unknown>();
  const unfinished: AuditEvent[] = [];
  for await (const { event } of newestFirst(audit)) {
    const { kind, requestId, decision } = event;
    if (ACTIVATIONS.has(kind)) break;
    // A daemon that ended in order says whether it left anything behind.
    if (event["unfinished"] === 0) break;
    if (kind === "invocation.completed") completed.add(requestId);
    else if (kind === "invocation.decided" && decision === "allow") {
      if (!completed.delete(requestId)) unfinished.push(event);
    }
  }
  return unfinished.reverse();
}

async function* newestFirst(audit: Pick<AuditLog, "read">): AsyncGenerator<AuditEntry> {
  let beforeSeq: number | undefined;
  for (;;) {
    const page = await audit.read({
      limit: PAGE,
      ...(beforeSeq === undefined ? {} : { beforeSeq }),
    });
    yield* page;
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined || last.seq <= 1) return;
    beforeSeq = last.seq;
  }
}

/** The outcome of one of them. */
export function unknownOutcome({ requestId, capability, credential }: AuditEvent): AuditEvent {
  return {
    kind: "invocation.completed",
    ...(requestId === undefined ? {} : { requestId }),
    ...(capability === undefined ? {} : { capability }),
    ...(credential === undefined ? {} : { credential }),
    outcome: "unknown",
    message: "the daemon ended before the outcome was recorded",
  };
}
