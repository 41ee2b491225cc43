// Every scheme that `credential create` can describe, as a real daemon takes it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealDaemon, realDaemon } from "./real-daemon.ts";
import { aivault } from "./terminal.ts";

let daemon: RealDaemon;
beforeAll(async () => {
  daemon = await realDaemon();
  for (const name of ["ONE", "TWO"]) {
    await aivault(["secrets", "create", name, "--value", "x"], { env: daemon.env });
  }
});
afterAll(() => daemon[Symbol.asyncDispose]());

const create = (id: string, flags: string) =>
  aivault(
    [..."credential create".split(" "), id, "--provider", id, ...flags.split(" ")].filter(Boolean),
    { env: daemon.env },
  );
const ONE = "--secret-ref ONE --host api.own.example";

describe("aivault credential create", () => {
  it.each<[string, string, object]>([
    ["header", `${ONE} --auth header`, { name: "authorization", template: "Bearer {{secret}}" }],
    ["query", `${ONE} --auth query`, { name: "api_key" }],
    ["path", `${ONE} --auth path`, { template: "/bot{{secret}}" }],
    [
      "basic",
      "--secret username=ONE --secret password=TWO --host api.own.example --auth basic",
      { username: "{{username}}" },
    ],
    [
      "multi-header",
      "--secret a=ONE --secret b=TWO --host api.own.example --auth multi-header --auth-header X-A={{a}} --auth-header X-B={{b}}",
      {
        headers: [
          { name: "x-a", template: "{{a}}" },
          { name: "x-b", template: "{{b}}" },
        ],
      },
    ],
    [
      "multi-query",
      "--secret a=ONE --secret b=TWO --host api.own.example --auth multi-query --auth-query a={{a}} --auth-query b={{b}}",
      {
        params: [
          { name: "a", template: "{{a}}" },
          { name: "b", template: "{{b}}" },
        ],
      },
    ],
    [
      "oauth2",
      `${ONE} --auth o-auth2 --token-endpoint https://login.own.example/token --scope read --scope write`,
      {
        strategy: "oauth2",
        grants: ["refresh_token"],
        tokenUrl: "https://login.own.example/token",
        document: "secret",
        scopes: { read: "", write: "" },
      },
    ],
    [
      "aws-sigv4",
      "--secret accessKeyId=ONE --secret secretAccessKey=TWO --host s3.own.example --auth aws-sigv4 --aws-region eu-west-1",
      { services: { "s3.own.example": "s3" }, defaultRegion: "eu-west-1" },
    ],
    [
      "hmac",
      `${ONE} --auth hmac --header-name x-sig --hmac-algorithm sha512`,
      {
        algorithm: "sha512",
        message: "{{method}}\n{{path}}\n{{query}}",
        headers: [{ name: "x-sig", template: "sha512={{signature}}" }],
      },
    ],
    [
      "hmac-two",
      "--secret key=ONE --secret id=TWO --host api.own.example --auth hmac --hmac-encoding base64url --hmac-timestamp unix-ms --hmac-message {{timestamp}}{{nonce}}{{body_sha256}} --auth-header x-id={{id}} --auth-header x-time={{timestamp}}",
      {
        key: "key",
        signatureEncoding: "base64url",
        timestamp: "unix-ms",
        headers: [
          { name: "x-signature", template: "sha256={{signature}}" },
          { name: "x-id", template: "{{id}}" },
          { name: "x-time", template: "{{timestamp}}" },
        ],
      },
    ],
    ["mtls", `${ONE} --auth mtls`, { certificate: "secret", privateKey: "secret" }],
    [
      "mtls-two",
      "--secret certificate=ONE --secret privateKey=TWO --host api.own.example --auth mtls",
      { certificate: "certificate", privateKey: "privateKey" },
    ],
  ])("makes one of the scheme %s", async (id, flags, auth) => {
    const done = await create(id, flags);
    expect(done.status, done.stderr).toBe(0);
    expect(JSON.parse(done.stdout).auth).toMatchObject(auth);
  });

  it.each([
    ["a flag of another scheme", `${ONE} --auth query --aws-region x`],
    ["oauth2 without its endpoint", `${ONE} --auth oauth2`],
    ["aws-sigv4 with one secret", `${ONE} --auth aws-sigv4`],
    ["hmac with two", "--secret a=ONE --secret b=TWO --host h.example --auth hmac"],
    ["a flag of databases", `${ONE} --auth header --max-policy-mode read-only`],
  ])("refuses %s", async (_, flags) => {
    const done = await create("refused", flags);
    expect(done).toMatchObject({ status: 2, stdout: "" });
    expect(done.stderr).toContain("hint:");
  });
});
