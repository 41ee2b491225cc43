/**
 * `oauth login`: a person's consent, from here to a secret in the vault. The daemon makes the address
 * and the verifier, exchanges the code and keeps the tokens; this process only carries the code.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  isAivaultError,
  type WireOAuthCallback,
  type WireOAuthLogin,
  type WireOAuthResult,
} from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { isOn, list, text, wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import { EXIT } from "../exit-status.ts";
import { callbackOf, type Loopback, listenForBrowser } from "../loopback.ts";
import { printable } from "../output.ts";
import { type SecretKind, useSecretInput } from "../secret-input.ts";
import { secretShape } from "../shapes.ts";

const CLIENT_SECRET: SecretKind = { flag: "client-secret", what: "client secret", optional: true };

/** More than any login lasts: the daemon's clock may be far ahead of one that was put back. */
const WAIT_MS_MAX = 60 * 60_000;

type Finished = Extract<WireOAuthResult, { done: true }>;

export async function runLogin(context: Context): Promise<number> {
  const { args, session } = context;
  const operator = await session.operator();
  const finished = isOn(args, "device")
    ? await throughDevice(context, operator)
    : await throughBrowser(context, operator);
  return await report(context, operator, finished);
}

async function throughBrowser(context: Context, operator: OperatorClient): Promise<Finished> {
  const { args, out } = context;
  const pastes = isOn(args, "paste");
  // Also when the address is pasted: the port is ours for as long as the login lasts, so that nobody
  // else's program gets the code.
  const loopback = await listenForBrowser(text(args, "redirect-uri"));
  try {
    const login = await begin(context, operator, loopback.redirectUri);
    if (login.flow !== "code") throw mismatch();
    return await orCancel(operator, login, async () => {
      out.note(`${consents(login)}, at this address:`);
      out.note(login.authorizationUrl);
      const callback = pastes
        ? await pastedCallback(context, login.state)
        : await browserCallback(context, login, loopback);
      return finishedOf(await operator.completeOAuthLogin(login.id, callback));
    });
  } finally {
    await loopback.close();
  }
}

/** Wait for the browser, and offer to open it meanwhile. */
async function browserCallback(
  context: Context,
  login: Extract<WireOAuthLogin, { flow: "code" }>,
  loopback: Loopback,
): Promise<WireOAuthCallback> {
  const { signal } = context;
  const late = AbortSignal.timeout(
    Math.min(Math.max(0, login.expiresAtMs - Date.now()), WAIT_MS_MAX),
  );
  const answered = new AbortController();
  void offerBrowser(context, login.authorizationUrl, answered.signal);
  try {
    return await loopback.answer(login.state, AbortSignal.any([signal, late]));
  } catch (error) {
    throw late.aborted && !signal.aborted ? tooLate(login.provider) : error;
  } finally {
    answered.abort();
  }
}

async function throughDevice(context: Context, operator: OperatorClient): Promise<Finished> {
  const { out, signal } = context;
  const login = await begin(context, operator, undefined);
  if (login.flow !== "device") throw mismatch();
  return await orCancel(operator, login, async () => {
    const { verificationUri, verificationUriComplete, userCode } = login;
    out.note(`${consents(login)}, on any device, at ${printable(verificationUri)}`);
    out.note(`with the code ${printable(userCode)}`);
    if (verificationUriComplete !== null) out.note(`or at ${printable(verificationUriComplete)}`);
    let waitMs = login.intervalMs;
    while (Date.now() < login.expiresAtMs) {
      await sleep(waitMs, undefined, { signal }).catch(() => {
        throw new CliError("CLI_CANCELLED", "cancelled; nothing was changed");
      });
      const result = await operator.pollOAuthLogin(login.id);
      if (result.done) return result;
      waitMs = result.waitMs;
    }
    throw tooLate(login.provider);
  });
}

function consents({ provider, oauthScopes }: WireOAuthLogin): string {
  const access = oauthScopes.length === 0 ? "access" : oauthScopes.join(" ");
  return `give your consent to ${access} at ${provider}`;
}

/** Begin, with the client secret if there is one to give. */
async function begin(
  context: Context,
  operator: OperatorClient,
  redirectUri: string | undefined,
): Promise<WireOAuthLogin> {
  const { args } = context;
  const clientId = text(args, "client-id");
  const scopes = list(args, "scope");
  const login = {
    provider: args.positionals["provider"] as string,
    flow: redirectUri === undefined ? ("device" as const) : ("code" as const),
    ...(clientId === undefined ? {} : { clientId }),
    ...(redirectUri === undefined ? {} : { redirectUri }),
    ...(scopes.length === 0 ? {} : { scopes }),
  };
  const givesSecret = ["client-secret-stdin", "client-secret-file"].some(
    (name) => args.flags[name] !== undefined,
  );
  if (clientId === undefined) {
    if (givesSecret) {
      throw usageError("a client secret goes with --client-id", "give both, or neither");
    }
    return await operator.beginOAuthLogin(login);
  }
  if (isOn(args, "public")) return await operator.beginOAuthLogin(login);
  const question = "client secret, empty if there is none (not shown):";
  return await useSecretInput(context, question, CLIENT_SECRET, (secret) =>
    secret.length === 0 ? operator.beginOAuthLogin(login) : operator.beginOAuthLogin(login, secret),
  );
}

/** Whatever ends it here, the daemon does not go on waiting. */
async function orCancel<T>(
  operator: OperatorClient,
  { id }: WireOAuthLogin,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await operator.cancelOAuthLogin(id).catch(() => undefined);
    throw error;
  }
}

/** Open the page if that is wanted; the login does not depend on it. */
async function offerBrowser(context: Context, url: string, signal: AbortSignal): Promise<void> {
  const { args, out } = context;
  const asks = process.stdin.isTTY === true && out.stderr.isTTY === true && !out.isQuiet;
  if (!isOn(args, "open")) {
    if (!asks) return;
    const { confirm } = await import("../prompt.ts");
    const wanted = await confirm("Open it in your browser?", { signal }).catch(() => false);
    if (!wanted || signal.aborted) return;
  }
  const { openInBrowser } = await import("../browser.ts");
  if (!(await openInBrowser(url)))
    out.warn("no browser could be opened; open the address yourself");
}

async function pastedCallback(context: Context, state: string) {
  const kind: SecretKind = { flag: "callback", what: "address" };
  const question = "the address that the browser ends at (not shown):";
  return await useSecretInput(context, question, kind, async (address) =>
    callbackOf(Buffer.from(address).toString("utf8").trim(), state),
  );
}

function finishedOf(result: WireOAuthResult): Finished {
  if (result.done) return result;
  throw mismatch();
}

async function report(
  context: Context,
  operator: OperatorClient,
  { secret, isNew, oauthScopes }: Finished,
): Promise<number> {
  const { args, out } = context;
  const provider = args.positionals["provider"] as string;
  const works = isOn(args, "no-verify") ? null : await verified(context, operator, secret.secretId);
  if (wantsJson(args) || !out.isTerminal) {
    out.json({ provider, secret: secretShape(secret), isNew, oauthScopes, verified: works });
  } else {
    out.answer(`logged in to ${provider}; ${secret.name} ${isNew ? "keeps" : "renews"} the login`);
  }
  if (works === true) out.note(`${provider} takes it: a harmless call worked`);
  if (works === false) {
    out.error(`${provider} does not take it: a harmless call was refused`, "check the scopes");
    return EXIT.failed;
  }
  out.note(`\`aivault capability list --provider ${provider}\` says what can be called`);
  return EXIT.done;
}

/** Whether the provider takes it; null when nobody knows a harmless call. */
async function verified(
  { out }: Context,
  operator: OperatorClient,
  secretId: string,
): Promise<boolean | null> {
  try {
    return (await operator.verifySecret(secretId)).ok;
  } catch (error) {
    if (!isAivaultError(error)) throw error;
    if (error.code !== "conflict") {
      out.warn(`it is stored, and could not be tried: ${error.message}`);
      return null;
    }
    out.note("it is stored; nobody knows a harmless call that would try it");
    return null;
  }
}

function tooLate(provider: string): CliError {
  return new CliError(
    "CLI_CANCELLED",
    "nobody consented in time; nothing was changed",
    `aivault oauth login ${provider}`,
  );
}

function mismatch(): CliError {
  return new CliError(
    "CLI_NOT_AVAILABLE",
    "the daemon answered in a way that this command does not know",
    "`aivault restart` starts the daemon of this version",
  );
}
