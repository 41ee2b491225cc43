// The official SDK with nothing said in code, and the token in Authorization.
import Anthropic from "@anthropic-ai/sdk";

const { data } = await new Anthropic().models.list();
process.stdout.write(JSON.stringify(data.map(({ id }) => id)));
