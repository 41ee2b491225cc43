// LangChain's OpenAI integration: plain, streamed, embeddings.
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";

// #region configure
const configuration = { baseURL: `${process.env.AIVAULT_URL}/v/openai/v1` };
const apiKey = process.env.AIVAULT_TOKEN;
const chat = new ChatOpenAI({ model: "gpt", apiKey, configuration });
const embeddings = new OpenAIEmbeddings({ model: "embed", apiKey, configuration });
// #endregion

const message = await chat.invoke("Hello?");
const pieces = [];
for await (const chunk of await chat.stream("Hello?")) pieces.push(chunk.content);
const embedding = await embeddings.embedQuery("Hello?");

const report = { text: message.content, pieces: pieces.filter(Boolean), embedding };
process.stdout.write(JSON.stringify(report));
