import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { argon2id } from "@noble/hashes/argon2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { seal } from "../src/aead.ts";
import { encodeHex, encodeUtf8 } from "../src/bytes.ts";
import { canonicalJson } from "../src/index.ts";
import { readVectors } from "./vectors.ts";

// The primitives this package is built on, against the vectors their standards print and, where
// the folder is there, against the published suites.

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const repeat = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
const attempt = <T>(run: () => T): T | null => {
  try {
    return run();
  } catch {
    return null;
  }
};

interface Wycheproof<T> {
  readonly testGroups: readonly (Record<string, unknown> & { readonly tests: readonly T[] })[];
}
interface WycheproofCase {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly [field: string]: unknown;
}

/** Runs each case and returns how many ran. */
function each(
  vectors: Wycheproof<WycheproofCase> | null,
  run: (test: Record<string, string>, group: Record<string, unknown>) => boolean,
): number {
  let count = 0;
  for (const group of vectors?.testGroups ?? []) {
    for (const test of group.tests) {
      const accepted = run(test as never, group);
      expect({ tcId: test.tcId, accepted }).toEqual({
        tcId: test.tcId,
        accepted: test.result === "valid",
      });
      count += 1;
    }
  }
  return count;
}

describe("XChaCha20-Poly1305", () => {
  it("is the one of draft-irtf-cfrg-xchacha-03 appendix A.3.1", () => {
    const key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
    const plaintext = encodeUtf8(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const box = xchacha20poly1305(key, nonce, hex("50515253c0c1c2c3c4c5c6c7")).encrypt(plaintext);
    expect(encodeHex(box)).toBe(
      "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
    );
  });

  it("is what seal computes, the context framed", () => {
    const key = repeat(1, 32);
    const sealed = seal(key, ["a", "bc"], encodeUtf8("x"), (length) => repeat(2, length));
    const associated = hex("00000001" + "61" + "00000002" + "6263");
    const box = xchacha20poly1305(key, repeat(2, 24), associated).encrypt(encodeUtf8("x"));
    expect(sealed).toEqual(Uint8Array.from([...repeat(2, 24), ...box]));
  });

  it("agrees with Wycheproof", () => {
    const vectors = readVectors<Wycheproof<WycheproofCase>>(
      "wycheproof/xchacha20_poly1305_test.json",
    );
    const count = each(vectors, ({ key, iv, aad, msg, ct, tag }) => {
      const opened = attempt(() =>
        xchacha20poly1305(hex(key as string), hex(iv as string), hex(aad as string)).decrypt(
          hex(`${ct}${tag}`),
        ),
      );
      return opened !== null && encodeHex(opened) === msg;
    });
    expect(count).toBe(vectors === null ? 0 : 315);
  });
});

describe("HMAC and HKDF with SHA-256", () => {
  it("are those of RFC 4231 section 4.2 and RFC 5869 appendix A.1", () => {
    expect(encodeHex(hmac(sha256, repeat(0x0b, 20), encodeUtf8("Hi There")))).toBe(
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    );
    const okm = hkdf(
      sha256,
      repeat(0x0b, 22),
      hex("000102030405060708090a0b0c"),
      hex("f0f1f2f3f4f5f6f7f8f9"),
      42,
    );
    expect(encodeHex(okm)).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  it("agree with Wycheproof", () => {
    const macs = readVectors<Wycheproof<WycheproofCase>>("wycheproof/hmac_sha256_test.json");
    const macCount = each(macs, ({ key, msg, tag }, group) => {
      const mac = hmac(sha256, hex(key as string), hex(msg as string));
      return encodeHex(mac.subarray(0, (group["tagSize"] as number) / 8)) === tag;
    });
    expect(macCount).toBe(macs === null ? 0 : 174);
    const kdfs = readVectors<Wycheproof<WycheproofCase>>("wycheproof/hkdf_sha256_test.json");
    const kdfCount = each(kdfs, ({ ikm, salt, info, size, okm }) => {
      const out = attempt(() =>
        hkdf(sha256, hex(ikm as string), hex(salt as string), hex(info as string), Number(size)),
      );
      return out !== null && encodeHex(out) === okm;
    });
    expect(kdfCount).toBe(kdfs === null ? 0 : 86);
  });
});

describe("Ed25519", () => {
  it("is the one of RFC 8032 section 7.1, test 1", () => {
    const seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    expect(encodeHex(ed25519.getPublicKey(seed))).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    expect(encodeHex(ed25519.sign(new Uint8Array(), seed))).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
  });

  it("agrees with Wycheproof under the strict rules of RFC 8032", () => {
    const vectors = readVectors<Wycheproof<WycheproofCase>>("wycheproof/ed25519_test.json");
    const count = each(vectors, ({ msg, sig }, group) => {
      const { pk } = group["publicKey"] as { pk: string };
      const options = { zip215: false };
      return (
        attempt(() => ed25519.verify(hex(sig as string), hex(msg as string), hex(pk), options)) ===
        true
      );
    });
    expect(count).toBe(vectors === null ? 0 : 151);
  });
});

describe("Argon2id", () => {
  it("is the one of RFC 9106 section 5.3", () => {
    const tag = argon2id(repeat(1, 32), repeat(2, 16), {
      t: 3,
      m: 32,
      p: 4,
      key: repeat(3, 8),
      personalization: repeat(4, 12),
      dkLen: 32,
    });
    expect(encodeHex(tag)).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  });

  it("agrees with the reference implementation", () => {
    interface Hash {
      readonly [field: string]: string | number;
    }
    const vectors = readVectors<{ hashes: readonly Hash[] }>("argon2.json");
    const hashes = (vectors?.hashes ?? []).filter(
      ({ type, version, memory_kib }) =>
        type === "argon2id" && version === 19 && (memory_kib as number) <= 4096,
    );
    for (const hash of hashes) {
      const tag = argon2id(encodeUtf8(`${hash["password"]}`), encodeUtf8(`${hash["salt"]}`), {
        t: hash["iterations"] as number,
        m: hash["memory_kib"] as number,
        p: hash["parallelism"] as number,
        dkLen: hash["tag_length"] as number,
      });
      expect(encodeHex(tag)).toBe(hash["tag_hex"]);
    }
    if (vectors !== null) expect(hashes.length).toBeGreaterThan(0);
  });
});

describe("canonicalJson", () => {
  it("gives the order and the numbers of RFC 8785 section 3.2", () => {
    const value = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it("agrees with the published cases", () => {
    const vectors = readVectors<{ cases: readonly { input: string; output: string }[] }>(
      "rfc8785-jcs.json",
    );
    for (const { input, output } of vectors?.cases ?? []) {
      expect(canonicalJson(JSON.parse(input))).toBe(output);
    }
    if (vectors !== null) expect(vectors.cases).toHaveLength(6);
  });

  it("refuses what is not JSON", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    for (const value of [undefined, () => 1, Number.NaN, 1n, "\ud800", new Date(), cycle]) {
      expect(() => canonicalJson(value)).toThrow(TypeError);
    }
  });
});
