// grammY: methods, a multipart upload, and the download of a file, whose path has the token as well.
import { Bot, InputFile } from "grammy";

// #region configure
const bot = new Bot(process.env.AIVAULT_TOKEN, {
  client: { apiRoot: `${process.env.AIVAULT_URL}/v/telegram` },
});
// #endregion

const me = await bot.api.getMe();
const sent = await bot.api.sendMessage(7, "Hello");
const updates = await bot.api.getUpdates();
const document = new InputFile(Buffer.from("0123456789"), "ten-bytes.txt");
const uploaded = await bot.api.sendDocument(7, document);
const { file_path } = await bot.api.getFile("f1");
const { apiRoot } = bot.api.options;
const file = await fetch(`${apiRoot}/file/bot${bot.token}/${file_path}`);

const report = {
  me: me.username,
  sent: sent.text,
  updates: updates.map(({ message }) => message?.text),
  uploaded: uploaded.document,
  file: await file.text(),
};
process.stdout.write(JSON.stringify(report));
