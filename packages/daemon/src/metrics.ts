/** What the daemon counts, as Prometheus reads it (text format 0.0.4). No label comes from a caller. */

/** Seconds. A language model thinks for minutes. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3600];

class Counter {
  readonly #values = new Map<string, number>();

  /** @param labels - As they are written: `{name="value"}`, or nothing. */
  add(labels: string, amount = 1): void {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + amount);
  }

  *lines(name: string): Generator<string> {
    for (const [labels, value] of this.#values) yield `${name}${labels} ${value}`;
  }
}

/** Values that are looked at when somebody asks. */
export interface Gauges {
  readonly locked: boolean;
  readonly invocationsRunning: number;
}

export class Metrics {
  readonly #startedAtS: number;
  readonly #requests = new Counter();
  readonly #refusals = new Counter();
  readonly #invocations = new Counter();
  readonly #suppressed = new Counter();
  readonly #durations = new Array<number>(BUCKETS.length).fill(0);
  #durationCount = 0;
  #durationSum = 0;

  /** @param startedAtMs - Unix time in milliseconds. */
  constructor(startedAtMs: number) {
    this.#startedAtS = startedAtMs / 1000;
  }

  /** A request was answered, by us or by a provider. */
  answered(socket: string, status: number): void {
    this.#requests.add(`{socket="${socket}",status="${status}"}`);
  }

  /** A request was refused. */
  refused(socket: string, error: string): void {
    this.#refusals.add(`{socket="${socket}",error="${error}"}`);
  }

  /** An invocation that the broker had is over. */
  invoked(outcome: "completed" | "failed", seconds: number): void {
    this.#invocations.add(`{outcome="${outcome}"}`);
    this.#durationCount += 1;
    this.#durationSum += seconds;
    for (let i = BUCKETS.length - 1; i >= 0 && seconds <= (BUCKETS[i] as number); i -= 1) {
      this.#durations[i] = (this.#durations[i] ?? 0) + 1;
    }
  }

  /** Denials were counted instead of recorded. */
  suppressed(count: number): void {
    this.#suppressed.add("", count);
  }

  render({ locked, invocationsRunning }: Gauges): string {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const sections = [
      section("aivault_up", "gauge", "1 while the daemon answers", ["aivault_up 1"]),
      section("aivault_vault_locked", "gauge", "1 while the vault is locked", [
        `aivault_vault_locked ${locked ? 1 : 0}`,
      ]),
      counter("aivault_requests_total", "requests answered, by status", this.#requests),
      counter("aivault_refusals_total", "requests refused, by error code", this.#refusals),
      counter("aivault_invocations_total", "invocations that are over", this.#invocations),
      section("aivault_invocations_running", "gauge", "invocations under way", [
        `aivault_invocations_running ${invocationsRunning}`,
      ]),
      section(
        "aivault_invocation_duration_seconds",
        "histogram",
        "time from decision to the last octet",
        this.#histogram("aivault_invocation_duration_seconds"),
      ),
      counter(
        "aivault_denials_suppressed_total",
        "denials that were recorded in a summary only",
        this.#suppressed,
      ),
      section("process_resident_memory_bytes", "gauge", "resident memory", [
        `process_resident_memory_bytes ${rss}`,
      ]),
      section("nodejs_heap_used_bytes", "gauge", "heap in use", [
        `nodejs_heap_used_bytes ${heapUsed}`,
      ]),
      section("process_cpu_seconds_total", "counter", "processor time", [
        `process_cpu_seconds_total ${(user + system) / 1e6}`,
      ]),
      section("process_start_time_seconds", "gauge", "Unix time of the start", [
        `process_start_time_seconds ${this.#startedAtS}`,
      ]),
    ];
    return sections.join("");
  }

  #histogram(name: string): string[] {
    return [
      ...BUCKETS.map((bound, i) => `${name}_bucket{le="${bound}"} ${this.#durations[i] ?? 0}`),
      `${name}_bucket{le="+Inf"} ${this.#durationCount}`,
      `${name}_sum ${this.#durationSum}`,
      `${name}_count ${this.#durationCount}`,
    ];
  }
}

function counter(name: string, help: string, values: Counter): string {
  return section(name, "counter", help, [...values.lines(name)]);
}

function section(name: string, type: string, help: string, lines: readonly string[]): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.map((line) => `${line}\n`).join("")}`;
}
