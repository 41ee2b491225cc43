// The official SDK with nothing said in code.
import OpenAI from "openai";

const { data } = await new OpenAI().models.list();
process.stdout.write(JSON.stringify(data.map(({ id }) => id)));
