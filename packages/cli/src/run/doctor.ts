/**
 * What usually goes wrong, checked one by one, each with the command that puts it right.
 */
import { wantsJson } from "../args.ts";
import type { Context } from "../context.ts";
import { daemon } from "../doctor/daemon.ts";
import { environment, nodeVersion } from "../doctor/environment.ts";
import { files } from "../doctor/files.ts";
import type { Finding } from "../doctor/finding.ts";
import { sharedAccess } from "../doctor/shared-access.ts";
import { EXIT } from "../exit-status.ts";
import { counted } from "../table.ts";

/** Check everything; with `--fix`, put right what is safe to. */
export async function runDoctor(context: Context): Promise<number> {
  const { args, env, out } = context;
  const findings = [
    nodeVersion(),
    ...environment(env),
    ...(await files(context)),
    ...(await sharedAccess(context)),
    ...(await daemon(context)),
  ];
  const isWrong = findings.some(({ state }) => state === "wrong");
  if (wantsJson(args)) out.json({ ok: !isWrong, checks: findings });
  else {
    const { green, yellow, red } = out.colors;
    const marks = {
      ok: green("ok     "),
      warning: yellow("warning"),
      wrong: red("wrong  "),
      fixed: green("fixed  "),
    };
    for (const { name, state, message, hint } of findings) {
      out.answer(`${marks[state]}  ${name}: ${message}`);
      if (hint !== null) out.answer(`         ${hint}`);
    }
    out.note(verdict(findings));
  }
  return isWrong ? EXIT.failed : EXIT.done;
}

function verdict(findings: readonly Finding[]): string {
  const number = (wanted: Finding["state"]) =>
    findings.filter(({ state }) => state === wanted).length;
  const [wrong, warnings] = [number("wrong"), number("warning")];
  const parts = [
    ...(wrong > 0 ? [counted(wrong, "thing is wrong", "things are wrong")] : []),
    ...(warnings > 0 ? [counted(warnings, "warning")] : []),
  ];
  return parts.length === 0 ? "everything is in order" : parts.join(", ");
}
