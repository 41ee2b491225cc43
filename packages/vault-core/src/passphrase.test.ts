import { argon2id } from "@noble/hashes/argon2.js";
import { describe, expect, it } from "vitest";
import { encodeBase64, encodeUtf8 } from "./bytes.ts";
import {
  type Argon2id,
  type Argon2idParameters,
  DEFAULT_COSTS,
  derivePassphraseKey,
  passphraseKeyProvider,
  portableArgon2id,
  SALT_BYTES,
} from "./passphrase.ts";

const passphrase = encodeUtf8("correct horse");
const salt = Uint8Array.from({ length: 16 }, (_, at) => at);
const stored: Argon2idParameters = { salt: encodeBase64(salt), ...DEFAULT_COSTS };
const code = (expected: string) => expect.objectContaining({ code: expected });

/** In place of Argon2id: remembers what it was asked. What Argon2id gives has vectors of its own. */
function recorder() {
  const calls: Parameters<Argon2id>[] = [];
  const argon2id: Argon2id = async (...call) => {
    calls.push(call);
    return new Uint8Array(32).fill(calls.length);
  };
  return { calls, argon2id };
}

const derive = (changes: Record<string, unknown>) => {
  const { calls, argon2id } = recorder();
  const parameters = { ...stored, ...changes } as Argon2idParameters;
  return { calls, key: derivePassphraseKey(passphrase, parameters, argon2id) };
};

describe("derivePassphraseKey", () => {
  it("hands on the passphrase, the salt and the stored costs", async () => {
    const { calls, key } = derive({});
    expect(await key).toEqual(new Uint8Array(32).fill(1));
    expect(calls).toEqual([[passphrase, salt, expect.objectContaining(DEFAULT_COSTS)]]);
  });

  it.each([
    ["memoryKib", 65_536],
    ["memoryKib", 4_194_304],
    ["passes", 2],
    ["passes", 64],
    ["lanes", 1],
    ["lanes", 16],
  ])("takes %s of %i", async (name, cost) => {
    const { calls, key } = derive({ [name]: cost });
    await key;
    expect(calls[0]?.[2]).toMatchObject({ [name]: cost });
  });

  it.each([
    ["memoryKib", 65_535],
    ["memoryKib", 4_194_305],
    ["passes", 1],
    ["passes", 65],
    ["lanes", 0],
    ["lanes", 17],
    ["lanes", 1.5],
    ["lanes", "1"],
    ["passes", Number.NaN],
    ["passes", undefined],
  ])("computes nothing with %s of %s", async (name, cost) => {
    const { calls, key } = derive({ [name]: cost });
    await expect(key).rejects.toEqual(code("VAULT_KEY_UNAVAILABLE"));
    expect(calls).toEqual([]);
  });

  it("names the cost that is out of bounds, and the bounds", async () => {
    await expect(derive({ passes: 65 }).key).rejects.toThrow(
      "Argon2id with passes 65 is outside 2 to 64",
    );
  });

  it.each([
    ["of fifteen bytes", encodeBase64(salt.subarray(1))],
    ["of none", ""],
    ["that is not base64", "?".repeat(24)],
    ["that is a number", 7],
    ["that is not there", undefined],
    ["that is a list", [stored.salt]],
  ])("computes nothing with a salt %s", async (_, wrong) => {
    const { calls, key } = derive({ salt: wrong });
    await expect(key).rejects.toEqual(code("VAULT_KEY_UNAVAILABLE"));
    await expect(key).rejects.toThrow("the stored Argon2id salt is malformed");
    expect(calls).toEqual([]);
  });

  it("takes a salt that is longer than a new one", async () => {
    const { calls, key } = derive({ salt: encodeBase64(new Uint8Array(17)) });
    await key;
    expect(calls[0]?.[1]).toEqual(new Uint8Array(17));
  });
});

describe("portableArgon2id", () => {
  it("is Argon2id with the costs it is given, and gives 32 bytes", async () => {
    const costs = { memoryKib: 16, passes: 2, lanes: 2 };
    const key = await portableArgon2id(passphrase, salt, costs);
    expect(key).toEqual(argon2id(passphrase, salt, { m: 16, t: 2, p: 2, dkLen: 32 }));
    expect(await portableArgon2id(passphrase, salt, { ...costs, passes: 3 })).not.toEqual(key);
  });
});

describe("passphraseKeyProvider", () => {
  it("makes the key of a new vault from a fresh salt, and says what to store", async () => {
    const { calls, argon2id } = recorder();
    const costs = { memoryKib: 65_536, passes: 2, lanes: 1 };
    const provider = passphraseKeyProvider(passphrase, { costs, argon2id });
    expect(provider.config).toEqual({ kind: "passphrase" });
    const asked: number[] = [];
    const key = await provider.create((length) => {
      asked.push(length);
      return salt;
    });
    expect(key).toEqual(new Uint8Array(32).fill(1));
    expect(asked).toEqual([SALT_BYTES]);
    const parameters = { salt: encodeBase64(salt), ...costs };
    expect(calls).toEqual([[passphrase, salt, parameters]]);
    expect(provider.config).toEqual({ kind: "passphrase", argon2id: parameters });
  });

  it("uses the stored costs when it unlocks, not its own", async () => {
    const { calls, argon2id } = recorder();
    const costs = { memoryKib: 65_536, passes: 2, lanes: 1 };
    const provider = passphraseKeyProvider(passphrase, { costs, argon2id });
    const config = { kind: "passphrase", argon2id: { ...stored, passes: 9 } } as const;
    await provider.obtain(config);
    expect(calls[0]?.[2]).toMatchObject({ passes: 9 });
    expect(provider.config).toEqual(config);
  });

  it("announces no parameters before a key was derived with them", async () => {
    const { argon2id } = recorder();
    const provider = passphraseKeyProvider(passphrase, {
      costs: { memoryKib: 1, passes: 3, lanes: 1 },
      argon2id,
    });
    await expect(provider.create(() => salt)).rejects.toEqual(code("VAULT_KEY_UNAVAILABLE"));
    expect(provider.config).toEqual({ kind: "passphrase" });
  });

  it("does not open what another provider keeps, and says which one does", async () => {
    const { calls, argon2id } = recorder();
    const provider = passphraseKeyProvider(passphrase, { argon2id });
    const file = provider.obtain({ kind: "file", path: "/k" });
    await expect(file).rejects.toEqual(code("VAULT_KEY_MISMATCH"));
    await expect(file).rejects.toThrow(
      "this vault is not opened with a passphrase but with its `file` provider",
    );
    await expect(provider.obtain()).rejects.toThrow("its `unknown` provider");
    await expect(provider.obtain({ kind: "passphrase" })).rejects.toEqual(
      code("VAULT_KEY_MISMATCH"),
    );
    expect(calls).toEqual([]);
  });

  it("is not made from an empty passphrase", () => {
    expect(() => passphraseKeyProvider(new Uint8Array())).toThrow(
      expect.objectContaining({
        code: "VAULT_INVALID_INPUT",
        message: "a passphrase is not empty",
      }),
    );
  });
});
