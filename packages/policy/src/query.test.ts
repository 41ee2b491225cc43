import { describe, expect, it } from "vitest";
import { managedQueryConflict, queryPairs, satisfiesQuery } from "./query.ts";

describe("managedQueryConflict", () => {
  it.each([
    "key=a",
    "a=1&key=a",
    "KEY=a",
    "%6bey=a",
    "%256bey=a",
    "key",
    "key[]=a",
    "key%5B0%5D=a",
    "key%20=a",
    "+key=a",
    "%20key%00=a",
    "k%E2%80%8Bey=a",
    "%EF%BD%8Bey=a",
    "%E2%84%AAey=a",
    "a=1;key=a",
    "a&amp;key=a",
    "?key=a",
    "??key=a",
    "&&key=a",
  ])("G6: sees the managed parameter in %s", (query) => {
    expect(managedQueryConflict(query, ["key"])).toMatchObject({ reason: "auth_query_rejected" });
  });

  it.each(["api.key=a", "api%20key=a", "api[key=a", "API_KEY=a"])(
    "G6: reads %s as api_key",
    (query) => {
      expect(managedQueryConflict(query, ["api_key"])).not.toBeNull();
    },
  );

  it.each([
    "",
    "keys=1",
    "a?key=1",
    "monkey=1",
    "key_id=1",
    "x=key",
    "q=key%3D1",
    "%=1",
    "x[key]=1",
  ])("lets %s pass", (query) => {
    expect(managedQueryConflict(query, ["key"])).toBeNull();
  });

  it.each(["access_token=a", "X-Amz-Signature=a", "x-goog-credential=a", "Access.Token=a"])(
    "G6: refuses %s whatever is managed",
    (query) => {
      expect(managedQueryConflict(query, [])).not.toBeNull();
    },
  );
});

describe("how deep a name is looked into", () => {
  it("is three encodings, which is one more than any server undoes", () => {
    const name = (percents: string) => `%${percents}61ccess_token=x`;
    for (const percents of ["", "25", "2525"]) {
      expect(managedQueryConflict(name(percents), [])).not.toBeNull();
    }
    expect(managedQueryConflict(name("252525"), [])).toBeNull();
  });

  it("is not into question marks that stand inside it", () => {
    expect(managedQueryConflict("??access_token=x", [])).not.toBeNull();
    expect(managedQueryConflict("access?_token=x", [])).toBeNull();
  });
});

describe("queryPairs", () => {
  it("decodes names and values in order", () => {
    expect(queryPairs("a=b=c&&x+y=%2B&flag&=")).toEqual([
      ["a", "b=c"],
      ["x y", "+"],
      ["flag", ""],
      ["", ""],
    ]);
    expect(queryPairs("")).toEqual([]);
  });
});

describe("satisfiesQuery", () => {
  it("wants a required parameter once, by name and value", () => {
    const constraint = { required: { op: "read" } };
    expect(satisfiesQuery(constraint, "a=1&op=read")).toBe(true);
    for (const query of ["", "op=write", "op=read&op=write", "op=read&OP=write", "OP=read"]) {
      expect(satisfiesQuery(constraint, query)).toBe(false);
    }
    // Where another server would see it twice, or at all.
    for (const query of [
      "a=1;op=write&op=read",
      "op=read;op=write",
      "op=read&o%2570=write",
      "o%2570=read",
    ]) {
      expect(satisfiesQuery(constraint, query)).toBe(false);
    }
  });

  it("sees a forbidden parameter in any disguise", () => {
    const constraint = { forbidden: ["force"] };
    expect(satisfiesQuery(constraint, "forced=1")).toBe(true);
    for (const query of ["force=1", "FORCE", "%66orce", "force[]=1", "a=1;force=1"]) {
      expect(satisfiesQuery(constraint, query)).toBe(false);
    }
  });

  it("admits only what is listed, when there is a list", () => {
    const constraint = { allowed: ["limit"], required: { v: "1" } };
    expect(satisfiesQuery(constraint, "v=1&limit=2")).toBe(true);
    expect(satisfiesQuery(constraint, "v=1&offset=2")).toBe(false);
    expect(satisfiesQuery(constraint, "v=1&limit=2;offset=3")).toBe(false);
    expect(satisfiesQuery({ allowed: [] }, "")).toBe(true);
    expect(satisfiesQuery({ allowed: [] }, "a")).toBe(false);
  });
});
