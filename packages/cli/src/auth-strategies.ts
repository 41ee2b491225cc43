/** What `--auth` takes; apart, so that declaring it loads nothing. `o-auth2` is how older scripts spell it. */
export const AUTH_STRATEGIES = [
  "header",
  "query",
  "path",
  "basic",
  "multi-header",
  "multi-query",
  "oauth2",
  "o-auth2",
  "aws-sigv4",
  "hmac",
  "mtls",
] as const;
