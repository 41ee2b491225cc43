import { isDeepStrictEqual } from "node:util";
import { type Envelope, parseEnvelope, parseEnvelopeText } from "@aivault/policy";
import { corpusCases, short } from "../corpora.ts";
import { mutateText } from "../mutate.ts";
import { demand, kindOf, type Target } from "../target.ts";

const TOKENS = [
  ...'{ } [ ] : , " "a" "a":1 null true false 0 -1 "" {} [] __proto__ constructor toString'.split(
    " ",
  ),
  ..."capability credential dryRun request method path headers name value body bodyBase64".split(
    " ",
  ),
  ..."bodyUpload bodyFilePath multipart multipartFiles field filename url ../../x C:\\\\x =".split(
    " ",
  ),
  '"body":"x",',
  '"bodyBase64":"AA==",',
  '"bodyUpload":true,',
  '"multipart":{"a":"b"},',
  '"multipartFiles":[{"field":"f","filename":"g"}],',
  '"headers":[{"name":"a","value":"b"}],',
  "\\u0000",
  "\xe2\x80\x8b",
];

const PRINTABLE = /^[\x20-\x7e…]*$/;
const PROTOTYPE_KEYS = String(Reflect.ownKeys(Object.prototype));

/** Envelope parsing. Inputs are bytes. */
export const envelopeTarget: Target<string> = {
  name: "envelope",
  seeds: short(
    corpusCases("envelopes").map(
      ({ input }) => input.text && Buffer.from(input.text, "utf8").toString("latin1"),
    ),
  ),
  mutate: (random, input, pool) => {
    const text = mutateText(random, input, [random.pick(pool), random.pick(pool)], TOKENS);
    return Buffer.from(text, "latin1").toString("latin1");
  },
  check(input) {
    const bytes = Buffer.from(input, "latin1");
    const kinds = [false, true].map((uploads) => {
      const envelope = parseEnvelopeText(bytes, { uploads });
      demand(
        String(Reflect.ownKeys(Object.prototype)) === PROTOTYPE_KEYS,
        "Object.prototype changes",
      );
      if (!envelope.ok) {
        demand(PRINTABLE.test(envelope.message), "a message has controls");
        demand(envelope.message.length < 400, "a message is long");
        return kindOf(envelope.message);
      }
      wellFormed(envelope.value, uploads);
      const again = parseEnvelope(JSON.parse(JSON.stringify(writtenOut(envelope.value))), {
        uploads,
      });
      demand(again.ok && isDeepStrictEqual(again.value, envelope.value), "is not a fixed point");
      return `${envelope.value.request.body.kind} ${envelope.value.credential === null}`;
    });
    return kinds.join(" / ");
  },
};

function wellFormed({ capability, credential, dryRun, request }: Envelope, uploads: boolean): void {
  demand(/^[!-~]{1,256}$/.test(capability), "a capability is no id");
  demand(credential === null || /^[!-~]{1,256}$/.test(credential), "a credential is no id");
  demand(typeof dryRun === "boolean", "dryRun is no boolean");
  demand(typeof request.method === "string" && request.method !== "", "a method is no text");
  demand(typeof request.path === "string" && request.path !== "", "a path is no text");
  for (const { name, value } of request.headers) {
    demand(typeof name === "string" && typeof value === "string", "a header is no text");
  }
  const { body } = request;
  if (body.kind === "upload") demand(uploads, "an upload where there is none");
  if (body.kind === "multipart") {
    demand(uploads || body.files.length === 0, "files where there are none");
    for (const { filename } of body.files) {
      demand(filename === null || !/[/\\\p{Cc}]/u.test(filename), "a file name is a place");
    }
  }
}

/** The envelope in the form callers send. */
function writtenOut({ capability, credential, dryRun, request }: Envelope): object {
  const { method, path, headers, body } = request;
  return {
    capability,
    ...(credential === null ? {} : { credential }),
    dryRun,
    request: { method, path, headers, ...bodyMembers(body) },
  };
}

function bodyMembers(body: Envelope["request"]["body"]): object {
  switch (body.kind) {
    case "none":
      return {};
    case "text":
      return { body: body.text };
    case "base64":
      return { bodyBase64: Buffer.from(body.bytes).toString("base64") };
    case "upload":
      return { bodyUpload: true };
    case "multipart":
      return {
        multipart: Object.fromEntries(body.fields.map(({ name, value }) => [name, value])),
        multipartFiles: body.files.map(({ field, filename }) =>
          filename === null ? { field } : { field, filename },
        ),
      };
  }
}
