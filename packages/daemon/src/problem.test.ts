import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { Problem, sendProblem } from "./problem.ts";
import { describeError } from "./status.ts";

it("G19: does not fail over a refusal whose caller has gone", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
    // As for every answer that may come from a provider.
    response.strictContentLength = true;
    const closed = once(response, "close");
    client.destroy();
    await closed;
    const problem = describeError(new Problem("upstream_timeout", "no answer"));
    expect(() => sendProblem(response, "r1", problem)).not.toThrow();
  } finally {
    server.close();
  }
});
