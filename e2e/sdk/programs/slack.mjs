// Slack's SDK: a write, a refusal of Slack's own, and pages by cursor.
import { WebClient } from "@slack/web-api";

// #region configure
const slack = new WebClient(process.env.AIVAULT_TOKEN, {
  slackApiUrl: `${process.env.AIVAULT_URL}/v/slack/api/`,
  retryConfig: { retries: 1 },
});
// #endregion

const { user } = await slack.auth.test();
const posted = await slack.chat.postMessage({ channel: "C1", text: "Hello & goodbye" });
const refused = await slack.chat
  .postMessage({ channel: "C2", text: "Hello" })
  .catch((error) => error);
const members = [];
for await (const page of slack.paginate("users.list", { limit: 1 })) {
  for (const { id } of page.members) members.push(id);
}

const report = { user, text: posted.message.text, refused: refused.data?.error, members };
process.stdout.write(JSON.stringify(report));
