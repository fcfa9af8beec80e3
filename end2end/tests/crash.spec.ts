// The console's process is killed in the middle of a round, and the round is completed all the same.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { binary } from "./console.ts";
import { sqlite } from "./servers.ts";
import { addDestination, addFolder, addTask, expect, setUp, test } from "./story.ts";

test.use({ story: "crash" });

test("a round that a kill cut off is completed after the restart", async ({ page, rookery, faults }) => {
  // The page loses its stream, and whatever it asks, while nobody listens.
  faults.expect(/./);
  const folder = join(rookery.folder, "apps");
  for (const name of ["one.db", "two.db", "three.db"]) {
    sqlite(folder, name, "create table t(a, b); insert into t select value, hex(randomblob(200)) from generate_series(1, 200000);");
  }
  await setUp(page, rookery);
  await addDestination(page, "disk", rookery.backups);
  await addTask(page, await addFolder(page, "apps", folder), "Nightly", "disk");
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
