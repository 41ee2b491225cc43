import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCertificateAuthority } from "./certificate-authority.mjs";

// An independent implementation, where there is one.
const OPENSSL = "openssl";
const hasOpenssl = spawnSync(OPENSSL, ["version"]).status === 0;
if (!hasOpenssl) process.stderr.write("SKIPPED: no openssl to verify certificates with\n");

/** What `openssl verify` says of a fresh leaf, in its strictest mode. */
function opensslVerify(purpose: "sslserver" | "sslclient", hosts: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), "ca-"));
  try {
    const authority = createCertificateAuthority();
    const leaf = authority.issue({ hosts, client: purpose === "sslclient" });
    writeFileSync(join(directory, "ca.pem"), authority.certificatePem);
    writeFileSync(join(directory, "leaf.pem"), leaf.certificatePem);
    const args = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", "leaf.pem"];
    const { stdout, stderr } = spawnSync(OPENSSL, args, { cwd: directory, encoding: "utf8" });
    return `${stdout}${stderr}`.trim();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("createCertificateAuthority", () => {
  it("issues leaves for names and addresses, signed by itself", () => {
    const authority = createCertificateAuthority();
    const issued = authority.issue({ hosts: ["api.openai.com", "127.0.0.1"] });
    const leaf = new X509Certificate(issued.certificatePem);
    const root = new X509Certificate(authority.certificatePem);

    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.checkHost("api.openai.com")).toBe("api.openai.com");
    expect(leaf.checkHost("api.openai.com.evil.example")).toBeUndefined();
    expect(leaf.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(leaf.checkPrivateKey(createPrivateKey(issued.keyPem))).toBe(true);
    expect([root.ca, leaf.ca]).toEqual([true, false]);
  });

  it.skipIf(!hasOpenssl).each([
    ["a server with one name", "sslserver", ["api.openai.com"]],
    ["a server with many names", "sslserver", Array.from({ length: 40 }, (_, n) => `h${n}.test`)],
    ["a client", "sslclient", ["127.0.0.1"]],
  ] as const)("satisfies openssl verify -x509_strict for %s", (_, purpose, hosts) => {
    expect(opensslVerify(purpose, hosts)).toBe("leaf.pem: OK");
  });
});
