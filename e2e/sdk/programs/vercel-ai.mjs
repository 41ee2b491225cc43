// The AI SDK with its OpenAI provider: plain, streamed, embeddings.
import { createOpenAI } from "@ai-sdk/openai";
import { embed, generateText, streamText } from "ai";

// #region configure
const openai = createOpenAI({
  baseURL: `${process.env.AIVAULT_URL}/v/openai/v1`,
  apiKey: process.env.AIVAULT_TOKEN,
});
// #endregion

const { text } = await generateText({ model: openai("gpt"), prompt: "Hello?" });
const chat = await generateText({ model: openai.chat("gpt"), prompt: "Hello?" });
const pieces = [];
for await (const piece of streamText({ model: openai("gpt"), prompt: "Hello?" }).textStream) {
  pieces.push(piece);
}
const { embedding } = await embed({ model: openai.embeddingModel("embed"), value: "Hello?" });

process.stdout.write(JSON.stringify({ text, chat: chat.text, pieces, embedding }));
