/**
 * `init` on a terminal: where the key is kept, a first secret, a first call. Every step can be left out,
 * and what was done before one is given up stays done.
 */
import { isAivaultError, type WireProvider } from "@aivault/client";
import type { OperatorClient } from "@aivault/client/operator";
import { canAsk } from "../confirm.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import type { ProviderChoice } from "../key-provider-flags.ts";
import { choose, confirm, type Option } from "../prompt.ts";
import { type SecretKind, useSecretInput } from "../secret-input.ts";
import { explainProvisioning } from "./secrets.ts";

const LATER = "";

/** Whether there is somebody to guide who has not said yet what they want. */
export function wantsGuide({ args, out }: Context): boolean {
  return Object.keys(args.flags).length === 0 && out.isTerminal && canAsk(out);
}

/** Where the vault's key is to be. */
export async function askKeyProvider(): Promise<ProviderChoice> {
  const keychain = KEYCHAINS[process.platform];
  const kind = await choose<ProviderChoice["kind"]>("Where is the vault's key to be kept?", [
    { value: "file", label: "in a file that only you can read", hint: "nothing to type" },
    ...(keychain === undefined ? [] : [keychain]),
    { value: "passphrase", label: "in your head, as a passphrase", hint: "typed at each unlock" },
  ]);
  return { kind };
}

const KEYCHAINS: Partial<Record<NodeJS.Platform, Option<ProviderChoice["kind"]>>> = {
  darwin: { value: "macos-keychain", label: "in the macOS keychain" },
  linux: { value: "secret-service", label: "in the desktop's keyring (Secret Service)" },
  win32: { value: "credential-manager", label: "in the Windows Credential Manager" },
};

/** What comes after the vault is made. */
export async function guideOn(context: Context): Promise<void> {
  const { out, session } = context;
  try {
    const operator = await session.operator();
    const provider = await askProvider(operator);
    if (provider === null) {
      out.note("later: `aivault secrets create NAME`, with the name of a provider's key");
      return;
    }
    const names = await storeSecrets(context, operator, provider);
    const [first] = names;
    if (first !== undefined) await tryCall(context, operator, provider, first);
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "CLI_CANCELLED") throw error;
    throw new CliError(
      "CLI_CANCELLED",
      "the guide ends here; the vault is made, and what was stored is stored",
      "`aivault secrets create NAME` goes on",
    );
  }
}

async function askProvider(operator: OperatorClient): Promise<WireProvider | null> {
  const { items } = await operator.providers();
  const options = items
    .map(({ id, name, category }) => ({ value: id, label: name, hint: category }))
    .sort((a, b) => a.label.localeCompare(b.label, "en"));
  const id = await choose(
    "Whose key do you want to store first? Type to search.",
    [{ value: LATER, label: "none now" }, ...options],
    { searchable: true },
  );
  return id === LATER ? null : await operator.provider(id);
}

interface SecretDefinition {
  readonly name: string;
  readonly placeholder: string;
  readonly description: string;
  readonly pattern: string;
  readonly opaque?: boolean;
  readonly optional?: boolean;
}

/** Ask for what the provider's own credential is made of. @returns The names that were stored. */
async function storeSecrets(
  context: Context,
  operator: OperatorClient,
  provider: WireProvider,
): Promise<readonly string[]> {
  const { out } = context;
  const { secrets, auth } = provider as unknown as {
    readonly secrets: readonly SecretDefinition[];
    readonly auth: { readonly strategy: string; readonly authorizationUrl?: string };
  };
  if (auth.strategy === "oauth2" && auth.authorizationUrl !== undefined) {
    out.note(`one logs in to ${provider.name} with an application of one's own:`);
    out.note(`aivault oauth login ${provider.id} --client-id ID`);
    return [];
  }
  const stored: string[] = [];
  for (const definition of secrets.filter(({ optional }) => optional !== true)) {
    const { name, description } = definition;
    out.note(description);
    const kind: SecretKind = { flag: "value", what: `value of ${name}` };
    let isStored = false;
    while (!isStored) {
      const question = `value of ${name} (not shown):`;
      isStored = await useSecretInput(context, question, kind, async (value) => {
        if (!(await isMeant(definition, value))) return false;
        const { secret, provisioning } = await operator.createSecret({ name }, value);
        explainProvisioning(out, secret, provisioning);
        return true;
      });
    }
    stored.push(name);
  }
  return stored;
}

/** Whether a value that does not look like one of these is to be stored all the same. */
async function isMeant(definition: SecretDefinition, value: Uint8Array): Promise<boolean> {
  const { name, pattern, opaque } = definition;
  // The value is a string for a moment, which JavaScript cannot wipe; the reference goes with it.
  if (opaque === true || new RegExp(pattern, "u").test(Buffer.from(value).toString("utf8"))) {
    return true;
  }
  return await confirm(`This does not look like a value of ${name}. Store it anyway?`);
}

async function tryCall(
  { out }: Context,
  operator: OperatorClient,
  provider: WireProvider,
  name: string,
): Promise<void> {
  const { verify, capabilities } = provider as unknown as {
    readonly verify?: { readonly capability: string };
    readonly capabilities: readonly { readonly id: string }[];
  };
  if (verify !== undefined && (await confirm("Try it with a harmless call?", { yes: true }))) {
    await operator.verifySecret(name).then(
      ({ ok, status, method, url }) => {
        const says = `${provider.name} answered ${status} to ${method} ${url}`;
        if (ok) out.answer(`it works: ${says}`);
        else out.warn(`it does not work: ${says}; \`aivault secrets rotate ${name}\``);
      },
      (error: unknown) => {
        if (!isAivaultError(error)) throw error;
        out.warn(`it could not be tried: ${error.message}`);
      },
    );
  }
  const first = verify?.capability ?? capabilities[0]?.id;
  out.note(`next: \`aivault capability list --ready\`, \`aivault capability describe ${first}\``);
}
