// The main job, from a fresh data directory to a proven restore, in a browser.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { postgres, psql } from "./servers.ts";
import { expect, farHour, goto, hydrated, pictures, setUp, signIn, test, when } from "./story.ts";

test.use({ story: "main", samples: process.env.ROOKERY_E2E_SAMPLES ?? "" });
test.describe.configure({ mode: "serial" });

/** Databases of our own among those that the cluster has anyway. */
const databases = ["story_accounts", "story_billing"];

test.beforeAll(() => {
  for (const database of databases) {
    psql("postgres", `create database ${database}`);
    psql(database, "create table invoice(id bigint primary key, customer text, cents bigint)");
    psql(database, "insert into invoice select i, 'customer ' || i % 97, i * 3 from generate_series(1, 20000) i");
  }
  psql("postgres", "create role story_backup login superuser");
});

test.afterAll(() => {
  for (const database of [...databases, "story_later", "story_accounts_monday"]) psql("postgres", `drop database if exists ${database} with (force)`);
  psql("postgres", "drop role story_backup");
});

test("the first administrator is made with the token, once", async ({ page, rookery, faults }) => {
  await page.goto("/");
  await expect(page).toHaveURL(/\/setup$/);
  await hydrated(page);
  await pictures(page, "setup");
  await page.getByLabel("Set-up token").fill("not the token");
  await page.getByLabel("Your name").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByLabel("The same password again").fill("correct horse battery");
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await expect(page.getByText(/token/i).first()).toBeVisible();
  await expect(page).toHaveURL(/setup/);
  await setUp(page, rookery);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await pictures(page, "overview-empty");
  await page.goto("/setup");
  await expect(page).not.toHaveURL(/setup/);
  faults.expect(/^4\d\d \/(api\/set_up|setup)$/);
});

test("the samples are one button away", async ({ page }) => {
  await signIn(page);
  await goto(page, "/");
  await page.getByRole("button", { name: "Start with the sample databases" }).click();
  await expect(page).toHaveURL(/\/servers\//);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Sample databases");
});

test("a PostgreSQL server is tried, and added", async ({ page }) => {
  await signIn(page);
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill("orders");
  await page.getByLabel("PostgreSQL").check();
  await page.getByLabel("Host").fill(postgres.host);
  await page.getByLabel("Port").fill(postgres.port);
  await page.getByLabel("User").fill("story_backup");
  await page.getByRole("button", { name: "Test connection" }).click();
  await expect(page.getByText(/PostgreSQL 1\d/).first()).toBeVisible();
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("orders");
});

async function serverPath(page: Page, name: string): Promise<string> {
  await goto(page, "/servers");
  const path = await page.getByRole("link", { name, exact: true }).first().getAttribute("href");
  return path!;
}

test("the wizard makes a server-wide task", async ({ page, rookery }) => {
  await signIn(page);
  await goto(page, `${await serverPath(page, "orders")}/tasks/new`);
  await page.getByLabel("Name", { exact: true }).fill("Nightly");
  await pictures(page, "wizard-name");
  const on = (step: string) => page.getByRole("button", { name: `Continue to ${step}` });
  await on("type").click();
  await on("schedule").click();
  const [full, incremental] = [when(page, "full"), when(page, "incremental")];
  await full.getByLabel("Monthly").check();
  await expect(page.getByText("On day 1 of every month at").first()).toBeVisible();
  await full.getByLabel("Weekly").check();
  await expect(page.getByText(/Every \w+day at/).first()).toBeVisible();
  const { clock } = farHour();
  await full.getByLabel("Time", { exact: true }).fill(clock);
  await incremental.getByLabel("Time", { exact: true }).fill(clock);
  await expect(full.getByText(`Every Sunday at ${clock}`)).toBeVisible();
  await expect(incremental.getByText(`Every day at ${clock}`)).toBeVisible();
  await pictures(page, "wizard-schedule");
  // Whoever reloads, or goes back and on again, loses nothing.
  await page.reload();
  await hydrated(page);
  await expect(full.getByLabel("Weekly")).toBeChecked();
  await expect(full.getByLabel("Time", { exact: true })).toHaveValue(clock);
  await on("retention").click();
  await on("encryption").click();
  await page.getByLabel("Not encrypted").check();
  await pictures(page, "wizard-encryption");
  await on("destination").click();
  await page.getByLabel("Local backups").check();
  await pictures(page, "wizard-destination");
  await expect(page.getByText("story_accounts/").first()).toBeVisible();
  await on("review").click();
  await pictures(page, "wizard-review");
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Nightly");
  expect(existsSync(join(rookery.backups, "story_accounts"))).toBe(false);
});

async function taskPage(page: Page): Promise<void> {
  await goto(page, await serverPath(page, "orders"));
  await page.getByRole("link", { name: "Nightly", exact: true }).first().click();
  await expect(page).toHaveURL(/\/tasks\//);
}

/** Starts a round from the task's page, and waits on the round's until it has ended as it should. */
async function round(page: Page, state: string): Promise<void> {
  await taskPage(page);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.locator("main h1 + *, main .head").getByText(state, { exact: true }).first()).toBeVisible({ timeout: 100_000 });
}

test("a round is watched live, and survives a reload", async ({ page, rookery }) => {
  await signIn(page);
  await taskPage(page);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await page.reload();
  await hydrated(page);
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
  await expect(page.getByRole("cell", { name: "story_accounts" }).or(page.getByRole("rowheader", { name: "story_accounts" })).first()).toBeVisible();
  await pictures(page, "round");
  for (const database of databases) expect(existsSync(join(rookery.backups, database))).toBe(true);
  await goto(page, "/");
  await pictures(page, "overview");
});

test("child folders and restore points are there", async ({ page }) => {
  await signIn(page);
  await goto(page, "/backups");
  await pictures(page, "backups");
  await page.getByRole("link", { name: "Local backups" }).first().click();
  await expect(page.getByRole("link", { name: "story_accounts" }).first()).toBeVisible();
  await pictures(page, "backups-root");
  await page.getByRole("link", { name: "story_accounts" }).first().click();
  await expect(page.getByText(/full/i).filter({ visible: true }).first()).toBeVisible();
  await pictures(page, "backups-folder");
});

test("a new database is in the next round", async ({ page, rookery }) => {
  psql("postgres", "create database story_later");
  await signIn(page);
  await round(page, "Succeeded");
  await expect(page.getByText("story_later").first()).toBeVisible();
  expect(existsSync(join(rookery.backups, "story_later"))).toBe(true);
});

test("one database without permission makes a partly round with a next step", async ({ page }) => {
  psql("postgres", "alter role story_backup nosuperuser");
  psql("postgres", "grant pg_read_all_data to story_backup");
  psql("story_billing", "alter table invoice enable row level security");
  await signIn(page);
  await round(page, "Partly");
  await expect(page.getByRole("heading", { name: "What went wrong" })).toBeVisible();
  await pictures(page, "round-partly");
  psql("postgres", "alter role story_backup superuser");
});

test("a database is restored under a new name, and proven", async ({ page }) => {
  await signIn(page);
  await goto(page, "/restore");
  await pictures(page, "restore-where");
  const table = page.locator("main table");
  await table.getByText("Local backups").click();
  await pictures(page, "restore-folder");
  await table.getByText("story_accounts", { exact: true }).click();
  await expect(page).toHaveURL(/story_accounts/);
  await pictures(page, "restore-point");
  const on = page.getByRole("link", { name: "Continue", exact: true }).or(page.getByRole("button", { name: "Continue", exact: true }));
  await on.click();
  await page.getByLabel("Name of the new database").fill("story_accounts_monday");
  await pictures(page, "restore-target");
  await on.click();
  await expect(page).toHaveURL(/review/);
  await pictures(page, "restore-review");
  await page.getByRole("button", { name: /^Restore/ }).click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText("Proven", { exact: false }).first()).toBeVisible({ timeout: 100_000 });
  await pictures(page, "run-restore");
  expect(psql("story_accounts_monday", "select count(*), sum(cents) from invoice")).toBe("20000|600030000");
});

test("signing out in the middle loses nothing", async ({ page, faults }) => {
  await signIn(page);
  const path = `${await serverPath(page, "orders")}/tasks/new`;
  await goto(page, path);
  await page.getByLabel("Name", { exact: true }).fill("Half typed");
  await page.getByRole("button", { name: "Continue to type" }).click();
  // The address of the step that was reached, after that of the form that led there.
  await expect(page).toHaveURL(/here=type.*Half/);
  const here = page.url();
  await page.context().clearCookies();
  await page.reload();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.getByLabel("Name", { exact: true }).fill("ada");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(here);
  faults.expect(/^401 /);
});
