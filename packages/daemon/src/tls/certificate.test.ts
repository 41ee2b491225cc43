import { spawnSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { makeLocalCertificate } from "./certificate.ts";

const NAMES = ["localhost", "127.0.0.1", "::1"];
const make = (names: readonly string[] = NAMES, nowMs = Date.now()) =>
  makeLocalCertificate({ names, nowMs, random: (length) => randomBytes(length) });

/** What a client that trusts the authority says to a server of this certificate under a name. */
async function handshake(
  { certificate, key, authority }: ReturnType<typeof make>,
  name: string,
): Promise<string> {
  const server = createServer({ cert: certificate, key }).on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      const client = connect({ host: "127.0.0.1", port, ca: authority, servername: name }, () => {
        resolve("trusted");
        client.destroy();
      });
      client.on("error", (error) => resolve(error.message));
    });
  } finally {
    server.close();
  }
}

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl)
  process.stderr.write("SKIPPED: no openssl to check the certificate strictly with\n");

describe("makeLocalCertificate", () => {
  it("is for this machine, and for nothing longer than clients accept", () => {
    const { certificate, authority } = make();
    const leaf = new X509Certificate(certificate);
    const root = new X509Certificate(authority);
    for (const name of ["127.0.0.1", "::1"]) expect(leaf.checkIP(name)).toBe(name);
    expect(leaf.checkHost("localhost")).toBe("localhost");
    expect([root.ca, leaf.ca, leaf.verify(root.publicKey)]).toEqual([true, false, true]);
    const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 86_400_000;
    expect(days).toBe(825);
    expect(make().authority).not.toBe(authority);
  });

  it("is trusted by a client that trusts its authority", async () => {
    expect(await handshake(make(), "localhost")).toBe("trusted");
  });

  it.each(["api.openai.com", "localhost.evil.test"])(
    "is worth nothing for %s, even if it says so",
    async (name) => {
      expect(await handshake(make([name]), name)).toBe("permitted subtree violation");
    },
  );

  it("is worth nothing for an address elsewhere", () => {
    expect(() => make(["fe80::1"])).toThrow(RangeError);
  });

  it("writes years of four digits where RFC 5280 wants them", () => {
    const { validTo } = new X509Certificate(make(NAMES, Date.UTC(2051, 0, 1)).certificate);
    expect(validTo).toContain("2053");
  });

  it.skipIf(!hasOpenssl)("passes openssl's strictest check", () => {
    const directory = mkdtempSync(join(tmpdir(), "aivault-tls-"));
    try {
      const { certificate, authority } = make();
      const [leaf, root] = [join(directory, "leaf.pem"), join(directory, "ca.pem")];
      writeFileSync(leaf, certificate);
      writeFileSync(root, authority);
      const flags = ["-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1"];
      const { stdout, stderr } = spawnSync("openssl", ["verify", ...flags, "-CAfile", root, leaf]);
      expect(`${stdout}${stderr}`).toBe(`${leaf}: OK\n`);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
