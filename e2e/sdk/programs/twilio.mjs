// Twilio's SDK, which knows no base URL: its HTTP client is told of ours. The account's SID, which is an
// identifier and part of every path, stays the real one.
import twilio from "twilio";

// #region configure
class BrokerClient extends twilio.RequestClient {
  request(options) {
    const uri = options.uri.replace(
      "https://api.twilio.com",
      `${process.env.AIVAULT_URL}/v/twilio`,
    );
    return super.request({ ...options, uri });
  }
}
const client = twilio(process.env.TWILIO_ACCOUNT_SID, process.env.AIVAULT_TOKEN, {
  httpClient: new BrokerClient(),
});
// #endregion

const sent = await client.messages.create({
  to: "+15550100",
  from: "+15550101",
  body: "Hello & +",
});
const listed = await client.messages.list({ pageSize: 1 });
const refusal = await client.calls.list({ limit: 1 }).catch((error) => error);

const report = { sent: sent.body, listed: listed.map(({ sid }) => sid), refusal: refusal.status };
process.stdout.write(JSON.stringify(report));
