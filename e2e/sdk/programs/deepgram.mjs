// Deepgram's SDK: an upload, sound in answer, and a live conversation over a WebSocket.
import { DeepgramClient } from "@deepgram/sdk";

// #region configure
const deepgram = new DeepgramClient({
  baseUrl: `${process.env.AIVAULT_URL}/v/deepgram`,
  apiKey: process.env.AIVAULT_TOKEN,
});
// #endregion

const sound = Buffer.alloc(100_000, 7);
const file = await deepgram.listen.v1.media.transcribeFile(sound, { model: "nova-3" });
const speech = await deepgram.speak.v1.audio.generate({ text: "Hello", model: "aura-2" });
const spoken = Buffer.from(await speech.arrayBuffer());

const live = await deepgram.listen.v1.connect({ model: "nova-3" });
const events = [];
const done = new Promise((resolve, reject) => {
  live.on("message", (message) => {
    events.push(message.type);
    if (message.type === "Results") {
      events.push(message.channel.alternatives[0].transcript);
      live.sendCloseStream({ type: "CloseStream" });
    }
    if (message.type === "Metadata") resolve();
  });
  live.on("error", reject);
});
live.connect();
await live.waitForOpen();
for (let i = 0; i < 10; i++) live.sendMedia(sound.subarray(0, 8_000));
live.sendFinalize({ type: "Finalize" });
await done;
live.close();

const report = {
  file: file.results.channels[0].alternatives[0].transcript,
  spoken: spoken.equals(Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256))),
  events,
};
process.stdout.write(JSON.stringify(report));
