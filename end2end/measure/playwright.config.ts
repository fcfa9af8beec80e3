// What is measured rather than tested: `cargo xtask bench --only console` starts it, on an otherwise idle machine.
import base from "../playwright.config.ts";

export default { ...base, testDir: ".", outputDir: "../results", timeout: 60 * 60_000 };
