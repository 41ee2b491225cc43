// @ts-check
// https://docs.aws.amazon.com/AmazonS3/latest/API and https://docs.aws.amazon.com/bedrock/latest/APIReference
import { createRequire } from "node:module";
import { jsonOf, sendJson, sendNotFound } from "../answers.mjs";
import { decodeChunks, inSignature } from "../aws-credential.mjs";
import { inHeader } from "../credential-places.mjs";

/** @type {typeof import("@smithy/eventstream-codec")} */
const { EventStreamCodec } = createRequire(import.meta.url)("@smithy/eventstream-codec");

export const ACCESS_KEY_ID = "AKIASDKSDKSDKSDKSDK0";
export const SECRET_ACCESS_KEY = "Sdk0123456789/abcdefghijklmnopqrstuvwxyz";
export const BEDROCK_KEY = "ABSKSdk0123456789abcdefghijklmnopqrstuvwxyz0123456789";

const caller = {
  accessKeyId: ACCESS_KEY_ID,
  secretAccessKey: SECRET_ACCESS_KEY,
  region: "us-east-1",
};

/** By path, what was put there. @type {Map<string, Buffer>} */
const objects = new Map();

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "s3.us-east-1.amazonaws.com": {
    secrets: [SECRET_ACCESS_KEY, ACCESS_KEY_ID],
    credential: inSignature({ ...caller, service: "s3" }),
    answer(arrival, response) {
      const [path = "", query = ""] = arrival.target.split(/\?(.*)/s);
      const encoding = arrival.headers.find(([name]) => name.toLowerCase() === "content-encoding");
      const isChunked = encoding?.[1] === "aws-chunked";
      const xml = (/** @type {string} */ text) => {
        response.writeHead(200, { "content-type": "application/xml" });
        response.end(`<?xml version="1.0" encoding="UTF-8"?>${text}`);
      };
      switch (arrival.method) {
        case "PUT":
          objects.set(path, isChunked ? decodeChunks(arrival.body).content : arrival.body);
          response.writeHead(200, { etag: '"put"' });
          return void response.end();
        case "GET": {
          if (path.split("/").length <= 2 || path.endsWith("/")) {
            const prefix = new URLSearchParams(query).get("prefix") ?? "";
            const keys = [...objects.keys()].map((key) => decodeURIComponent(key.slice(8)));
            const found = keys.filter((key) => key.startsWith(prefix)).sort();
            return xml(
              `<ListBucketResult><Name>bucket</Name><KeyCount>${found.length}</KeyCount>${found
                .map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
                .join("")}</ListBucketResult>`,
            );
          }
          const object = objects.get(path);
          if (object === undefined) {
            response.writeHead(404, { "content-type": "application/xml" });
            return void response.end("<Error><Code>NoSuchKey</Code><Message>no</Message></Error>");
          }
          response.writeHead(200, { "content-type": "application/octet-stream" });
          return void response.end(object);
        }
        case "HEAD":
          response.writeHead(objects.has(path) ? 200 : 404, {
            "content-length": String(objects.get(path)?.length ?? 0),
          });
          return void response.end();
        case "DELETE":
          objects.delete(path);
          response.writeHead(204);
          return void response.end();
        default:
          return sendNotFound(response);
      }
    },
  },
  "bedrock-runtime.us-east-1.amazonaws.com": {
    secrets: [SECRET_ACCESS_KEY, ACCESS_KEY_ID, BEDROCK_KEY],
    credential: (arrival) =>
      arrival.headers.some(([, value]) => value === `Bearer ${BEDROCK_KEY}`)
        ? inHeader("authorization", `Bearer ${BEDROCK_KEY}`)(arrival)
        : inSignature({ ...caller, service: "bedrock" })(arrival),
    async answer(arrival, response) {
      const [, operation] = /^\/model\/[^/]+\/([^/?]+)$/.exec(arrival.target) ?? [];
      switch (operation) {
        case "converse":
          return sendJson(response, {
            output: { message: { role: "assistant", content: [{ text: "Hello over there" }] } },
            stopReason: "end_turn",
            usage: { inputTokens: 1, outputTokens: 3, totalTokens: 4 },
            metrics: { latencyMs: 1 },
          });
        case "converse-stream":
          response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
          for (const frame of frames()) {
            response.write(frame);
            await new Promise((resolve) => setImmediate(resolve));
          }
          return void response.end();
        case "invoke":
          return sendJson(response, { echo: jsonOf(arrival) });
        default:
          return sendNotFound(response);
      }
    },
  },
};

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString("utf8"),
  (text) => Buffer.from(text, "utf8"),
);

/** Each has lengths and two checksums: a reader takes no octet that is not as it was sent. */
function frames() {
  const delta = (/** @type {string} */ text) => ({ contentBlockIndex: 0, delta: { text } });
  return [
    ["messageStart", { role: "assistant" }],
    ["contentBlockDelta", delta("Hello")],
    // What a redactor of text would take for text, and might change.
    ["contentBlockDelta", delta(" over \u0000\u{1f511}")],
    ["contentBlockDelta", delta(" there")],
    ["contentBlockStop", { contentBlockIndex: 0 }],
    ["messageStop", { stopReason: "end_turn" }],
  ].map(([type, body]) =>
    codec.encode({
      headers: {
        ":message-type": { type: "string", value: "event" },
        ":event-type": { type: "string", value: String(type) },
        ":content-type": { type: "string", value: "application/json" },
      },
      body: Buffer.from(JSON.stringify(body)),
    }),
  );
}
