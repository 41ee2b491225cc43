// @ts-check
// https://developers.deepgram.com/reference
import { sendJson, sendNotFound } from "../answers.mjs";
import { inHeader } from "../credential-places.mjs";

export const KEY = "5dc0123456789abcdef0123456789abcdef01234";

/** @param {string} transcript */
const alternatives = (transcript) => [{ transcript, confidence: 1, words: [] }];

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.deepgram.com": {
    secrets: [KEY],
    credential: inHeader("authorization", `Token ${KEY}`),
    answer(arrival, response) {
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /v1/listen?model=nova-3":
          return sendJson(response, {
            metadata: { request_id: "r1", channels: 1, duration: 1, created: "2026-01-01" },
            results: {
              channels: [{ alternatives: alternatives(`${arrival.body.length} octets`) }],
            },
          });
        // Sound, not text: not an octet of it may change.
        case "POST /v1/speak?model=aura-2":
          response.writeHead(200, { "content-type": "audio/mpeg" });
          return void response.end(Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256)));
        default:
          return sendNotFound(response);
      }
    },
    connect(socket) {
      let octets = 0;
      socket.on("message", (data, isBinary) => {
        if (isBinary) {
          octets += /** @type {Buffer} */ (data).length;
          return;
        }
        const { type } = JSON.parse(String(data));
        if (type === "Finalize") {
          const channel = { alternatives: alternatives(`${octets} octets`) };
          const result = { channel_index: [0, 1], start: 0, duration: 1, is_final: true };
          socket.send(JSON.stringify({ type: "Results", ...result, channel }));
        }
        if (type === "CloseStream") {
          socket.send(JSON.stringify({ type: "Metadata", request_id: "r2", duration: 1 }));
          socket.close(1000);
        }
      });
    },
  },
};
