// How long backups are kept: previewed in the wizard, held by hand, and applied from the task's page.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { sqlite } from "./servers.ts";
import { addDestination, addFolder, addTask, expect, goto, hydrated, pictures, setUp, signIn, test } from "./story.ts";

test.use({ story: "retention" });
test.describe.configure({ mode: "serial" });

let task = "";
let destination = "";

async function round(page: Page): Promise<void> {
  await goto(page, task);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.locator("main").getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
}

test("a task makes four chains, and keeps all of them", async ({ page, rookery }) => {
  const folder = join(rookery.folder, "apps");
  sqlite(folder, "shop.db", "create table product(id integer primary key, name text); insert into product(name) values ('rook'), ('raven');");
  await setUp(page, rookery);
  destination = await addDestination(page, "disk", rookery.backups);
  const server = await addFolder(page, "apps", folder);
  task = await addTask(page, server, "Nightly", "disk", "incremental_every=never");
  for (let i = 0; i < 4; i++) await round(page);
  await goto(page, task);
  await expect(page.getByText("Every backup", { exact: true })).toBeVisible();
  expect(readdirSync(join(rookery.backups, "shop.db")).length).toBe(4);
});

test("one chain is held, with a note", async ({ page }) => {
  await signIn(page);
  await goto(page, `/backups/${destination.split("/").pop()}/shop.db`);
  await page.getByRole("link", { name: /^Hold the chain/ }).last().click();
  await hydrated(page);
  await page.getByLabel("What for").fill("Until the audit is over");
  await pictures(page, "hold");
  await page.getByRole("button", { name: "Hold it" }).click();
  await expect(page).toHaveURL(/shop\.db$/);
  await expect(page.getByText("by ada: Until the audit is over")).toBeVisible();
});

test("the wizard shows what a rule would delete while it is typed", async ({ page }) => {
  await signIn(page);
  await goto(page, `${task}/edit?step=retention`);
  await page.getByLabel("By numbers of my own").check();
  await page.getByLabel("Newest chains", { exact: true }).fill("2");
  await expect(page.getByText(/1 of 4 chains at disk would go/)).toBeVisible();
  await page.getByText("shop.db", { exact: true }).first().waitFor();
  await expect(page.getByText("ada holds it: Until the audit is over")).toBeVisible();
  await pictures(page, "wizard-retention");
  // Whoever reloads loses nothing, and sees the same.
  await page.reload();
  await hydrated(page);
  await expect(page.getByLabel("Newest chains", { exact: true })).toHaveValue("2");
  await expect(page.getByText(/1 of 4 chains at disk would go/)).toBeVisible();
  await page.locator('button.step[value="review"]').click();
  await expect(page.getByText(/1 of 4 chains at disk would go/)).toBeVisible();
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(page).toHaveURL(new RegExp(`${task}$`));
  await expect(page.getByText(/The 2 newest chains/i).first()).toBeVisible();
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("the rule is applied after a look at what goes", async ({ page, rookery }) => {
    await signIn(page);
    await page.goto(task);
    await page.getByRole("link", { name: "See what goes, and apply now" }).click();
    await expect(page.getByText(/1 of 4 chains at disk would go/)).toBeVisible();
    await page.getByRole("button", { name: "Delete 1 chain now" }).click();
    await expect(page.getByText("Deleted lately")).toBeVisible();
    expect(readdirSync(join(rookery.backups, "shop.db")).length).toBe(3);
  });
});

test("the task tells of it, and what was released goes", async ({ page, rookery }) => {
  await signIn(page);
  await goto(page, task);
  await expect(page.getByText("Deleted lately")).toBeVisible();
  await expect(page.getByText("Asked for by ada.")).toBeVisible();
  await pictures(page, "task-retention");
  await goto(page, `/backups/${destination.split("/").pop()}/shop.db`);
  await page.getByRole("link", { name: /^Release the chain/ }).click();
  await hydrated(page);
  await page.getByRole("button", { name: "Release it" }).click();
  await expect(page).toHaveURL(/shop\.db$/);
  await goto(page, `${task}/retention`);
  await page.getByRole("button", { name: "Delete 1 chain now" }).click();
  await expect(page.getByText(/One chain was deleted/)).toBeVisible();
  await pictures(page, "retention");
  expect(readdirSync(join(rookery.backups, "shop.db")).length).toBe(2);
});
