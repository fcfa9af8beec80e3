// What a PostgreSQL server keeps for incrementals: seen, limited, dropped.
import { join } from "node:path";
import { postgres, psql } from "./servers.ts";
import { addDestination, addTask, expect, goto, hydrated, pictures, setUp, signIn, test } from "./story.ts";

test.use({ story: "slots" });
test.describe.configure({ mode: "serial" });

let server = "";
let task = "";

test("a task with incrementals makes a slot", async ({ page, rookery }) => {
  psql("postgres", "create database slots_shop");
  psql("slots_shop", "create table t (id int primary key); insert into t values (1);");
  await setUp(page, rookery);
  await addDestination(page, "disk", join(rookery.backups, "pg"));
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill("db");
  await page.getByLabel("Host").fill(postgres.host);
  await page.getByLabel("Port").fill(postgres.port);
  await page.getByLabel("User").fill(postgres.user);
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
  server = new URL(page.url()).pathname;
  task = await addTask(page, server, "Nightly", "disk", "only=slots_shop");
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.locator("main").getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
});

test("the slot is shown, near a limit that was lowered, and dropped", async ({ page }) => {
  await signIn(page);
  await goto(page, `${server}/settings`);
  await page.getByText("More settings").click();
  await page.getByLabel("Log kept for each database").fill("100 MiB");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page).toHaveURL(new RegExp(`${server}$`));
  for (let i = 0; i < 6; i++) psql("slots_shop", `insert into t values (${i + 2}); select pg_switch_wal();`);
  await page.getByRole("link", { name: "Slots" }).click();
  const line = page.getByRole("row").filter({ hasText: "slots_shop" });
  await expect(line.getByText("Near the limit")).toBeVisible();
  await expect(line.getByRole("link", { name: "Nightly" })).toBeVisible();
  await hydrated(page);
  await pictures(page, "slots");
  await line.getByRole("link", { name: /^Drop/ }).click();
  await expect(page.getByRole("heading", { name: "Drop the slot of slots_shop" })).toBeVisible();
  await hydrated(page);
  await pictures(page, "slot-drop");
  await page.getByLabel("Type the database's name to confirm").fill("slots_shop");
  await page.getByRole("button", { name: "Drop it" }).click();
  await expect(page).toHaveURL(/\/slots$/);
  // Other stories may have left some of theirs on the same server.
  await expect(line).toHaveCount(0);
});

test("the next incremental is a full backup that says why", async ({ page }) => {
  await signIn(page);
  await goto(page, task);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.locator("main").getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
  await page.getByRole("link", { name: "slots_shop" }).click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText("Its replication slot was dropped by ada.").first()).toBeVisible();
  psql("postgres", "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = 'slots_shop'");
});
