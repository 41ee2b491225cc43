// A development vault with one OpenAI key, the real daemon, and the stand-in provider, for a benchmark.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { aivault } from "../e2e/support/run.mjs";
import { startStandIn } from "../e2e/support/start-stand-in.mjs";
import { createTempHome } from "../e2e/support/temp-home.mjs";

export async function developmentDaemon() {
  const secret = `sk-bench-${randomBytes(24).toString("base64url")}`;
  const standIn = await startStandIn({ credentials: { "api.openai.com": { secret } } });
  const home = createTempHome();
  // NODE_EXTRA_CA_CERTS alone costs 45 ms at each start, so nothing is inherited but PATH.
  const env = { ...home.environment, ...standIn.daemonEnvironment };
  const must = async (args, options = {}) => {
    const result = await aivault(args, { env, ...options });
    if (result.status !== 0) throw new Error(`aivault ${args[0]} failed: ${result.stderr}`);
    return result.stdout;
  };
  await must(["init", "--dev", "--provider", "file"]);
  await must(["secrets", "create", "--name", "OPENAI_API_KEY", "--value-stdin"], { stdin: secret });
  const socket = join(home.vaultDirectory, "run", "aivaultd.sock");
  return {
    secret,
    standIn,
    directory: home.home,
    socket,
    callerEnv: { PATH: process.env.PATH ?? "", ...home.environment },
    async close() {
      await must(["stop"]);
      await standIn.stop();
      home.remove();
    },
  };
}
