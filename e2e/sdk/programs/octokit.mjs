// GitHub's SDK: plain, a renamed repository, pages by Link, and a write.
import { Octokit } from "@octokit/rest";

// #region configure
const octokit = new Octokit({
  baseUrl: `${process.env.AIVAULT_URL}/v/github`,
  auth: process.env.AIVAULT_TOKEN,
});
// #endregion

const repo = await octokit.rest.repos.get({ owner: "octo", repo: "new" });
const renamed = await octokit.rest.repos.get({ owner: "octo", repo: "old" });
const issues = await octokit.paginate(octokit.rest.issues.listForRepo, {
  owner: "octo",
  repo: "new",
  per_page: 2,
});
const created = await octokit.rest.issues.create({ owner: "octo", repo: "new", title: "Four" });

const report = {
  repo: repo.data.full_name,
  renamed: renamed.data.full_name,
  issues: issues.map(({ number }) => number),
  created: created.data.number,
};
process.stdout.write(JSON.stringify(report));
