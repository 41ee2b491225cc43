import { list, text } from "../args.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { toMarkdown } from "../markdown.ts";
import { call, printPlan, statusOf } from "./invoke.ts";

/** Print the provider's JSON as Markdown; other text as it is. */
export async function runMarkdown(context: Context): Promise<number> {
  const { args, out } = context;
  const answer = await call(context);
  if (answer.plan !== undefined) return printPlan(context, answer.plan);
  const { response } = answer;
  const document = parse(await response.bytes());
  const { randomBytes } = await import("node:crypto");
  const markdown = toMarkdown(document, {
    nonce: randomBytes(6).toString("hex"),
    namespace: text(args, "namespace"),
    excludeFields: new Set(list(args, "exclude-field")),
    wrapFields: new Set(list(args, "wrap-field")),
  });
  await out.octets(Buffer.from(markdown, "utf8"));
  // As `invoke` does.
  if (out.isTerminal && markdown !== "" && !markdown.endsWith("\n")) out.answer("");
  return statusOf(context, response);
}

function parse(body: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new CliError(
      "CLI_NOT_JSON",
      "the provider's answer is neither JSON nor text",
      "`aivault invoke` prints any body",
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
