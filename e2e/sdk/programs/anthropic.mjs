// The official SDK: plain, streamed, and refused.
import Anthropic from "@anthropic-ai/sdk";

// #region configure
const anthropic = new Anthropic({
  baseURL: `${process.env.AIVAULT_URL}/v/anthropic`,
  apiKey: process.env.AIVAULT_TOKEN,
});
// #endregion

const request = {
  model: "claude",
  max_tokens: 16,
  messages: [{ role: "user", content: "Hello?" }],
};
const message = await anthropic.messages.create(request);
const pieces = [];
const stream = anthropic.messages.stream(request).on("text", (text) => pieces.push(text));
const streamed = await stream.finalMessage();
const refusal = await anthropic.models.list().catch((error) => error);

const report = {
  message: message.content[0]?.text,
  pieces,
  streamed: streamed.content[0]?.text,
  refusal: { status: refusal.status, error: refusal.headers?.get("aivault-error") },
};
process.stdout.write(JSON.stringify(report));
