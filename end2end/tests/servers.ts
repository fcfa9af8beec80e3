// The servers that a story protects: a private PostgreSQL (started by `cargo xtask e2e`), and folders of SQLite files.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

export const postgres = {
  host: "127.0.0.1",
  port: required("ROOKERY_E2E_PG_PORT"),
  user: required("ROOKERY_E2E_PG_USER"),
};

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask e2e\``);
  return value;
}

/** Runs SQL in a database, as the cluster's superuser. */
export function psql(database: string, sql: string): string {
  const target = ["-h", postgres.host, "-p", postgres.port, "-U", postgres.user, "-d", database];
  return execFileSync("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", ...target], { input: sql, encoding: "utf8" }).trim();
}

/** A SQLite database below a folder. */
export function sqlite(folder: string, name: string, sql: string): string {
  mkdirSync(folder, { recursive: true });
  return execFileSync("sqlite3", ["-bail", join(folder, name)], { input: sql, encoding: "utf8" }).trim();
}
