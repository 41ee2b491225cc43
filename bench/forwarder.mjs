// The floor: node:http and undici `dispatch`, one header added, nothing checked. Started as a process:
// stdin carries {"socket","port","caPath","host","authorization"} so that no key is in an argument list.
import { readFileSync } from "node:fs";
import http from "node:http";
import { createInterface } from "node:readline";
import { Pool } from "undici";

const lines = createInterface({ input: process.stdin });
const { socket, port, caPath, host, authorization } = JSON.parse(
  await new Promise((resolve) => lines.once("line", resolve)),
);
const pool = new Pool(`https://127.0.0.1:${port}`, {
  connections: 128,
  pipelining: 1,
  connect: { ca: readFileSync(caPath), servername: host },
});
const dropped = new Set(["host", "connection", "keep-alive", "transfer-encoding", "authorization"]);

function requestHeaders(raw) {
  const headers = ["host", host, "authorization", authorization];
  for (let i = 0; i < raw.length; i += 2) {
    if (!dropped.has(raw[i].toLowerCase())) headers.push(raw[i], raw[i + 1]);
  }
  return headers;
}

http
  .createServer((request, response) => {
    let control;
    pool.dispatch(
      {
        method: request.method,
        path: request.url,
        headers: requestHeaders(request.rawHeaders),
        body: request.method === "GET" ? null : request,
      },
      {
        onRequestStart(started) {
          control = started;
        },
        onResponseStart(_, status, headers) {
          for (const name of dropped) delete headers[name];
          response.writeHead(status, headers);
        },
        onResponseData(_, chunk) {
          if (response.write(chunk)) return;
          control.pause();
          response.once("drain", () => control.resume());
        },
        onResponseEnd() {
          response.end();
        },
        onResponseError() {
          response.destroy();
        },
      },
    );
  })
  .listen(socket, () => console.log("ready"));
