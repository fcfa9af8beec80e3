// A backup leaves the console through the browser, and becomes an equal database elsewhere.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { binary } from "./console.ts";
import { sqlite } from "./servers.ts";
import { addDestination, addFolder, addTask, administrator, expect, goto, hydrated, pictures, setUp, signIn, test } from "./story.ts";

test.use({ story: "export" });
test.describe.configure({ mode: "serial" });

let backups = "";

test("a chain of two backups is made", async ({ page, rookery }) => {
  const folder = join(rookery.folder, "apps");
  sqlite(folder, "shop.db", "create table product(id integer primary key, name text); insert into product(name) values ('rook'), ('raven');");
  await setUp(page, rookery);
  const destination = await addDestination(page, "disk", rookery.backups);
  backups = `/backups/${destination.split("/").pop()}/shop.db`;
  const server = await addFolder(page, "apps", folder);
  const task = await addTask(page, server, "Nightly", "disk");
  for (let i = 0; i < 2; i++) {
    await goto(page, task);
    await page.getByRole("button", { name: "Back up now" }).first().click();
    await expect(page).toHaveURL(/\/rounds\//);
    await expect(page.locator("main").getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
    sqlite(folder, "shop.db", "insert into product(name) values ('jackdaw');");
  }
});

test("the incremental is downloaded with all that it needs, and restored by the command line", async ({ page, rookery }) => {
  await signIn(page);
  await goto(page, backups);
  await page.getByRole("link", { name: /^Download the backup/ }).first().click();
  await expect(page.getByRole("heading", { name: "Download a backup of shop.db" })).toBeVisible();
  await hydrated(page);
  await expect(page.getByText("it needs the 2 backups below")).toBeVisible();
  await pictures(page, "download");
  const command = await page.locator("pre.command").innerText();
  const started = page.waitForEvent("download");
  await page.getByRole("link", { name: /^Download \d/ }).click();
  const download = await started;
  expect(download.suggestedFilename()).toMatch(/^shop\.db-\d{4}-.*Z\.tar$/);
  const taken = join(rookery.folder, "taken");
  mkdirSync(taken);
  const file = join(taken, download.suggestedFilename());
  await download.saveAs(file);
  execFileSync("tar", ["-xf", file], { cwd: taken });
  // The command that the page shows, with what nobody there could know.
  const words = command.replace("sqlite:FOLDER", `sqlite:${taken}`).replace("NEW_NAME", "back.db").split(" ").slice(1);
  const said = execFileSync(binary(), words, { cwd: taken, encoding: "utf8", env: { ...process.env, ROOKERY_DATA_DIR: join(taken, "data") } });
  expect(said).toContain("proven");
  expect(sqlite(taken, "back.db", "select group_concat(name) from product;")).toBe("rook,raven,jackdaw");
  // The files one by one are there as well.
  const manifest = page.waitForEvent("download");
  await page.getByRole("link", { name: /^Manifest/ }).first().click();
  expect((await manifest).suggestedFilename()).toMatch(/^shop\.db-.*full-backup\.json$/);
});

test("after a restart the password is asked for first", async ({ page, rookery }) => {
  await signIn(page);
  await rookery.kill("SIGTERM");
  await rookery.start();
  await goto(page, backups);
  await page.getByRole("link", { name: /^Download the backup/ }).first().click();
  await hydrated(page);
  await expect(page.getByRole("button", { name: "Continue" })).toBeVisible();
  await pictures(page, "download-password");
  await page.getByLabel("Your own password").fill(administrator.password);
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByRole("link", { name: /^Download \d/ })).toBeVisible();
});
