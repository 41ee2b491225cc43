// @ts-check
// Every SDK that is tried: how it is told of the broker, what it is to get, what the provider is to see.
import * as anthropic from "./providers/anthropic.mjs";
import * as aws from "./providers/aws.mjs";
import * as deepgram from "./providers/deepgram.mjs";
import * as gemini from "./providers/gemini.mjs";
import * as github from "./providers/github.mjs";
import * as google from "./providers/google.mjs";
import * as linear from "./providers/linear.mjs";
import * as notion from "./providers/notion.mjs";
import * as openai from "./providers/openai.mjs";
import * as slack from "./providers/slack.mjs";
import * as stripe from "./providers/stripe.mjs";
import * as telegram from "./providers/telegram.mjs";
import * as twilio from "./providers/twilio.mjs";

/**
 * @typedef {object} Case
 * @property {string} id - Name of the program, too.
 * @property {string} title - Cases of one title are one section of the table.
 * @property {readonly string[]} packages - As pinned in package.json.
 * @property {string} credential
 * @property {readonly string[]} capabilities - That the token grants.
 * @property {Readonly<Record<string, string>>} secrets - What the vault holds, by canonical name.
 * @property {Readonly<Record<string, import("./stand-in.mjs").Provider>>} hosts
 * @property {Readonly<Record<string, string>>} [environment] - Of the program, in which `$AIVAULT_URL` and
 *   `$AIVAULT_TOKEN` stand for themselves.
 * @property {true} [shell] - The program is a shell script and not JavaScript.
 * @property {unknown} expected - What the program prints: JSON, or the lines of a shell script.
 * @property {readonly string[]} requests - That the provider sees, in order.
 * @property {readonly string[]} [notes] - What whoever configures it has to know.
 */

const OPENAI = {
  credential: "openai",
  secrets: { OPENAI_API_KEY: openai.KEY },
  hosts: openai.hosts,
};

const AWS = {
  credential: "aws",
  secrets: {
    AWS_ACCESS_KEY_ID: aws.ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: aws.SECRET_ACCESS_KEY,
  },
  hosts: aws.hosts,
};

/** @type {readonly Case[]} */
export const CASES = [
  {
    ...OPENAI,
    id: "openai",
    title: "OpenAI",
    packages: ["openai"],
    capabilities: [
      "openai/chat-completions",
      "openai/responses",
      "openai/embeddings",
      "openai/files",
    ],
    notes: ["A refusal has `x-should-retry: false`, so the SDK does not try again."],
    expected: {
      chat: "Hello over there",
      pieces: ["Hello", " over", " there", ""],
      response: "Hello over there",
      events: 7,
      embedding: [0.5, -0.25],
      file: { name: "lines.jsonl", bytes: 8 },
      refusal: { status: 403, error: "policy_violation" },
    },
    requests: [
      "POST /v1/chat/completions",
      "POST /v1/chat/completions",
      "POST /v1/responses",
      "POST /v1/responses",
      "POST /v1/embeddings",
      "POST /v1/files",
    ],
  },
  {
    ...OPENAI,
    id: "openai-environment",
    title: "OpenAI",
    packages: ["openai"],
    capabilities: ["openai/models"],
    environment: {
      OPENAI_BASE_URL: "$AIVAULT_URL/v/openai/v1",
      OPENAI_API_KEY: "$AIVAULT_TOKEN",
    },
    expected: ["gpt"],
    requests: ["GET /v1/models"],
  },
  {
    id: "anthropic",
    title: "Anthropic",
    packages: ["@anthropic-ai/sdk"],
    credential: "anthropic",
    capabilities: ["anthropic/messages"],
    secrets: { ANTHROPIC_API_KEY: anthropic.KEY },
    hosts: anthropic.hosts,
    notes: [
      "Without `/v1`: the SDK adds it. Frameworks that add only `/messages` want `/v/anthropic/v1`.",
    ],
    expected: {
      message: "Hello over there",
      pieces: ["Hello", " over", " there"],
      streamed: "Hello over there",
      refusal: { status: 403, error: "policy_violation" },
    },
    requests: ["POST /v1/messages", "POST /v1/messages"],
  },
  {
    id: "anthropic-environment",
    title: "Anthropic",
    packages: ["@anthropic-ai/sdk"],
    credential: "anthropic",
    capabilities: ["anthropic/models"],
    secrets: { ANTHROPIC_API_KEY: anthropic.KEY },
    hosts: anthropic.hosts,
    environment: {
      ANTHROPIC_BASE_URL: "$AIVAULT_URL/v/anthropic",
      ANTHROPIC_AUTH_TOKEN: "$AIVAULT_TOKEN",
    },
    notes: ["`ANTHROPIC_API_KEY` does as well; with both, the SDK takes the key."],
    expected: ["claude"],
    requests: ["GET /v1/models"],
  },
  {
    id: "octokit",
    title: "GitHub",
    packages: ["@octokit/rest"],
    credential: "github",
    capabilities: ["github/repos-read", "github/repo-issues"],
    secrets: { GITHUB_TOKEN: github.KEY },
    hosts: github.hosts,
    notes: [
      "The SDK reads no address from the environment.",
      "Pages and renamed repositories are followed: `Link` and `Location` point back at the broker.",
    ],
    expected: { repo: "octo/new", renamed: "octo/new", issues: [1, 2, 3], created: 4 },
    requests: [
      "GET /repos/octo/new",
      "GET /repos/octo/old",
      "GET /repositories/1",
      "GET /repos/octo/new/issues?per_page=2",
      "GET /repositories/1/issues?per_page=2&page=2",
      "POST /repos/octo/new/issues",
    ],
  },
  {
    id: "stripe",
    title: "Stripe",
    packages: ["stripe"],
    credential: "stripe",
    capabilities: ["stripe/customers", "stripe/customers-write"],
    secrets: { STRIPE_API_KEY: stripe.KEY },
    hosts: stripe.hosts,
    notes: [
      "The SDK takes a host but no path. A token for one credential says by itself where a request goes.",
      "Its own credential only: mint the token with `--credential stripe`.",
    ],
    expected: {
      name: "Jenny Rosen",
      order: "6735",
      headers: "once true",
      ids: ["cus_1", "cus_2", "cus_3"],
      refusal: 403,
    },
    requests: [
      "POST /v1/customers",
      "GET /v1/customers?limit=2",
      "GET /v1/customers?limit=2&starting_after=cus_2",
    ],
  },
  {
    id: "slack",
    title: "Slack",
    packages: ["@slack/web-api"],
    credential: "slack",
    capabilities: ["slack/auth", "slack/chat", "slack/users-read"],
    secrets: { SLACK_BOT_TOKEN: slack.KEY },
    hosts: slack.hosts,
    notes: [
      "The SDK tries again whatever is not 200, for half an hour: refusals too, unless `retryConfig` says otherwise.",
      "`files.uploadV2` sends to an address in an answer, past the broker, and fails there.",
    ],
    expected: {
      user: "bot",
      text: "Hello & goodbye",
      refused: "channel_not_found",
      members: ["U1", "U2"],
    },
    requests: [
      "POST /api/auth.test",
      "POST /api/chat.postMessage",
      "POST /api/chat.postMessage",
      "POST /api/users.list",
      "POST /api/users.list",
    ],
  },
  {
    id: "notion",
    title: "Notion",
    packages: ["@notionhq/client"],
    credential: "notion",
    capabilities: ["notion/search", "notion/pages"],
    secrets: { NOTION_TOKEN: notion.KEY },
    hosts: notion.hosts,
    expected: { found: ["p1", "p2"], page: "p1", archived: true },
    requests: ["POST /v1/search", "POST /v1/search", "GET /v1/pages/p1", "PATCH /v1/pages/p1"],
  },
  {
    id: "linear",
    title: "Linear",
    packages: ["@linear/sdk"],
    credential: "linear",
    capabilities: ["linear/graphql"],
    secrets: { LINEAR_API_KEY: linear.KEY },
    hosts: linear.hosts,
    notes: ["The SDK takes `http:` for loopback addresses alone."],
    expected: { viewer: "Ada", created: { success: true, id: "Broken" } },
    requests: ["POST /graphql", "POST /graphql"],
  },
  {
    id: "grammy",
    title: "Telegram",
    packages: ["grammy"],
    credential: "telegram",
    capabilities: [
      "telegram/get-me",
      "telegram/send-message",
      "telegram/send-media",
      "telegram/get-updates",
      "telegram/get-file",
      "telegram/files",
    ],
    secrets: { TELEGRAM_BOT_TOKEN: telegram.KEY },
    hosts: telegram.hosts,
    notes: ["No slash at the end."],
    expected: {
      me: "sdk_bot",
      sent: "Hello",
      updates: ["Hello"],
      uploaded: { file_id: "f1", file_name: "ten-bytes.txt", file_size: 10 },
      file: "contents of the file",
    },
    requests: [
      "POST /getMe",
      "POST /sendMessage",
      "POST /getUpdates",
      "POST /sendDocument",
      "POST /getFile",
      "GET /file/documents/file_0.txt",
    ],
  },
  {
    id: "google-genai",
    title: "Gemini",
    packages: ["@google/genai"],
    credential: "gemini",
    capabilities: ["gemini/models"],
    secrets: { GEMINI_API_KEY: gemini.KEY },
    hosts: gemini.hosts,
    expected: {
      text: "Hello over there",
      pieces: ["Hello", " over", " there"],
      embedding: [0.5, -0.25],
    },
    requests: [
      "POST /v1beta/models/gemini:generateContent",
      "POST /v1beta/models/gemini:streamGenerateContent?alt=sse",
      "POST /v1beta/models/gemini:batchEmbedContents",
    ],
  },
  {
    id: "google-genai-environment",
    title: "Gemini",
    packages: ["@google/genai"],
    credential: "gemini",
    capabilities: ["gemini/models-read"],
    secrets: { GEMINI_API_KEY: gemini.KEY },
    hosts: gemini.hosts,
    environment: {
      GOOGLE_GEMINI_BASE_URL: "$AIVAULT_URL/v/gemini",
      GEMINI_API_KEY: "$AIVAULT_TOKEN",
    },
    expected: ["models/gemini"],
    requests: ["GET /v1beta/models?pageSize=1"],
  },
  {
    ...OPENAI,
    id: "vercel-ai",
    title: "AI SDK",
    packages: ["ai", "@ai-sdk/openai"],
    capabilities: ["openai/chat-completions", "openai/responses", "openai/embeddings"],
    expected: {
      text: "Hello over there",
      chat: "Hello over there",
      pieces: ["Hello", " over", " there"],
      embedding: [0.5, -0.25],
    },
    requests: [
      "POST /v1/responses",
      "POST /v1/chat/completions",
      "POST /v1/responses",
      "POST /v1/embeddings",
    ],
  },
  {
    ...OPENAI,
    id: "langchain",
    title: "LangChain",
    packages: ["@langchain/openai", "@langchain/core"],
    capabilities: ["openai/chat-completions", "openai/embeddings"],
    notes: ["`OPENAI_BASE_URL` and `OPENAI_API_KEY` do as well."],
    expected: {
      text: "Hello over there",
      pieces: ["Hello", " over", " there"],
      embedding: [0.5, -0.25],
    },
    requests: ["POST /v1/chat/completions", "POST /v1/chat/completions", "POST /v1/embeddings"],
  },
  {
    ...OPENAI,
    id: "curl",
    title: "curl",
    packages: [],
    shell: true,
    capabilities: ["openai/models", "openai/chat-completions", "openai/files"],
    expected: [
      '{"object":"list","data":[{"id":"gpt","object":"model"}]}',
      "Hello over there",
      "Hello over there",
      "5",
      '"bytes":2000000',
      '"bytes":2000000',
      '{"object":"list","data":[{"id":"gpt","object":"model"}]}',
    ],
    requests: [
      "GET /v1/models",
      "POST /v1/chat/completions",
      "POST /v1/chat/completions",
      "POST /v1/chat/completions",
      "POST /v1/files",
      "POST /v1/files",
      "GET /v1/models",
    ],
  },
  {
    id: "git",
    title: "git",
    packages: [],
    shell: true,
    credential: "github.git",
    capabilities: ["github/git-read", "github/git-write"],
    secrets: { GITHUB_TOKEN: github.KEY },
    hosts: github.hosts,
    notes: [
      "Nothing is written to a configuration file; URLs stay as they are.",
      "Basic, with any user: the token is the password.",
    ],
    expected: ["First", "Second", "First"],
    requests: [
      "GET /octo/new.git/info/refs?service=git-upload-pack",
      "POST /octo/new.git/git-upload-pack",
      "POST /octo/new.git/git-upload-pack",
      "GET /octo/new.git/info/refs?service=git-receive-pack",
      // Whether it may send in chunks, then all of it.
      "POST /octo/new.git/git-receive-pack",
      "POST /octo/new.git/git-receive-pack",
      "GET /octo/new.git/info/refs?service=git-upload-pack",
      "POST /octo/new.git/git-upload-pack",
    ],
  },
  {
    id: "twilio",
    title: "Twilio",
    packages: ["twilio"],
    credential: "twilio",
    capabilities: ["twilio/messages"],
    secrets: { TWILIO_ACCOUNT_SID: twilio.ACCOUNT_SID, TWILIO_AUTH_TOKEN: twilio.AUTH_TOKEN },
    hosts: twilio.hosts,
    environment: { TWILIO_ACCOUNT_SID: twilio.ACCOUNT_SID },
    notes: [
      "The SDK knows no base URL, but takes an HTTP client.",
      "The account SID is an identifier and part of every path: use the real one.",
    ],
    expected: { sent: "Hello & +", listed: ["SM1", "SM2"], refusal: 403 },
    requests: [
      `POST /2010-04-01/Accounts/${twilio.ACCOUNT_SID}/Messages.json`,
      `GET /2010-04-01/Accounts/${twilio.ACCOUNT_SID}/Messages.json?PageSize=1`,
      `GET /2010-04-01/Accounts/${twilio.ACCOUNT_SID}/Messages.json?PageSize=1&Page=1&PageToken=PASM1`,
    ],
  },
  {
    id: "googleapis",
    title: "Google APIs (Gmail)",
    packages: ["googleapis"],
    credential: "google-gmail",
    capabilities: ["google-gmail/profile", "google-gmail/messages-read", "google-gmail/send"],
    secrets: { GOOGLE_GMAIL_OAUTH: JSON.stringify(google.OAUTH) },
    hosts: google.hosts,
    notes: [
      "The SDK takes an origin but no path, as above for Stripe: mint the token with `--credential`.",
      "Uploads want `rootUrl` in the options of each call.",
      "Access tokens are refreshed by the broker. The SDK never sees one.",
    ],
    expected: { profile: "ada@example.test", ids: ["m1", "m2"], sent: "m3", uploaded: "m4" },
    requests: [
      "POST /token",
      "GET /gmail/v1/users/me/profile",
      "GET /gmail/v1/users/me/messages?q=is%3Aunread",
      "GET /gmail/v1/users/me/messages?q=is%3Aunread&pageToken=next",
      "POST /gmail/v1/users/me/messages/send",
      "POST /upload/gmail/v1/users/me/messages/send?uploadType=multipart",
    ],
  },
  {
    ...AWS,
    id: "s3",
    title: "AWS S3",
    packages: ["@aws-sdk/client-s3"],
    capabilities: ["aws/s3-*"],
    notes: [
      "Requests are signed anew with the key; what the SDK signed with the token is dropped.",
      "A refusal is JSON, which the SDK calls an XML parse error; the status is in `$metadata`.",
    ],
    expected: {
      object: "contents",
      stream: 327_680,
      head: 8,
      list: ["a b/ä+(1)~'!*.txt"],
      missing: "NoSuchKey",
    },
    requests: [
      "PUT /bucket/a%20b/%C3%A4%2B%281%29~%27%21%2A.txt?x-id=PutObject",
      "PUT /bucket/stream?x-id=PutObject",
      "GET /bucket/a%20b/%C3%A4%2B%281%29~%27%21%2A.txt?x-id=GetObject",
      "GET /bucket/stream?x-id=GetObject",
      "HEAD /bucket/a%20b/%C3%A4%2B%281%29~%27%21%2A.txt",
      "GET /bucket/?list-type=2&prefix=a%20b%2F",
      "DELETE /bucket/a%20b/%C3%A4%2B%281%29~%27%21%2A.txt?x-id=DeleteObject",
      "GET /bucket/a%20b/%C3%A4%2B%281%29~%27%21%2A.txt?x-id=GetObject",
    ],
  },
  {
    ...AWS,
    id: "s3-environment",
    title: "AWS S3",
    packages: ["@aws-sdk/client-s3"],
    capabilities: ["aws/s3-*"],
    environment: {
      AWS_ENDPOINT_URL_S3: "$AIVAULT_URL/v/aws",
      AWS_ACCESS_KEY_ID: "$AIVAULT_TOKEN",
      AWS_SECRET_ACCESS_KEY: "unused",
      AWS_REGION: "us-east-1",
    },
    expected: "contents",
    requests: ["PUT /bucket/key?x-id=PutObject", "GET /bucket/key?x-id=GetObject"],
  },
  {
    ...AWS,
    id: "bedrock",
    title: "AWS Bedrock",
    packages: ["@aws-sdk/client-bedrock-runtime"],
    capabilities: ["aws/*"],
    notes: ["The SDK speaks HTTP/2 without TLS, which the broker accepts."],
    expected: {
      text: "Hello over there",
      pieces: ["Hello", " over \u0000\u{1f511}", " there"],
      echo: { prompt: "Hello?" },
    },
    requests: [
      "POST /model/anthropic.claude-v1%3A0/converse",
      "POST /model/anthropic.claude-v1%3A0/converse-stream",
      "POST /model/anthropic.claude-v1%3A0/invoke",
    ],
  },
  {
    id: "bedrock-environment",
    title: "AWS Bedrock",
    packages: ["@aws-sdk/client-bedrock-runtime"],
    credential: "aws.bedrock-key",
    capabilities: ["aws/bedrock-*"],
    secrets: { AWS_BEARER_TOKEN_BEDROCK: aws.BEDROCK_KEY },
    hosts: aws.hosts,
    environment: {
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: "$AIVAULT_URL/v/aws.bedrock-key",
      AWS_BEARER_TOKEN_BEDROCK: "$AIVAULT_TOKEN",
      AWS_REGION: "us-east-1",
    },
    notes: ["With an API key of Bedrock, stored as `AWS_BEARER_TOKEN_BEDROCK`."],
    expected: "Hello over there",
    requests: ["POST /model/amazon.nova/converse"],
  },
  {
    id: "deepgram",
    title: "Deepgram",
    packages: ["@deepgram/sdk"],
    credential: "deepgram",
    capabilities: ["deepgram/transcription", "deepgram/text-to-speech"],
    secrets: { DEEPGRAM_API_KEY: deepgram.KEY },
    hosts: deepgram.hosts,
    notes: ["Live transcription is a WebSocket through the same base URL."],
    expected: {
      file: "100000 octets",
      spoken: true,
      events: ["Results", "80000 octets", "Metadata"],
    },
    requests: [
      "POST /v1/listen?model=nova-3",
      "POST /v1/speak?model=aura-2",
      "GET /v1/listen?model=nova-3",
    ],
  },
];
