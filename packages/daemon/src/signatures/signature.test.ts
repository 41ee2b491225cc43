import { createPublicKey, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseSignature, type SignedMessage, signatureBase } from "./signature.ts";

const folder =
  process.env["AIVAULT_VECTORS"] ??
  fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));
const file = join(folder, "rfc9421-http-message-signatures.json");
const present = existsSync(file);
if (!present) process.stderr.write(`SKIPPED: ${file} is absent, its cases are NOT run\n`);
const vectors = present
  ? JSON.parse(readFileSync(file, "utf8"))
  : { messages: {}, cases: [], transformations: [], keys: {} };

interface Case {
  readonly id: string;
  readonly message: string;
  readonly raw_message: string;
  readonly alg: string;
  readonly key: string;
  readonly signature_input: string;
  readonly signature: string;
  readonly signature_base: string;
  readonly expected: string;
}

/** A request in text, as the RFC prints it. */
function parse(raw: string): SignedMessage {
  const [head = ""] = raw.split(/\r?\n\r?\n/);
  const [requestLine = "", ...lines] = head.split(/\r?\n/);
  const [method = "", target = ""] = requestLine.split(" ");
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const [path = "", query = ""] = target.split("?");
  const host = rawHeaders[rawHeaders.findIndex((name) => name.toLowerCase() === "host") + 1] ?? "";
  return { method, path, query, authority: host, rawHeaders };
}

function header({ rawHeaders }: SignedMessage, name: string): string {
  const place = rawHeaders.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name);
  return rawHeaders[place + 1] ?? "";
}

describe.skipIf(!present)("RFC 9421 appendix B", () => {
  const requests = vectors.cases.filter(
    ({ message, signature_input }: Case) =>
      message !== "response" && !signature_input.includes("@query-param"),
  );

  it.each<Case>(requests)("has the signature base of $id", (each) => {
    const raw = each.message === "inline" ? each.raw_message : vectors.messages["test-request"];
    const signature = parseSignature(each.signature_input, each.signature);
    expect(signature).not.toBeNull();
    if (signature === null) return;
    expect(signatureBase(parse(raw), signature)).toBe(each.signature_base);
    if (each.alg !== "ed25519") return;
    const key = createPublicKey(vectors.keys[each.key].public_pem);
    expect(verify(null, Buffer.from(each.signature_base), key, signature.octets)).toBe(true);
  });

  it.each<Case>(vectors.transformations)("G12: judges $id, $why", (each) => {
    const message = parse(each.raw_message);
    const signature = parseSignature(
      header(message, "signature-input"),
      header(message, "signature"),
    );
    expect(signature).not.toBeNull();
    if (signature === null) return;
    const base = signatureBase(message, signature) ?? "";
    const key = createPublicKey(vectors.keys[each.key].public_pem);
    const fits = verify(null, Buffer.from(base), key, signature.octets);
    expect(fits).toBe(each.expected === "valid");
  });
});

describe("a signature", () => {
  const value = `sig=:${Buffer.alloc(64).toString("base64")}:`;
  it.each([
    ["two of them", "a=();created=1, b=();created=1"],
    ["no time", "sig=()"],
    ["a time that is text", 'sig=();created="1"'],
    ["a parameter twice", "sig=();created=1;created=2"],
    ["a component twice", 'sig=("@path" "@path");created=1'],
    ["a component with a parameter", 'sig=("@query-param";name="a");created=1'],
    ["another label than its value", "other=();created=1"],
    ["two spaces", 'sig=("@path"  "@query");created=1'],
    ["an escape", 'sig=();created=1;nonce="a\\"b"'],
    ["upper case", 'sig=("Date");created=1'],
  ])("with %s is none", (_, input) => {
    expect(parseSignature(input, value)).toBeNull();
  });

  it("has no base over what is not in the message, or nobody knows", () => {
    const message = { method: "GET", authority: "a", path: "/", query: "", rawHeaders: [] };
    for (const name of ["date", "@status", "@unknown"]) {
      const signature = parseSignature(`sig=("${name}");created=1`, value);
      expect(signature).not.toBeNull();
      if (signature !== null) expect(signatureBase(message, signature)).toBeNull();
    }
  });
});
