import { describe, expect, it } from "vitest";
import {
  createSecretId,
  DOCUMENT_KINDS,
  isSecretId,
  requireDocumentId,
  requireDocumentKind,
  requireIdentifier,
  requireName,
  requireSecretId,
} from "./identifiers.ts";

const ID = "01234567-89ab-4cde-8f01-23456789abcd";
const invalid = expect.objectContaining({ code: "VAULT_INVALID_INPUT" });
const refusedBy = (check: () => unknown) => expect(check).toThrow(invalid);

describe("a secret id", () => {
  it("is a lower-case version 4 UUID of the bytes it is made from", () => {
    const counting = (length: number) => Uint8Array.from({ length }, (_, at) => at * 17);
    expect(createSecretId(counting)).toBe("00112233-4455-4677-8899-aabbccddeeff");
    expect(createSecretId((length) => new Uint8Array(length).fill(0xff))).toBe(
      "ffffffff-ffff-4fff-bfff-ffffffffffff",
    );
    expect(createSecretId((length) => new Uint8Array(length))).toBe(
      "00000000-0000-4000-8000-000000000000",
    );
  });

  it.each([ID, ID.replace("8f01", "bf01"), ID.replace("8f01", "9f01"), ID.replace("8f01", "af01")])(
    "may be %s",
    (id) => {
      expect(isSecretId(id)).toBe(true);
      expect(requireSecretId(id)).toBe(id);
    },
  );

  it.each([
    null,
    undefined,
    7,
    [ID],
    "",
    ID.toUpperCase(),
    ID.replaceAll("-", ""),
    `${ID}0`,
    `0${ID}`,
    `${ID}\n`,
    `x\n${ID}`,
    ID.slice(1),
    ID.slice(0, -1),
    ID.replace("-89ab", "-89a"),
    ID.replace("4cde", "1cde"),
    ID.replace("4cde", "4cd"),
    ID.replace("8f01", "7f01"),
    ID.replace("8f01", "cf01"),
    ID.replace("8f01", "8f0"),
    ID.replace("0123", "g123"),
    ID.replace("89ab", "89ag"),
    ID.replace("4cde", "4cdg"),
    ID.replace("8f01", "8f0g"),
    ID.replace("23456789abcd", "23456789abcg"),
    `../${ID}`,
  ])("is never %j", (id) => {
    expect(isSecretId(id)).toBe(false);
    refusedBy(() => requireSecretId(id));
  });

  it("that is malformed is refused with a hint at where to find one", () => {
    expect(() => requireSecretId("x")).toThrow(
      "a secret id is a lower-case UUID, as `secrets list` prints it",
    );
  });
});

describe("a workspace, group or provider id", () => {
  it.each(["a", "Z", "0", "9", "a.b_c@d+e-f", "A".repeat(128)])("may be %s", (id) => {
    expect(requireIdentifier(id, "group id")).toBe(id);
  });

  it.each([
    null,
    1,
    ["a"],
    "",
    ".a",
    "-a",
    "_a",
    "a/b",
    "a b",
    "a\n",
    "é",
    "a*",
    "a:",
    "A".repeat(129),
  ])("is never %j", (id) => {
    refusedBy(() => requireIdentifier(id, "group id"));
  });

  it("is called what it is in the refusal", () => {
    expect(() => requireIdentifier("", "group id")).toThrow(
      "a group id is 1 to 128 letters, digits or `._@+-`, and starts with a letter or digit",
    );
  });
});

describe("a name", () => {
  it.each(["A", "OPENAI_API_KEY", "two words", "caf\u00e9", "密钥", "🔑", "x".repeat(128)])(
    "may be %s",
    (name) => {
      expect(requireName(name)).toBe(name);
    },
  );

  it.each([
    ["nothing", ""],
    ["null", null],
    ["a number", 5],
    ["a list", ["A"]],
    ["129 characters", "x".repeat(129)],
    ["a leading space", " A"],
    ["a trailing space", "A "],
    ["a line feed", "A\nB"],
    ["a delete", "A\u007fB"],
    ["a zero-width joiner", "A\u200dB"],
    ["a direction override", "A\u202eB"],
    ["half a character", "A\ud800B"],
    ["a private character", "A\ue000B"],
    ["an unassigned character", "A\u0378B"],
    ["a line separator", "A\u2028B"],
    ["a paragraph separator", "A\u2029B"],
    ["a no-break space", "A\u00a0B"],
    ["an ideographic space", "A\u3000B"],
    ["a decomposed letter", "cafe\u0301"],
  ])("never has %s", (_, name) => {
    refusedBy(() => requireName(name));
  });

  it("is called what it is in the refusal", () => {
    expect(() => requireName("")).toThrow("a secret's name has 1 to 128 characters");
    expect(() => requireName(" a", "alias")).toThrow(
      "a secret's alias must not have outer spaces, control or invisible characters",
    );
  });
});

describe("a document", () => {
  it("has one of the known kinds", () => {
    expect(DOCUMENT_KINDS).toEqual([
      "credential",
      "capability",
      "policy",
      "binding",
      "token",
      "settings",
      "provider",
      "state",
    ]);
    for (const kind of DOCUMENT_KINDS) expect(requireDocumentKind(kind)).toBe(kind);
    for (const kind of ["", "Policy", "policies", "secrets", null, ["policy"]]) {
      refusedBy(() => requireDocumentKind(kind));
    }
    expect(() => requireDocumentKind("x")).toThrow(
      "a document kind is one of credential, capability, policy, binding, token, settings, provider, state",
    );
  });

  it.each(["a", "*", "0", "openai/chat", "*:*/*", "a.b_c@d+e:f*g/h-i", "x".repeat(256)])(
    "may have the id %s",
    (id) => {
      expect(requireDocumentId(id)).toBe(id);
    },
  );

  it.each([null, 4, ["a"], "", "/a", ".a", "a b", "a\n", "\na", "é", "a\\b", "x".repeat(257)])(
    "never has the id %j",
    (id) => {
      refusedBy(() => requireDocumentId(id));
    },
  );

  it("is refused with the characters an id may have", () => {
    expect(() => requireDocumentId("")).toThrow(
      "a document id is 1 to 256 letters, digits or `._@+:*/-`, and starts with a letter, digit or `*`",
    );
  });
});
