import { BrokerError } from "./errors.ts";

// RFC 6455 section 5.2.

/** The head of a frame. */
export interface FrameHead {
  readonly fin: boolean;
  readonly opcode: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** As on the wire. */
  readonly bytes: Uint8Array;
}

/** What a reader finds, in order: a head, its payload in pieces, its end. */
export interface FrameHandler {
  head(head: FrameHead): void;
  /** @param chunk - As on the wire, masked or not; shares memory with what was pushed. */
  payload(chunk: Uint8Array): void;
  end(head: FrameHead): void;
}

/** Opcodes. */
export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;

const CONTROL_BYTES_MAX = 125;

/** True for close, ping and pong, which may stand between the fragments of a message. */
export function isControl(opcode: number): boolean {
  return opcode >= CLOSE;
}

/**
 * Takes a byte stream apart into frames, holding back nothing but incomplete heads.
 *
 * What is not a frame of the base protocol is refused: no extension was negotiated, so reserved bits and
 * opcodes mean nothing, and a message is counted over all its fragments.
 */
export class FrameReader {
  readonly #masked: boolean;
  readonly #messageBytesMax: number;
  readonly #handler: FrameHandler;
  #held: Uint8Array = new Uint8Array(0);
  #current: FrameHead | null = null;
  #left = 0;
  #messageBytes = 0;
  #inMessage = false;

  /** @param masked - True for frames of a client, false for those of a server. */
  constructor(masked: boolean, messageBytesMax: number, handler: FrameHandler) {
    this.#masked = masked;
    this.#messageBytesMax = messageBytesMax;
    this.#handler = handler;
  }

  /** @throws {BrokerError} `invalid_request` or `upstream_failed` for what is no frame; `…_too_large`. */
  push(chunk: Uint8Array): void {
    let data = chunk;
    if (this.#held.length > 0) {
      data = new Uint8Array(this.#held.length + chunk.length);
      data.set(this.#held);
      data.set(chunk, this.#held.length);
      this.#held = new Uint8Array(0);
    }
    let at = 0;
    while (at < data.length || (this.#current !== null && this.#left === 0)) {
      if (this.#current === null) {
        const head = this.#readHead(data, at);
        if (head === null) {
          this.#held = data.slice(at);
          return;
        }
        at += head.bytes.length;
        this.#check(head);
        this.#current = head;
        this.#left = head.length;
        this.#handler.head(head);
      }
      const end = Math.min(data.length, at + this.#left);
      if (end > at) this.#handler.payload(data.subarray(at, end));
      this.#left -= end - at;
      at = end;
      if (this.#left > 0) return;
      const head = this.#current;
      this.#current = null;
      this.#handler.end(head);
    }
  }

  #readHead(data: Uint8Array, at: number): FrameHead | null {
    if (at + 2 > data.length) return null;
    const first = data[at] as number;
    const second = data[at + 1] as number;
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const isMasked = (second & 0x80) !== 0;
    const size = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (isMasked !== this.#masked || (first & 0x70) !== 0) throw this.#malformed();
    if (at + size > data.length) return null;
    let length = short;
    if (lengthBytes > 0) {
      length = 0;
      for (let i = 0; i < lengthBytes; i++) length = length * 256 + (data[at + 2 + i] as number);
    }
    const bytes = data.slice(at, at + size);
    return { fin: (first & 0x80) !== 0, opcode: first & 0x0f, length, bytes };
  }

  #check({ fin, opcode, length }: FrameHead): void {
    if (isControl(opcode)) {
      if (!fin || length > CONTROL_BYTES_MAX || opcode > 10) throw this.#malformed();
      return;
    }
    const begins = opcode === TEXT || opcode === BINARY;
    if (opcode > BINARY || begins === this.#inMessage) throw this.#malformed();
    this.#messageBytes = (begins ? 0 : this.#messageBytes) + length;
    this.#inMessage = !fin;
    if (this.#messageBytes <= this.#messageBytesMax) return;
    throw new BrokerError(
      this.#masked ? "request_too_large" : "response_too_large",
      `a message has more than ${this.#messageBytesMax} bytes, which is the limit`,
    );
  }

  #malformed(): BrokerError {
    return this.#masked
      ? new BrokerError("invalid_request", "the caller sent what is no WebSocket frame")
      : new BrokerError("upstream_failed", "the provider sent what is no WebSocket frame");
  }
}

/** A frame as a server sends it: unmasked. */
export function serverFrame(fin: boolean, opcode: number, payload: readonly Uint8Array[]): Buffer {
  const length = payload.reduce((sum, piece) => sum + piece.length, 0);
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, ...payload]);
}
