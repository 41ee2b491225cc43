// @ts-check
// A certificate authority for tests and the demo, over node:crypto alone: made at start, never
// stored in the repository, gone with the process. Node can create keys and signatures but no X.509
// certificates, so the DER of RFC 5280 is written out here. Checked with `openssl verify -x509_strict`.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";

/**
 * @typedef {object} IssuedCertificate
 * @property {string} certificatePem - The leaf only; the authority signs it directly.
 * @property {string} keyPem - PKCS #8.
 *
 * @typedef {object} CertificateAuthority
 * @property {string} certificatePem - What a client has to trust.
 * @property {(options: IssueOptions) => IssuedCertificate} issue
 *
 * @typedef {object} IssueOptions - Of a P-256 leaf.
 * @property {readonly string[]} hosts - DNS names and IP addresses.
 * @property {boolean} [client] - It is one a client presents.
 * @property {boolean} [expired] - It was good until an hour ago.
 * @property {boolean} [selfSigned] - It is signed by its own key and by nobody else's.
 */

const HOUR_MS = 3_600_000;
/** All that UTCTime can say from 1970 on (RFC 5280 section 4.1.2.5.1): tests put their clocks anywhere. */
const FROM_MS = 0;
const UNTIL_MS = Date.UTC(2049, 11, 31);

/** @param {number} tag @param {...(Buffer | readonly number[])} parts */
function der(tag, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** @param {...(Buffer | readonly number[])} parts */
const sequence = (...parts) => der(0x30, ...parts);
/** @param {Buffer} bytes */
const octets = (bytes) => der(0x04, bytes);
/** @param {Buffer} bytes */
const bits = (bytes) => der(0x03, [0], bytes);
const TRUE = der(0x01, [0xff]);

const OID = {
  ecdsaWithSha256: der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]),
  commonName: der(0x06, [0x55, 0x04, 0x03]),
  subjectKeyIdentifier: der(0x06, [0x55, 0x1d, 0x0e]),
  keyUsage: der(0x06, [0x55, 0x1d, 0x0f]),
  subjectAltName: der(0x06, [0x55, 0x1d, 0x11]),
  basicConstraints: der(0x06, [0x55, 0x1d, 0x13]),
  authorityKeyIdentifier: der(0x06, [0x55, 0x1d, 0x23]),
  extendedKeyUsage: der(0x06, [0x55, 0x1d, 0x25]),
  serverAuth: der(0x06, [0x2b, 6, 1, 5, 5, 7, 3, 1]),
  clientAuth: der(0x06, [0x2b, 6, 1, 5, 5, 7, 3, 2]),
};

/** @param {string} commonName */
function name(commonName) {
  // X.520 bounds a common name at 64 characters; the alternative names are what is checked.
  const text = der(0x0c, Buffer.from(commonName.slice(0, 64)));
  return sequence(der(0x31, sequence(OID.commonName, text)));
}

/** @param {number} ms */
function utcTime(ms) {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(digits.slice(2)));
}

/** @param {string} host */
function alternativeName(host) {
  if (isIP(host) === 0) return der(0x82, Buffer.from(host, "ascii"));
  if (isIP(host) === 4) return der(0x87, host.split(".").map(Number));
  throw new RangeError(`IPv6 is not needed here: \`${host}\``);
}

/** SHA-1 of the public key bits, RFC 5280 section 4.2.1.2 (1). @param {Buffer} spki */
function keyIdentifier(spki) {
  // A P-256 SubjectPublicKeyInfo ends in the 65 bytes of the uncompressed point.
  return createHash("sha1").update(spki.subarray(-65)).digest();
}

/** @param {Buffer} oid @param {Buffer} value @param {boolean} [critical] */
function extension(oid, value, critical = false) {
  return sequence(oid, ...(critical ? [TRUE] : []), octets(value));
}

/** @param {string} label @param {Buffer} bytes */
function pem(label, bytes) {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function keyPair() {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, spki: publicKey.export({ type: "spki", format: "der" }) };
}

/**
 * @param {object} options
 * @param {Buffer} options.issuer
 * @param {Buffer} options.subject
 * @param {Buffer} options.spki
 * @param {readonly Buffer[]} options.extensions
 * @param {import("node:crypto").KeyObject} options.signer
 * @param {number} [options.untilMs]
 */
function certificate({ issuer, subject, spki, extensions, signer, untilMs }) {
  const algorithm = sequence(OID.ecdsaWithSha256);
  const serial = randomBytes(16);
  // Positive, and without a leading zero byte: DER allows only the shortest form.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const toBeSigned = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, serial),
    algorithm,
    issuer,
    sequence(utcTime(FROM_MS), utcTime(untilMs ?? UNTIL_MS)),
    subject,
    spki,
    der(0xa3, sequence(...extensions)),
  );
  return pem(
    "CERTIFICATE",
    sequence(toBeSigned, algorithm, bits(sign("sha256", toBeSigned, signer))),
  );
}

/** @returns {CertificateAuthority} */
export function createCertificateAuthority() {
  const authority = keyPair();
  const issuer = name("aivault test authority");
  const identifier = keyIdentifier(authority.spki);
  const certificatePem = certificate({
    issuer,
    subject: issuer,
    spki: authority.spki,
    extensions: [
      extension(OID.basicConstraints, sequence(TRUE), true),
      extension(OID.keyUsage, der(0x03, [1, 0x06]), true), // keyCertSign, cRLSign
      extension(OID.subjectKeyIdentifier, octets(identifier)),
    ],
    signer: authority.privateKey,
  });
  return {
    certificatePem,
    issue({ hosts, client = false, expired = false, selfSigned = false }) {
      const [first] = hosts;
      if (first === undefined) throw new RangeError("a certificate needs at least one host");
      const leaf = keyPair();
      return {
        certificatePem: certificate({
          issuer: selfSigned ? name(first) : issuer,
          subject: name(first),
          spki: leaf.spki,
          extensions: [
            extension(OID.basicConstraints, sequence(), true),
            extension(OID.keyUsage, der(0x03, [7, 0x80]), true), // digitalSignature
            extension(OID.extendedKeyUsage, sequence(client ? OID.clientAuth : OID.serverAuth)),
            extension(OID.subjectAltName, sequence(...hosts.map(alternativeName))),
            extension(OID.subjectKeyIdentifier, octets(keyIdentifier(leaf.spki))),
            ...(selfSigned
              ? []
              : [extension(OID.authorityKeyIdentifier, sequence(der(0x80, identifier)))]),
          ],
          signer: selfSigned ? leaf.privateKey : authority.privateKey,
          ...(expired ? { untilMs: Date.now() - HOUR_MS } : {}),
        }),
        keyPem: leaf.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  };
}

/**
 * For the `SNICallback` of a server that is many hosts: each name gets a certificate when it is first asked
 * for, as any attacker can get one for a name of their own.
 *
 * @param {CertificateAuthority} authority
 * @returns {(name: string) => import("node:tls").SecureContext}
 */
export function contextsOf(authority) {
  /** @type {Map<string, import("node:tls").SecureContext>} */
  const contexts = new Map();
  return (name) => {
    let context = contexts.get(name);
    if (context === undefined) {
      const { certificatePem, keyPem } = authority.issue({ hosts: [name] });
      context = createSecureContext({ cert: certificatePem, key: keyPem });
      contexts.set(name, context);
    }
    return context;
  };
}
