// A service inside the operator's network, with the built binaries and a vault that is no development
// vault: nothing but the sealed setting lets a call through to it.
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createCertificateAuthority } from "./support/certificate-authority.mjs";
import { aivault } from "./support/run.mjs";
import { createTempHome } from "./support/temp-home.mjs";

const KEY = "canary-build-0123456789abcdef";
const home = createTempHome();
const authority = createCertificateAuthority();
let server: Server;
let service = "";

const cli = (line: string, stdin = "") =>
  aivault(line.split(" "), { env: home.environment, ...(stdin === "" ? {} : { stdin }) });

async function done(line: string, stdin = ""): Promise<string> {
  const { status, stdout, stderr } = await cli(line, stdin);
  expect(status, `${line}\n${stderr}`).toBe(0);
  return stdout;
}

beforeAll(async () => {
  const { certificatePem, keyPem } = authority.issue({ hosts: ["localhost"] });
  server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    response.end(JSON.stringify({ path: request.url, key: request.headers["x-key"] === KEY }));
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  service = `localhost:${(server.address() as AddressInfo).port}`;
  await done("init --provider file");
  await done("secrets create BUILD_KEY --value-stdin", KEY);
});

afterAll(async () => {
  await cli("stop");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  home.remove();
});

it("G5: is reached once an operator has allowed its host and port, and not a moment longer", async () => {
  const credential =
    "credential create build --provider build --secret-ref BUILD_KEY --auth header --header-name x-key --value-template {{secret}} --host localhost";
  expect(await cli(credential)).toMatchObject({ status: 2 });
  expect(await cli(`settings set allowedInternal *.local:443`)).toMatchObject({ status: 2 });

  const caPath = join(home.home, "build-ca.pem");
  writeFileSync(caPath, authority.certificatePem);
  await done(`settings set allowedInternal ${service}=${caPath}`);
  const status = JSON.parse(await done("status --json"));
  expect(status.daemon.allowedInternal).toEqual([service]);
  await done(credential);
  await done(
    `capability create build/jobs --credential build --host ${service} --method GET --path /jobs`,
  );
  const answer = await done("invoke build/jobs --path /jobs/7");
  expect(JSON.parse(answer)).toEqual({ path: "/jobs/7", key: true });
  const audit = JSON.parse(await done("audit --capability build/jobs --json"));
  expect(JSON.stringify(audit)).toContain(`"internal":"${service}"`);

  await done("settings set allowedInternal none");
  expect(await cli("invoke build/jobs --path /jobs/7")).toMatchObject({ status: 1 });
});
