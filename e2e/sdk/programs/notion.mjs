// Notion's SDK: a read, a write, pages by cursor.
import { Client, collectPaginatedAPI } from "@notionhq/client";

// #region configure
const notion = new Client({
  baseUrl: `${process.env.AIVAULT_URL}/v/notion`,
  auth: process.env.AIVAULT_TOKEN,
});
// #endregion

const found = await collectPaginatedAPI(notion.search, { query: "Plan" });
const page = await notion.pages.retrieve({ page_id: "p1" });
const archived = await notion.pages.update({ page_id: "p1", archived: true });

const report = { found: found.map(({ id }) => id), page: page.id, archived: archived.archived };
process.stdout.write(JSON.stringify(report));
