// Google's SDK for its APIs, which takes an origin but no path: the token's own credential says where its
// requests go. Tokens are refreshed by us; the SDK has one that never ages.
import { google } from "googleapis";

// #region configure
const auth = new google.auth.OAuth2();
auth.setCredentials({ access_token: process.env.AIVAULT_TOKEN });
const rootUrl = `${process.env.AIVAULT_URL}/`;
const gmail = google.gmail({ version: "v1", auth, rootUrl });
// #endregion

const profile = await gmail.users.getProfile({ userId: "me" });
const ids = [];
let pageToken;
do {
  const { data } = await gmail.users.messages.list({ userId: "me", q: "is:unread", pageToken });
  ids.push(...(data.messages ?? []).map(({ id }) => id));
  pageToken = data.nextPageToken;
} while (pageToken);
const raw = Buffer.from("To: a@example.test\r\nSubject: Hello\r\n\r\nHello").toString("base64url");
const sent = await gmail.users.messages.send({ userId: "me", requestBody: { raw } });
const media = { mimeType: "message/rfc822", body: "To: a@example.test\r\n\r\nHello" };
// Only what is said with the call itself holds for uploads.
const upload = { userId: "me", requestBody: {}, media };
const uploaded = await gmail.users.messages.send(upload, { rootUrl });

const report = {
  profile: profile.data.emailAddress,
  ids,
  sent: sent.data.id,
  uploaded: uploaded.data.id,
};
process.stdout.write(JSON.stringify(report));
