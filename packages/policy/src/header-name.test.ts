import { describe, expect, it } from "vitest";
import {
  foldHeaderName,
  isAuthHeader,
  isBrokerOwnedHeader,
  isHeaderName,
  isHopByHopHeader,
} from "./header-name.ts";

// Every name that is listed because its form says nothing or the wrong thing: one that is lost from a
// list is a hole that no other test would see.

const AUTH = `
  authentication-info plaid-client-id proxy-authentication-info signature-input www-authenticate
  x-amz-credential x-amzn-oidc-accesstoken x-amzn-oidc-data x-clickhouse-user x-forwarded-access-token
  x-forwarded-user x-honeycomb-team x-hub-signature-256 x-remote-user x-ssl-cert x-webauth-user
  remote-user
`;

const NOT_AUTH = `
  access-control-allow-credentials idempotence-key idempotency-key sec-websocket-key x-idempotence-key
  x-idempotency-key x-amz-client-token x-amz-copy-source-server-side-encryption-customer-key
  x-amz-server-side-encryption-customer-key x-cache-key x-goog-copy-source-encryption-key
  x-goog-encryption-key x-ms-continuation-token x-ms-encryption-key x-continuation-token
  x-next-page-token x-page-token x-partition-key x-deduplication-key x-ordering-key x-routing-key
  x-sort-key cache-key partition-key routing-key surrogate-key
`;

const AUTH_BY_FORM = `
  authorization proxy-authorization x-authorization authentication x-authentication auth x-auth
  cookie set-cookie cookie2 set-cookie2 credential credentials x-aws-credentials jwt x-jwt key x-key
  otp x-otp sign x-sign signature x-signature token x-token xtoken csrftoken x-csrftoken secret
  x-client-secret appsecret password x-password userpassword passwd x-passwd passphrase x-passphrase
  apikey x-apikey authkey x-authkey accesskey x-accesskey privatekey secretkey masterkey
  x-my2apikey x-9token my-x-amz-meta-token x-x-goog-meta-api-key
  api-key x-api-key api-key-id x-api-key-id x-apikey-id apikey-v2 authorization-bearer
  x-authentication-mode client-cert x-client-cert client-cert-sha x-client-certificate
  client-certificate-chain ssl-client ssl-client-verify x-ssl-client-s-dn dpop dpop-nonce x-dpop
`;

const NOT_AUTH_BY_FORM = `
  accept content-type x-monkey x-hockey partitionkey x-keys tokens tokenizer x-tokens-used secretary
  x-secretly passwords author x-author authority oauth2 x-auth-mode authorizations cookies cookie3
  credentialed jwts otps signed signing signatures x-signature-2 x-keynote capi-key-x
  x-api-keys apikeys-x client-certs ssl-clients dpops xdpop client-certificates
  x-tokenless x-amz-meta-token x-goog-meta-api-key x-ms-meta-secret x-amz-meta-
`;

const HOP_BY_HOP = `
  connection content-length keep-alive proxy-authenticate proxy-connection te trailer
  transfer-encoding upgrade
`;

const OWNED = `
  accept-encoding alt-used expect host http2-settings max-forwards cf-connecting-ip cf-connecting-ipv6
  cf-ipcountry cf-pseudo-ipv4 cf-ray cf-visitor client-ip fastly-client-ip fastly-ff fastly-ssl
  fly-client-ip forwarded forwarded-for front-end-https proxy true-client-ip via x-appengine-user-ip
  x-arr-ssl x-azure-clientip x-azure-socketip x-backend-host x-client-ip x-cluster-client-ip
  x-forward-for x-forwarded x-forwarder-for x-host x-originating-ip x-originating-url x-port
  x-proxy-url x-proxyuser-ip x-real-host x-real-ip x-remote-addr x-remote-ip x-scheme x-true-client-ip
  x-true-ip x-url-scheme x-wap-profile x-goog-authenticated-user-email x-goog-authenticated-user-id
  x-ms-client-principal x-ms-client-principal-id x-ms-client-principal-name
  x-custom-url x-host-override x-http-destinationurl x-http-host-override x-http-method
  x-http-method-override x-http-path-override x-method x-method-override x-middleware-subrequest
  x-override-url x-path-override x-rewrite-path x-rewrite-url x-url-override -method method-override
  http-method-override
  sec-websocket-key sec-websocket-extensions x-forwarded-for x-forwarded-anything x-envoy-internal
  proxy-anything x-original-url x-original-uri x-original-path x-original-query x-original-method
  x-original-host x-original-proto x-original-scheme x-original-port x-original-forwarded-for
  x-original-remote-addr x-original-client x-original-dst-host x-original-src
`;

const NOT_OWNED = `
  accept accept-language hostname x-hostname x-portal x-original-filename x-original-urls x-original
  x-originals sec-fetch-mode x-websocket-key x-envoys proxys x-forwards my-x-forwarded-for
  my-proxy-thing x-method-name connection-id x-viaduct
`;

const words = (text: string) => text.trim().split(/\s+/);

describe("isAuthHeader", () => {
  it.each([...words(AUTH), ...words(AUTH_BY_FORM)])("G6: knows %s for a credential", (name) => {
    expect(isAuthHeader(name)).toBe(true);
    // And again, from what it has judged.
    expect(isAuthHeader(name)).toBe(true);
  });

  it.each([...words(NOT_AUTH), ...words(NOT_AUTH_BY_FORM)])("knows %s for none", (name) => {
    expect(isAuthHeader(name)).toBe(false);
    expect(isAuthHeader(name)).toBe(false);
  });

  it("G6: judges every name the same, however many it has seen", () => {
    for (let n = 0; n < 2_000; n += 1) {
      expect(isAuthHeader(`x-note-${n}`)).toBe(false);
      expect(isAuthHeader(`x-note-${n}-token`)).toBe(true);
      expect(isAuthHeader("authorization")).toBe(true);
      expect(isAuthHeader("accept")).toBe(false);
    }
  });
});

describe("isBrokerOwnedHeader", () => {
  it.each([...words(OWNED), ...words(HOP_BY_HOP)])("G6: knows %s for the broker's own", (name) => {
    expect(isBrokerOwnedHeader(name)).toBe(true);
  });

  it.each(words(NOT_OWNED))("leaves %s to the caller", (name) => {
    expect(isBrokerOwnedHeader(name)).toBe(false);
  });
});

describe("isHopByHopHeader", () => {
  it("knows the headers of one connection, and no others", () => {
    for (const name of words(HOP_BY_HOP))
      expect([name, isHopByHopHeader(name)]).toEqual([name, true]);
    for (const name of ["", "host", "via", "trailers", "connections", "accept"]) {
      expect([name, isHopByHopHeader(name)]).toEqual([name, false]);
    }
  });
});

describe("a header name", () => {
  it("is made of the characters of a token, and of no others", () => {
    const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (let code = 0; code < 256; code += 1) {
      const character = String.fromCharCode(code);
      for (const name of [character, `a${character}`, `${character}a`]) {
        expect([name, isHeaderName(name)]).toEqual([name, token.includes(character)]);
      }
    }
    expect(isHeaderName("")).toBe(false);
    expect(isHeaderName("ａ")).toBe(false);
  });

  it("has at most 256 characters", () => {
    expect(isHeaderName("a".repeat(256))).toBe(true);
    expect(isHeaderName("a".repeat(257))).toBe(false);
  });

  it("is compared in lower case, with a dash for every underline and dot", () => {
    expect(foldHeaderName("X_Api.Key_.Z")).toBe("x-api-key--z");
    expect(foldHeaderName("Content-Type")).toBe("content-type");
    expect(foldHeaderName("A.")).toBe("a-");
    expect(foldHeaderName("_.")).toBe("--");
    expect(foldHeaderName("_a")).toBe("-a");
  });
});
