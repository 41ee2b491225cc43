// A real browser on a hostile page, and the built daemon on loopback TCP. The page has got hold of a token
// that is good, and tries everything a page can send: across origins, and by DNS rebinding.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { call, Rig } from "./load/harness.mjs";

const PAGE = readFileSync(new URL("browser/hostile-page.js", import.meta.url), "utf8");

function findChromium(): string | null {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      const path = join(directory, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {}
    }
  }
  return null;
}

const chromium = findChromium();
if (chromium === null) {
  process.stderr.write("SKIPPED: no chromium here; pages in a real browser are not tested\n");
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

type Outcomes = Record<string, Record<string, string>>;
interface Target {
  readonly name: string;
  readonly base: string;
  /** Each request says which attempt it is. */
  readonly marked: boolean;
}

describe.skipIf(chromium === null)("a hostile page in a real browser", () => {
  let rig: Rig;
  let token: string;
  /** Attempts that came through to a server which refuses nothing. */
  const witnessed = new Set<string>();
  let witness: Server;
  let witnessPort: number;

  beforeAll(async () => {
    rig = await Rig.make();
    token = (await rig.mint()).token;
    await rig.stop();

    witness = createServer((request, response) => {
      note(request.url ?? "");
      const { origin = "*" } = request.headers;
      response.writeHead(200, {
        "access-control-allow-origin": origin,
        "access-control-allow-headers": "authorization, content-type",
        "access-control-allow-methods": "GET, POST, DELETE",
      });
      response.end("{}");
    });
    witness.on("upgrade", (request, socket) => {
      note(request.url ?? "");
      socket.destroy();
    });
    witnessPort = await listen(witness);
  });

  afterAll(async () => {
    await close(witness);
    await rig.dispose();
  });

  afterEach(() => rig.stop());

  function note(url: string): void {
    const attempt = new URL(url, "http://witness").searchParams.get("attempt");
    if (attempt !== null) witnessed.add(attempt);
  }

  /**
   * Let a browser visit the page at `http://{host}:{port}/`, take the page's server away, put the daemon
   * in its place, and let the page act. That is what rebinding comes to: one name and port, one server
   * and then another.
   */
  async function visit(
    host: string,
    targetsOf: (port: number) => readonly Target[],
  ): Promise<Outcomes> {
    let settle: (outcomes: Outcomes) => void = () => undefined;
    const reported = new Promise<Outcomes>((resolve, reject) => {
      settle = resolve;
      // Before the test is given up, so that no browser is left behind.
      setTimeout(() => reject(new Error("the page has not reported")), 200_000).unref();
    });
    reported.catch(() => undefined);
    const pages = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html", connection: "close" });
      const config = JSON.stringify({ token, report: `http://127.0.0.1:${reportPort}` });
      response.end(`<body><script>const CONFIG=${config};${PAGE}</script></body>`);
    });
    const report = createServer(async (request, response) => {
      const headers = { "access-control-allow-origin": "*" };
      const body = await text(request);
      if (request.url === "/targets") {
        await close(pages);
        await rig.start({ port });
        response.writeHead(200, headers).end(JSON.stringify(targetsOf(port)));
        return;
      }
      response.writeHead(200, headers).end();
      if (request.url === "/results") settle(JSON.parse(body));
    });
    const port = await listen(pages);
    const reportPort = await listen(report);
    const profile = mkdtempSync(join(tmpdir(), "aivault-browser-"));
    const browser = spawn(
      chromium ?? "",
      [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        ...["--disable-dev-shm-usage", `--user-data-dir=${profile}`],
        "--host-resolver-rules=MAP evil.test 127.0.0.1",
        ...["--remote-debugging-port=0", `http://${host}:${port}/`],
      ],
      {
        env: { PATH: process.env["PATH"] ?? "", HOME: profile },
        stdio: "ignore",
        detached: true,
      },
    );
    try {
      return await reported;
    } finally {
      // All of its processes, and none of anybody else's: they are a group of their own.
      if (browser.pid !== undefined) process.kill(-browser.pid, "SIGKILL");
      await once(browser, "exit");
      await close(report);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  /** Whatever the daemon was asked for on its callers' side, by status; and why it refused. */
  async function whatHappened(): Promise<{ statuses: Record<string, number>; refusals: string[] }> {
    const metrics = (await call(rig.operator, "/metrics")).text;
    const counts = metrics.matchAll(
      /^aivault_requests_total\{socket="caller",status="(\d+)"\} (\d+)$/gm,
    );
    const events = await rig.audit();
    const started = events.findLastIndex(({ kind }) => kind === "daemon.started");
    return {
      statuses: Object.fromEntries([...counts].map(([, status = "", n]) => [status, Number(n)])),
      refusals: events.slice(started + 1).map((event) => JSON.stringify(event)),
    };
  }

  it.each([
    // A page of the internet: its name is made to lead here once it is loaded.
    ["evil.test", (port: number) => `http://evil.test:${port}`],
    // A page of another program of this machine: to a browser the same site.
    ["localhost", (port: number) => `http://localhost:${port}`],
  ])(
    "G14: from http://%s reaches nothing, by its own name and by those of the daemon",
    { timeout: 240_000 },
    async (host, own) => {
      await rig.standIn.clear();
      witnessed.clear();
      const outcomes = await visit(host, (daemonPort) => [
        { name: "witness", base: `http://127.0.0.1:${witnessPort}`, marked: true },
        { name: "its own origin", base: own(daemonPort), marked: false },
        { name: "127.0.0.1", base: `http://127.0.0.1:${daemonPort}`, marked: false },
        { name: "localhost", base: `http://localhost:${daemonPort}`, marked: false },
      ]);
      const attempts = Object.keys(outcomes["witness"] ?? {});
      expect(attempts.length).toBeGreaterThan(15);
      // The page can send each of these, to a server that takes them.
      expect([...witnessed].sort()).toEqual([...attempts].sort());

      const { statuses, refusals } = await whatHappened();
      // Refused by Host, Origin or fetch metadata, every one, and each refusal is on record.
      expect(Object.keys(statuses)).toEqual(["403"]);
      const refused = statuses["403"] ?? 0;
      expect(refused).toBeGreaterThanOrEqual(3 * attempts.length - 3);
      const byHeader = refusals.filter((event) =>
        /"code":"policy_violation".*(`host`|`origin`|`sec-fetch-[a-z]+`)/.test(event),
      );
      expect(byHeader).toHaveLength(refused);
      expect(refusals.filter((event) => !byHeader.includes(event))).toEqual([]);
      expect(await rig.standIn.requests()).toEqual([]);

      // The page has seen nothing of it, and no socket was opened to it.
      const { witness: _, ...attacked } = outcomes;
      for (const [base, seen] of Object.entries(attacked)) {
        for (const [attempt, outcome] of Object.entries(seen)) {
          const isRefusal = /"error":"policy_violation"/.test(outcome);
          const isNothing = /^(failed|nothing|opaque( 0 )?|loaded|true|)$/.test(outcome);
          expect([base, attempt, outcome, isRefusal || isNothing]).toEqual([
            base,
            attempt,
            outcome,
            true,
          ]);
          expect([base, attempt, outcome]).not.toEqual([base, attempt, "open"]);
        }
      }

      // It was a good token, and a client that is no browser gets an answer with it.
      const path = `/v/openai/v1/models?key=${token}`;
      const served = await call(rig.tcp, path);
      expect(served.status).toBe(200);
      expect(await rig.standIn.requests()).toHaveLength(1);
    },
  );
});
