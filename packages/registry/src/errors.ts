/**
 * - `REGISTRY_INVALID`: a definition is malformed, or clashes with another one.
 * - `REGISTRY_PROVIDER_UNKNOWN`: no provider has this id.
 * - `REGISTRY_CAPABILITY_UNKNOWN`: no capability has this id.
 */
export type RegistryErrorCode =
  | "REGISTRY_INVALID"
  | "REGISTRY_PROVIDER_UNKNOWN"
  | "REGISTRY_CAPABILITY_UNKNOWN";

/** A condition the caller of this package may meet; `code` is stable, the message is for people. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: RegistryErrorCode;
  /** Every complaint, each beginning with the JSON path it is about; empty for a failed look-up. */
  readonly complaints: readonly string[];

  /** @param complaints - One line each, without values of secrets (definitions hold none). */
  constructor(code: RegistryErrorCode, message: string, complaints: readonly string[] = []) {
    super(message);
    this.code = code;
    this.complaints = complaints;
  }
}

/** Tells a {@link RegistryError} by its shape, so that two loaded copies of this package agree. */
export function isRegistryError(error: unknown): error is RegistryError {
  return (
    error instanceof Error &&
    error.name === "RegistryError" &&
    typeof (error as { code?: unknown }).code === "string" &&
    (error as unknown as { code: string }).code.startsWith("REGISTRY_")
  );
}
