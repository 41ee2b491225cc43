// @ts-check
// What each kind of provider documents about recognising its callers, one provider for each way there is,
// stated here independently of the registry: if an entry is wrong, the strict stand-in refuses.

/**
 * @typedef {object} TokenExchange - The one request that the token endpoint answers.
 * @property {string} host
 * @property {string} path
 * @property {string | null} authorization - The header; null for none.
 * @property {Readonly<Record<string, string>>} form - All there is in it.
 * @property {string} accessToken - What it hands out.
 * @property {string} [refreshToken] - A new refresh token, which voids the old.
 *
 * @typedef {object} DocumentedCall
 * @property {string} capability
 * @property {string} [way] - The registry's alternative; left out for the provider's own.
 * @property {Readonly<Record<string, string>>} secrets - By name.
 * @property {Readonly<Record<string, string>>} [tenant] - Placeholder to secret name, for tenants' hosts.
 * @property {{ method: string, path: string, body?: string }} call - What the caller asks for.
 * @property {string} host - Where it has to arrive.
 * @property {number} [port] - 443 where left out.
 * @property {string} [target] - Path and query as they have to arrive; as asked for where left out.
 * @property {Readonly<Record<string, string>>} [headers] - Each exactly so, exactly once.
 * @property {import("./stand-in-sigv4.mjs").AwsCaller} [aws]
 * @property {{ name: "bybit" | "okx" | "mexc" } & import("./stand-in-exchanges.mjs").ExchangeCaller} [exchange]
 * @property {TokenExchange} [token]
 */

/** @param {string} user @param {string} password */
const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** @param {string} path */
const get = (path) => ({ method: "GET", path });
/** @param {string} path @param {unknown} value */
const post = (path, value) => ({ method: "POST", path, body: JSON.stringify(value) });

const CLIENT = { clientId: "client-9f3b", clientSecret: "client/secret+4c1d=" };
// RFC 6749 section 2.3.1: form-encoded, then joined and put into Basic.
const CLIENT_BASIC = basic("client-9f3b", "client%2Fsecret%2B4c1d%3D");
const CLIENT_POST = { client_id: "client-9f3b", client_secret: "client/secret+4c1d=" };
const REFRESH = { grant_type: "refresh_token", refresh_token: "refresh-token-71ab" };
const refreshable = JSON.stringify({ ...CLIENT, refreshToken: REFRESH.refresh_token });
const clientOnly = JSON.stringify(CLIENT);

const AWS = {
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const AWS_CALLER = {
  accessKeyId: AWS.AWS_ACCESS_KEY_ID,
  secretAccessKey: AWS.AWS_SECRET_ACCESS_KEY,
  region: "us-east-1",
};
const ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123%3Ainference-profile%2Fa.b-v1%3A0";

/** @type {readonly DocumentedCall[]} */
export const DOCUMENTED = [
  // One header, bare or behind a word.
  {
    capability: "openai/models",
    secrets: { OPENAI_API_KEY: "sk-proj-strict0001" },
    call: get("/v1/models"),
    host: "api.openai.com",
    headers: { authorization: "Bearer sk-proj-strict0001" },
  },
  {
    capability: "anthropic/models",
    secrets: { ANTHROPIC_API_KEY: "sk-ant-strict0002" },
    call: get("/v1/models"),
    host: "api.anthropic.com",
    headers: { "x-api-key": "sk-ant-strict0002", "anthropic-version": "2023-06-01" },
  },
  {
    capability: "assemblyai/transcription-read",
    secrets: { ASSEMBLYAI_API_KEY: "strict0003" },
    call: get("/v2/transcript?limit=1"),
    host: "api.assemblyai.com",
    headers: { authorization: "strict0003" },
  },
  {
    capability: "azure-openai/models",
    secrets: { AZURE_OPENAI_API_KEY: "strict0004" },
    tenant: { secret: "AZURE_OPENAI_API_KEY" },
    call: get("/openai/v1/models"),
    host: "example.openai.azure.com",
    headers: { "api-key": "strict0004" },
  },
  {
    capability: "qdrant/collections-read",
    secrets: { QDRANT_API_KEY: "strict0005" },
    tenant: { secret: "QDRANT_API_KEY" },
    call: get("/collections"),
    host: "0a1b2c3d.eu-central-1-0.aws.cloud.qdrant.io",
    port: 6333,
    headers: { "api-key": "strict0005" },
  },
  {
    capability: "brave-search/search",
    secrets: { BRAVE_API_KEY: "strict0006" },
    call: get("/res/v1/web/search?q=key"),
    host: "api.search.brave.com",
    headers: { "x-subscription-token": "strict0006", accept: "application/json" },
  },
  {
    capability: "deepgram/projects",
    secrets: { DEEPGRAM_API_KEY: "strict0007" },
    call: get("/v1/projects"),
    host: "api.deepgram.com",
    headers: { authorization: "Token strict0007" },
  },
  {
    capability: "deepl/usage",
    secrets: { DEEPL_API_KEY: "strict0008-pro" },
    call: get("/v2/usage"),
    host: "api.deepl.com",
    headers: { authorization: "DeepL-Auth-Key strict0008-pro" },
  },
  {
    capability: "discord/users-read",
    secrets: { DISCORD_BOT_TOKEN: "strict0009.abc.def" },
    call: get("/api/v10/users/@me"),
    host: "discord.com",
    headers: { authorization: "Bot strict0009.abc.def" },
  },
  {
    capability: "elevenlabs/models",
    secrets: { ELEVENLABS_API_KEY: "sk_strict0010" },
    call: get("/v1/models"),
    host: "api.elevenlabs.io",
    headers: { "xi-api-key": "sk_strict0010" },
  },
  {
    capability: "fal/queue",
    secrets: { FAL_KEY: "strict0011:secret" },
    call: post("/fal-ai/flux", { prompt: "a key" }),
    host: "queue.fal.run",
    headers: { authorization: "Key strict0011:secret" },
  },
  {
    capability: "fathom/meetings-read",
    secrets: { FATHOM_API_KEY: "strict0012" },
    call: get("/external/v1/meetings"),
    host: "api.fathom.ai",
    headers: { "x-api-key": "strict0012" },
  },
  {
    capability: "figma/user",
    secrets: { FIGMA_TOKEN: "figd_strict0013" },
    call: get("/v1/me"),
    host: "api.figma.com",
    headers: { "x-figma-token": "figd_strict0013" },
  },
  {
    capability: "fly/apps-read",
    secrets: { FLY_API_TOKEN: "fo1_strict0014" },
    call: get("/v1/apps?org_slug=personal"),
    host: "api.machines.dev",
    headers: { authorization: "Bearer fo1_strict0014" },
  },
  {
    // A macaroon brings its own scheme.
    capability: "fly/apps-read",
    secrets: { FLY_API_TOKEN: "FlyV1 fm2_strict0015,fm2_second" },
    call: get("/v1/apps?org_slug=personal"),
    host: "api.machines.dev",
    headers: { authorization: "FlyV1 fm2_strict0015,fm2_second" },
  },
  {
    capability: "gemini/models-read",
    secrets: { GEMINI_API_KEY: "AIzaStrict0016" },
    call: get("/v1beta/models?pageSize=1"),
    host: "generativelanguage.googleapis.com",
    headers: { "x-goog-api-key": "AIzaStrict0016" },
  },
  {
    capability: "google-places/details",
    secrets: { GOOGLE_PLACES_API_KEY: "AIzaStrict0017" },
    call: get("/v1/places/ChIJ0"),
    host: "places.googleapis.com",
    headers: { "x-goog-api-key": "AIzaStrict0017" },
  },
  {
    capability: "gitlab/user",
    secrets: { GITLAB_TOKEN: "glpat-strict0018" },
    call: get("/api/v4/user"),
    host: "gitlab.com",
    headers: { "private-token": "glpat-strict0018" },
  },
  {
    capability: "honeycomb/auth",
    secrets: { HONEYCOMB_API_KEY: "strict0019" },
    call: get("/1/auth"),
    host: "api.honeycomb.io",
    headers: { "x-honeycomb-team": "strict0019" },
  },
  {
    capability: "linear/graphql",
    secrets: { LINEAR_API_KEY: "lin_api_strict0020" },
    call: post("/graphql", { query: "{ viewer { id } }" }),
    host: "api.linear.app",
    headers: { authorization: "lin_api_strict0020" },
  },
  {
    // A personal key is bare, an OAuth token is not.
    capability: "linear/graphql",
    secrets: { LINEAR_API_KEY: "lin_oauth_strict0021" },
    call: post("/graphql", { query: "{ viewer { id } }" }),
    host: "api.linear.app",
    headers: { authorization: "Bearer lin_oauth_strict0021" },
  },
  {
    capability: "newrelic/applications-read",
    secrets: { NEW_RELIC_API_KEY: "NRAK-STRICT0022" },
    call: get("/v2/applications.json"),
    host: "api.newrelic.com",
    headers: { "api-key": "NRAK-STRICT0022" },
  },
  {
    capability: "pagerduty/abilities",
    secrets: { PAGERDUTY_TOKEN: "strict0023" },
    call: get("/abilities"),
    host: "api.pagerduty.com",
    headers: {
      authorization: "Token token=strict0023",
      accept: "application/vnd.pagerduty+json;version=2",
    },
  },
  {
    capability: "planetscale/organizations-read",
    secrets: { PLANETSCALE_SERVICE_TOKEN_ID: "id0024", PLANETSCALE_SERVICE_TOKEN: "strict0024" },
    call: get("/v1/organizations"),
    host: "api.planetscale.com",
    headers: { authorization: "id0024:strict0024" },
  },
  {
    capability: "postmark/stats",
    secrets: { POSTMARK_SERVER_TOKEN: "strict0025" },
    call: get("/stats/outbound"),
    host: "api.postmarkapp.com",
    headers: { "x-postmark-server-token": "strict0025", accept: "application/json" },
  },
  {
    capability: "scaleway/projects-read",
    secrets: { SCW_SECRET_KEY: "strict0026" },
    call: get("/account/v3/projects"),
    host: "api.scaleway.com",
    headers: { "x-auth-token": "strict0026" },
  },
  {
    capability: "serper/search",
    secrets: { SERPER_API_KEY: "strict0027" },
    call: post("/search", { q: "key" }),
    host: "google.serper.dev",
    headers: { "x-api-key": "strict0027" },
  },
  {
    capability: "shopify/graphql",
    secrets: { SHOPIFY_ACCESS_TOKEN: "shpat_strict0028" },
    tenant: { secret: "SHOPIFY_ACCESS_TOKEN" },
    call: post("/admin/api/2026-10/graphql.json", { query: "{ shop { name } }" }),
    host: "example.myshopify.com",
    headers: { "x-shopify-access-token": "shpat_strict0028" },
  },
  {
    capability: "umami/websites-read",
    secrets: { UMAMI_API_KEY: "api_strict0029" },
    call: get("/v1/websites"),
    host: "api.umami.is",
    headers: { "x-umami-api-key": "api_strict0029" },
  },

  // Basic, by whom the user name is.
  {
    capability: "github/git-read",
    way: "git",
    secrets: { GITHUB_TOKEN: "ghp_strict0030" },
    call: get("/o/r/info/refs?service=git-upload-pack"),
    host: "github.com",
    headers: { authorization: basic("x-access-token", "ghp_strict0030") },
  },
  {
    // The data centre is the end of the key.
    capability: "mailchimp/ping",
    secrets: { MAILCHIMP_API_KEY: "0123456789abcdef0123456789abcdef-us21" },
    call: get("/3.0/ping"),
    host: "us21.api.mailchimp.com",
    headers: { authorization: basic("aivault", "0123456789abcdef0123456789abcdef-us21") },
  },
  {
    capability: "mailgun/domains-read",
    secrets: { MAILGUN_API_KEY: "key-strict0032" },
    call: get("/v4/domains?limit=1"),
    host: "api.mailgun.net",
    headers: { authorization: basic("api", "key-strict0032") },
  },
  {
    capability: "twilio/api",
    secrets: { TWILIO_ACCOUNT_SID: "ACstrict0033", TWILIO_AUTH_TOKEN: "token0033" },
    call: get("/2010-04-01/Accounts/ACstrict0033/Messages.json"),
    host: "api.twilio.com",
    headers: { authorization: basic("ACstrict0033", "token0033") },
  },

  // Several headers, several parameters, the path.
  {
    capability: "datadog/metrics-read",
    secrets: { DD_API_KEY: "strict0034", DD_APP_KEY: "app0034" },
    call: get("/api/v1/query?query=avg:system.load.1%7B*%7D&from=1&to=2"),
    host: "api.datadoghq.com",
    headers: { "dd-api-key": "strict0034", "dd-application-key": "app0034" },
  },
  {
    capability: "plaid/institutions",
    secrets: { PLAID_CLIENT_ID: "client0035", PLAID_SECRET: "strict0035" },
    call: post("/institutions/get", { count: 1, offset: 0, country_codes: ["US"] }),
    host: "production.plaid.com",
    headers: { "plaid-client-id": "client0035", "plaid-secret": "strict0035" },
  },
  {
    // A key of the new kind is no JWT, so it is in `apikey` alone.
    capability: "supabase/rest-read",
    secrets: { SUPABASE_SECRET_KEY: "sb_secret_strict0036" },
    tenant: { secret: "SUPABASE_SECRET_KEY" },
    call: get("/rest/v1/items?select=id"),
    host: "abcdefghijklmnopqrst.supabase.co",
    headers: { apikey: "sb_secret_strict0036" },
  },
  {
    capability: "supabase/rest-read",
    secrets: { SUPABASE_SECRET_KEY: "eyJhbGciOiJIUzI1NiJ9.e30.strict0037" },
    tenant: { secret: "SUPABASE_SECRET_KEY" },
    call: get("/rest/v1/items?select=id"),
    host: "abcdefghijklmnopqrst.supabase.co",
    headers: {
      apikey: "eyJhbGciOiJIUzI1NiJ9.e30.strict0037",
      authorization: "Bearer eyJhbGciOiJIUzI1NiJ9.e30.strict0037",
    },
  },
  {
    capability: "trello/members",
    secrets: { TRELLO_API_KEY: "strict0038", TRELLO_TOKEN: "ATTA0038" },
    call: get("/1/members/me?fields=id"),
    host: "api.trello.com",
    target: "/1/members/me?fields=id&key=strict0038&token=ATTA0038",
  },
  {
    capability: "telegram/get-me",
    secrets: { TELEGRAM_BOT_TOKEN: "123456:strict0039" },
    call: get("/getMe"),
    host: "api.telegram.org",
    target: "/bot123456:strict0039/getMe",
  },
  {
    capability: "telegram/files",
    way: "file",
    secrets: { TELEGRAM_BOT_TOKEN: "123456:strict0040" },
    call: get("/documents/file_0.txt"),
    host: "api.telegram.org",
    target: "/file/bot123456:strict0040/documents/file_0.txt",
  },

  // Signatures.
  {
    capability: "aws/whoami",
    secrets: AWS,
    call: get("/?Version=2011-06-15&Action=GetCallerIdentity"),
    host: "sts.us-east-1.amazonaws.com",
    aws: { ...AWS_CALLER, service: "sts" },
  },
  {
    capability: "aws/s3-read",
    secrets: AWS,
    call: get("/bucket/a%20b/%C3%A4+(1)~.txt?versionId=x%2By&response-content-type=text%2Fplain"),
    host: "s3.us-east-1.amazonaws.com",
    // The parser leaves what needs no encoding unencoded; it signs what it sends.
    aws: { ...AWS_CALLER, service: "s3" },
  },
  {
    capability: "aws/s3-write",
    secrets: AWS,
    call: { method: "PUT", path: "/bucket/key", body: '{"stored":true}' },
    host: "s3.us-east-1.amazonaws.com",
    aws: { ...AWS_CALLER, service: "s3" },
  },
  {
    // The id's own percent-encoding is encoded once more in what is signed.
    capability: "aws/bedrock-invoke",
    secrets: AWS,
    call: post(`/model/${ARN}/converse`, { messages: [] }),
    host: "bedrock-runtime.us-east-1.amazonaws.com",
    aws: { ...AWS_CALLER, service: "bedrock" },
  },
  {
    capability: "aws/ses-read",
    secrets: { ...AWS, AWS_SESSION_TOKEN: "session//token+0045==" },
    call: get("/v2/email/identities?PageSize=1"),
    host: "email.us-east-1.amazonaws.com",
    aws: { ...AWS_CALLER, service: "ses", sessionToken: "session//token+0045==" },
  },
  {
    capability: "aws/sagemaker-invoke",
    secrets: AWS,
    call: post("/endpoints/my-endpoint/invocations", { inputs: "key" }),
    host: "runtime.sagemaker.us-east-1.amazonaws.com",
    aws: { ...AWS_CALLER, service: "sagemaker", sessionToken: "session//token+0045==" },
  },
  {
    capability: "bybit/key",
    secrets: { BYBIT_API_KEY: "bybitKey0046", BYBIT_API_SECRET: "bybitSecret0046" },
    call: get("/v5/user/query-api?b=2&a=1"),
    host: "api.bybit.com",
    headers: { "x-bapi-recv-window": "5000" },
    exchange: { name: "bybit", key: "bybitKey0046", secret: "bybitSecret0046" },
  },
  {
    capability: "okx/account-read",
    secrets: {
      OKX_API_KEY: "okxKey0047",
      OKX_API_SECRET: "okxSecret0047",
      OKX_API_PASSPHRASE: "okx pass 0047",
    },
    call: get("/api/v5/account/balance?ccy=BTC"),
    host: "www.okx.com",
    exchange: {
      name: "okx",
      key: "okxKey0047",
      secret: "okxSecret0047",
      passphrase: "okx pass 0047",
    },
  },
  {
    capability: "mexc/orders-read",
    secrets: { MEXC_API_KEY: "mexcKey0048", MEXC_API_SECRET: "mexcSecret0048" },
    call: get("/api/v3/order?symbol=BTCUSDT&orderId=1"),
    host: "api.mexc.com",
    exchange: { name: "mexc", key: "mexcKey0048", secret: "mexcSecret0048" },
  },

  // OAuth 2.0: by grant, by how the client proves itself, by where the token goes.
  {
    capability: "google-gmail/profile",
    secrets: { GOOGLE_GMAIL_OAUTH: refreshable },
    call: get("/gmail/v1/users/me/profile"),
    host: "gmail.googleapis.com",
    headers: { authorization: "Bearer access-0050" },
    token: {
      host: "oauth2.googleapis.com",
      path: "/token",
      authorization: null,
      form: { ...REFRESH, ...CLIENT_POST },
      accessToken: "access-0050",
    },
  },
  {
    capability: "microsoft-graph/me",
    secrets: { MICROSOFT_GRAPH_OAUTH: refreshable },
    call: get("/v1.0/me"),
    host: "graph.microsoft.com",
    headers: { authorization: "Bearer access-0051" },
    token: {
      host: "login.microsoftonline.com",
      path: "/common/oauth2/v2.0/token",
      authorization: null,
      form: { ...REFRESH, ...CLIENT_POST },
      accessToken: "access-0051",
      refreshToken: "next-0051",
    },
  },
  {
    capability: "zoho-crm/records-read",
    secrets: { ZOHO_CRM_OAUTH: refreshable },
    call: get("/crm/v8/Leads?fields=Email"),
    host: "www.zohoapis.com",
    headers: { authorization: "Zoho-oauthtoken access-0052" },
    token: {
      host: "accounts.zoho.com",
      path: "/oauth/v2/token",
      authorization: null,
      form: { ...REFRESH, ...CLIENT_POST },
      accessToken: "access-0052",
    },
  },
  {
    capability: "figma/user",
    way: "oauth",
    secrets: { FIGMA_OAUTH: refreshable },
    call: get("/v1/me"),
    host: "api.figma.com",
    headers: { authorization: "Bearer access-0053" },
    token: {
      host: "api.figma.com",
      path: "/v1/oauth/token",
      authorization: CLIENT_BASIC,
      form: REFRESH,
      accessToken: "access-0053",
    },
  },
  {
    capability: "quickbooks/accounting-read",
    secrets: { QUICKBOOKS_OAUTH: refreshable },
    call: get("/v3/company/1234/query?query=select%20*%20from%20Invoice"),
    host: "quickbooks.api.intuit.com",
    headers: { authorization: "Bearer access-0054", accept: "application/json" },
    token: {
      host: "oauth.platform.intuit.com",
      path: "/oauth2/v1/tokens/bearer",
      authorization: CLIENT_BASIC,
      form: REFRESH,
      accessToken: "access-0054",
      refreshToken: "next-0054",
    },
  },
  {
    capability: "xero/connections",
    secrets: { XERO_OAUTH: refreshable },
    call: get("/connections"),
    host: "api.xero.com",
    headers: { authorization: "Bearer access-0055" },
    token: {
      host: "identity.xero.com",
      path: "/connect/token",
      authorization: CLIENT_BASIC,
      form: REFRESH,
      accessToken: "access-0055",
      refreshToken: "next-0055",
    },
  },
  {
    capability: "spotify/catalog",
    secrets: { SPOTIFY_OAUTH: refreshable },
    call: get("/v1/albums?ids=1"),
    host: "api.spotify.com",
    headers: { authorization: "Bearer access-0056" },
    token: {
      host: "accounts.spotify.com",
      path: "/api/token",
      authorization: CLIENT_BASIC,
      form: REFRESH,
      accessToken: "access-0056",
    },
  },
  {
    capability: "mongodb-atlas/projects-read",
    secrets: { MONGODB_ATLAS_OAUTH: clientOnly },
    call: get("/api/atlas/v2/groups"),
    host: "cloud.mongodb.com",
    headers: {
      authorization: "Bearer access-0057",
      accept: "application/vnd.atlas.2025-03-12+json",
    },
    token: {
      host: "cloud.mongodb.com",
      path: "/api/oauth/token",
      authorization: CLIENT_BASIC,
      form: { grant_type: "client_credentials" },
      accessToken: "access-0057",
    },
  },
  {
    capability: "shopify/graphql",
    way: "client-credentials",
    secrets: { SHOPIFY_OAUTH: clientOnly },
    tenant: { oauth: "SHOPIFY_OAUTH" },
    call: post("/admin/api/2026-10/graphql.json", { query: "{ shop { name } }" }),
    host: "example.myshopify.com",
    headers: { "x-shopify-access-token": "access-0058" },
    token: {
      host: "example.myshopify.com",
      path: "/admin/oauth/access_token",
      authorization: null,
      form: { grant_type: "client_credentials", ...CLIENT_POST },
      accessToken: "access-0058",
    },
  },
  {
    capability: "zoom/users-read",
    secrets: { ZOOM_OAUTH: JSON.stringify({ ...CLIENT, accountId: "account-0059" }) },
    call: get("/v2/users/me"),
    host: "api.zoom.us",
    headers: { authorization: "Bearer access-0059" },
    token: {
      host: "zoom.us",
      path: "/oauth/token",
      authorization: CLIENT_BASIC,
      form: { grant_type: "account_credentials", account_id: "account-0059" },
      accessToken: "access-0059",
    },
  },
  {
    capability: "twitch/catalog",
    secrets: { TWITCH_CLIENT_ID: CLIENT.clientId, TWITCH_OAUTH: refreshable },
    call: get("/helix/streams?first=1"),
    host: "api.twitch.tv",
    headers: { authorization: "Bearer access-0060", "client-id": CLIENT.clientId },
    token: {
      host: "id.twitch.tv",
      path: "/oauth2/token",
      authorization: null,
      form: { ...REFRESH, ...CLIENT_POST },
      accessToken: "access-0060",
    },
  },
  {
    capability: "twitch/catalog",
    secrets: { TWITCH_CLIENT_ID: CLIENT.clientId, TWITCH_OAUTH: clientOnly },
    call: get("/helix/streams?first=1"),
    host: "api.twitch.tv",
    headers: { authorization: "Bearer access-0061", "client-id": CLIENT.clientId },
    token: {
      host: "id.twitch.tv",
      path: "/oauth2/token",
      authorization: null,
      // RFC 6749 section 4.4.2: scope is optional.
      form: {
        grant_type: "client_credentials",
        scope: "clips:edit user:read:email user:write:chat",
        ...CLIENT_POST,
      },
      accessToken: "access-0061",
    },
  },
];
