/**
 * What a capability allows and how to call it, as JSON and as text.
 */
import type { WireCapability } from "@aivault/client";
import type { Colors } from "../output.ts";
import { allowShape } from "../shapes.ts";

/** The answer of `capability describe` as scripts read it. */
export function describeShape(capability: WireCapability): Record<string, unknown> {
  const { id, provider, ready, missing, description, risk, rules } = capability;
  const { method, path } = defaultsOf(capability);
  const request = {
    method: method ?? exampleMethod(capability),
    path: path ?? allowShape(capability).pathPrefixes[0] ?? "/",
    headers: [],
    body: null,
  };
  return {
    capability: id,
    provider,
    description,
    risk,
    ready,
    setup: ready ? null : setupShape(missing),
    allowed: { ...allowShape(capability), rules },
    call: {
      requiredFlagsWhenNoRequestPayload: [
        ...(method === null ? ["--method"] : []),
        ...(path === null ? ["--path"] : []),
      ],
      defaults: { method, path },
      optionalFlags: OPTIONAL_FLAGS,
      payloadModes: ["--request", "--request-file"],
      howTo: {
        notes: NOTES,
        examples: [{ title: "From the command line", command: exampleCommand(capability) }],
        templates: { request, envelope: { capability: id, request } },
      },
    },
  };
}

const OPTIONAL_FLAGS = [
  "--header",
  "--body",
  "--body-file-path",
  "--multipart-field",
  "--multipart-file",
  "--credential",
  "--timeout-ms",
  "--dry-run",
];

const NOTES = [
  "the credential is added by the daemon; a request that carries one of its own is refused",
  "a path marked prefix stands for itself and for what lies below it",
];

/** The same for a person. */
export function callText(capability: WireCapability, colors: Colors): readonly string[] {
  const { id, description, host, risk, rules, ready, missing } = capability;
  const { bold, yellow } = colors;
  return [
    `${bold(id)}  ${description}`,
    "",
    `  Host  https://${host}`,
    `  Risk  ${risk}`,
    ...rules.map(
      ({ methods, match, path }, index) =>
        `  ${index === 0 ? "Allow" : "     "} ${methods.join(", ")} ${path}${MATCH_TEXT[match]}`,
    ),
    "",
    ...(ready
      ? []
      : [
          `${yellow("Not ready.")} ${missing.length > 0 ? "It needs:" : "No credential serves it."}`,
          ...missing.map((name) => `  aivault secrets create ${name}`),
          "",
        ]),
    bold("Call it"),
    `  ${exampleCommand(capability)}`,
  ];
}

const MATCH_TEXT = { prefix: " and below", exact: "", pattern: "" };

function setupShape(missing: readonly string[]): Record<string, unknown> {
  return {
    requiredSecrets: Object.fromEntries(missing.map((name) => [name, "{{secret}}"])),
    commands: missing.map((name) => `aivault secrets create ${name}`),
    note: "a person stores the secret; its value never passes through an agent",
  };
}

/** What may be left out because the capability allows only one. */
export function defaultsOf(capability: WireCapability): {
  method: string | null;
  path: string | null;
} {
  const { methods, pathPrefixes } = allowShape(capability);
  const [method] = methods;
  const [path] = pathPrefixes;
  const callable = path !== undefined && !path.includes("{") && !/[./:]$/.test(path);
  return {
    method: methods.length === 1 ? (method as string) : null,
    path: pathPrefixes.length === 1 && callable ? path : null,
  };
}

function exampleMethod(capability: WireCapability): string {
  const { methods } = allowShape(capability);
  return methods.includes("POST") ? "POST" : (methods[0] ?? "GET");
}

function exampleCommand(capability: WireCapability): string {
  const method = exampleMethod(capability);
  const defaults = defaultsOf(capability);
  const rule = capability.rules.find(({ methods }) => methods.includes(method));
  return [
    `aivault invoke ${capability.id}`,
    ...(defaults.method === null ? [`--method ${method}`] : []),
    ...(defaults.path === null ? [`--path ${quoted(rule?.path ?? "/")}`] : []),
    ...(["POST", "PUT", "PATCH"].includes(method) ? ["--body '{}'"] : []),
  ].join(" ");
}

function quoted(path: string): string {
  return /^[\w/.:-]+$/.test(path) ? path : `'${path}'`;
}
