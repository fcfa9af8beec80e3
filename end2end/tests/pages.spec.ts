// Every page as it looks with something to show, also with hostile names; and forms that work without scripts.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "./console.ts";
import { sqlite } from "./servers.ts";
import { expect, farHour, goto, pictures, setUp, signIn, test, when } from "./story.ts";

test.use({ story: "pages" });
test.describe.configure({ mode: "serial" });

const hostile = `<img src=x onerror=alert(1)> "quoted" & 'so' ‮.db`;
let server = "";
let destination = "";

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("a server, a destination and a task are made by plain forms, and a round begins", async ({ page, rookery }) => {
    const folder = join(rookery.folder, "apps");
    sqlite(folder, "shop.db", "create table product(id integer primary key, name text); insert into product(name) values ('rook'), ('raven');");
    sqlite(folder, hostile, `create table "<b>bold</b>"(a); insert into "<b>bold</b>" values (1);`);
    await setUp(page, rookery);
    await page.goto("/destinations/new");
    await page.getByLabel("Name", { exact: true }).fill("disk");
    await page.getByLabel("Root folder").fill(rookery.backups);
    await page.getByRole("button", { name: "Add destination" }).click();
    await expect(page).toHaveURL(/\/destinations\/[0-9a-f-]+$/);
    destination = new URL(page.url()).pathname;
    await page.goto("/servers/new");
    await page.getByLabel("Name", { exact: true }).fill("apps");
    await page.getByLabel("SQLite").check();
    await page.getByLabel("Folder", { exact: true }).fill(folder);
    await page.getByRole("button", { name: "Add server" }).click();
    await expect(page).toHaveURL(/\/servers\/[0-9a-f-]+$/);
    server = new URL(page.url()).pathname;
    await page.goto(`${server}/tasks/new`);
    await page.getByLabel("Name", { exact: true }).fill("Plain");
    for (const step of ["type", "schedule", "retention", "encryption", "destination"]) {
      if (step === "retention") {
        for (const kind of ["full", "incremental"] as const) await when(page, kind).getByLabel("Time", { exact: true }).fill(farHour().clock);
      }
      if (step === "destination") await page.getByLabel("Not encrypted").check();
      await page.getByRole("button", { name: `Continue to ${step}` }).click();
    }
    await page.getByLabel("disk").check();
    await page.getByRole("button", { name: "Continue to review" }).click();
    await page.getByRole("button", { name: "Create task" }).click();
    await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
    await page.getByRole("button", { name: "Back up now" }).first().click();
    await expect(page).toHaveURL(/\/rounds\//);
    await expect(async () => {
      await page.reload();
      await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 1000 });
    }).toPass();
  });

  test("a key from elsewhere is given by a plain form, and a private half is written into no address", async ({ page, rookery }) => {
    const file = join(rookery.folder, "elsewhere.key");
    const made = JSON.parse(execFileSync(binary(), ["key", "generate", "--out", file, "--json"], { encoding: "utf8" }));
    const secret = readFileSync(file, "utf8").split("\n").find((text) => text.startsWith("rookery-key1-"))!;
    await signIn(page);
    await page.goto("/keys/new?way=elsewhere");
    await page.getByLabel("Name", { exact: true }).fill("Elsewhere");
    await page.getByLabel("Public half").fill(secret);
    await page.getByLabel("Fingerprint").fill(made.fingerprint);
    await page.getByLabel(/I know that a lost key/).check();
    await page.getByRole("button", { name: "Add the key" }).click();
    await expect(page.getByText(/This is a private key/).first()).toBeVisible();
    expect(page.url()).not.toContain("rookery-key1");
    expect(await page.content()).not.toContain(secret);
    await page.getByLabel("Public half").fill(made.public_key);
    await page.getByRole("button", { name: "Add the key" }).click();
    await expect(page).toHaveURL(/\/keys\/[0-9a-f-]+$/);
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Elsewhere was not proven yet");
  });

  test("a form that is wrong says so at its field, and keeps what was typed", async ({ page }) => {
    await signIn(page);
    await page.goto("/destinations/new");
    await page.getByLabel("Name", { exact: true }).fill("disk");
    await page.getByLabel("Root folder").fill("backups");
    await page.getByRole("button", { name: "Add destination" }).click();
    await expect(page.getByText("Give the whole path of the folder, from / on.").first()).toBeVisible();
  });
});

test("every page stands in both themes, wide and narrow", async ({ page }) => {
  test.setTimeout(400_000);
  let asked = false;
  page.on("dialog", (dialog) => {
    asked = true;
    void dialog.dismiss();
  });
  await signIn(page);
  await goto(page, server);
  const task = await page.getByRole("link", { name: "Plain", exact: true }).first().getAttribute("href");
  const pages: [string, string][] = [
    ["servers", "/servers"],
    ["server", server],
    ["server-databases", `${server}/databases`],
    ["server-rounds", `${server}/rounds`],
    ["server-settings", `${server}/settings`],
    ["server-new", "/servers/new"],
    ["task", task!],
    ["task-edit", `${task}/edit`],
    ["runs", "/runs"],
    ["runs-restores", "/runs?show=runs"],
    ["backups-folder-hostile", `/backups/${destination.split("/")[2]}/${encodeURIComponent(hostile)}`],
    ["destinations", "/destinations"],
    ["destination", destination],
    ["destination-new", "/destinations/new"],
    ["users", "/users"],
    ["account", "/account"],
    ["audit", "/audit"],
    ["settings", "/settings"],
  ];
  for (const [name, path] of pages) {
    await goto(page, path);
    await expect(page.locator("h1").first()).toBeVisible();
    await pictures(page, name);
  }
  await goto(page, `${server}/databases`);
  await expect(page.getByText("<img src=x", { exact: false }).first()).toBeVisible();
  expect(asked, "a name was taken for markup").toBe(false);
});

test("what cannot be is said at its field", async ({ page, faults }) => {
  faults.expect(/^4\d\d \/api\//);
  await signIn(page);
  await goto(page, "/servers/new");
  await page.getByLabel("Name", { exact: true }).fill("apps");
  await page.getByLabel("PostgreSQL").check();
  await page.getByLabel("Host").fill("127.0.0.1");
  await page.getByLabel("Port").fill("1");
  await page.getByRole("button", { name: "Test connection" }).click();
  await expect(page.getByText(/127\.0\.0\.1/).filter({ visible: true }).first()).toBeVisible();
  await page.getByRole("button", { name: "Add server" }).click();
  await expect(page.getByText(/already/).first()).toBeVisible();
  await goto(page, `${server}/tasks/new?name=Plain&full=61+2+*+*+*&full_every=cron&time_zone=Mars%2FOlympus&step=review`);
  await expect(page.getByText(/not a cron expression/).first()).toBeVisible();
  await expect(page.getByText(/is not a time zone/).first()).toBeVisible();
});
