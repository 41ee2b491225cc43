// AWS's SDK for S3 with nothing said in code.
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({});
await s3.send(new PutObjectCommand({ Bucket: "bucket", Key: "key", Body: "contents" }));
const { Body } = await s3.send(new GetObjectCommand({ Bucket: "bucket", Key: "key" }));
process.stdout.write(JSON.stringify(await Body.transformToString()));
