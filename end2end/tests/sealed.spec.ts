// A key made in the browser, a task sealed for it, and the way back: the private half is in no request, and in no file of the console.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page, Request } from "@playwright/test";
import { sqlite } from "./servers.ts";
import { addDestination, addFolder, expect, goto, hydrated, pictures, seldom, setUp, signIn, test } from "./story.ts";

test.use({ story: "sealed" });
test.describe.configure({ mode: "serial" });

const passphrase = "rook raven chough jackdaw magpie";

/** What is secret: it must be neither on the wire nor in what the console keeps. */
const secrets: string[] = [passphrase];
let keyFile = "";
let passphraseFile = "";
let task = "";
let key = "";

/** Everything that the pages of this story sent, and what the console answered in words. */
const wire: string[] = [];

test.beforeEach(({ page }) => {
  page.on("request", (request: Request) => wire.push(request.url(), request.postData() ?? "", JSON.stringify(request.headers())));
  page.on("response", async (answer) => wire.push(await answer.text().catch(() => "")));
});

/** Every form in which a key travels. */
function forms(secret: string): string[] {
  const bytes = /^rookery-key1-/.test(secret) ? Buffer.from(secret.slice("rookery-key1-".length), "base64url").subarray(0, 32) : Buffer.from(secret);
  return [secret, bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex"), encodeURIComponent(secret), secret.replaceAll(" ", "+")];
}

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

function line(file: string): string {
  return readFileSync(file, "utf8").split("\n").find((text) => text && !text.startsWith("#"))!;
}

function fingerprint(file: string): string {
  return /^# fingerprint: (\S+)$/m.exec(readFileSync(file, "utf8"))![1]!;
}

/** Saves the key that was just made, types its fingerprint, and adds it. */
async function saveAndAdd(page: Page, name: string, path: string): Promise<void> {
  await expect(page.getByRole("button", { name: "Add the key" })).toHaveCount(0);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the key file" }).click();
  await (await saved).saveAs(path);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Fingerprint").fill("0000-0000-0000-0000-0000-0000-0000-0000");
  await page.getByLabel(/I know that a lost key/).check();
  await page.getByRole("button", { name: "Add the key" }).click();
  await expect(page.getByText(/This is not the fingerprint of the key/).first()).toBeVisible();
  await page.getByLabel("Fingerprint").fill(fingerprint(path));
  await page.getByRole("button", { name: "Add the key" }).click();
}

test("a key is made in the browser, from the wizard and back", async ({ page, rookery, faults }) => {
  faults.expect(/^4\d\d \/api\/add_key$/);
  const folder = join(rookery.folder, "apps");
  sqlite(folder, "shop.db", "create table product(id integer primary key, name text); insert into product(name) values ('rook'), ('raven');");
  await setUp(page, rookery);
  await addDestination(page, "disk", rookery.backups);
  const server = await addFolder(page, "apps", folder);
  await goto(page, `${server}/tasks/new?name=Nightly&step=encryption&${seldom()}`);
  await pictures(page, "wizard-encryption-first");
  await page.getByLabel("Sealed", { exact: false }).first().check();
  await expect(page.getByText("There is no key yet.")).toBeVisible();
  await expect(page).toHaveURL(/encryption=sealed/);
  await page.getByRole("link", { name: "Make one here" }).click();
  await expect(page).toHaveURL(/\/keys\/new/);
  await pictures(page, "key-new");
  await page.getByRole("button", { name: "Make the key" }).click();
  await expect(page.getByText("Save it now")).toBeVisible();
  // On paper there is the sheet, with all that a restore needs.
  await page.emulateMedia({ media: "print" });
  const sheet = page.getByRole("region", { name: "Recovery sheet" });
  await expect(sheet).toBeVisible();
  await expect(sheet).toContainText(/rookery-key1-/);
  await expect(sheet).toContainText(/rookery restore ROOT/);
  await page.screenshot({ path: "screenshots/recovery-sheet.png", fullPage: true });
  await page.emulateMedia({ media: null });
  await expect(sheet).toBeHidden();
  keyFile = join(rookery.folder, "operator.txt");
  await saveAndAdd(page, "Operator", keyFile);
  secrets.push(line(keyFile));
  await expect(page).toHaveURL(/\/tasks\/new/);
  await hydrated(page);
  await expect(page.getByLabel("Name", { exact: true })).toHaveCount(0);
  await expect(page.getByRole("checkbox", { name: /Operator/ })).toBeChecked();
  await pictures(page, "wizard-encryption-sealed");
  await page.getByRole("button", { name: "Continue to destination" }).click();
  await page.getByLabel("disk").check();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await expect(page.getByText("Sealed for Operator").first()).toBeVisible();
  await page.getByRole("button", { name: "Create task" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  task = new URL(page.url()).pathname;
  await expect(page.getByText("Sealed for Operator")).toBeVisible();
});

test("a passphrase becomes a key, and a weak one is refused with the reason", async ({ page, rookery, faults }) => {
  faults.expect(/^4\d\d \/api\/add_key$/);
  await signIn(page);
  await goto(page, "/keys/new?way=passphrase");
  await page.getByLabel("Passphrase", { exact: true }).fill("abcdefghijklmnop");
  await page.getByLabel("The same again").fill("abcdefghijklmnop");
  await page.getByRole("button", { name: "Make the key from it" }).click();
  await expect(page.getByText(/counts up or repeats itself/)).toBeVisible();
  await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
  await page.getByLabel("The same again").fill(passphrase);
  await page.getByRole("button", { name: "Make the key from it" }).click();
  await expect(page.getByText("Save it now")).toBeVisible({ timeout: 90_000 });
  passphraseFile = join(rookery.folder, "escrow.txt");
  await saveAndAdd(page, "Escrow", passphraseFile);
  await expect(page).toHaveURL(/\/keys\/[0-9a-f-]+$/);
  await hydrated(page);
  key = new URL(page.url()).pathname;
  await expect(page.getByText(fingerprint(passphraseFile)).first()).toBeVisible();
  // The drill: the passphrase alone, because the console keeps its salt.
  await page.getByLabel("Passphrase", { exact: true }).fill("rook raven chough jackdaw pie");
  await page.getByRole("button", { name: "Prove it" }).click();
  await expect(page.getByText(/not the one that this key was made from/)).toBeVisible({ timeout: 90_000 });
  await pictures(page, "key");
  await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
  await page.getByRole("button", { name: "Prove it" }).click();
  await expect(page.getByText("The key is at hand.", { exact: false })).toBeVisible({ timeout: 90_000 });
  await goto(page, "/keys");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("2 keys");
  await pictures(page, "keys");
});

test("a second key is added to the task, and its backups are sealed for both", async ({ page, rookery }) => {
  await signIn(page);
  await goto(page, `${task}/edit?step=encryption`);
  await page.getByRole("checkbox", { name: /Escrow/ }).check();
  await page.getByRole("button", { name: "Continue to destination" }).click();
  await page.getByRole("button", { name: "Continue to review" }).click();
  await expect(page.getByLabel("Your own password")).toBeVisible();
  await page.getByRole("button", { name: "Save changes" }).click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]+$/);
  await page.getByRole("button", { name: "Back up now" }).first().click();
  await expect(page).toHaveURL(/\/rounds\//);
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 60_000 });
  const archives = files(rookery.backups).filter((path) => path.includes(".zip"));
  expect(archives.length).toBe(1);
  expect(archives[0]).toMatch(/\.zip\.sealed$/);
  expect(readFileSync(archives[0]!).includes("raven")).toBe(false);
});

async function toKeyStep(page: Page): Promise<void> {
  await goto(page, "/restore");
  await page.getByRole("link", { name: "disk" }).first().click();
  await page.getByRole("link", { name: "shop.db" }).first().click();
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Who opens the backup of shop.db?");
}

test("after a restart a wrong key is refused in one sentence, and the right one restores", async ({ page, rookery }) => {
  await rookery.kill("SIGTERM");
  await rookery.start();
  await signIn(page);
  await toKeyStep(page);
  await expect(page.getByText("Operator")).toBeVisible();
  await pictures(page, "restore-key");
  await page.getByLabel("or the key itself").fill("rookery-key1-BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwfR0Myf");
  await page.getByRole("button", { name: "Open the backup" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "This key does not open the backup: it was sealed for Operator and Escrow." })).toBeVisible();
  await pictures(page, "restore-key-wrong");
  await page.getByLabel("or the key itself").fill("");
  await page.getByLabel("Key file").setInputFiles(keyFile);
  await page.getByRole("button", { name: "Open the backup" }).click();
  await expect(page.getByLabel("Name of the new database")).toBeVisible();
  await page.getByLabel("Name of the new database").fill("back.db");
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByRole("button", { name: "Restore shop.db" })).toBeVisible();
  await pictures(page, "restore-sealed-review");
  await page.getByRole("button", { name: "Restore shop.db" }).click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText("Proven", { exact: false }).first()).toBeVisible({ timeout: 60_000 });
});

test("whoever loads the page anew in the middle is asked for the key again", async ({ page }) => {
  await signIn(page);
  await toKeyStep(page);
  await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
  await page.getByRole("button", { name: "Open the backup" }).click();
  await expect(page.getByLabel("Name of the new database")).toBeVisible({ timeout: 90_000 });
  expect(page.url()).not.toContain("data_key");
  await page.reload();
  await hydrated(page);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Who opens the backup of shop.db?");
});

test("a verification looks into a sealed backup with a key, and says when it could not", async ({ page }) => {
  await signIn(page);
  await goto(page, "/backups");
  await page.getByRole("link", { name: "disk" }).first().click();
  await page.getByRole("link", { name: "shop.db" }).first().click();
  await pictures(page, "folder-sealed");
  const folder = page.url();
  await page.getByRole("button", { name: /^Verify/ }).first().click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText(/not looked at, without a key/).first()).toBeVisible({ timeout: 60_000 });
  await page.goto(folder);
  await hydrated(page);
  await page.getByRole("link", { name: /With a key/ }).first().click();
  await page.getByLabel("Key file").setInputFiles(passphraseFile);
  await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
  await pictures(page, "verify-key");
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  await expect(page).toHaveURL(/\/runs\//, { timeout: 90_000 });
  await expect(page.getByText("Succeeded", { exact: true }).first()).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText(/not looked at, without a key/)).toHaveCount(0);
});

test("a key that a task seals for stays, and one of nobody's is removed with a typed name", async ({ page, faults }) => {
  faults.expect(/^4\d\d \/api\/remove_key$/);
  await signIn(page);
  await goto(page, key);
  await page.getByText("Remove this key").first().click();
  await page.getByLabel("Type its name to confirm").fill("Escrow");
  await page.getByRole("button", { name: "Remove this key" }).click();
  await expect(page.getByText("Tasks still seal their backups for this key.")).toBeVisible();
});

test("no private key, no passphrase went over the wire or into what the console keeps", async ({ rookery }) => {
  expect(wire.length).toBeGreaterThan(100);
  const kept = files(join(rookery.folder, "data")).map((path) => readFileSync(path).toString("latin1"));
  for (const secret of secrets.flatMap(forms)) {
    expect(wire.filter((text) => text.includes(secret)).length, "on the wire").toBe(0);
    expect(kept.filter((text) => text.includes(secret)).length, "in the data directory").toBe(0);
    expect(rookery.log().includes(secret), "in the log").toBe(false);
  }
});
