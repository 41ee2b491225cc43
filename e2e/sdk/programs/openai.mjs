// The official SDK: plain, streamed, base64, multipart, and refused.
import OpenAI, { toFile } from "openai";

// #region configure
const openai = new OpenAI({
  baseURL: `${process.env.AIVAULT_URL}/v/openai/v1`,
  apiKey: process.env.AIVAULT_TOKEN,
});
// #endregion

const messages = [{ role: "user", content: "Hello?" }];
const chat = await openai.chat.completions.create({ model: "gpt", messages });
const pieces = [];
for await (const chunk of await openai.chat.completions.create({
  model: "gpt",
  messages,
  stream: true,
})) {
  pieces.push(chunk.choices[0]?.delta.content ?? "");
}
const response = await openai.responses.create({ model: "gpt", input: "Hello?" });
const events = [];
for await (const { type } of await openai.responses.create({
  model: "gpt",
  input: "Hello?",
  stream: true,
})) {
  events.push(type);
}
const { data } = await openai.embeddings.create({ model: "embed", input: "Hello?" });
const file = await openai.files.create({
  file: await toFile(Buffer.from("one\ntwo\n"), "lines.jsonl"),
  purpose: "batch",
});
const refusal = await openai.fineTuning.jobs.list().catch((error) => error);

const report = {
  chat: chat.choices[0]?.message.content,
  pieces,
  response: response.output_text,
  events: events.length,
  embedding: data[0]?.embedding,
  file: { name: file.filename, bytes: file.bytes },
  refusal: { status: refusal.status, error: refusal.headers?.get("aivault-error") },
};
process.stdout.write(JSON.stringify(report));
