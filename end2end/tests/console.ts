// A console of its own for each test file: the real binary, a fresh data directory, a free port.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const LIMIT_MS = 60_000;

export class Console {
  readonly folder: string;
  readonly backups: string;
  address = "";
  token = "";
  private process?: ChildProcess;
  private printed: string[] = [];

  constructor(story: string) {
    this.folder = mkdtempSync(join(tmpdir(), `rookery-${story}-`));
    this.backups = join(this.folder, "backups");
    mkdirSync(this.backups);
  }

  /** Starts the process, and waits until it says where it listens; the port stays the same from the second start on. */
  async start(...more: string[]): Promise<void> {
    const listen = this.address ? new URL(this.address).host : "127.0.0.1:0";
    const child = spawn(binary(), ["serve", "--listen", listen, "--data-dir", join(this.folder, "data"), ...more], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, ROOKERY_SITE: process.env.ROOKERY_SITE, ROOKERY_LOG: "info" },
    });
    this.process = child;
    const ready = new Promise<void>((resolve, reject) => {
      const take = (line: string) => {
        this.printed.push(line);
        const address = /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
        const token = /Set-up token: (\S+)/.exec(line)?.[1];
        if (token) this.token = token;
        if (address) {
          this.address = address;
          resolve();
        }
      };
      for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on("line", take);
      child.once("exit", (code) => reject(new Error(`the console ended (${code}):\n${this.printed.join("\n")}`)));
      setTimeout(() => reject(new Error(`the console did not start:\n${this.printed.join("\n")}`)), LIMIT_MS).unref();
    });
    await ready;
    await this.answers();
  }

  /** What the process has printed so far. */
  log(): string {
    return this.printed.join("\n");
  }

  /** Of the process that runs. */
  get pid(): number {
    return this.process!.pid!;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Ends the process as an administrator would, and removes all that it had. */
  async end(): Promise<void> {
    await this.kill("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async answers(): Promise<void> {
    const limit = Date.now() + LIMIT_MS;
    for (;;) {
      const answer = await fetch(`${this.address}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (Date.now() > limit) throw new Error(`the console is not ready:\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

export function binary(): string {
  const named = process.env.ROOKERY;
  if (!named) throw new Error("ROOKERY does not name the binary: run `cargo xtask e2e`");
  return named;
}
