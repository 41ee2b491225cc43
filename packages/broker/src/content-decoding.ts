import type { Transform } from "node:stream";
import * as zlibModule from "node:zlib";
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  constants as zlib,
} from "node:zlib";
import { BrokerError } from "./errors.ts";

/** Content codings in a row that are undone; servers have a use for one. */
const LAYERS_MAX = 2;
/** Decoded bytes up to which no ratio is looked at. */
const RATIO_FREE_BYTES = 8 * 1_048_576;
/** Deflate reaches 1,032, text that anybody sends stays under 50. */
const RATIO_MAX = 200;

/** What a decoder tells; `end` or `error` once. */
export interface DecoderEvents {
  data(chunk: Uint8Array): void;
  /** More input is welcome again after {@link Decoder.write} said no. */
  drain(): void;
  end(): void;
  error(error: BrokerError): void;
}

/** Undoes content codings, with backpressure. */
export interface Decoder {
  /** @returns False when the writer should wait for `drain`. */
  write(chunk: Uint8Array): boolean;
  end(): void;
  pause(): void;
  resume(): void;
  /** Ends it without further events. */
  destroy(): void;
}

/**
 * Reads `content-encoding`.
 *
 * @returns The codings in the order they have to be undone; empty for identity.
 * @throws {BrokerError} `upstream_failed`: a coding that cannot be undone and so cannot be searched, or
 * too many. G9: what cannot be checked is not passed on.
 */
export function parseContentEncoding(values: readonly string[]): readonly string[] {
  const codings = values
    .join(",")
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  for (const coding of codings) {
    if (!isKnown(coding)) {
      throw new BrokerError(
        "upstream_failed",
        "the answer has a content coding that cannot be searched for the credential",
      );
    }
  }
  if (codings.length > LAYERS_MAX) {
    throw new BrokerError(
      "upstream_failed",
      `the answer has more than ${LAYERS_MAX} content codings`,
    );
  }
  return codings.reverse();
}

// zstd: from Node 22.15 on.
const { createZstdDecompress } = zlibModule as {
  createZstdDecompress?: () => Transform;
};

function isKnown(coding: string): boolean {
  return (
    ["gzip", "x-gzip", "deflate", "br"].includes(coding) ||
    (coding === "zstd" && createZstdDecompress !== undefined)
  );
}

/**
 * Makes a decoder.
 *
 * @param codings - From {@link parseContentEncoding}, at least one.
 */
export function createDecoder(codings: readonly string[], events: DecoderEvents): Decoder {
  let stages: readonly Transform[] | null = null;
  let destroyed = false;
  let encoded = 0;
  let decoded = 0;
  const destroy = () => {
    destroyed = true;
    for (const stage of stages ?? []) stage.destroy();
  };
  const fail = (error: BrokerError) => {
    if (destroyed) return;
    destroy();
    events.error(error);
  };
  const start = (first: Uint8Array): readonly Transform[] => {
    const made = codings.map((coding, index) => createStage(coding, index === 0 ? first : null));
    const last = made.at(-1) as Transform;
    for (const [index, stage] of made.entries()) {
      const next = made[index + 1];
      if (next !== undefined) stage.pipe(next);
      // The cause may quote bytes of the body.
      stage.on("error", () =>
        fail(
          new BrokerError("upstream_failed", "the answer is not encoded as it says, or cut off"),
        ),
      );
    }
    made[0]?.on("drain", () => {
      if (!destroyed) events.drain();
    });
    last.on("data", (chunk: Uint8Array) => {
      if (destroyed) return;
      decoded += chunk.length;
      if (decoded > RATIO_FREE_BYTES && decoded > encoded * RATIO_MAX) {
        fail(new BrokerError("response_too_large", "the answer expands like a decompression bomb"));
        return;
      }
      events.data(chunk);
    });
    last.on("end", () => {
      if (!destroyed) events.end();
    });
    return made;
  };
  return {
    write: (chunk) => {
      if (destroyed) return true;
      encoded += chunk.length;
      stages ??= start(chunk);
      return stages[0]?.write(chunk) ?? true;
    },
    end: () => {
      if (destroyed) return;
      // No body at all, as after HEAD: nothing to decode, nothing missing.
      if (stages === null) events.end();
      else stages[0]?.end();
    },
    pause: () => stages?.at(-1)?.pause(),
    resume: () => stages?.at(-1)?.resume(),
    destroy,
  };
}

function createStage(coding: string, first: Uint8Array | null): Transform {
  switch (coding) {
    case "br":
      return createBrotliDecompress({ flush: zlib.BROTLI_OPERATION_FLUSH });
    case "zstd":
      if (createZstdDecompress !== undefined) return createZstdDecompress();
      throw new TypeError("zstd was accepted without a decoder");
    case "deflate":
      return first !== null && !isZlib(first) ? createInflateRaw(FLUSH) : createInflate(FLUSH);
    default:
      return createGunzip(FLUSH);
  }
}

/** Each write is decoded as far as it goes, so that events in a compressed stream arrive one by one. */
const FLUSH = { flush: zlib.Z_SYNC_FLUSH };

/** RFC 1950 section 2.2; some servers send raw deflate under the same name. */
function isZlib(bytes: Uint8Array): boolean {
  const [cmf, flags] = bytes;
  if (cmf === undefined || flags === undefined) return cmf === undefined || (cmf & 15) === 8;
  return (cmf & 15) === 8 && ((cmf << 8) | flags) % 31 === 0;
}
