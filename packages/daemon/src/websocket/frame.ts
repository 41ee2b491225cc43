/** The few frames of RFC 6455 that this daemon writes and reads itself. All others pass the broker. Pure. */

/** RFC 6455 §7.4.1 and the registry it made. */
export const CLOSE_CODE = { policy: 1008, failed: 1011, later: 1013 } as const;

const FIN = 0x80;
const MASKED = 0x80;
const TEXT = 1;
const CLOSE = 8;

/** A text message in one frame, as a server sends it: unmasked. At most 65,535 octets. */
export function textFrame(text: string): Buffer {
  return frame(TEXT, Buffer.from(text));
}

/** A close frame. `reason` is ASCII and at most 123 characters. */
export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + reason.length);
  payload.writeUInt16BE(code);
  payload.write(reason, 2, "ascii");
  return frame(CLOSE, payload);
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new RangeError("a frame of this daemon's own is short");
  const head =
    length < 126 ? [FIN | opcode, length] : [FIN | opcode, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), payload]);
}

export type FirstMessage =
  /** It has not come completely. */
  | { readonly kind: "incomplete" }
  /** `rest` is what came behind it. Both are copies or views of what was given. */
  | { readonly kind: "text"; readonly text: Buffer; readonly rest: Buffer }
  /** What came is no text message in one frame, or a longer one. */
  | { readonly kind: "refused"; readonly message: string };

/**
 * Read the first message of a client.
 *
 * @param octets - Everything the client has sent since the handshake.
 */
export function readFirstMessage(octets: Buffer, bytesMax: number): FirstMessage {
  if (octets.length < 2) return { kind: "incomplete" };
  const [first = 0, second = 0] = octets;
  if (first !== (FIN | TEXT)) return refused("the first message must be text, in one frame");
  // RFC 6455 §5.1: a client masks, and a server must not go on with one that does not.
  if ((second & MASKED) === 0) return refused("a client's frames are masked");
  const short = second & 0x7f;
  if (short === 127) return refused(`the first message has more than ${bytesMax} bytes`);
  const lengthEnd = short === 126 ? 4 : 2;
  if (octets.length < lengthEnd + 4) return { kind: "incomplete" };
  const length = short === 126 ? octets.readUInt16BE(2) : short;
  if (length > bytesMax) return refused(`the first message has more than ${bytesMax} bytes`);
  const begin = lengthEnd + 4;
  const end = begin + length;
  if (octets.length < end) return { kind: "incomplete" };
  const mask = octets.subarray(lengthEnd, begin);
  const text = Buffer.from(octets.subarray(begin, end));
  for (let i = 0; i < length; i++) text[i] = (text[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return { kind: "text", text, rest: octets.subarray(end) };
}

function refused(message: string): FirstMessage {
  return { kind: "refused", message };
}
