// What people get wrong, and what two of them do at once: said in words where it was typed, and nothing typed is lost.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { postgres, psql, sqlite } from "./servers.ts";
import { accessible, addDestination, addFolder, addTask, administrator, expect, goto, hydrated, pictures, setUp, signIn, test, when } from "./story.ts";

test.use({ story: "wrong" });
test.describe.configure({ mode: "serial" });

let server = "";
let task = "";

test.beforeAll(() => psql("postgres", "create role story_secret login password 'the right one'"));
test.afterAll(() => void psql("postgres", "drop role story_secret"));

/** The words at a field, which are also what those hear who do not see it. */
async function told(page: Page, label: string, words: RegExp): Promise<void> {
  const field = page.getByLabel(label, { exact: true });
  await expect(field).toHaveAccessibleDescription(words);
  await expect(field).toHaveAttribute("aria-invalid", "true");
}

async function fillServer(page: Page, more: Record<string, string>): Promise<void> {
  await goto(page, "/servers/new");
  await page.getByLabel("PostgreSQL").check();
  const values = { Name: "orders", Host: postgres.host, Port: postgres.port, User: postgres.user, ...more };
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
}

test("a task is there to be edited", async ({ page, rookery }) => {
  const folder = join(rookery.folder, "apps");
  sqlite(folder, "shop.db", "create table product(id integer primary key, name text);");
  await setUp(page, rookery);
  await addDestination(page, "disk", rookery.backups);
  server = await addFolder(page, "apps", folder);
  task = await addTask(page, server, "Nightly", "disk");
});

test("a server's form tells each mistake at its field", async ({ page, faults }) => {
  faults.expect(/^4\d\d \/api\/(add|probe)_server$/, /^5\d\d \/api\/(add|probe)_server$/);
  await signIn(page);
  const send = page.getByRole("button", { name: "Add server" });
  const probe = page.getByRole("button", { name: "Test connection" });
  await fillServer(page, { Name: "" });
  await send.click();
  await told(page, "Name", /name/i);
  await fillServer(page, { Name: "apps" });
  await send.click();
  await told(page, "Name", /already/);
  await expect(page.getByLabel("Host")).toHaveValue(postgres.host);
  await fillServer(page, { Port: "many" });
  await send.click();
  await told(page, "Port", /1 to 65535|number/);
  await fillServer(page, { Port: "1" });
  await probe.click();
  await told(page, "Host", /127\.0\.0\.1/);
  await fillServer(page, { User: "story_secret", Password: "the wrong one" });
  await probe.click();
  await told(page, "Password", /story_secret|password/i);
  await expect(page.getByText("the wrong one")).toHaveCount(0);
  await fillServer(page, {});
  await page.getByLabel("TLS").selectOption("verify-full");
  await probe.click();
  await told(page, "TLS", /TLS/);
  await pictures(page, "server-new-wrong");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("orders");
});

test("the right password opens what the wrong one did not", async ({ page }) => {
  await signIn(page);
  await fillServer(page, { User: "story_secret", Password: "the right one" });
  await page.getByRole("button", { name: "Test connection" }).click();
  await expect(page.getByText(/PostgreSQL 1\d/).first()).toBeVisible();
});

test("the wizard tells each mistake at its field", async ({ page }) => {
  await signIn(page);
  await goto(page, `${server}/tasks/new`);
  await page.getByLabel("Name", { exact: true }).fill("Nightly");
  await told(page, "Name", /already/);
  await goto(page, `${server}/tasks/new?step=schedule`);
  await page.getByLabel("Time zone").fill("Mars/Olympus");
  await told(page, "Time zone", /"Mars\/Olympus" is not a time zone/);
  const [full, incremental] = [when(page, "full"), when(page, "incremental")];
  await full.getByLabel("Cron", { exact: true }).check();
  await full.getByLabel("Cron expression").fill("61 2 * * *");
  await expect(full.getByLabel("Cron expression")).toHaveAccessibleDescription(/not a cron expression/);
  // Neither kind at any time is no task.
  await full.getByLabel("Never").check();
  await incremental.getByLabel("Never").check();
  await expect(full.getByText(/Choose when full backups are made/)).toBeVisible();
  await page.getByLabel("After days").fill("0");
  await told(page, "After days", /from 1 to 3650/);
  await page.getByRole("button", { name: "Continue to retention" }).click();
  await goto(page, `${server}/tasks/new?name=&step=review`);
  await expect(page.getByRole("button", { name: "Create task" })).toHaveAccessibleDescription(/Correct what is marked/);
});

test("a root outside the allowed one is refused at its field", async ({ page, rookery, faults }) => {
  faults.expect(/^4\d\d \/api\/add_destination$/);
  await signIn(page);
  await goto(page, "/settings");
  await page.getByLabel("Allowed local root").fill(rookery.backups);
  await page.getByRole("button", { name: "Save" }).first().click();
  await expect(page.getByText(/saved/i).first()).toBeVisible();
  const elsewhere = join(rookery.folder, "elsewhere");
  mkdirSync(elsewhere);
  await goto(page, "/destinations/new");
  await page.getByLabel("Name", { exact: true }).fill("other disk");
  await page.getByLabel("Root folder").fill(elsewhere);
  await page.getByRole("button", { name: "Add destination" }).click();
  await told(page, "Root folder", /lies outside/);
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("other disk");
});

test("two people who edit a task see each other's change, and choose", async ({ page, browser, rookery, faults }) => {
  faults.expect(/^4\d\d \/api\/change_task$/);
  await signIn(page);
  await goto(page, `${task}/edit?step=name`);
  await page.getByLabel("Name", { exact: true }).fill("Nightly of ada");
  const other = await browser.newPage({ baseURL: rookery.address });
  await signIn(other);
  await goto(other, `${task}/edit?step=review&name=Nightly+of+ben`);
  await other.getByRole("button", { name: "Save changes" }).click();
  await expect(other).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await other.close();
  for (const step of ["type", "schedule", "retention", "encryption", "destination", "review"]) {
    await page.getByRole("button", { name: `Continue to ${step}` }).click();
  }
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(page.getByText("Somebody else changed this while you did.")).toBeVisible();
  const row = page.getByRole("table", { name: "What differs" }).getByRole("row", { name: /^Name/ });
  await expect(row).toContainText("Nightly of ben");
  await expect(row).toContainText("Nightly of ada");
  await pictures(page, "task-edit-conflict");
  await page.getByRole("button", { name: "Keep mine" }).click();
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Nightly of ada");
});

test("a session that ends in the wizard loses nothing that was typed", async ({ page, rookery, faults }) => {
  faults.expect(/^401 \/api\//);
  await signIn(page);
  await goto(page, `${server}/tasks/new`);
  await page.getByLabel("Name", { exact: true }).fill("Typed before the end");
  await page.getByLabel("Databases to leave out").fill("shop.db\nscratch.db");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Continue to type" }).click();
  await page.getByRole("button", { name: "Continue to schedule" }).or(page.getByRole("button", { name: "Sign in" })).first().click();
  await expect(page).toHaveURL(/\/sign-in/);
  await hydrated(page);
  await page.getByLabel("Name", { exact: true }).fill(administrator.name);
  await page.getByLabel("Password", { exact: true }).fill(administrator.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(new RegExp(`^${rookery.address}${server}/tasks/new`));
  await hydrated(page);
  await page.getByRole("button", { name: /^Name/ }).first().click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Typed before the end");
  await expect(page.getByLabel("Databases to leave out")).toHaveValue(/shop\.db\s+scratch\.db/);
  await accessible(page);
});
