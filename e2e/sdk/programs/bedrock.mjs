// AWS's SDK for Bedrock, which speaks HTTP/2 without TLS to an http:// endpoint.
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
} from "@aws-sdk/client-bedrock-runtime";

// #region configure
const bedrock = new BedrockRuntimeClient({
  endpoint: `${process.env.AIVAULT_URL}/v/aws`,
  region: "us-east-1",
  credentials: { accessKeyId: process.env.AIVAULT_TOKEN, secretAccessKey: "unused" },
});
// #endregion

const request = {
  modelId: "anthropic.claude-v1:0",
  messages: [{ role: "user", content: [{ text: "Hello?" }] }],
};
const { output } = await bedrock.send(new ConverseCommand(request));
const { stream } = await bedrock.send(new ConverseStreamCommand(request));
const pieces = [];
for await (const { contentBlockDelta } of stream) {
  if (contentBlockDelta !== undefined) pieces.push(contentBlockDelta.delta?.text);
}
const invoked = await bedrock.send(
  new InvokeModelCommand({ modelId: request.modelId, body: JSON.stringify({ prompt: "Hello?" }) }),
);
const { echo } = JSON.parse(invoked.body.transformToString());

const report = { text: output.message.content[0].text, pieces, echo };
process.stdout.write(JSON.stringify(report));
bedrock.destroy();
