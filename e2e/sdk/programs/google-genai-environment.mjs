// Google's SDK for Gemini with nothing said in code.
import { GoogleGenAI } from "@google/genai";

const models = await new GoogleGenAI({}).models.list({ config: { pageSize: 1 } });
process.stdout.write(JSON.stringify(models.page.map(({ name }) => name)));
