import { describe, expect, it } from "vitest";
import { decodeAwsChunked, readAwsRequest } from "./aws-request.ts";

const SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const pairs = (headers: Record<string, string>) =>
  Object.entries(headers).map(([name, value]) => ({ name, value }));

describe("readAwsRequest", () => {
  it.each(["a".repeat(64), "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])(
    "takes %s out and changes nothing else",
    (payloadHash) => {
      const headers = pairs({ "Content-Encoding": "aws-chunked", "x-amz-trailer": "x" });
      const all = [...headers, ...pairs({ "X-Amz-Content-Sha256": payloadHash })];
      expect(readAwsRequest(all)).toEqual({ headers, payloadHash, decodedLength: null });
    },
  );

  it("has nothing to say of a request that says nothing", () => {
    const headers = pairs({ "x-amz-acl": "private" });
    expect(readAwsRequest(headers)).toEqual({ headers, payloadHash: null, decodedLength: null });
  });

  it.each([SIGNED, `${SIGNED}-TRAILER`])("undoes %s", (payloadHash) => {
    const request = readAwsRequest(
      pairs({
        "content-encoding": "gzip, aws-chunked",
        "x-amz-content-sha256": payloadHash,
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm": "CRC32",
        "x-amz-meta-a": "b",
      }),
    );
    expect(request).toEqual({
      headers: pairs({ "content-encoding": "gzip", "x-amz-meta-a": "b" }),
      payloadHash: "UNSIGNED-PAYLOAD",
      decodedLength: 5,
    });
  });

  it("refuses signed chunks of unknown length", () => {
    expect(() => readAwsRequest(pairs({ "x-amz-content-sha256": SIGNED }))).toThrow(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });
});

describe("decodeAwsChunked", () => {
  const encoded =
    "5;chunk-signature=00\r\nhello\r\n1;chunk-signature=11\r\n \r\n5\r\nworld\r\n0;chunk-signature=22\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";

  async function decode(text: string, size: number): Promise<string> {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      Buffer.from(text.slice(i * size, (i + 1) * size), "latin1"),
    );
    async function* body() {
      yield* pieces;
    }
    let data = "";
    for await (const chunk of decodeAwsChunked(body())) data += Buffer.from(chunk).toString();
    return data;
  }

  it("finds the data, however it is cut", async () => {
    for (let size = 1; size <= encoded.length; size++) {
      expect(await decode(encoded, size)).toBe("hello world");
    }
  });

  it.each([
    ["ends early", encoded.slice(0, 40)],
    ["has no last chunk", encoded.slice(0, encoded.indexOf("0;chunk"))],
    ["has no size", `x${encoded}`],
    ["has more than its size says", encoded.replace("hello", "hello!")],
    ["has a head without end", "1".repeat(3000)],
    ["is empty", ""],
  ])("refuses what %s", async (_, text) => {
    await expect(decode(text, 7)).rejects.toMatchObject({ code: "invalid_request" });
  });
});
