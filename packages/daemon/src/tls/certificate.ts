/**
 * A certificate for this machine's loopback addresses, and an authority that has signed nothing else.
 *
 * Node makes keys and signatures, but no certificates: RFC 5280 is written out here, for P-256 alone.
 */

import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import {
  bitString,
  boolean,
  der,
  integer,
  objectIdentifier,
  octetString,
  pem,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";

const DAY_MS = 86_400_000;
/** As long as Apple's systems accept, also of an authority that a user trusts. */
export const VALID_DAYS = 825;

const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const EXTENSION = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** PEM throughout. */
export interface LocalCertificate {
  /** What clients are told to trust. */
  readonly authority: string;
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface LocalCertificateOptions {
  /** `localhost` and loopback addresses. */
  readonly names: readonly string[];
  readonly nowMs: number;
  readonly random: (length: number) => Uint8Array;
}

/**
 * Make an authority and the one certificate it ever signs.
 *
 * The authority's key is gone when this returns: nobody can take it, and so trusting the authority means
 * trusting this certificate. Should its key have been copied on the way, the authority is still worth
 * nothing for names other than this machine's own (RFC 5280 §4.2.1.10). That OpenSSL and V8 have wiped
 * their copies of it cannot be promised.
 */
export function makeLocalCertificate(options: LocalCertificateOptions): LocalCertificate {
  const signer = keyPair();
  const leaf = keyPair();
  const issuer = name("aivault local authority");
  const build = (subject: Buffer, spki: Buffer, extensions: readonly Buffer[]) =>
    certificate({ ...options, issuer, subject, spki, extensions, signer: signer.privateKey });
  const authority = build(issuer, signer.spki, [
    // Signs certificates of servers, and no other authority.
    extension(
      EXTENSION.basicConstraints,
      sequence(boolean(true), integer(Buffer.from([0]))),
      "critical",
    ),
    extension(EXTENSION.keyUsage, bitString(Buffer.from([0x04]), 2), "critical"), // keyCertSign
    extension(EXTENSION.nameConstraints, sequence(der(0xa0, ...LOOPBACK)), "critical"),
    extension(EXTENSION.subjectKeyIdentifier, octetString(identifierOf(signer.spki))),
  ]);
  const [first = "localhost"] = options.names;
  const certified = build(name(first), leaf.spki, [
    extension(EXTENSION.basicConstraints, sequence(), "critical"),
    extension(EXTENSION.keyUsage, bitString(Buffer.from([0x80]), 7), "critical"), // digitalSignature
    extension(EXTENSION.extendedKeyUsage, sequence(objectIdentifier(SERVER_AUTH))),
    extension(EXTENSION.subjectAltName, sequence(...options.names.map(generalName))),
    extension(EXTENSION.subjectKeyIdentifier, octetString(identifierOf(leaf.spki))),
    extension(EXTENSION.authorityKeyIdentifier, sequence(der(0x80, identifierOf(signer.spki)))),
  ]);
  const key = leaf.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { authority, certificate: certified, key };
}

function keyPair(): { readonly privateKey: KeyObject; readonly spki: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, spki: publicKey.export({ type: "spki", format: "der" }) };
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(objectIdentifier(COMMON_NAME), utf8String(commonName))));
}

/** `localhost` and what is below it, 127.0.0.0/8, ::1. */
const LOOPBACK: readonly Buffer[] = [
  der(0x82, Buffer.from("localhost")),
  der(0x87, Buffer.from([127, 0, 0, 0, 255, 0, 0, 0])),
  der(0x87, Buffer.concat([addressOf("::1"), Buffer.alloc(16, 0xff)])),
].map((base) => sequence(base));

function generalName(text: string): Buffer {
  return isIP(text) === 0 ? der(0x82, Buffer.from(text, "ascii")) : der(0x87, addressOf(text));
}

function addressOf(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split(".").map(Number));
  // Of IPv6 there is one loopback address.
  if (text !== "::1") throw new RangeError("not a loopback address");
  return Buffer.concat([Buffer.alloc(15), Buffer.from([1])]);
}

/** RFC 5280 §4.2.1.2 (1): SHA-1 of the key, the 65 octets at the end of a P-256 SubjectPublicKeyInfo. */
function identifierOf(spki: Buffer): Buffer {
  return createHash("sha1").update(spki.subarray(-65)).digest();
}

function extension(oid: string, value: Buffer, critical?: "critical"): Buffer {
  const flag = critical === undefined ? [] : [boolean(true)];
  return sequence(objectIdentifier(oid), ...flag, octetString(value));
}

function certificate(parts: {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly spki: Buffer;
  readonly extensions: readonly Buffer[];
  readonly signer: KeyObject;
  readonly nowMs: number;
  readonly random: (length: number) => Uint8Array;
}): string {
  const { issuer, subject, spki, extensions, signer, nowMs } = parts;
  const algorithm = sequence(objectIdentifier(ECDSA_SHA256));
  const serial = Buffer.from(parts.random(16));
  // Positive, and without a zero octet in front.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    algorithm,
    issuer,
    // Clocks of one machine differ by nothing; a day is for the one that is put back.
    sequence(time(nowMs - DAY_MS), time(nowMs + (VALID_DAYS - 1) * DAY_MS)),
    subject,
    spki,
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, signer);
  return pem("CERTIFICATE", sequence(body, algorithm, bitString(signature)));
}
