import { type Harness, invocation, type Received, receive } from "./harness.ts";

/** What a caller got, and the id under which the audit log has it. */
export interface Delivered extends Received {
  readonly requestId: string;
}

/** A way in which an envelope gets to a harness's broker and the answer back. */
export type Deliver = (harness: Harness, json: object, requestId: string) => Promise<Delivered>;

/** Straight to the broker. */
export const deliverDirectly: Deliver = async ({ broker }, json, requestId) => ({
  ...(await receive(broker, invocation(json, null, { requestId }))),
  requestId,
});
