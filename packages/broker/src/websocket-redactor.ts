import type { Redactor, RedactorStream } from "./redact.ts";
import {
  CLOSE,
  CONTINUATION,
  type FrameHead,
  FrameReader,
  isControl,
  serverFrame,
} from "./websocket-frame.ts";

const CLOSE_CODE_BYTES = 2;
const CONTROL_BYTES_MAX = 125;

/**
 * Cuts credentials out of a provider's frames (G9), message by message and across fragments.
 *
 * What can be released is released at once, as a fragment; a message that came in one piece leaves in one.
 */
export class FrameRedactor {
  readonly #redactor: Redactor;
  readonly #reader: FrameReader;
  #out: Uint8Array[] = [];
  /** Of the message that is being read; null between messages. */
  #stream: RedactorStream | null = null;
  #opcode = CONTINUATION;
  #pieces: Uint8Array[] = [];
  #control: Uint8Array[] = [];
  #inControl = false;

  constructor(redactor: Redactor, messageBytesMax: number) {
    this.#redactor = redactor;
    this.#reader = new FrameReader(false, messageBytesMax, {
      head: (head) => this.#head(head),
      payload: (chunk) => this.#payload(chunk),
      end: (head) => this.#end(head),
    });
  }

  /**
   * @param chunk - Owned from here on.
   * @returns Whole frames.
   * @throws {BrokerError} As {@link FrameReader.push}.
   */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    this.#reader.push(chunk);
    this.#flush(false);
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Overwrites what waits for the rest of its message, which will not come. */
  wipe(): void {
    this.#stream?.wipe();
  }

  #head({ opcode }: FrameHead): void {
    if (isControl(opcode)) {
      this.#flush(false);
      this.#control = [];
      this.#inControl = true;
    } else if (this.#stream === null) {
      this.#stream = this.#redactor.stream();
      this.#opcode = opcode;
    }
  }

  #payload(chunk: Uint8Array): void {
    if (this.#inControl) this.#control.push(chunk);
    else this.#pieces.push(...(this.#stream?.push(chunk) ?? []));
  }

  #end(head: FrameHead): void {
    if (isControl(head.opcode)) {
      this.#out.push(serverFrame(true, head.opcode, [this.#redactControl(head)]));
      this.#inControl = false;
      return;
    }
    if (!head.fin || this.#stream === null) return;
    this.#pieces.push(...this.#stream.end());
    this.#flush(true);
    this.#stream = null;
  }

  #redactControl({ opcode }: FrameHead): Uint8Array {
    const payload = Buffer.concat(this.#control);
    const fixed = opcode === CLOSE ? payload.subarray(0, CLOSE_CODE_BYTES) : payload.subarray(0, 0);
    const text = payload.subarray(fixed.length).toString("latin1");
    const redacted = Buffer.from(this.#redactor.text(text), "latin1");
    return Buffer.concat([fixed, redacted]).subarray(0, CONTROL_BYTES_MAX);
  }

  #flush(fin: boolean): void {
    if (!fin && this.#pieces.length === 0) return;
    this.#out.push(serverFrame(fin, this.#opcode, this.#pieces));
    this.#pieces = [];
    this.#opcode = CONTINUATION;
  }
}
