/**
 * `invoke` and `json`: the frequent path, so it loads nothing that a plain call does not need.
 */
import {
  type AivaultClient,
  type InvokeResponse,
  isAivaultError,
  type WirePlan,
} from "@aivault/client";
import { isOn, text } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";
import { EXIT } from "../exit-status.ts";
import { printable } from "../output.ts";
import {
  completeRequest,
  envelopeFromPayload,
  invokeOptions,
  requestFromFlags,
} from "../payload.ts";

/** Print the provider's answer as it arrives. */
export async function runInvoke(context: Context): Promise<number> {
  const { args, out } = context;
  const answer = await call(context);
  if (answer.plan !== undefined) return printPlan(context, answer.plan);
  const { response } = answer;
  if (isOn(args, "include")) out.answer(headText(response));
  let last: number | undefined;
  for await (const chunk of response) {
    await out.octets(chunk);
    last = chunk.at(-1) ?? last;
  }
  // Keeps the shell's prompt off the answer's last line. A pipe gets exactly what the provider sent.
  if (out.isTerminal && last !== undefined && last !== 0x0a) out.answer("");
  return statusOf(context, response);
}

/** Print `{planned, response: {status, json}}`. */
export async function runJson(context: Context): Promise<number> {
  const answer = await call(context);
  if (answer.plan !== undefined) return printPlan(context, answer.plan);
  const { response } = answer;
  const json = await response.json().catch((error: unknown) => {
    if (!isAivaultError(error) || error.code !== "CLIENT_NOT_JSON") throw error;
    throw new CliError(
      "CLI_NOT_JSON",
      `the provider answered ${response.status} with a body that is not JSON`,
      "`aivault invoke` prints any body",
    );
  });
  const { capability, credential, method, url } = response.plan;
  context.out.json({
    planned: { capability, credential, method, url },
    response: { status: response.status, json },
  });
  return statusOf(context, response);
}

type Answer =
  | { readonly plan: WirePlan; readonly response?: never }
  | { readonly plan?: never; readonly response: InvokeResponse };

/** Make the call that the arguments describe. */
export async function call(context: Context): Promise<Answer> {
  const { args, session, signal, out } = context;
  const capability = args.positionals["capability"] as string;
  const dryRun = isOn(args, "dry-run");
  const options = { ...invokeOptions(args), signal };
  if (text(args, "client-ip") !== undefined) {
    out.warn("--client-ip is ignored: the daemon sees who calls");
  }

  refuseScope(context);

  const payload = await readPayload(context);
  if (payload !== null) {
    const envelope = envelopeFromPayload(payload, capability, { ...options, dryRun });
    const response = await session.asCaller((client) => client.invokeEnvelope(envelope, options));
    return dryRun ? { plan: await response.json<WirePlan>() } : { response };
  }

  const request = requestFromFlags(args);
  // Stdin can be read once. The daemon must be there before it is.
  if (text(args, "body-file-path") === "-") await session.awaitCaller();
  const progress = await progressOf(context);
  try {
    return await session.asCaller(async (client): Promise<Answer> => {
      const complete = await completed(client, request, capability);
      if (dryRun) return { plan: await client.plan(capability, complete, options) };
      const response = await client.invoke(capability, complete, {
        ...options,
        ...(progress === null ? {} : { onUpload: progress.onUpload }),
      });
      return { response };
    });
  } finally {
    progress?.clear();
  }
}

// Files alone are large enough to wait for.
async function progressOf({ args, out }: Context) {
  const files = ["body-file-path", "multipart-file"].some((name) => args.flags[name] !== undefined);
  if (!files || out.stderr.isTTY !== true) return null;
  const { uploadProgress } = await import("../upload-progress.ts");
  return uploadProgress(args, out);
}

/**
 * Older scripts say where a call acts, and the daemon believed them. It no longer does (G13), and a call
 * that ignored it would use another credential than the script means.
 */
function refuseScope({ args }: Context): void {
  const flag = ["workspace-id", "group-id"].find((name) => args.flags[name] !== undefined);
  if (flag === undefined) return;
  throw usageError(
    `--${flag} is not for callers to say: a call acts in the workspace of its token`,
    "name the credential with --credential, or have the operator mint a token: `aivault token mint --workspace-id ID --capability ID`",
  );
}

async function completed(
  client: AivaultClient,
  request: ReturnType<typeof requestFromFlags>,
  capability: string,
): Promise<ReturnType<typeof completeRequest>> {
  const { method, path, rest } = request;
  if (method !== undefined && path !== undefined) return { method, path, ...rest };
  return completeRequest(request, await client.describe(capability));
}

async function readPayload({ args }: Context): Promise<string | null> {
  const inline = text(args, "request");
  if (inline !== undefined) return inline;
  const path = text(args, "request-file");
  if (path === undefined) return null;
  const { readTextInput } = await import("../text-input.ts");
  return await readTextInput(path);
}

/** Print what a dry run planned. */
export function printPlan({ out }: Context, plan: WirePlan): number {
  out.json(plan);
  return EXIT.done;
}

function headText(response: InvokeResponse): string {
  const lines = response.headerList.map(({ name, value }) => `${name}: ${value}`);
  return `HTTP/1.1 ${response.status} ${response.statusText}\n${lines.join("\n")}\n`;
}

/**
 * The exit status of an answered call. A provider's status is an answer, not a failure, unless --fail
 * says otherwise. It is said either way: the body of an error can look like any other.
 */
export function statusOf({ args, out }: Context, response: InvokeResponse): number {
  if (response.status < 400) return EXIT.done;
  const said = printable(
    `the provider answered ${`${response.status} ${response.statusText}`.trim()}`,
  );
  if (!isOn(args, "fail")) {
    out.note(said);
    return EXIT.done;
  }
  out.error(said, null);
  return EXIT.failed;
}
