import { builtinRegistry, type Provider } from "@aivault/registry";
import { expect, it } from "vitest";
import { loginScheme } from "./scheme.ts";

it("says which other login there is, whatever comes after it", () => {
  const provider = builtinRegistry().provider("spotify") as Provider;
  const { authorizationUrl: _, ...without } = provider.auth as Provider["auth"] & {
    authorizationUrl?: string;
  };
  const other = { auth: without, secrets: provider.secrets };
  const two = { ...provider, alternatives: [other] } as unknown as Provider;
  expect(() => loginScheme(two, "device")).toThrow(
    expect.objectContaining({ code: "conflict", hint: expect.stringMatching(/without --device$/) }),
  );
});
