// How fast the console answers when it has much to tell: 2,000 databases, 50,000 runs, 50 viewers.
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "@playwright/test";
import type { Console } from "../tests/console.ts";
import { sqlite } from "../tests/servers.ts";
import { addDestination, addFolder, addTask, expect, goto, hydrated, setUp, test } from "../tests/story.ts";

const DATABASES = 2000;
const VIEWERS = 50;
const ANSWERS = 15;
const PAINTS = 3;

test.use({ story: "measure" });

type Watched = { what: string; events: number; median_ms: number; latest_ms: number; alone_bytes: number; watched_bytes: number };

test("the console with much to tell", async ({ page, rookery, browser, faults }) => {
  // The console is restarted while a page is open.
  faults.expect(/./);
  const many = manyDatabases(rookery);
  const big = join(rookery.folder, "big");
  sqlite(big, "big.db", "create table t(a, b); insert into t select value, hex(randomblob(60)) from generate_series(1, 4000000);");

  await setUp(page, rookery);
  const destination = await addDestination(page, "disk", rookery.backups);
  const small = await serverWithTask(page, "many", many, "Nightly");
  const large = await serverWithTask(page, "big", big, "Large");

  const cookie = (await page.context().cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
  const watched: Watched[] = [];
  // The first time alone, so that what the viewers add can be told.
  const roundAlone = await roundOf(page, small.task);
  const roundPeak = await ended(rookery, roundAlone, cookie);
  const watchedRound = await roundOf(page, small.task);
  watched.push(await watch(rookery, `/live${watchedRound}`, `a round of ${DATABASES.toLocaleString("en")} databases`, cookie, roundPeak));
  const runAlone = await runOf(page, large.task, rookery, cookie);
  const runPeak = await ended(rookery, runAlone, cookie);
  const watchedRun = await runOf(page, large.task, rookery, cookie);
  watched.push(await watch(rookery, `/live${watchedRun}`, "one run", cookie, runPeak));

  await rookery.kill("SIGTERM");
  const history = readFileSync(new URL("history.sql", import.meta.url), "utf8");
  const amounts = execFileSync("sqlite3", ["-bail", join(rookery.folder, "data/catalog.sqlite")], { input: history, encoding: "utf8" }).trim();
  await rookery.start();
  const [databases, runs] = amounts.split(" ").map(Number);
  expect(databases).toBeGreaterThanOrEqual(DATABASES);

  const disk = destination.split("/")[2];
  const folder = encodeURIComponent("app-0500.db");
  const paths: [string, string][] = [
    ["Sign-in", "/sign-in"], ["Overview", "/"], ["Servers", "/servers"], ["Server", small.server], ["Its databases", `${small.server}/databases`],
    ["Its databases, filtered", `${small.server}/databases?filter=app-19`], ["Its rounds", `${small.server}/rounds`], ["Its settings", `${small.server}/settings`],
    ["Task", small.task], ["Wizard", `${small.task}/edit`], ["Wizard, review", `${small.task}/edit?step=review`], ["Runs", "/runs"], ["Runs, one by one", "/runs?show=runs"],
    [`Round of ${DATABASES.toLocaleString("en")}`, watchedRound], ["Run", watchedRun], ["Backups", "/backups"], ["Root", `/backups/${disk}`], ["Folder", `/backups/${disk}/${folder}`],
    ["Restore", "/restore"], ["Restore, folder", `/restore?destination=${disk}`], ["Destinations", "/destinations"], ["Destination", destination],
    ["Users", "/users"], ["Account", "/account"], ["Audit", "/audit"], ["Settings", "/settings"],
  ];
  const pages = [];
  for (const [name, path] of paths) {
    const signedIn = path === "/sign-in" ? "" : cookie;
    const answers = await answerTimes(rookery.address + path, signedIn);
    const paints = await paintTimes(browser, page, rookery.address + path, signedIn !== "");
    pages.push({ name, first_byte_ms: median(answers.times), slowest_ms: Math.max(...answers.times), bytes: answers.bytes, paint_ms: median(paints) });
    console.log(JSON.stringify(pages.at(-1)));
  }
  writeFileSync(process.env.ROOKERY_MEASURED!, JSON.stringify({ databases, runs, viewers: VIEWERS, pages, watched }));
});

function manyDatabases(rookery: Console): string {
  const folder = join(rookery.folder, "many");
  const name = (number: number) => `app-${String(number).padStart(4, "0")}.db`;
  sqlite(folder, name(0), "create table item(id integer primary key, name text); insert into item select value, 'item ' || value from generate_series(1, 50);");
  for (let number = 1; number < DATABASES; number++) copyFileSync(join(folder, name(0)), join(folder, name(number)));
  return folder;
}

async function serverWithTask(page: Page, name: string, folder: string, task: string): Promise<{ server: string; task: string }> {
  const server = await addFolder(page, name, folder);
  return { server, task: await addTask(page, server, task, "disk") };
}

/** Starts a round, and returns its path. */
async function roundOf(page: Page, task: string): Promise<string> {
  await goto(page, task);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  const path = new URL(page.url()).pathname;
  // No viewer but those that are counted.
  await page.goto("about:blank");
  return path;
}

/** Starts a round of one database, and returns the path of its run. */
async function runOf(page: Page, task: string, rookery: Console, cookie: string): Promise<string> {
  const round = await roundOf(page, task);
  for await (const event of events(`${rookery.address}/live${round}`, cookie)) {
    const run = JSON.parse(event).runs[0];
    if (run) return `/runs/${run.id}`;
  }
  throw new Error("the round has no run");
}

/** Waits until a round or a run has ended, by looking at its end alone, and returns the most memory that the console held. */
async function ended(rookery: Console, path: string, cookie: string): Promise<number> {
  let peak = 0;
  for (;;) {
    peak = Math.max(peak, memory(rookery));
    const answer = await fetch(`${rookery.address}/live${path}`, { headers: { cookie } });
    const reader = answer.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    const text = new TextDecoder().decode(value);
    if (/"state":"(succeeded|partly|failed)"/.test(text.slice(0, 4000)) && !/"state":"(running|preparing|queued)"/.test(text.slice(0, 4000))) return peak;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Every event of a stream, as JSON. */
async function* events(url: string, cookie: string) {
  const answer = await fetch(url, { headers: { cookie } });
  let rest = "";
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      if (block.includes("event: end")) return;
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data) yield data;
    }
  }
}

/** Many viewers until the end: how old what they see is when it arrives, and what the console's memory did meanwhile. */
async function watch(rookery: Console, path: string, what: string, cookie: string, aloneBytes: number): Promise<Watched> {
  const ages: number[] = [];
  let peak = 0;
  const look = setInterval(() => (peak = Math.max(peak, memory(rookery))), 250);
  const viewer = async () => {
    let first = true;
    for await (const event of events(rookery.address + path, cookie)) {
      // The first is what was on the screen already.
      if (!first) ages.push(Date.now() - Date.parse(/"now":"([^"]+)"\}$/.exec(event)![1]!));
      first = false;
    }
  };
  await Promise.all(Array.from({ length: VIEWERS }, viewer));
  clearInterval(look);
  return { what, events: ages.length, median_ms: median(ages), latest_ms: Math.max(...ages), alone_bytes: aloneBytes, watched_bytes: peak };
}

function memory(rookery: Console): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${rookery.pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

async function answerTimes(url: string, cookie: string): Promise<{ times: number[]; bytes: number }> {
  const times: number[] = [];
  let bytes = 0;
  for (let time = 0; time <= ANSWERS; time++) {
    const began = performance.now();
    const answer = await fetch(url, { headers: { cookie, accept: "text/html", "accept-encoding": "identity" }, redirect: "manual" });
    // The first one fills caches.
    if (time > 0) times.push(performance.now() - began);
    bytes = (await answer.arrayBuffer()).byteLength;
    expect(answer.status, url).toBe(200);
  }
  return { times, bytes };
}

/** Largest contentful paint in a browser that has nothing yet. */
async function paintTimes(browser: Browser, page: Page, url: string, signedIn: boolean): Promise<number[]> {
  const times: number[] = [];
  for (let time = 0; time < PAINTS; time++) {
    const context = await browser.newContext(signedIn ? { storageState: await page.context().storageState() } : {});
    const fresh = await context.newPage();
    await fresh.goto(url);
    await hydrated(fresh);
    times.push(await fresh.evaluate(() => new Promise<number>((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntries().at(-1)!.startTime)).observe({ type: "largest-contentful-paint", buffered: true });
    })));
    await context.close();
  }
  return times;
}

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
