/**
 * What the scripts of `aivault completion` ask at every tab.
 */
import { createClient } from "@aivault/client";
import { createOperatorClient, type OperatorClient } from "@aivault/client/operator";
import { tokenFromEnvironment, tokenHeaders } from "../caller-token.ts";
import { type Candidate, complete, type Names } from "../completion.ts";
import { locateVault } from "../location.ts";
import { readSession } from "../operator-session.ts";
import { type Environment, type Output, printable } from "../output.ts";

/** Answer a completion script: a candidate and its summary per line, or `:file`. */
export async function answerCompletion(
  words: readonly string[],
  out: Output,
  env: Environment,
): Promise<number> {
  const candidates = await complete(words, namesFrom(env));
  if (candidates === "file") out.answer(":file");
  else for (const { word, summary } of candidates) out.answer(`${word}\t${printable(summary)}`);
  return 0;
}

const PATIENCE_MS = 3_000;

// A shell waits for this at every tab: what cannot be had at once is left out.
function namesFrom(env: Environment): Names {
  return async (kind) => {
    const patience = new Promise<readonly Candidate[]>((resolve) => {
      setTimeout(resolve, PATIENCE_MS, []).unref();
    });
    return await Promise.race([fetchNames(kind, env).catch(() => []), patience]);
  };
}

// With the session of `operator login`, where there has to be one.
function operatorClient(env: Environment): OperatorClient {
  return createOperatorClient({ env, session: readSession(locateVault(env)) });
}

async function fetchNames(
  kind: Parameters<Names>[0],
  env: Environment,
): Promise<readonly Candidate[]> {
  if (kind === "capability") return await capabilityNames(env);
  const operator = operatorClient(env);
  try {
    return await LISTS[kind](operator);
  } finally {
    operator.close();
  }
}

const LISTS: Readonly<
  Record<
    Exclude<Parameters<Names>[0], "capability">,
    (operator: OperatorClient) => Promise<readonly Candidate[]>
  >
> = {
  credential: async (operator) =>
    (await operator.credentials()).map(({ id, provider }) => ({ word: id, summary: provider })),
  secret: async (operator) =>
    (await operator.secrets()).map(({ name, pinnedProvider }) => ({
      word: name,
      summary: pinnedProvider ?? "",
    })),
  provider: async (operator) =>
    (await operator.providers()).items.map(({ id, name }) => ({ word: id, summary: name })),
  token: async (operator) =>
    (await operator.tokens())
      .filter(({ revokedAtMs }) => revokedAtMs === null)
      .map(({ tokenId, label }) => ({ word: tokenId, summary: label ?? "" })),
};

// An operator is told of all, a caller of those that are ready, a token's holder of those it may use.
async function capabilityNames(env: Environment): Promise<readonly Candidate[]> {
  const token = tokenFromEnvironment(env);
  const caller = createClient({ env, headers: tokenHeaders(token) });
  for (const client of token === undefined ? [operatorClient(env), caller] : [caller]) {
    try {
      const capabilities = await client.capabilities();
      return capabilities.map(({ id, description }) => ({ word: id, summary: description }));
    } catch {
      // Not the operator, or nobody listens: the next one knows.
    } finally {
      client.close();
    }
  }
  return [];
}
