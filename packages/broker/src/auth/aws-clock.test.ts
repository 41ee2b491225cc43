import { expect, it } from "vitest";
import { clockOffset } from "./aws-clock.ts";

const nowMs = Date.UTC(2030, 0, 1, 12, 0, 0);
const head = (date: string, status = 403) => ({ status, headers: [["Date", date] as const] });

it("takes the provider's clock after a refusal, when ours is more than five minutes off", () => {
  expect(clockOffset(head("Tue, 01 Jan 2030 12:20:00 GMT"), nowMs, 0)).toBe(1_200_000);
  expect(clockOffset(head("Tue, 01 Jan 2030 11:00:00 GMT", 400), nowMs, 0)).toBe(-3_600_000);
});

it("leaves our clock alone otherwise", () => {
  expect(clockOffset(head("Tue, 01 Jan 2030 12:04:00 GMT"), nowMs, 0)).toBeNull();
  expect(clockOffset(head("Tue, 01 Jan 2030 12:20:00 GMT"), nowMs, 1_200_000)).toBeNull();
  expect(clockOffset(head("Tue, 01 Jan 2030 12:20:00 GMT", 200), nowMs, 0)).toBeNull();
  expect(clockOffset(head("2030-01-01T12:20:00Z"), nowMs, 0)).toBeNull();
  expect(clockOffset({ status: 403, headers: [] }, nowMs, 0)).toBeNull();
});
