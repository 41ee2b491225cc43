// AWS's SDK for S3: it signs with our token, and we sign anew with the key.
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";

// #region configure
const s3 = new S3Client({
  endpoint: `${process.env.AIVAULT_URL}/v/aws`,
  forcePathStyle: true,
  region: "us-east-1",
  credentials: { accessKeyId: process.env.AIVAULT_TOKEN, secretAccessKey: "unused" },
});
// #endregion

const Bucket = "bucket";
// Every character that one party or another encodes in a way of its own.
const Key = "a b/ä+(1)~'!*.txt";
await s3.send(new PutObjectCommand({ Bucket, Key, Body: "contents" }));
async function* pieces() {
  for (let i = 0; i < 20; i++) yield Buffer.alloc(16_384, i);
}
const { Readable } = await import("node:stream");
await s3.send(
  new PutObjectCommand({
    Bucket,
    Key: "stream",
    Body: Readable.from(pieces()),
    ContentLength: 20 * 16_384,
  }),
);
const object = await s3.send(new GetObjectCommand({ Bucket, Key }));
const stream = await s3.send(new GetObjectCommand({ Bucket, Key: "stream" }));
const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "a b/" }));
await s3.send(new DeleteObjectCommand({ Bucket, Key }));
const missing = await s3.send(new GetObjectCommand({ Bucket, Key })).catch((error) => error);

const report = {
  object: await object.Body.transformToString(),
  stream: (await stream.Body.transformToByteArray()).length,
  head: head.ContentLength,
  list: list.Contents?.map(({ Key }) => Key),
  missing: missing.name,
};
process.stdout.write(JSON.stringify(report));
