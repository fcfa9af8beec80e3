// What a task can be told: both schedules, what it leaves out, another one like it, later, and not at all.
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { sqlite } from "./servers.ts";
import { addDestination, addFolder, expect, farHour, goto, pictures, seldom, setUp, signIn, test, when } from "./story.ts";

test.use({ story: "tasks" });
test.describe.configure({ mode: "serial" });

let server = "";
let task = "";
let folder = "";

/** Keeps everybody else from a database until the process ends, so that a backup of it is at work as long as a test likes. */
function hold(file: string): ChildProcess {
  const holder = spawn("sqlite3", [file], { stdio: ["pipe", "ignore", "inherit"] });
  holder.stdin!.write("BEGIN EXCLUSIVE;\n");
  return holder;
}

/** A moment and the same one of the days after it. */
function days(first: Date, count: number): Date[] {
  return Array.from({ length: count }, (_, after) => new Date(first.getTime() + after * 24 * 3_600_000));
}

/** A day as it is shown, such as `Sun 6 Dec 2026`. */
function shown(day: Date): string {
  const [weekday, date, month, year] = day.toUTCString().split(/,? /);
  return `${weekday} ${Number(date)} ${month} ${year}`;
}

test("a task with both schedules leaves out what a pattern fits", async ({ page, rookery }) => {
  folder = join(rookery.folder, "apps");
  for (const name of ["shop.db", "blog.db", "tenant_1.db", "tenant_2.db"]) sqlite(folder, name, "create table t(a); insert into t values (1);");
  await setUp(page, rookery);
  await addDestination(page, "disk", rookery.backups);
  server = await addFolder(page, "apps", folder);
  await goto(page, `${server}/tasks/new`);
  await page.getByLabel("Name", { exact: true }).fill("Nightly");
  await page.getByLabel("Databases to leave out").fill("tenant_*\nlater_?.db");
  await expect(page.locator(".matches")).toContainText("Leaves 2 of 4 databases out: tenant_1.db and tenant_2.db");
  await expect(page.locator(".matches")).toContainText("tenant_* fits 2 databases");
  await expect(page.locator(".matches")).toContainText("later_?.db fits no database today");
  await page.getByRole("button", { name: "Continue to type" }).click();
  await page.getByRole("button", { name: "Continue to schedule" }).click();
  const [full, incremental] = [when(page, "full"), when(page, "incremental")];
  await incremental.getByLabel("Cron", { exact: true }).check();
  await incremental.getByLabel("Cron expression").fill("0 */6 * * *");
  await expect(incremental.getByText("Every 6 hours")).toBeVisible();
  const next = page.locator(".next-runs li");
  await expect(next).toHaveCount(5);
  await expect(next.filter({ hasText: "incremental" }).first()).toBeVisible();
  // What the task is given is due at no time at which this story may be played.
  const { at, clock, hour } = farHour();
  await incremental.getByLabel("Cron expression").fill(`0 ${hour} * * *`);
  await expect(incremental.getByText(`Every day at ${clock}`)).toBeVisible();
  await full.getByLabel("Time", { exact: true }).fill(clock);
  await expect(full.getByText(`Every Sunday at ${clock}`)).toBeVisible();
  await expect(next).toHaveText(days(at, 5).map((day) => `${shown(day)}, ${clock} UTC ${day.getUTCDay() === 0 ? "full" : "incremental"}`));
  await page.getByLabel("After incrementals").fill("50");
  await pictures(page, "tasks-schedule");
  await page.getByRole("button", { name: "Continue to retention" }).click();
  await page.getByRole("button", { name: "Continue to encryption" }).click();
  await page.getByLabel("Not encrypted").check();
  await page.getByRole("button", { name: "Continue to destination" }).click();
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await expect(page.getByText(`Full every Sunday at ${clock}, incremental every day at ${clock}`).first()).toBeVisible();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  task = new URL(page.url()).pathname;
  await expect(page.getByText("after 50 incrementals or 35 days")).toBeVisible();
});

test("its next time is put off, and put back", async ({ page }) => {
  await signIn(page);
  await goto(page, task);
  await page.getByText("Put off", { exact: true }).click();
  await page.getByLabel("For how long").selectOption("180");
  await page.getByRole("button", { name: "Put it off" }).click();
  await expect(page.getByText(/put off from/)).toBeVisible();
  await pictures(page, "tasks-put-off");
  await page.getByRole("button", { name: "Put back" }).click();
  await expect(page.getByText(/put off from/)).toHaveCount(0);
});

test("a task like it is made by another name", async ({ page }) => {
  await signIn(page);
  await goto(page, task);
  await page.getByRole("link", { name: "Duplicate" }).click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Copy of Nightly");
  await expect(page.getByLabel("Databases to leave out")).toHaveValue(/tenant_\*/);
  await page.getByRole("button", { name: /Review/ }).click();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Copy of Nightly");
  expect(new URL(page.url()).pathname).not.toBe(task);
});

test("one database has a task of its own, and one backup needs none", async ({ page }) => {
  await signIn(page);
  await goto(page, `${server}/tasks/new?only=tenant_1.db&name=Tenant+1&encryption=none&step=name&${seldom()}`);
  await expect(page.getByLabel("Databases to leave out")).toBeHidden();
  await page.getByRole("button", { name: /Destination/ }).click();
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page.getByText("tenant_1.db alone")).toBeVisible();
  await goto(page, server);
  await page.getByRole("link", { name: "One-time backup" }).click();
  await page.getByLabel("Databases", { exact: true }).selectOption("tenant_2.db");
  await page.getByRole("button", { name: "Continue to type" }).click();
  await page.getByRole("button", { name: "Continue to encryption" }).click();
  await page.getByLabel("Not encrypted").check();
  await page.getByRole("button", { name: "Continue to destination" }).click();
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await pictures(page, "once-review");
  await page.getByRole("button", { name: "Back up now" }).click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByText("tenant_2.db is backed up")).toBeVisible({ timeout: 60_000 });
  await goto(page, "/runs");
  await expect(page.getByText("One-time backup").first()).toBeVisible();
});

test("a round at work is put off, and aborted, and tried again", async ({ page }) => {
  await signIn(page);
  const holder = hold(join(folder, "shop.db"));
  await goto(page, task);
  await page.getByRole("button", { name: "Full now" }).click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByRole("row", { name: /shop\.db/ })).toContainText(/Preparing|Starting|Reading/, { timeout: 30_000 });
  await page.locator("summary", { hasText: "Put off" }).click();
  await page.getByRole("button", { name: "Put it off" }).click();
  await expect(page.getByRole("row", { name: /shop\.db/ })).toContainText("Put off", { timeout: 30_000 });
  await pictures(page, "round-put-off");
  await page.locator("summary", { hasText: "Abort round" }).click();
  await page.getByRole("button", { name: "Abort it" }).click();
  await expect(page.getByRole("row", { name: /shop\.db/ })).toContainText("Aborted", { timeout: 30_000 });
  holder.kill();
  await page.getByRole("button", { name: "Retry what went wrong" }).click();
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 60_000 });
});

test("one run at work is put off, then aborted, and the others of its round go on", async ({ page }) => {
  await signIn(page);
  const holder = hold(join(folder, "shop.db"));
  await goto(page, task);
  // A task that is paused is due at no time that the run could stand in the way of.
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByRole("button", { name: "Resume" })).toBeVisible();
  await page.getByRole("button", { name: "Full now" }).click();
  await expect(page).toHaveURL(/\/rounds\//);
  const round = new URL(page.url()).pathname;
  await expect(page.getByRole("row", { name: /shop\.db/ })).toContainText(/Preparing|Starting|Reading/, { timeout: 30_000 });
  await page.getByRole("link", { name: "shop.db", exact: true }).click();
  const heading = page.getByRole("heading", { level: 1 });
  await expect(heading).toContainText("Backing up shop.db");
  await page.locator("summary", { hasText: "Put off" }).click();
  await page.getByLabel("For how long").selectOption("15");
  await page.getByRole("button", { name: "Put it off" }).click();
  await expect(heading).toContainText("Waiting to back up shop.db", { timeout: 30_000 });
  await pictures(page, "run-put-off");
  await page.locator("summary", { hasText: "Abort" }).click();
  await page.getByRole("button", { name: "Abort it" }).click();
  await expect(heading).toContainText("shop.db was not backed up", { timeout: 30_000 });
  holder.kill();
  await goto(page, round);
  await expect(page.getByRole("row", { name: /blog\.db/ })).toContainText("Backed up", { timeout: 60_000 });
  await goto(page, task);
  await page.getByRole("button", { name: "Resume" }).click();
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
});

test("one task covers two servers, and each database lies in its own folder", async ({ page, rookery }) => {
  await signIn(page);
  const till = join(rookery.folder, "tills");
  for (const name of ["till.db", "shop.db"]) sqlite(till, name, "create table t(a); insert into t values (1);");
  await addFolder(page, "tills", till);
  await goto(page, `${server}/tasks/new?${seldom()}`);
  await expect(page.getByRole("checkbox", { name: /apps/ })).toBeChecked();
  await page.getByLabel("Name", { exact: true }).fill("Everything");
  await page.getByRole("checkbox", { name: /tills/ }).check();
  await page.getByLabel("Databases to leave out").fill("tenant_*");
  await expect(page.locator(".will")).toContainText("2 databases of 4 of apps");
  await expect(page.locator(".will")).toContainText("all 2 databases of tills");
  await pictures(page, "tasks-servers");
  await page.getByRole("button", { name: /Encryption/ }).click();
  await page.getByLabel("Not encrypted").check();
  await page.getByRole("button", { name: "Continue to destination" }).click();
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await page.getByRole("button", { name: "Back up now" }).click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByText("All 4 databases are backed up")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("row", { name: /till\.db.*tills/ })).toBeVisible();
  await expect(page.getByRole("row", { name: /blog\.db.*apps/ })).toBeVisible();
  await expect(page.getByRole("row", { name: /shop\.db/ })).toHaveCount(2);
  await pictures(page, "round-servers");
  const chains = (database: string) => readdirSync(join(rookery.backups, database));
  expect(chains("till.db").filter((name) => name.includes("-tills-"))).toHaveLength(1);
  expect(chains("shop.db").filter((name) => name.includes("-tills-"))).toHaveLength(1);
  expect(chains("blog.db").filter((name) => name.includes("-apps-"))).not.toHaveLength(0);
});
