// Any moment: a chain that follows a PostgreSQL server's changes, restored to between two of them.
import { postgres, psql } from "./servers.ts";
import { addDestination, addTask, expect, goto, pictures, setUp, test } from "./story.ts";
import type { Page } from "@playwright/test";

test.use({ story: "moments" });

const database = "story_moments";

test.beforeAll(() => {
  psql("postgres", `create database ${database}`);
  psql(database, "create table item(id int primary key, name text); insert into item values (1, 'first')");
});
test.afterAll(() => {
  // What followed the changes goes before the database that it reads.
  psql(database, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database() and not active");
  for (const name of [database, "story_then", "story_before"]) psql("postgres", `drop database if exists ${name} with (force)`);
});

async function backUp(page: Page, task: string, button = "Back up now"): Promise<void> {
  await goto(page, task);
  await page.getByRole("button", { name: button }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 60_000 });
}

/** The moment by the server's clock, as a link has it. */
function now(): string {
  return psql(database, `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`);
}

/** Chooses a moment of the database, by the restore point before the newest. */
async function chooseMoment(page: Page, moment: string): Promise<void> {
  await goto(page, "/restore");
  const table = page.locator("main table");
  await table.getByText("disk").click();
  await table.getByText(database, { exact: true }).click();
  await table.locator("tbody tr").nth(1).getByRole("link").first().click();
  await expect(table.locator("tbody tr").nth(1)).toHaveAttribute("aria-current", "true");
  await expect(page.getByRole("slider")).toBeVisible();
  await page.getByLabel("Moment", { exact: true }).fill("soon");
  await page.getByRole("button", { name: "Use this moment" }).click();
  await page.getByLabel("Moment", { exact: true }).fill(moment);
  await page.getByRole("button", { name: "Use this moment" }).click();
  await expect(page).toHaveURL(/at=2/);
}

/** Restores what was chosen under a new name, and waits until it is proven. */
async function restore(page: Page, name: string): Promise<void> {
  const on = page.getByRole("link", { name: "Continue", exact: true }).or(page.getByRole("button", { name: "Continue", exact: true }));
  await on.click();
  await page.getByLabel("Name of the new database").fill(name);
  await on.click();
  await expect(page.getByText("out of the backup of")).toBeVisible();
  await page.getByRole("button", { name: /^Restore/ }).click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText("Proven", { exact: false }).first()).toBeVisible({ timeout: 60_000 });
}

test("a moment between two changes is restored through the time line", async ({ page, rookery }) => {
  await setUp(page, rookery);
  await addDestination(page, "disk", rookery.backups);
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill("orders");
  await page.getByLabel("PostgreSQL").check();
  for (const [label, value] of Object.entries({ Host: postgres.host, Port: postgres.port, User: postgres.user })) {
    await page.getByLabel(label, { exact: true }).fill(value);
  }
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
  const task = await addTask(page, new URL(page.url()).pathname, "moments", "disk", `only=${database}`);

  await backUp(page, task);
  psql(database, "insert into item values (2, 'second')");
  const moment = now();
  psql(database, "delete from item where id = 1; insert into item values (3, 'third')");
  await backUp(page, task);
  psql(database, "update item set name = 'changed'");
  await backUp(page, task);

  // The backup in the middle: what was done before it and after the first one.
  await chooseMoment(page, moment);
  await pictures(page, "restore-moment");
  await restore(page, "story_then");
  expect(psql("story_then", "select string_agg(name, ' ' order by id) from item")).toBe("first second");

  // A full backup does not make the moments before it those that nobody kept.
  psql(database, "insert into item values (4, 'fourth')");
  const before = now();
  psql(database, "delete from item");
  await backUp(page, task, "Full now");
  await page.getByRole("link", { name: database }).first().click();
  await expect(page.getByText("was made first: moments up to")).toBeVisible();
  await pictures(page, "run-full-after-chain");
  await chooseMoment(page, before);
  await restore(page, "story_before");
  expect(psql("story_before", "select string_agg(name, ' ' order by id) from item")).toBe("changed changed fourth");
});
