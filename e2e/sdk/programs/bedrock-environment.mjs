// AWS's SDK for Bedrock with an API key of Bedrock, and nothing said in code.
import { BedrockRuntimeClient, ConverseCommand } from "@aws-sdk/client-bedrock-runtime";

const bedrock = new BedrockRuntimeClient({});
const messages = [{ role: "user", content: [{ text: "Hello?" }] }];
const { output } = await bedrock.send(new ConverseCommand({ modelId: "amazon.nova", messages }));
process.stdout.write(JSON.stringify(output.message.content[0].text));
bedrock.destroy();
