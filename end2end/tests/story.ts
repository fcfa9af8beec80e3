// What every story has: a console, a page that must stay without faults, and words for what users do again and again.
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect, type Locator, type Page } from "@playwright/test";
import { Console } from "./console.ts";

export const administrator = { name: "ada", password: "correct horse battery" };

type Faults = {
  /** Answers that a test provokes on purpose, as `401 /api/…`; each is taken out of the faults. */
  expect(...answers: RegExp[]): void;
};

export const test = base.extend<{ faults: Faults }, { story: string; samples: string; rookery: Console }>({
  /** Names the story: stories of different names get consoles of their own. */
  story: ["", { scope: "worker", option: true }],
  samples: ["", { scope: "worker", option: true }],
  rookery: [
    async ({ story, samples }, use) => {
      const rookery = new Console(story);
      await rookery.start(...(samples ? ["--sample", samples, "--sample-root", rookery.backups] : []));
      await use(rookery);
      await rookery.end();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ rookery }, use) => use(rookery.address),
  faults: [
    async ({ page }, use) => {
      const found: string[] = [];
      const expected: RegExp[] = [];
      page.on("console", (message) => {
        // Chromium repeats every answer above 399 on the console; the answers are looked at themselves.
        if (/Failed to load resource/.test(message.text())) return;
        if (["error", "warning"].includes(message.type())) found.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => found.push(`page error: ${error.message}`));
      page.on("response", (answer) => {
        if (answer.status() >= 400) found.push(`${answer.status()} ${new URL(answer.url()).pathname}`);
      });
      await use({ expect: (...answers) => expected.push(...answers) });
      expect(found.filter((fault) => !expected.some((pattern) => pattern.test(fault)))).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Waits until the page in the browser has taken over from the one that the server sent. */
export async function hydrated(page: Page): Promise<void> {
  await page.locator("[data-hydrated]").waitFor({ state: "attached" });
}

export async function goto(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await hydrated(page);
}

export async function setUp(page: Page, rookery: Console): Promise<void> {
  await page.goto("/setup");
  await page.getByLabel("Set-up token").fill(rookery.token);
  await page.getByLabel("Your name").fill(administrator.name);
  await page.getByLabel("Password", { exact: true }).fill(administrator.password);
  await page.getByLabel("The same password again").fill(administrator.password);
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await expect(page).toHaveURL(`${rookery.address}/`);
}

export async function signIn(page: Page, who = administrator): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel("Name", { exact: true }).fill(who.name);
  await page.getByLabel("Password", { exact: true }).fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).not.toHaveURL(/sign-in/);
}

/** Adds a local destination, and returns its path. */
export async function addDestination(page: Page, name: string, root: string): Promise<string> {
  await goto(page, "/destinations/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Root folder").fill(root);
  await page.getByRole("button", { name: "Add destination" }).click();
  await expect(page).toHaveURL(/\/destinations\/[0-9a-f-]+$/);
  return new URL(page.url()).pathname;
}

/** Adds a folder of SQLite databases as a server, and returns its path. */
export async function addFolder(page: Page, name: string, folder: string): Promise<string> {
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("SQLite").check();
  await page.getByLabel("Folder", { exact: true }).fill(folder);
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
  return new URL(page.url()).pathname;
}

const HOUR_MS = 3_600_000;

/** When a task is due that a story is not about, as the wizard's address has it: in half a year, so that no round begins by itself. */
export function seldom(): string {
  const day = new Date(Date.now() + 182 * 24 * HOUR_MS);
  const cron = `0 2 ${day.getUTCDate()} ${day.getUTCMonth() + 1} *`;
  return new URLSearchParams({ full: cron, incremental: cron }).toString();
}

/** A full hour half a day from now, for a story that chooses a time of day. By UTC, as new tasks are. */
export function farHour(): { at: Date; clock: string; hour: number } {
  const at = new Date(Math.floor(Date.now() / HOUR_MS + 12) * HOUR_MS);
  return { at, clock: at.toISOString().slice(11, 16), hour: at.getUTCHours() };
}

/** The fields of the wizard that ask when backups of one kind are made. */
export function when(page: Page, kind: "full" | "incremental"): Locator {
  return page.getByRole("group", { name: `When ${kind} backups are made` });
}

/** Adds a task that writes to a destination and is due seldom, all else as the wizard proposes it but for some fields; returns its path. */
export async function addTask(page: Page, server: string, name: string, destination: string, fields = ""): Promise<string> {
  await goto(page, `${server}/tasks/new?name=${name}&encryption=none&step=destination&${seldom()}&${fields}`);
  await page.getByLabel(destination).check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  return new URL(page.url()).pathname;
}

/** What axe finds on the page as it is now. */
export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect.soft(violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.target).join(" ")}`)).toEqual([]);
}

/** Both themes, wide and narrow: pictures for people, and what axe finds in each. */
export async function pictures(page: Page, name: string): Promise<void> {
  if (process.env.QUICK) return;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true });
      await accessible(page);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect.soft(wider, `${name} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize({ width: 1280, height: 900 });
}
