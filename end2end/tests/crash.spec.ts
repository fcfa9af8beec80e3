// The console's process is killed in the middle of a round, and the round is completed all the same.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { binary } from "./console.ts";
import { sqlite } from "./servers.ts";
import { expect, goto, setUp, test } from "./story.ts";

test.use({ story: "crash" });

test("a round that a kill cut off is completed after the restart", async ({ page, rookery, faults }) => {
  // The page loses its stream, and whatever it asks, while nobody listens.
  faults.expect(/./);
  const folder = join(rookery.folder, "apps");
  for (const name of ["one.db", "two.db", "three.db"]) {
    sqlite(folder, name, "create table t(a, b); insert into t select value, hex(randomblob(200)) from generate_series(1, 200000);");
  }
  await setUp(page, rookery);
  await goto(page, "/destinations/new");
  await page.getByLabel("Name", { exact: true }).fill("disk");
  await page.getByLabel("Root folder").fill(rookery.backups);
  await page.getByRole("button", { name: "Add destination" }).click();
  await expect(page).toHaveURL(/\/destinations\/[0-9a-f-]+$/);
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill("apps");
  await page.getByLabel("SQLite").check();
  await page.getByLabel("Folder", { exact: true }).fill(folder);
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
  await goto(page, `${new URL(page.url()).pathname}/tasks/new?name=Nightly&step=destination`);
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByText("Running", { exact: true }).first()).toBeVisible();
  const round = page.url();
  await rookery.kill();
  const listed = execFileSync(binary(), ["list", rookery.backups, "--data-dir", join(rookery.folder, "data"), "--json"], { encoding: "utf8" });
  for (const { restore_points: points } of JSON.parse(listed).databases) for (const point of points) expect(point.verified).toBe("checked");
  await rookery.start();
  await page.goto(round);
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 100_000 });
  const after = JSON.parse(execFileSync(binary(), ["list", rookery.backups, "--data-dir", join(rookery.folder, "data"), "--json"], { encoding: "utf8" }));
  expect(after.databases.map((one: { database: string }) => one.database).sort()).toEqual(["one.db", "three.db", "two.db"]);
});
