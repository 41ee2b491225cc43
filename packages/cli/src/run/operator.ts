/** The operator passphrase, and sessions of it. */
import type { WireOperatorPassphrase } from "@aivault/client";
import { wantsJson } from "../args.ts";
import { confirmed } from "../confirm.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { forgetSession, keepSession } from "../operator-session.ts";
import { type SecretKind, useSecretInput } from "../secret-input.ts";

const NEXT: SecretKind = { flag: "new-passphrase", what: "operator passphrase", twice: true };
const CURRENT: SecretKind = { flag: "current-passphrase", what: "current operator passphrase" };
const LOGIN: SecretKind = { flag: "passphrase", what: "operator passphrase" };

export async function runSet(context: Context): Promise<void> {
  const { session } = context;
  const operator = await session.operator();
  const { operatorPassphrase } = await operator.status();
  const change = (current?: Uint8Array) =>
    useSecretInput(context, "new operator passphrase (not shown):", NEXT, (next) =>
      confirmed(context, (confirmable) =>
        operator.setOperatorPassphrase({
          next,
          ...(current === undefined ? {} : { current }),
          ...confirmable,
        }),
      ),
    );
  const done = operatorPassphrase === true ? await withCurrent(context, change) : await change();
  forgetSession(session.location);
  report(context, done, "set; `aivault operator login` opens a session");
}

export async function runRemove(context: Context): Promise<void> {
  const { out, session } = context;
  const operator = await session.operator();
  const { operatorPassphrase } = await operator.status();
  if (operatorPassphrase === false) {
    report(context, { set: false }, "there is none");
    return;
  }
  const done = await withCurrent(context, (current) =>
    confirmed(context, (confirmable) =>
      operator.setOperatorPassphrase({ current, ...confirmable }),
    ),
  );
  forgetSession(session.location);
  report(context, done, "removed");
  out.note("everything that runs under this account can act as operator again");
}

export async function runLogin(context: Context): Promise<void> {
  const { args, out, session } = context;
  const operator = await session.operator();
  if ((await operator.status()).operatorPassphrase === false) {
    throw new CliError(
      "CLI_INPUT",
      "this vault has no operator passphrase, and needs no login",
      "`aivault operator set` sets one",
    );
  }
  const opened = await useSecretInput(context, "operator passphrase (not shown):", LOGIN, (value) =>
    operator.login(value),
  );
  keepSession(session.location, opened.session);
  const { expiresAtMs } = opened;
  if (wantsJson(args) || !out.isTerminal) out.json({ loggedIn: true, expiresAtMs });
  else out.answer(`logged in until ${new Date(expiresAtMs).toLocaleTimeString()}`);
}

export async function runLogout(context: Context): Promise<void> {
  const { args, out, session } = context;
  try {
    await (await session.operator()).logout();
  } finally {
    forgetSession(session.location);
  }
  if (wantsJson(args) || !out.isTerminal) out.json({ loggedIn: false });
  else out.answer("logged out");
}

function withCurrent<T>(context: Context, use: (current: Uint8Array) => Promise<T>): Promise<T> {
  return useSecretInput(context, "current operator passphrase (not shown):", CURRENT, use);
}

function report({ args, out }: Context, done: WireOperatorPassphrase, text: string): void {
  if (wantsJson(args) || !out.isTerminal) out.json(done);
  else out.answer(`operator passphrase: ${text}`);
}
