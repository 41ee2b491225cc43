import { describe, expect, it } from "vitest";
import { parseArguments } from "./options.ts";

describe("parseArguments", () => {
  it.each<[string[], object]>([
    [[], { kind: "serve", once: false, shared: false }],
    [["--once"], { kind: "serve", once: true, shared: false }],
    [["--socket", "/a.sock"], { kind: "serve", once: false, shared: false, socket: "/a.sock" }],
    [
      ["--socket=/a=b.sock", "--once"],
      { kind: "serve", once: true, shared: false, socket: "/a=b.sock" },
    ],
    [
      ["--listen", "127.0.0.1:1"],
      { kind: "serve", once: false, shared: false, listen: "127.0.0.1:1" },
    ],
    [
      ["--listen-tls=127.0.0.1:2"],
      { kind: "serve", once: false, shared: false, listenTls: "127.0.0.1:2" },
    ],
    [["--shared"], { kind: "serve", once: false, shared: true }],
    [["--version"], { kind: "version" }],
    [["--help"], { kind: "help" }],
    [["-h", "--nonsense"], { kind: "help" }],
  ])("reads %j", (args, command) => {
    expect(parseArguments(args)).toEqual(command);
  });

  it.each([
    [["--sockets", "/a"]],
    [["--socket"]],
    [["--socket", ""]],
    [["--socket", "/a", "--socket", "/b"]],
    [["--once=yes"]],
    [["serve"]],
    [["-"]],
  ])("refuses %j", (args) => {
    expect(() => parseArguments(args)).toThrow(
      expect.objectContaining({ code: "DAEMON_OPTION_INVALID" }),
    );
  });
});
