// Linear's SDK: a query and a mutation. It takes plain http for loopback addresses alone.
import { LinearClient } from "@linear/sdk";

// #region configure
const linear = new LinearClient({
  apiUrl: `${process.env.AIVAULT_URL}/v/linear/graphql`,
  apiKey: process.env.AIVAULT_TOKEN,
});
// #endregion

const viewer = await linear.viewer;
const created = await linear.createIssue({ teamId: "t1", title: "Broken" });

const report = { viewer: viewer.name, created: { success: created.success, id: created.issueId } };
process.stdout.write(JSON.stringify(report));
