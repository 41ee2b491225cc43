import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { signAssertion } from "./oauth-assertion.ts";

const { AIVAULT_VECTORS } = process.env;
const folder =
  AIVAULT_VECTORS ?? fileURLToPath(new URL("../../../../shared/vectors", import.meta.url));

function vectors<T>(name: string): T | null {
  const path = join(folder, name);
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as T;
  process.stderr.write(`vectors: ${path} is not there; nothing was tested against it\n`);
  return null;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** RFC 7515 section 5.2, for the two algorithms there are. */
function isSignedBy(jwt: string, key: KeyObject): boolean {
  const [header = "", claims = "", signature = "", ...more] = jwt.split(".");
  if (more.length > 0) return false;
  const input = Buffer.from(`${header}.${claims}`);
  const octets = Buffer.from(signature, "base64url");
  return verify("sha256", input, { key, dsaEncoding: "ieee-p1363" }, octets);
}

interface Proofs {
  readonly proofs: readonly {
    readonly proof: string;
    readonly header: { readonly jwk: { readonly [member: string]: string } };
    readonly payload: object;
  }[];
}

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKeyPem: string;
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}

describe("what judges a JWT here", () => {
  it("accepts the JWTs of RFC 9449, writes them the same, and accepts none that is altered", () => {
    const published = vectors<Proofs>("rfc9449-dpop.json");
    if (published === null) return;
    for (const { proof, header, payload } of published.proofs) {
      const key = createPublicKey({ key: { ...header.jwk }, format: "jwk" });
      expect(isSignedBy(proof, key)).toBe(true);
      const [head, claims, signature = ""] = proof.split(".");
      expect([encode(header), encode(payload)]).toEqual([head, claims]);
      expect(isSignedBy(`${head}.${encode({ ...payload, iat: 1 })}.${signature}`, key)).toBe(false);
      expect(isSignedBy(`${head}.${claims}.${signature.slice(0, -4)}AAAA`, key)).toBe(false);
    }
  });

  it("agrees with Wycheproof about signatures of ES256", () => {
    const published = vectors<Wycheproof>("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    if (published === null) return;
    let agreed = 0;
    for (const { publicKeyPem, tests } of published.testGroups) {
      const key = createPublicKey(publicKeyPem);
      for (const { tcId, msg, sig, result } of tests) {
        const signature = Buffer.from(sig, "hex");
        const good = verify(
          "sha256",
          Buffer.from(msg, "hex"),
          { key, dsaEncoding: "ieee-p1363" },
          signature,
        );
        expect([tcId, good]).toEqual([tcId, result === "valid"]);
        agreed += 1;
      }
    }
    expect(agreed).toBeGreaterThan(100);
  });
});

describe("signAssertion", () => {
  const claims = { iss: "é", iat: 1 };

  it.each([
    ["RS256", "rsa", { modulusLength: 2048 }, 256],
    ["ES256", "ec", { namedCurve: "P-256" }, 64],
  ])("signs with %s", (alg, type, options, signatureBytes) => {
    const { privateKey, publicKey } = generateKeyPairSync(
      type as "rsa",
      options as { modulusLength: number },
    );
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const jwt = signAssertion({ key, keyId: null, claims });
    expect(isSignedBy(jwt, publicKey)).toBe(true);
    const [head, body, signature = ""] = jwt.split(".");
    expect([head, body]).toEqual([encode({ alg, typ: "JWT" }), encode(claims)]);
    expect(Buffer.from(signature, "base64url")).toHaveLength(signatureBytes);
    const named = signAssertion({ key, keyId: "k1", claims });
    expect(named.split(".")[0]).toBe(encode({ alg, typ: "JWT", kid: "k1" }));
  });

  it("G3: says nothing of a key that it cannot use", () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    const p384 = other.export({ type: "pkcs8", format: "pem" }).toString();
    for (const key of ["", "canary-key", `${p384.slice(0, 60)}canary-key`, p384]) {
      let thrown: unknown;
      try {
        signAssertion({ key, keyId: null, claims });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: "auth_failed" });
      expect(`${(thrown as Error).stack}${String((thrown as Error).cause)}`).not.toContain(
        "canary-key",
      );
    }
  });
});
