// Google's SDK for Gemini: plain, streamed, embeddings.
import { GoogleGenAI } from "@google/genai";

// #region configure
const gemini = new GoogleGenAI({
  apiKey: process.env.AIVAULT_TOKEN,
  httpOptions: { baseUrl: `${process.env.AIVAULT_URL}/v/gemini` },
});
// #endregion

const request = { model: "gemini", contents: "Hello?" };
const content = await gemini.models.generateContent(request);
const pieces = [];
for await (const chunk of await gemini.models.generateContentStream(request)) {
  pieces.push(chunk.text);
}
const { embeddings } = await gemini.models.embedContent(request);

const report = { text: content.text, pieces, embedding: embeddings?.[0]?.values };
process.stdout.write(JSON.stringify(report));
