// @ts-check
// The story, act by act. Each act shows what happens and checks it; the first thing that is not as it
// should be ends the act with an error.
import { findSecret } from "../../e2e/support/find-secret.mjs";
import { bold, command, dim, heading, line, output, prose, row, write } from "./terminal.mjs";

/**
 * @typedef {import("./stage.mjs").Stage} Stage
 *
 * @typedef {object} Attempt - What the thief reports of one theft.
 * @property {string} name
 * @property {boolean} refused
 * @property {string} found
 * @property {string} [requestId]
 * @property {string} loot
 *
 * @typedef {object} Scene
 * @property {Stage} stage
 * @property {string} secret
 * @property {Attempt[]} attempts - Filled by the theft, read by the audit.
 */

/** @param {unknown} condition @param {string} complaint @returns {asserts condition} */
function expect(condition, complaint) {
  if (!condition) throw new Error(complaint);
}

/** @param {import("./stage.mjs").RunResult} result */
function succeeded(result) {
  expect(
    result.status === 0,
    `that ended with ${result.status}: ${result.stderr || result.stdout}`,
  );
}

/** Cut to one row of a terminal. @param {string} text */
const shorten = (text) => (text.length > 74 ? `${text.slice(0, 73)}…` : text);

/** @param {Scene} scene */
async function storeTheKey({ stage, secret }) {
  prose(
    "You are the operator. You make a vault, start the daemon that guards it, and store a key.",
  );
  command("aivault init --dev");
  const made = await stage.aivault(["init", "--dev"]);
  succeeded(made);
  output(made.stderr);

  command("aivaultd &");
  await stage.startDaemon();
  output(`aivaultd: listening on ${stage.socket}`);

  command("aivault secrets create OPENAI_API_KEY --value-stdin < key");
  const stored = await stage.aivault(
    ["secrets", "create", "OPENAI_API_KEY", "--value-stdin"],
    `${secret}\n`,
  );
  succeeded(stored);
  output(stored.stderr);

  command("aivault secrets list");
  const listed = await stage.aivault(["secrets", "list"]);
  expect(listed.stdout.includes("OPENAI_API_KEY"), "the new secret is not in the list");
  output(listed.stdout.split("\n").map(shorten).join("\n"));
  line();
  prose(
    "The key is encrypted now and belongs to OpenAI: it goes to api.openai.com and nowhere else. No command shows it again.",
  );
}

/** @param {Scene} scene */
async function useTheKey({ stage }) {
  const { otherUser } = stage;
  prose(
    otherUser === null
      ? "Now a program you have not read. It runs as you, since this demo was not started by root; a real agent should have an account of its own."
      : `Now a program you have not read, running as the user \`${otherUser.name}\`.`,
  );
  prose("All it is given is the path of a socket:");
  command("env");
  output(`AIVAULTD_SOCKET=${stage.socket}`);

  line(`\n  ${bold("It asks a question.")}`);
  for await (const event of stage.untrusted("chat")) output(event.text);

  line(`\n  ${bold("It asks for the answer word by word.")}`);
  write(`  ${dim("│")} `);
  const times = [];
  for await (const { text, atMs } of stage.untrusted("stream")) {
    times.push(atMs);
    write(text);
  }
  const spread = (times.at(-1) ?? 0) - (times[0] ?? 0);
  line(dim(`  (${times.length} events over ${spread} ms)`));
  // The provider takes 60 ms between two events. Together they could only come from a buffer.
  expect(spread > 60 * (times.length - 3), "the events came in a lump, not as they were sent");

  line(`\n  ${bold("It uploads a file.")}`);
  for await (const { sent, stored } of stage.untrusted("upload")) {
    output(`sent    ${sent.bytes} bytes, sha256 ${sent.sha256.slice(0, 16)}…`);
    output(`stored  ${stored.bytes} bytes, sha256 ${stored.sha256.slice(0, 16)}…`);
    expect(sent.sha256 === stored.sha256, "the file is not the same at the provider");
  }

  const requests = await stage.provider.requests();
  expect(requests.length === 3, `the provider saw ${requests.length} requests and not 3`);
  expect(
    requests.every(({ authorized }) => authorized),
    "the provider saw a request without the right key",
  );
  line();
  prose(
    `The provider saw ${requests.length} requests, each with the right key. The program never had it.`,
  );
}

/**
 * What is tried, under the name untrusted-child.mjs knows it by, and what it may come to.
 * @type {readonly [name: string, label: string, allowed: readonly string[]][]}
 */
const THEFTS = [
  ["environment", "reads its own environment", []],
  ["processes", "reads /proc of every process", []],
  ["files", "opens the vault's files", []],
  ["operator", "knocks at the operator's socket", ["EACCES", "EPERM"]],
  ["header", "smuggles in a header aUtHoRiZaTiOn", ["auth_header_rejected"]],
  [
    "host",
    "asks for a host of its own",
    ["host_not_allowed", "path_not_allowed", "invalid_request"],
  ],
  ["hostHeader", "names that host in a header", []],
  ["traversal", "climbs out with %2e%2e", ["path_traversal"]],
  ["otherPath", "asks for the account's admin keys", ["path_not_allowed"]],
  ["filePath", "has the daemon upload the key file", ["file_path_not_accepted"]],
  ["redirect", "gets redirected to its own host", []],
  ["authHeaders", "gets the key back in headers", []],
  ["echo", "gets the key back in a body", []],
  ["echoEvents", "gets the key back in a stream", []],
];

/** @param {Scene} scene */
async function stealTheKey(scene) {
  const { stage, secret, attempts } = scene;
  prose(
    "The same program has been told by a web page to get the key, and even knows where the vault is. The provider helps it: on request it repeats the key it was sent.",
  );
  line();
  const knowledge = { home: stage.home, operatorSocket: stage.operatorSocket };
  for await (const event of stage.untrusted("steal", JSON.stringify(knowledge))) {
    attempts.push(event);
  }
  const problems = [];
  for (const [name, label, allowed] of THEFTS) {
    const attempt = attempts.find((candidate) => candidate.name === name);
    const { result, problem, known } = judge(name, allowed, attempt, scene);
    row(label, result, problem !== undefined ? "bad" : known ? "known" : "good");
    if (problem !== undefined) problems.push(`${label}: ${problem}`);
  }
  const strangers = (await stage.provider.connections()).filter(
    ({ serverName }) => serverName !== "api.openai.com",
  );
  if (strangers.length > 0) problems.push("somebody called the thief's own host");
  expect(problems.length === 0, problems.join("\n"));
  const haul = attempts.map(({ loot }) => loot).join("\n");
  expect(findSecret(secret, haul).length === 0, "the key is in what it got hold of");
  line();
  prose(
    `It got hold of ${haul.length} bytes, and the key is not in them. Its own host was never called.`,
  );
  if (stage.otherUser === null) {
    prose(
      "But it ran as you, so it could reach your files and your operator socket. Give agents an account of their own.",
    );
  }
}

/**
 * @param {string} name @param {readonly string[]} allowed @param {Attempt | undefined} attempt
 * @param {Scene} scene
 * @returns {{ result: string, problem?: string, known?: boolean }}
 */
function judge(name, allowed, attempt, { secret, stage }) {
  if (attempt === undefined) return { result: "not tried", problem: "it was not tried" };
  const { refused, found, loot } = attempt;
  const forms = findSecret(secret, loot);
  if (forms.length > 0) return { result: "it has the key", problem: `it has the key: ${forms}` };
  if (stage.otherUser === null && NEEDS_OTHER_USER.has(name)) {
    return { result: "same user: reached, no key in it", known: true };
  }
  if (refused) {
    const result = `refused: ${found}`;
    return allowed.includes(found) ? { result } : { result, problem: `${found}: ${loot}` };
  }
  if (allowed.length > 0) return { result: found, problem: "it was not refused" };
  if (loot.includes("[REDACTED]")) return { result: `${found}, the key redacted` };
  if (!name.startsWith("echo")) return { result: found };
  return { result: found, problem: "there is no trace of the key having been redacted" };
}

/** What only an account of its own keeps untrusted code from: docs/threat-model.md says so. */
const NEEDS_OTHER_USER = new Set(["files", "operator"]);

/** @param {Scene} scene */
async function readTheRecord({ stage, attempts }) {
  prose(
    "Each decision was written down before the provider was called, each outcome before the answer was handed out. This is what the stranger just did:",
  );
  command("aivault audit");
  const audit = await stage.aivault(["audit", "--limit", "100", "--json"]);
  succeeded(audit);
  /** @type {any[]} */
  const entries = JSON.parse(audit.stdout);
  for (const { requestId, refused, found } of attempts) {
    if (requestId === undefined) continue;
    const decided = entries.find(
      (entry) => entry.requestId === requestId && entry.kind === "invocation.decided",
    );
    const completed = entries.find(
      (entry) => entry.requestId === requestId && entry.kind === "invocation.completed",
    );
    expect(decided !== undefined, `request ${requestId} is not in the audit log`);
    if (refused) {
      const why = decided.reason ?? decided.code;
      expect(decided.decision === "deny", `request ${requestId} is not on record as denied`);
      expect(why === found, `request ${requestId} is on record as ${why}, not ${found}`);
      output(entryRow(decided.seq, "denied", why));
      continue;
    }
    expect(decided.decision === "allow", `request ${requestId} is not on record as allowed`);
    expect(completed !== undefined, `the outcome of ${requestId} is not in the audit log`);
    const { status, redactions } = completed;
    const redacted = redactions > 0 ? `, the key redacted ${times(redactions)}` : "";
    output(entryRow(decided.seq, "allowed", `${status}${redacted}`));
  }

  command("aivault audit verify");
  const verified = await stage.aivault(["audit", "verify"]);
  succeeded(verified);
  output(JSON.stringify(JSON.parse(verified.stdout)));
}

/** @param {number} seq @param {string} decision @param {string} what */
function entryRow(seq, decision, what) {
  return `${String(seq).padStart(4)}  ${decision.padEnd(8)} openai/chat-completions  ${what}`;
}

/** @param {number} count */
const times = (count) => (count === 1 ? "once" : `${count} times`);

/** @param {Scene} scene */
async function searchForTheKey({ stage, secret }) {
  prose(
    "Last, the key is searched for in everything that was written or said: as it is, and in base64, hexadecimal, percent and other escapes.",
  );
  line();
  const files = stage.files();
  const found = [
    ...files.map(({ path, bytes }) => ({ place: path, forms: findSecret(secret, bytes) })),
    ...stage.heard.map(({ who, bytes }) => ({ place: who, forms: findSecret(secret, bytes) })),
    ...["untrusted", "aivaultd", "aivault "].map((who) => {
      // What a program said in several pieces is one text.
      const pieces = stage.heard.filter((heard) => heard.who.startsWith(who));
      const bytes = Buffer.concat(pieces.map((heard) => heard.bytes));
      return { place: `all that ${who} said`, forms: findSecret(secret, bytes) };
    }),
  ].filter(({ forms }) => forms.length > 0);
  const verdict = found.length === 0 ? "good" : "bad";
  const said = stage.heard.reduce((sum, { bytes }) => sum + bytes.length, 0);
  row(`${files.length} files, vault and logs included`, "not in any", verdict);
  row(`${said} bytes the programs printed`, "not in any", verdict);
  const [first] = found;
  expect(first === undefined, `the key is in ${first?.place}, as ${first?.forms}`);
}

/** @type {readonly { title: string, play: (scene: Scene) => Promise<void> }[]} */
const ACTS = [
  { title: "A key goes into the vault", play: storeTheKey },
  { title: "A stranger uses it", play: useTheKey },
  { title: "The stranger wants to have it", play: stealTheKey },
  { title: "What is on record", play: readTheRecord },
  { title: "Where the key is not", play: searchForTheKey },
];

/**
 * Plays all acts, the next only if the one before went well.
 *
 * @param {Stage} stage
 * @param {string} secret
 * @throws {Error} What was not as it should be.
 */
export async function play(stage, secret) {
  /** @type {Scene} */
  const scene = { stage, secret, attempts: [] };
  for (const [index, act] of ACTS.entries()) {
    heading(index + 1, act.title);
    await act.play(scene);
  }
}
