/** `getsockopt(2)` through the optional native dependency. */

import type { GetSocketOption } from "./platform.ts";

/**
 * Load `getsockopt` from the C library of this process.
 *
 * @returns null when koffi is not installed or does not work here: peers are then unknown, which
 * audit entries say, and the permissions of the sockets decide alone.
 */
export async function loadGetSocketOption(library: string | null): Promise<GetSocketOption | null> {
  try {
    const { default: koffi } = await import("koffi");
    const getsockopt = koffi
      .load(library)
      .func("int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)");
    return (descriptor, level, option, value) => {
      const length = [value.length];
      const status: unknown = getsockopt(descriptor, level, option, value, length);
      return status === 0 && length[0] === value.length;
    };
  } catch {
    return null;
  }
}
