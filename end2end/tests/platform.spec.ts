// What holds for every page, whatever it shows.
import { accessible, administrator, expect, goto, hydrated, setUp, signIn, test } from "./story.ts";

test.use({ story: "platform" });
test.describe.configure({ mode: "serial" });

test("the first start leads to the administrator, and every page runs under a policy of its own", async ({ page, rookery }) => {
  await setUp(page, rookery);
  const first = await page.goto("/");
  await hydrated(page);
  const policy = first!.headers()["content-security-policy"];
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe-inline");
  const second = await page.reload();
  await hydrated(page);
  expect(second!.headers()["content-security-policy"]).not.toEqual(policy);
});

test("an unknown address is a page that says so", async ({ page, faults }) => {
  faults.expect(/^404 \/nowhere$/);
  expect((await page.goto("/nowhere"))!.status()).toBe(404);
  await hydrated(page);
  await expect(page.locator("h1")).toHaveText("There is nothing at this address");
  await accessible(page);
});

test("signing in leads to where one was on the way to", async ({ page }) => {
  await page.goto("/runs?only=failed");
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await page.getByLabel("Name").fill(administrator.name);
  await page.getByLabel("Password").fill(administrator.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL(/\/runs\?only=failed$/);
});

test("a session that ended shows when the next page is asked for, and that page comes after signing in", async ({ page, faults }) => {
  faults.expect(/^401 \/api\//);
  await signIn(page);
  await goto(page, "/");
  await page.context().clearCookies();
  await page.getByRole("link", { name: "Runs" }).first().click();
  await expect(page).toHaveURL(/\/sign-in\?next=%2Fruns$/);
});

test("a theme that was chosen stays, without a flash of the other", async ({ page }) => {
  await signIn(page);
  await goto(page, "/");
  await page.getByRole("button", { name: "Dark" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  const answer = await page.goto("/servers");
  expect(await answer!.text()).toContain('data-theme="dark"');
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });

  test("a wrong password is told, the name stays, and the password is in no address", async ({ page }) => {
    await page.goto("/sign-in");
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password").fill("not this one");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel("Name")).toHaveValue("ada");
    expect(page.url()).not.toContain("this");
  });

  test("what was typed into a form that is refused comes back", async ({ page }) => {
    await signIn(page);
    await page.goto("/destinations/new");
    await page.getByLabel("Name", { exact: true }).fill("50 % of <b>it</b> & more");
    await page.getByRole("button", { name: /add/i }).click();
    await expect(page).toHaveURL(/__err=/);
    await expect(page.getByLabel("Name", { exact: true })).toHaveValue("50 % of <b>it</b> & more");
  });
});
