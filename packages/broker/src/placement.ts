import type { AuthScheme } from "@aivault/registry";

/** Where a credential goes in a request: what callers may not touch, and what plans mask. */
export interface Placement {
  /** Header names, lower case. */
  readonly headers: readonly string[];
  /** Query parameter names. */
  readonly params: readonly string[];
  /** A path template to put in front, or null. */
  readonly path: string | null;
  /** For people: `header authorization`. */
  readonly injects: readonly string[];
}

/** Nowhere: for a request without credential. */
export const NO_PLACEMENT: Placement = { headers: [], params: [], path: null, injects: [] };

/** Says where the scheme puts its credential. */
export function placementOf(auth: AuthScheme): Placement {
  switch (auth.strategy) {
    case "header":
      return place({ headers: [auth.name] });
    case "multi-header":
    case "oauth2":
      return place({ headers: auth.headers.map(({ name }) => name) });
    case "basic":
      return place({ headers: ["authorization"] });
    case "query":
      return place({ params: [auth.name] });
    case "multi-query":
      return place({ params: auth.params.map(({ name }) => name) });
    case "path":
      return place({ path: auth.template });
    case "hmac":
      return place({
        headers: (auth.headers ?? []).map(({ name }) => name),
        params: (auth.params ?? []).map(({ name }) => name),
      });
    case "aws-sigv4":
      return place({
        headers: ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"],
      });
    case "mtls":
      return place({
        headers: (auth.headers ?? []).map(({ name }) => name),
        injects: ["client certificate"],
      });
  }
}

function place(where: {
  headers?: readonly string[];
  params?: readonly string[];
  path?: string;
  injects?: readonly string[];
}): Placement {
  const headers = (where.headers ?? []).map((name) => name.toLowerCase());
  const params = where.params ?? [];
  return {
    headers,
    params,
    path: where.path ?? null,
    injects: [
      ...(where.injects ?? []),
      ...headers.map((name) => `header ${name}`),
      ...params.map((name) => `query ${name}`),
      ...(where.path === undefined ? [] : ["path"]),
    ],
  };
}
