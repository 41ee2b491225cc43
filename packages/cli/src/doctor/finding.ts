/** What a check found, and what would put it right. */
export interface Finding {
  readonly name: string;
  readonly state: "ok" | "warning" | "wrong" | "fixed";
  readonly message: string;
  readonly hint: string | null;
}

export function ok(name: string, message: string): Finding {
  return { name, state: "ok", message, hint: null };
}

export function fixed(name: string, message: string): Finding {
  return { name, state: "fixed", message, hint: null };
}

export function warning(name: string, message: string, hint: string): Finding {
  return { name, state: "warning", message, hint };
}

export function wrong(name: string, message: string, hint: string): Finding {
  return { name, state: "wrong", message, hint };
}
