// @ts-check
// https://core.telegram.org/bots/api
import { partsOf, sendJson, sendNotFound } from "../answers.mjs";
import { inPath } from "../credential-places.mjs";

export const KEY = "123456789:SdkSdkSdk0123456789abcdefghijklmnop";

const chat = { id: 7, type: "private", first_name: "Ada" };

/** @type {Readonly<Record<string, import("../stand-in.mjs").Provider>>} */
export const hosts = {
  "api.telegram.org": {
    secrets: [KEY],
    credential: inPath(`/bot${KEY}`, `/file/bot${KEY}`),
    async answer(arrival, response) {
      const ok = (/** @type {unknown} */ result) => sendJson(response, { ok: true, result });
      const message = { message_id: 1, date: 1, chat };
      switch (`${arrival.method} ${arrival.target}`) {
        case "POST /getMe":
          return ok({ id: 123456789, is_bot: true, first_name: "Bot", username: "sdk_bot" });
        case "POST /sendMessage":
          return ok({ ...message, text: JSON.parse(arrival.body.toString("utf8")).text });
        case "POST /getUpdates":
          return ok([{ update_id: 10, message: { ...message, text: "Hello" } }]);
        case "POST /sendDocument": {
          const file = (await partsOf(arrival)).find(({ filename }) => filename !== null);
          const document = { file_id: "f1", file_name: file?.filename, file_size: file?.bytes };
          return ok({ ...message, document });
        }
        case "POST /getFile":
          return ok({ file_id: "f1", file_unique_id: "u1", file_path: "documents/file_0.txt" });
        case "GET /file/documents/file_0.txt":
          response.writeHead(200, { "content-type": "application/octet-stream" });
          return void response.end("contents of the file");
        default:
          return sendNotFound(response);
      }
    },
  },
};
