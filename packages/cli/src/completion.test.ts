import { describe, expect, it } from "vitest";
import { complete } from "./completion.ts";

const names = async (kind: string) => [{ word: `${kind}-1`, summary: "" }];
const words = async (line: string) => {
  const found = await complete(line.split(" "), names);
  return found === "file" ? found : found.map(({ word }) => word);
};

describe("complete", () => {
  it.each<[string, string[] | "file"]>([
    ["sec", ["secrets"]],
    ["secrets r", ["rotate"]],
    ["audit v", ["verify"]],
    ["invoke ", ["capability-1"]],
    ["json cap", ["capability-1"]],
    ["invoke p/c --meth", ["--method"]],
    ["invoke p/c --method ", []],
    ["invoke p/c --body-file-path ", "file"],
    ["invoke p/c --credential ", ["credential-1"]],
    ["invoke --method GET ", ["capability-1"]],
    ["invoke p/c --credential=cred", ["--credential=credential-1"]],
    ["invoke p/c --credential=x", []],
    ["invoke p/c --body-file-path=/", []],
    ["invoke p/c --credential = cred", ["credential-1"]],
    ["invoke p/c --credential =", ["credential-1"]],
    ["invoke --credential = x ", ["capability-1"]],
    ["secrets rotate ", ["secret-1"]],
    ["oauth login ", ["provider-1"]],
    ["capability list --provider ", ["provider-1"]],
    ["token revoke ", ["token-1"]],
    ["secrets import --env-file ", "file"],
    ["init --provider e", ["env"]],
    ["completion f", ["fish"]],
    ["nonsense x", []],
  ])("offers what fits after %j", async (line, expected) => {
    expect(await words(line)).toEqual(expected);
  });

  it("offers the commands at the start, each noun once", async () => {
    const found = (await words("")) as string[];
    expect(found).toContain("invoke");
    expect(new Set(found).size).toBe(found.length);
  });

  it("does not offer a flag again that may be given once", async () => {
    expect(await words("invoke p/c --method GET --m")).not.toContain("--method");
    expect(await words("invoke p/c --header a=1 --h")).toContain("--header");
  });
});
